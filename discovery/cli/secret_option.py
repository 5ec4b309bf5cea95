"""The option `--secret-file` of `run`, `evaluate`, `verify` and `compare`."""

from __future__ import annotations

from pathlib import Path

import click

secret_file = click.option(
    "--secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What the hidden cases are drawn from, made if it is not there: all that share it meet the same cases. "
    "Keep it from whoever writes programs.  [default: fresh ones]",
)
