"""`discovery unseal`: the one look at the sealed test of a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--program", default="", help="An id, or best.  [default: the admitted one that leads most surely]"
)
@click.option("--again", is_flag=True, help="Look once more; every account of the run says so from then on.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def unseal(path: Path, program: str, again: bool, as_json: bool) -> None:
    """Judge one program of RUN on the days that the search never saw. This can be done once.

    How many trials came before, how many independent ones they amount to, the deflated Sharpe ratio and the date go
    into the journal and into git.
    """
    from discovery.core.records import shown
    from discovery.execution.runs import run_folder
    from discovery.families.alphas.unsealing import open_test

    opening = open_test(run_folder(path), program, again=again)
    if as_json:
        click.echo(json.dumps(asdict(opening)))
        return
    click.echo(opening.text)
    for name, value in shown(opening.metrics or {}).items():
        click.echo(f"  {name} {value:.6g}")
