"""`discovery convert`: from another system's problem folder to a problem of ours."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--dir", "target", type=click.Path(path_type=Path), help="Folder to write.  [default: NAME_native]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def convert(folder: Path, target: Path | None, as_json: bool) -> None:
    """Write a problem that judges programs elsewhere, from the OpenEvolve, ShinkaEvolve or LoongFlow problem in FOLDER.

    The goal, the seed, run() and the evaluator's own helpers are written; what a person must still do is told.
    """
    from discovery.cli.conversion import convert as write

    written = write(folder, target)
    if as_json:
        click.echo(json.dumps({"problem": str(written.path), "missing": written.missing}))
        return
    click.echo(f"{written.path / 'problem.py'} written; still to be done:")
    for number, what in enumerate(written.missing, 1):
        click.echo(f"{number}. {what}")
    click.echo(f"then: discovery check {written.path}")
