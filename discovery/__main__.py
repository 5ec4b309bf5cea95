"""The entry point: `discovery`, or `python -m discovery`."""

from __future__ import annotations

import sys

import click

from discovery.cli.main import cli

EXIT_ERROR = 1


def main() -> None:
    """Runs the command line; a fault that a person can mend becomes one line and exit code 1."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_ERROR)
    except _expected() as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_ERROR)


def _expected() -> tuple[type[Exception], ...]:
    """Returns the errors whose message is meant for a person; loaded only when something was raised."""
    from discovery.core.errors import DiscoveryError
    from discovery.core.types import ModelError
    from evaluators.contract import ContractError
    from evaluators.judging.judge import JudgeError
    from evaluators.sandbox.base import SandboxError

    return DiscoveryError, ModelError, ContractError, JudgeError, SandboxError


if __name__ == "__main__":
    main()
