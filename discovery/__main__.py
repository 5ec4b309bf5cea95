"""The entry point: `discovery`, or `python -m discovery`."""

from __future__ import annotations

import sys

from discovery.core.threads import pin_threads

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main() -> None:
    """Runs the command line; a fault that a person can mend becomes one line and exit code 1, wrong usage exit code 2.

    Where the reader of a pipe has read enough, it ends well, without a word; so does Ctrl-C while modules are loaded.
    """
    pin_threads()
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(EXIT_INTERRUPTED)


def _run() -> None:
    import click

    from discovery.cli.main import cli
    from discovery.cli.pipes import BrokenOffError, is_unread, read_no_more
    from discovery.core.errors import ConfigError

    try:
        cli(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
    except (BrokenOffError, BrokenPipeError):
        unread = [stream for stream in (sys.stdout, sys.stderr) if is_unread(stream)]
        if not unread:  # another pipe broke: a fault
            raise
        read_no_more(*unread)
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(EXIT_USAGE)
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
