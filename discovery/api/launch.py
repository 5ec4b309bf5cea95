"""How a run is begun, and gone on with: the same steps for Python and for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from discovery.core.errors import ConfigError
from discovery.core.requests import Request
from discovery.execution.broker import BrokerConfig
from discovery.execution.embedded import Executor
from discovery.execution.ending import StopRequest
from discovery.execution.runs import check_experiments, check_operators, create_run, import_items, run_folder
from discovery.execution.session import Observer, Session
from discovery.learning.memory.items import Item
from discovery.llm.routes import check_models
from discovery.settings.config import RunConfig
from discovery.settings.doors import Source, read_changes, with_changes
from discovery.storage.requests import new_request
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import shared_secret
from evaluators.contract import Incumbent
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source

MakeExecutor: TypeAlias = Callable[[RunConfig, Problem, bytes], Executor]


@dataclass(frozen=True, slots=True)
class Launch:
    """A run that can begin, or go on: its folder, its settings, its problem, and the broker whose workers do the jobs.

    `requests` are what is asked of it at its start: journalled by the session, once it has the folder, or not at all.
    """

    folder: RunFolder
    config: RunConfig
    problem: Problem
    broker: str | None = None
    requests: tuple[Request, ...] = ()

    def session(
        self, observer: Observer, stop: StopRequest, make_executor: MakeExecutor | None = None
    ) -> Session:
        """Returns a session of it; the folder must be locked while it runs."""
        if self.broker and make_executor is None:
            from discovery.execution.remote import executor_maker

            make_executor = executor_maker(BrokerConfig(self.broker), self.folder.read_settings())
        return Session(
            self.folder,
            self.config,
            self.problem,
            observer=observer,
            stop=stop,
            make_executor=make_executor,
            requests=self.requests,
        )


def name_of(problem: str | Path | ModuleType) -> str:
    """Returns what `load_problem` finds a problem by: its name, or the path of its file or its module's.

    Raises:
        ConfigError: it is a module without a file.
    """
    if not isinstance(problem, ModuleType):
        return str(problem)
    if not (file := getattr(problem, "__file__", None)):
        raise ConfigError(
            f"problem {problem.__name__!r} is a module without a file, and other processes must load it; save it in one"
        )
    path = Path(file)
    return str(path.parent if path.name == "__init__.py" else path)


def begin(
    config: RunConfig,
    *,
    out: Path | None = None,
    name: str | None = None,
    from_best: float | None = None,
    start: str | Mapping[str, Any] | None = None,
    items: Iterable[Item] | None = None,
    secret_file: Path | None = None,
    broker: str | None = None,
    is_study: bool = False,
) -> Launch:
    """Returns a new run, ready to begin.

    Args:
        config: its settings.
        out: its folder; by default runs/NAME, or the next of runs/PROBLEM-1, runs/PROBLEM-2, ...
        name: of its folder below runs, where `out` names none.
        from_best: seconds that each program has to improve on the best output so far; None where programs start anew.
        start: the certificate whose output `from_best` begins with: its file or its content.
        items: what another run learned.
        secret_file: what the hidden cases are drawn from; fresh ones by default.
        broker: a Redis whose workers do the jobs.
        is_study: whether children come from outside.

    Raises:
        DiscoveryError, ContractError: it cannot begin; the message names the remedy.
    """
    if items is not None:
        config = replace(config, memory=replace(config.memory, enabled=True))
    check_ready(config, broker, is_study=is_study)
    problem, incumbent = _opened(config, from_best, start)
    folder = (
        run_folder(out) if out else run_folder(Path("runs") / name) if name else _next_folder(problem.name)
    )
    create_run(folder, config, problem, incumbent, shared_secret(secret_file))
    if items is not None:
        import_items(folder, items)
    return Launch(folder, config, problem, broker)


def go_on(
    path: Path,
    *,
    changes: Mapping[str, Any] | None = None,
    where: str = "the command line",
    broker: str | None = None,
    is_study: bool = False,
) -> Launch:
    """Returns a run that was begun before, ready to go on.

    Args:
        path: of its folder.
        changes: settings that change, by name: limits, to which later sessions keep, and "target" and "workers".
        where: what to call the source of the changes in a message.
        broker: a Redis whose workers do the jobs.
        is_study: whether children come from outside.

    Raises:
        DiscoveryError, ContractError: it cannot go on; the message names the remedy.
    """
    found = read_changes(Source({k: v for k, v in (changes or {}).items() if v is not None}, where))
    folder = run_folder(path)
    settings = folder.read_settings()
    config = with_changes(RunConfig.from_json(settings["config"]), found)
    problem = load_source(ProblemSource.from_json(settings["problem"]))
    check_ready(config, broker, is_study=is_study)
    limits = found.get("budget")  # journalled, so that later resumes keep to them
    requests = (new_request("budget", budget=limits),) if limits else ()
    return Launch(folder, config, problem, broker, requests)


def check_ready(config: RunConfig, broker: str | None = None, *, is_study: bool = False) -> None:
    """Checks that a run can begin: its operators, its stop rules, its models, its broker.

    Raises:
        DiscoveryError: it cannot; the message names the remedy.
    """
    check_operators(config, is_study=is_study)
    check_experiments(config, broker)
    if broker:
        from discovery.execution.celery import check_broker

        check_broker(BrokerConfig(broker))
    elif config.models.models:  # with a broker, the keys are where the workers are
        check_models(config.models)


def _opened(
    config: RunConfig, seconds: float | None, start: str | Mapping[str, Any] | None
) -> tuple[Problem, Incumbent | None]:
    """Returns the problem to search and, if programs are to improve on the best output, what the first is handed."""
    problem = load_problem(config.problem)
    if seconds is None:
        if start is not None:
            raise ConfigError("--start is what --from-best begins with: give that too, as in --from-best 5")
        return problem, None
    from discovery.certify.improvement import begin as begin_from

    return begin_from(problem, config, seconds=seconds, certificate=start)


def _next_folder(name: str) -> RunFolder:
    number = 1
    while (path := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return run_folder(path)
