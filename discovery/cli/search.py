"""`discovery run` and `discovery resume`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from discovery.cli.options import Sections, given, settings_options
from discovery.settings.config import RunConfig
from discovery.settings.doors import BY_KEY, RESUMED, SETTINGS, read, read_changes, with_changes
from discovery.settings.launch import LaunchConfig
from discovery.settings.toml import read_toml

if TYPE_CHECKING:  # what a run needs is loaded once one begins, so that --help is quick
    from discovery.execution.embedded import Executor
    from discovery.execution.session import Outcome, StopRequest
    from discovery.storage.run_folder import RunFolder
    from evaluators.contract import Incumbent
    from evaluators.problems.loading import Problem

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
    line = given(options)
    line = replace(line, data={**line.data, "problem": problem}) if problem else line
    config, launch = read([read_toml(config_file), line] if config_file else [line])
    from discovery.learning.memory.store import read_items

    items = read_items(Path(launch.items)) if isinstance(launch.items, str) else []
    check_ready(config, launch.broker)
    problem_, start = opened(config, launch)
    folder = _folder_for(launch, problem_.name)
    from discovery.execution.session import create_run, import_items

    create_run(folder, config, problem_, start)
    if items:
        import_items(folder, items)
    _finish(_work(folder, config, problem_, launch.broker, as_json=launch.json), as_json=launch.json)


@click.command(cls=Sections)
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@settings_options([*RESUMED, BY_KEY["broker"], BY_KEY["json"]])
def resume(path: Path, **options: Any) -> None:
    """Go on with RUN where it ended or was killed; limits given here replace those it was started with."""
    from discovery.execution.session import run_folder
    from discovery.storage.requests import new_request, send
    from evaluators.problems.loading import ProblemSource, load_source

    line = given(options)
    launch = {key: line.data[key] for key in ("broker", "json") if key in line.data}
    changes = read_changes(replace(line, data={k: v for k, v in line.data.items() if k not in launch}))
    folder = run_folder(path)
    settings = folder.read_settings()
    config = with_changes(RunConfig.from_json(settings["config"]), changes)
    if (
        limits := changes.get("budget")
    ) and not folder.is_locked():  # journalled, so that later resumes keep to them
        send(folder, new_request("budget", budget=limits))
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    check_ready(config, launch.get("broker"))
    as_json = bool(launch.get("json"))
    _finish(_work(folder, config, problem, launch.get("broker"), as_json=as_json), as_json=as_json)


def opened(config: RunConfig, launch: LaunchConfig) -> tuple[Problem, Incumbent | None]:
    """Returns the problem to search and, if programs are to improve on the best output, what the first is handed."""
    from evaluators.problems.loading import load_problem

    problem = load_problem(config.problem)
    if launch.from_best is None:
        return problem, None
    from discovery.certify.improvement import begin

    return begin(problem, config, seconds=launch.from_best, certificate=launch.start)


def check_ready(config: RunConfig, broker: str | None = None) -> None:
    """Checks that a run can begin: its operators, its models, its broker.

    Raises:
        DiscoveryError: it cannot; the message names the remedy.
    """
    from discovery.execution.session import check_operators

    check_operators(config)
    if broker:
        from discovery.execution.broker import BrokerConfig
        from discovery.execution.celery import check_broker

        check_broker(BrokerConfig(broker))
    elif config.models.models:  # with a broker, the keys are where the workers are
        from discovery.llm.client import check_model

        check_model(config.models)


def _work(
    folder: RunFolder, config: RunConfig, problem: Problem, broker: str | None, *, as_json: bool
) -> Outcome:
    from discovery.cli.progress import Progress
    from discovery.execution.session import Session, StopRequest

    stop = StopRequest()
    stream = sys.stderr if as_json else sys.stdout
    click.echo(f"run {folder.path}  (seed {config.seed}, {config.workers} workers)", file=stream)
    with folder.lock(), signals_asking(stop), Progress(stream, _budget_text(config)) as progress:
        if config.models.models and not broker:
            from discovery.llm.estimate import estimate

            progress.warned(estimate(config))
        maker = _executor_maker(folder, broker) if broker else None
        return Session(folder, config, problem, observer=progress, stop=stop, make_executor=maker).run()


def _executor_maker(folder: RunFolder, broker: str) -> Callable[[RunConfig, Problem], Executor]:
    from discovery.execution.broker import BrokerConfig
    from discovery.execution.celery import executor_maker

    return executor_maker(BrokerConfig(broker), folder.read_settings())


def _finish(outcome: Outcome, *, as_json: bool) -> None:
    summary = outcome.summary
    stream = sys.stderr if as_json else sys.stdout
    if not outcome.is_success:
        click.echo(f"stopped: {outcome.message}", err=True)
    else:
        click.echo(outcome.message, file=stream)
    mark = ", self-scored," if summary["self_scored"] else ""
    click.echo(
        f"best {summary['best_score']} ({summary['best_id']}){mark} after {summary['evaluations']} evaluations; "
        f"see: discovery best {summary['run']}",
        file=stream,
    )
    if as_json:
        click.echo(json.dumps(summary))
    if not outcome.is_success:
        sys.exit(_exit_code(outcome))


def _exit_code(outcome: Outcome) -> int:
    if outcome.reason == "interrupted":
        return 143 if "SIGTERM" in outcome.message else 130
    return EXIT_STOPPED


@contextmanager
def signals_asking(stop: StopRequest) -> Iterator[None]:
    """Turns the first SIGINT or SIGTERM into a request to end, and a second one into an end at once."""

    def ask(number: int, _: FrameType | None) -> None:
        if stop.event.is_set():
            os._exit(128 + number)
        name = signal.Signals(number).name
        stop.ask(f"{name} received; all finished evaluations are saved, go on with: discovery resume")

    former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


_UNITS: Mapping[str, str] = {"minutes": "min", "cost_usd": "USD", "calls": "calls of models"}


def _budget_text(config: RunConfig) -> str:
    limits = dict(config.budget.limits)
    patience = limits.pop("patience", None)
    parts = [f"{value:g} {_UNITS.get(name, name)}" for name, value in limits.items()]
    parts += [f"{patience} evaluations without a better program"] if patience else []
    return "until " + " or ".join(parts) if parts else ""


def _folder_for(launch: LaunchConfig, problem: str) -> RunFolder:
    from discovery.execution.session import run_folder

    if launch.out is not None:
        return run_folder(Path(launch.out))
    number = 1
    while launch.name is None and (Path("runs") / f"{problem}-{number}").exists():
        number += 1
    return run_folder(Path("runs") / (launch.name or f"{problem}-{number}"))
