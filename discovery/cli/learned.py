"""`discovery memory` and `discovery purge`: what a run learned, and how to take a program and its lessons out of it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from discovery.analysis.purging import purge_program
from discovery.core.errors import ConfigError
from discovery.core.texts import printable
from discovery.execution.runs import import_items, replayed, run_folder
from discovery.learning.memory.items import Item
from discovery.learning.memory.playbook import Playbook, shown_text
from discovery.learning.memory.store import read_items, write_items
from discovery.settings.learning import MemoryConfig

PRIOR = MemoryConfig().prior
_run = click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
_file = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def memory() -> None:
    """Show, export or import what a run learned."""


@memory.command()
@_run
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(path: Path, as_json: bool) -> None:
    """List what RUN learned, the most valuable first."""
    contents = _book(path).contents
    items = sorted(contents.items.values(), key=lambda item: (-item.refine.mean(PRIOR), item.item_id))
    if as_json:
        click.echo(json.dumps([item.to_json() for item in items]))
        return
    for item in items:
        value = item.refine.mean(PRIOR)
        click.echo(
            printable(f"{item.item_id}  {value:+.2f}  {item.refine.shown:5g} shown  {shown_text(item)}")
        )
    click.echo(f"{len(items)} items; value in standard deviations above an average question", err=True)


@memory.command()
@_run
@_file
def export(path: Path, file: Path) -> None:
    """Write what RUN learned to FILE, for other runs: discovery run --memory FILE."""
    items: list[Item] = list(_book(path).contents.items.values())
    write_items(file, items)
    click.echo(f"{file} written: {len(items)} items")


@memory.command("import")
@_run
@_file
def import_(path: Path, file: Path) -> None:
    """Add the items in FILE to what RUN learned; it must not be at work."""
    items = read_items(file)
    import_items(run_folder(path), items)
    click.echo(f"{len(items)} items taken in; they are shown when the run goes on: discovery resume {path}")


@click.command()
@_run
@click.argument("program")
@click.option("--reason", required=True, help="Why, for example: it read the clock.")
def purge(path: Path, program: str, reason: str) -> None:
    """Take PROGRAM (an id, or its beginning) out of RUN, with its descendants and all that was learned from them.

    Nothing is lost: the journal keeps what was evaluated, and git shows the programs as rejected, with the reason. RUN
    must not be at work.
    """
    gone = purge_program(run_folder(path), program, reason)
    click.echo(f"{gone[0]} and {len(gone) - 1} of its descendants are purged; the lineage was written anew")


def _book(path: Path) -> Playbook:
    _, parts = replayed(run_folder(path))
    if parts.memory is None:
        raise ConfigError(f"{path} remembers nothing; begin a run with enabled = true under [memory]")
    return parts.memory
