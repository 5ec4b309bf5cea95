"""`discovery model`: models that run on this machine."""

from __future__ import annotations

import signal
import threading

import click

from discovery.llm.local import CONTEXT_TOKENS, NAME, local_model
from discovery.settings.doors import default_workers


@click.group()
def model() -> None:
    """Serve a model from this machine."""


@model.command("local")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="Port on loopback."
)
@click.option(
    "--threads", type=click.IntRange(1, 256), help="CPU threads that compute.  [default: one per CPU]"
)
@click.option(
    "--context-tokens",
    type=click.IntRange(512, 131_072),
    default=CONTEXT_TOKENS,
    show_default=True,
    help="Longest question and reply together.",
)
def serve_local(port: int, threads: int | None, context_tokens: int) -> None:
    """Serve a small real model until Ctrl-C, so that a run with a model needs no key.

    It has 270 million parameters: most of what it writes is of no use. pip install "code-discovery[local]" brings it.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with local_model(
        port=port, threads=threads or default_workers(), context_tokens=context_tokens
    ) as address:
        click.echo(f"{NAME} listens on {address}; in another terminal:")
        click.echo(f"  discovery run circle_packing --model {NAME} --api-base {address} --evals 50")
        while not ended.wait(1.0):
            pass
