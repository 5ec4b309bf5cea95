"""The entry point: `discovery`, or `python -m discovery`."""

from __future__ import annotations

import sys

import click

from discovery.cli import cli
from discovery.errors import DiscoveryError
from evaluators.contract import ContractError

EXIT_ERROR = 1


def main() -> None:
    """Runs the command line; a fault the user can mend becomes one line and exit code 1."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except (DiscoveryError, ContractError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)


if __name__ == "__main__":
    main()
