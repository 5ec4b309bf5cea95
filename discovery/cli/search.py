"""`discovery run` and `discovery resume`."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click

from discovery.cli.progress import Progress
from discovery.core.errors import ConfigError
from discovery.execution.broker import BrokerConfig
from discovery.execution.embedded import Executor
from discovery.execution.session import (
    Outcome,
    Session,
    StopRequest,
    check_operators,
    create_run,
    import_items,
    run_folder,
)
from discovery.learning.memory.store import read_items
from discovery.llm.client import check_model
from discovery.settings.config import BUDGET_KEYS, RunConfig, check_keys, make_config, read_toml
from discovery.storage.requests import new_request, send
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Incumbent
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source

EXIT_STOPPED = 3
KEYS = (
    "problem", "evals", "minutes", "cost_usd", "tokens", "target", "seed", "parents", "rebase", "islands", "workers", "model",
    "models", "model_slots", "api_base", "operators", "bandit", "memory", "duplicates", "screening", "out", "tier", "unsafe", "tuning",
    "context", "planning", "json", "from_best", "start",
)  # fmt: skip

_BUDGET_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--evals", type=int, help="End after this many evaluations, the seed included."),
    click.option("--minutes", type=float, help="End after this much working time."),
    click.option("--cost-usd", type=float, help="End when models have cost this much."),
    click.option("--tokens", type=int, help="End when models have used this many tokens."),
    click.option("--target", type=float, help="End when a score reaches this value."),
)


def _budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_BUDGET_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("problem", required=False)
@_budget_options
@click.option(
    "--seed", type=int, help="Seed of all choices and hidden cases; drawn and recorded if left out."
)
@click.option("--islands", type=int, help="Number of islands.")
@click.option("--workers", type=int, help="Evaluations at the same time.  [default: one per CPU]")
@click.option("--model", multiple=True, help="A litellm model name, NAME or NAME=WEIGHT; may be repeated.")
@click.option("--model-slots", type=int, help="Model calls at the same time.")
@click.option("--api-base", help="Base URL of an OpenAI-compatible endpoint.")
@click.option("--operators", help="Operators and weights, for example: diff=3,tune.")
@click.option(
    "--from-best",
    type=float,
    metavar="SECONDS",
    help="Hand every program the best output so far, and so many seconds to improve on it.",
)
@click.option(
    "--start", type=click.Path(path_type=Path), help="The certificate whose output --from-best begins with."
)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/PROBLEM-N]")
@click.option("--tier", type=click.IntRange(1, 2), help="Sandbox tier to use.  [default: the best there is]")
@click.option(
    "--unsafe/--safe",
    default=None,
    help="Run even where the sandbox lacks protections (never for untrusted code).",
)
@click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with any of these options."
)
@click.option(
    "--broker", help="A Redis whose workers do the jobs: redis://HOST:PORT/0.  [default: this machine]"
)
@click.option(
    "--memory",
    "memory_file",
    type=click.Path(path_type=Path),
    help="Begin with what another run learned: a file of `discovery memory export`.",
)
@click.option("--json", "as_json", is_flag=True, default=None, help="Print one JSON object as the last line.")
def run(**options: Any) -> None:
    """Search for programs that solve PROBLEM better.

    PROBLEM is a shipped name, an entry point, a dotted module, a file or a folder. Without a model the run is made of
    operators that need none. Without any limit it ends after 5 minutes.
    """
    config_file: Path | None = options.pop("config_file")
    broker: str | None = options.pop("broker")
    memory_file: Path | None = options.pop("memory_file")
    items = read_items(memory_file) if memory_file else []
    settings = read_toml(config_file) if config_file else {}
    check_keys(settings, KEYS, where=str(config_file))
    where = str(config_file) if config_file else "the command line"
    settings |= {key: value for key, value in options.items() if value is not None and value != ()}
    out, as_json = settings.pop("out", None), bool(settings.pop("as_json", settings.pop("json", False)))
    seconds, start_file = settings.pop("from_best", None), settings.pop("start", None)
    config = make_config(settings, where)
    if memory_file:
        config = replace(config, memory=replace(config.memory, enabled=True))
    check_ready(config, broker)
    problem, start = _opened(config, seconds, start_file)
    folder = run_folder(Path(out)) if out else _next_folder(problem.name)
    create_run(folder, config, problem, start)
    if items:
        import_items(folder, items)
    _finish(_work(folder, config, problem, broker, as_json=as_json), as_json=as_json)


@click.command()
@click.argument("path", metavar="RUN", type=click.Path(path_type=Path))
@_budget_options
@click.option("--workers", type=int, help="Evaluations at the same time.")
@click.option(
    "--broker", help="A Redis whose workers do the jobs: redis://HOST:PORT/0.  [default: this machine]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def resume(path: Path, as_json: bool, broker: str | None, **options: Any) -> None:
    """Go on with RUN where it ended or was killed; limits given here replace those it was started with."""
    folder = run_folder(path)
    settings = folder.read_settings()
    config = RunConfig.from_json(settings["config"])
    budget = {field: options.pop(key) for key, field in BUDGET_KEYS.items()}
    config = replace(
        config, budget=replace(config.budget, **{k: v for k, v in budget.items() if v is not None})
    )
    config = replace(config, **{key: value for key, value in options.items() if value is not None})
    limits = {name: value for name, value in budget.items() if value is not None}
    if limits and not folder.is_locked():  # journalled, so that later resumes keep to them
        send(folder, new_request("budget", budget=limits))
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    check_ready(config, broker)
    _finish(_work(folder, config, problem, broker, as_json=as_json), as_json=as_json)


def _opened(
    config: RunConfig, seconds: float | None, start_file: str | Path | None
) -> tuple[Problem, Incumbent | None]:
    """Returns the problem to search and, if programs are to improve on the best output, what the first is handed."""
    problem = load_problem(config.problem)
    if seconds is None:
        if start_file is not None:
            raise ConfigError("--start is what --from-best begins with: give that too, as in --from-best 5")
        return problem, None
    from discovery.certify.improvement import begin

    return begin(
        problem, config, seconds=seconds, certificate=None if start_file is None else Path(start_file)
    )


def check_ready(config: RunConfig, broker: str | None = None) -> None:
    """Checks that a run can begin: its operators, its models, its broker.

    Raises:
        DiscoveryError: it cannot; the message names the remedy.
    """
    check_operators(config)
    if broker:
        from discovery.execution.celery import check_broker

        check_broker(BrokerConfig(broker))
    elif config.models.models:  # with a broker, the keys are where the workers are
        check_model(config.models)


def _work(
    folder: RunFolder, config: RunConfig, problem: Problem, broker: str | None, *, as_json: bool
) -> Outcome:
    stop = StopRequest()
    stream = sys.stderr if as_json else sys.stdout
    click.echo(f"run {folder.path}  (seed {config.seed}, {config.workers} workers)", file=stream)
    with folder.lock(), signals_asking(stop), Progress(stream, _budget_text(config)) as progress:
        maker = _executor_maker(folder, broker) if broker else None
        return Session(folder, config, problem, observer=progress, stop=stop, make_executor=maker).run()


def _executor_maker(folder: RunFolder, broker: str) -> Callable[[RunConfig, Problem], Executor]:
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


def _budget_text(config: RunConfig) -> str:
    budget = config.budget
    limits = {
        "evaluations": budget.evaluations,
        "min": budget.minutes,
        "USD": budget.cost_usd,
        "tokens": budget.tokens,
    }
    return "until " + " or ".join(f"{value:g} {unit}" for unit, value in limits.items() if value is not None)


def _next_folder(name: str) -> RunFolder:
    number = 1
    while (path := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return run_folder(path)
