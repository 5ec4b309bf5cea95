"""`discovery worker`: the parts of a run that work on other machines."""

from __future__ import annotations

import logging
import sys

import click

from discovery.broker import QUEUES, BrokerConfig
from discovery.errors import ConfigError

BROKER = click.option(
    "--broker",
    envvar="DISCOVERY_BROKER",
    help="A Redis, as redis://HOST:PORT/0.  [default: DISCOVERY_BROKER in the environment]",
)


@click.command()
@click.option(
    "--queues", default=",".join(QUEUES), help="propose, evaluate or both.  [default: propose,evaluate]"
)
@click.option(
    "--concurrency", type=click.IntRange(1, 1024), default=2, help="Jobs at the same time.  [default: 2]"
)
@click.option(
    "--unsafe", is_flag=True, help="Accept jobs that ask for no whole sandbox (never for untrusted code)."
)
@BROKER
def worker(queues: str, concurrency: int, unsafe: bool, broker: str | None) -> None:
    """Do the jobs of runs that were started with --broker, until SIGTERM.

    A worker for `evaluate` needs no key and no network but the broker's; one for `propose` runs no candidate.
    """
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if not names or set(names) - set(QUEUES):
        raise ConfigError(f"queues must be among {', '.join(QUEUES)}, got {queues!r}")
    config = BrokerConfig(require_broker(broker))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stderr)
    from discovery.job_runner import serve_queues

    click.echo(f"worker for {', '.join(names)}: {concurrency} jobs at a time from {config.shown}", err=True)
    sys.exit(serve_queues(config, names, concurrency=concurrency, unsafe=unsafe))


def require_broker(broker: str | None) -> str:
    """Returns the broker's address.

    Raises:
        ConfigError: there is none.
    """
    if not broker:
        raise ConfigError("no broker is named; give --broker redis://HOST:PORT/0, or set DISCOVERY_BROKER")
    return broker
