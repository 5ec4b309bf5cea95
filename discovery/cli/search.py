"""`discovery run` and `discovery resume`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from discovery.cli.options import Sections, given, settings_options
from discovery.cli.pipes import is_unread, read_no_more
from discovery.core.errors import ConfigError
from discovery.settings.config import RunConfig
from discovery.settings.doors import BY_KEY, RESUMED, SETTINGS, read
from discovery.settings.launch import LaunchConfig
from discovery.settings.toml import read_toml

if TYPE_CHECKING:  # what a run needs is loaded once one begins, so that --help is quick
    from discovery.api.launch import Launch
    from discovery.execution.ending import StopRequest
    from discovery.execution.session import Outcome

EXIT_STOPPED = 3


@click.command(cls=Sections)
@click.argument("problem", required=False)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with any of these settings."
)
@settings_options(SETTINGS)
def run(problem: str | None, config_file: Path | None, **options: Any) -> None:
    """Search for programs that solve PROBLEM better.

    PROBLEM is a shipped name, an entry point, a dotted module, a file or a folder. Without a model the run is made of
    operators that need none. Without any limit it ends after 5 minutes. docs/settings.md lists the settings.
    """
    if problem and problem.endswith(".toml"):
        raise ConfigError(f"{problem} is a file of settings, no problem; give it with: --config {problem}")
    line = given(options)
    line = replace(line, data={**line.data, "problem": problem}) if problem else line
    config, launch = read([read_toml(config_file), line] if config_file else [line])
    _finish(_work(_begun(config, launch), as_json=launch.json), as_json=launch.json)


@click.command(cls=Sections)
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@settings_options([*RESUMED, BY_KEY["broker"], BY_KEY["json"]])
def resume(path: Path, **options: Any) -> None:
    """Go on with RUN where it ended or was killed; limits given here replace those it was started with."""
    from discovery.api.launch import go_on

    changes = dict(given(options).data)
    broker, as_json = changes.pop("broker", None), bool(changes.pop("json", False))
    _finish(_work(go_on(path, changes=changes, broker=broker), as_json=as_json), as_json=as_json)


def _begun(config: RunConfig, launch: LaunchConfig) -> Launch:
    """Returns the new run, in a folder of its own."""
    from discovery.api.launch import begin
    from discovery.learning.memory.store import read_items

    return begin(
        config,
        out=None if launch.out is None else Path(launch.out),
        name=launch.name,
        from_best=launch.from_best,
        start=launch.start,
        items=read_items(Path(launch.items)) if isinstance(launch.items, str) else None,
        secret_file=None if launch.secret_file is None else Path(launch.secret_file),
        broker=launch.broker,
    )


def _work(launch: Launch, *, as_json: bool) -> Outcome:
    from discovery.cli.progress import Progress
    from discovery.execution.ending import StopRequest

    config, stop = launch.config, StopRequest()
    stream = sys.stderr if as_json else sys.stdout
    if is_unread(stream):
        read_no_more(stream)  # the run goes on
    click.echo(f"run {launch.folder.path}  (seed {config.seed}, {config.workers} workers)", file=stream)
    with launch.folder.lock(), signals_asking(stop), Progress(stream, config.budget) as progress:
        if config.models.models and not launch.broker:
            from discovery.llm.estimate import estimate

            progress.warned(estimate(config))
        return launch.session(progress, stop).run()


def _finish(outcome: Outcome, *, as_json: bool) -> None:
    try:
        _tell(outcome, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads: how it ended, the exit code still says
        read_no_more(sys.stdout, sys.stderr)
    if not outcome.is_success:
        sys.exit(_exit_code(outcome))


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    summary = outcome.summary
    stream = sys.stderr if as_json else sys.stdout
    if not outcome.is_success:
        click.echo(f"stopped: {outcome.message}", err=True)
    else:
        click.echo(outcome.message, file=stream)
    mark = ", self-scored," if summary["self_scored"] else ""
    done = f"after {summary['evaluations']} evaluations"
    if summary["best_score"] is None:
        click.echo(f"no program has a score {done}; see why: discovery log {summary['run']}", file=stream)
    else:
        first = summary["seed_score"]
        gain = "" if first is None else f", {summary['best_score'] - first:+.6g} from the first program,"
        see = f"discovery best {summary['run']}, or discovery watch {summary['run']}"
        click.echo(
            f"best {summary['best_score']} ({summary['best_id']}){mark}{gain} {done}; see: {see}", file=stream
        )
    if as_json:
        click.echo(json.dumps(summary))


def _exit_code(outcome: Outcome) -> int:
    if outcome.reason == "interrupted":
        return 143 if "SIGTERM" in outcome.message else 130
    return EXIT_STOPPED


@contextmanager
def signals_asking(stop: StopRequest) -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into a request to end, a second one into one to wait for nothing.

    A third one ends the process where it stands, and so does one that comes after the end.
    """

    def ask(number: int, _: FrameType | None) -> None:
        if stop.urgent.is_set():
            os._exit(128 + number)
        if stop.event.is_set():
            stop.hurry()
            return
        name = signal.Signals(number).name
        stop.ask(f"{name} received; all finished evaluations are saved, go on with: discovery resume")

    former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if stop.event.is_set():  # what is left is to say how it ended: no traceback for one who presses on
            stop.hurry()
        else:
            for number, handler in former.items():
                signal.signal(number, handler)
