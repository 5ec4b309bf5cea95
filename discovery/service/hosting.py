"""Any number of runs in one process: each a session in a thread of its own, resumed when the process starts again.

Beside a run's own files, its folder holds `service.json`: whether it is wanted, and where its problem came from.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from discovery.certify.improvement import begin
from discovery.core.errors import DiscoveryError, RunError, RunFolderError
from discovery.core.events import Broken, Event
from discovery.core.records import Record
from discovery.core.requests import Request
from discovery.execution.broker import BrokerConfig
from discovery.execution.embedded import Executor
from discovery.execution.session import (
    Session,
    StopRequest,
    check_operators,
    create_run,
    embedded_executor,
    import_items,
)
from discovery.learning.memory.items import Item
from discovery.search.state import RunState
from discovery.settings.budget import stored_limits
from discovery.settings.config import RunConfig
from discovery.settings.doors import with_changes
from discovery.settings.launch import LaunchConfig, check_name
from discovery.storage.requests import new_request, send
from discovery.storage.run_folder import RunFolder
from evaluators.contract import ContractError
from evaluators.problems.bundle import Bundle, unpack
from evaluators.problems.describe import Description, describe
from evaluators.problems.loading import ProblemError, ProblemSource, load_problem, load_source, shipped_names

EVENTS_KEPT = 1000
PAUSED_STOP_S, LONGEST_STOP_S = 5.0, 300.0
"""How long a run that was asked to end waits for what is in flight: while its broker is away, and at most."""
_log = logging.getLogger(__name__)

Stated = Any
"""A `Problem`, or the `Description` of one from outside."""


class NoSuchRunError(DiscoveryError):
    """There is no run of that name."""


class BusyError(DiscoveryError):
    """What was asked for does not fit the run's state, or the service is full."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Where runs lie and what they may use.

    Attributes:
        folder: holds one folder per run.
        broker: where jobs go; None does them in this process's own judges.
        most_runs: how many may be under way at once.
        most_workers: evaluations at the same time that one run may ask for.
    """

    folder: Path
    broker: BrokerConfig | None = None
    most_runs: int = 32
    most_workers: int = 256


class EndingExecutor:
    """An executor that waits no longer for its jobs some time after it was asked to stop. See `Executor`.

    Args:
        inner: does the work.
        stop: the request to end.
        monotonic: the clock.
    """

    def __init__(
        self, inner: Executor, stop: StopRequest, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._stop = stop
        self._monotonic = monotonic
        self._asked_at_s: float | None = None
        self.propose, self.evaluate, self.close = inner.propose, inner.evaluate, inner.close

    @property
    def paused(self) -> str:
        """Returns why nothing moves at the moment; "" when it does."""
        return str(getattr(self._inner, "paused", ""))

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call, the last of which may be that nothing more will."""
        events = self._inner.next_events(timeout_s)
        if self._stop.event.is_set():
            now = self._monotonic()
            self._asked_at_s = now if self._asked_at_s is None else self._asked_at_s
            if now - self._asked_at_s > (PAUSED_STOP_S if self.paused else LONGEST_STOP_S):
                events.append(Broken(self._stop.message))
        return events


class HostedRun:
    """One run: its folder, and its session while it is under way. Thread-safe."""

    def __init__(self, folder: RunFolder, broker: BrokerConfig | None) -> None:
        self.folder = folder
        self.name = folder.path.name
        self.settings = folder.read_settings()
        self._broker = broker
        self._service = json.loads((folder.path / "service.json").read_text(encoding="utf-8"))
        self._stop = StopRequest()
        self._thread: threading.Thread | None = None
        self._executor: EndingExecutor | None = None
        self._session: Session | None = None
        self._news = threading.Condition()
        self._saving = threading.Lock()
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._number = 0
        self._is_leaving = False
        nothing = {"evaluations": 0, "best_score": None, "best_id": None}
        self.facts: dict[str, Any] = self._service.get("facts", nothing)
        self.is_active = False

    @property
    def is_wanted(self) -> bool:
        """Returns whether the run is to go on after a restart."""
        return bool(self._service["wanted"])

    @property
    def state(self) -> str:
        """Returns running, paused, stopping, or how it ended: done, stopped, failed."""
        if self.is_active:
            if self._stop.event.is_set():
                return "stopping"
            return "paused" if self._paused else "running"
        return str(self._service["state"])

    @property
    def _paused(self) -> str:
        return executor.paused if (executor := self._executor) is not None else ""

    def status(self) -> dict[str, Any]:
        """Returns what a person wants to know, as JSON."""
        message = (self._paused or "") if self.is_active else self._service["message"]
        return {
            "name": self.name,
            "problem": self.settings["info"]["problem"],
            "state": self.state,
            "message": message,
            "created_at": self.settings["info"]["started_at"],
            "budget": stored_limits(self.settings["config"]["budget"]),
            **self.facts,
        }

    def start(self, changes: Mapping[str, Any] | None = None) -> None:
        """Begins or goes on with the run, with other settings if given (settings.doors.read_changes).

        Raises:
            BusyError: it is under way.
        """
        if self.is_active:
            raise BusyError(f"run {self.name} is under way")
        changes = dict(changes or {})
        if limits := changes.pop("budget", None):  # journalled, so that they outlast limits asked for before
            send(self.folder, new_request("budget", budget=limits))
        if changes:
            self._service["changes"] = {**self._service.get("changes", {}), **changes}
        self._is_leaving = False
        self._stop = StopRequest()
        self._save(wanted=True, state="running", message="")
        self.is_active = True
        self._thread = threading.Thread(target=self._work, name=f"run-{self.name}", daemon=True)
        self._thread.start()

    def stop(self, *, for_good: bool, message: str = "stopped on request") -> None:
        """Asks the run to end; one that is not stopped for good goes on when the service starts again."""
        self._is_leaving = not for_good
        if for_good:
            self._save(wanted=False)
        self._stop.ask(message)

    def join(self, timeout_s: float) -> None:
        """Waits for the end of the session."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def events_after(self, number: int, timeout_s: float) -> list[tuple[int, dict[str, Any]]]:
        """Returns the events after the one of a number; waits for one if there is none yet."""
        with self._news:
            if number > self._number:  # of an earlier process of this service
                number = 0
            if self._number <= number and self.is_active:
                self._news.wait(timeout_s)
            return [event for event in self._events if event[0] > number]

    # --- Observer

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Tells of newly recorded programs."""
        for record in records:
            evaluation = record.evaluation
            self._tell(
                {
                    "event": "best" if record.index == state.best_index else "evaluated",
                    "index": record.index,
                    "program_id": record.program_id,
                    "operator": record.operator,
                    "island": record.island,
                    "status": str(evaluation.status),
                    "score": evaluation.score,
                    "reason": evaluation.reason,
                }
            )
        self._note(state)

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Tells that time went by."""
        self._note(state)
        self.facts["in_flight"] = in_flight

    def asked(self, request: Request, refusal: str) -> None:
        """Tells of a person's request."""
        self._tell({"event": "asked", "kind": request.kind, "text": request.text, "refusal": refusal})

    def warned(self, text: str) -> None:
        """Tells what a person should know of the money."""
        _log.warning("run %s: %s", self.name, text)
        self._tell({"event": "warned", "text": text})

    def _note(self, state: RunState) -> None:
        best, ledger = state.best, state.ledger
        assert self._session is not None, "it is the session that tells"
        self.facts |= {
            "budget": asdict(self._session.coordinator.settings.budget),
            "evaluations": ledger.evaluations,
            "best_score": best.evaluation.score if best else None,
            "best_id": best.program_id if best else None,
            "self_scored": best.evaluation.self_scored if best else None,
            "statuses": dict(state.counts),
            "seconds": round(ledger.elapsed_s, 1),
            "model_calls": ledger.calls,
            "tokens": ledger.tokens,
            "cost_usd": round(ledger.cost_usd, 6),
            "unpriced_calls": ledger.unpriced_calls,
        }

    def _tell(self, event: dict[str, Any]) -> None:
        with self._news:
            self._number += 1
            self._events.append((self._number, event))
            del self._events[:-EVENTS_KEPT]
            self._news.notify_all()

    def _work(self) -> None:
        state, message, wanted = "failed", "", False
        try:
            with self.folder.lock():
                outcome = self._new_session().run()
            state = "done" if outcome.is_success else "failed"
            message = outcome.message
            if outcome.reason == "interrupted":
                state, wanted = "stopped", self._is_leaving
            elif outcome.reason == "broken" and self._broker is not None:
                wanted = self._service["wanted"] and (
                    "does not answer" in message or "out of memory" in message
                )
        except (DiscoveryError, ContractError, OSError) as error:
            message = str(error)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a run: the service and its other runs go on
            _log.exception("run %s failed", self.name)
            message = f"a fault of the service: {type(error).__name__}: {error}"
        finally:
            self._executor = self._session = None
            self.facts["in_flight"] = 0
            try:
                self._save(wanted=wanted, state=state, message=message, facts=self.facts)
            except RunFolderError as error:
                _log.error("run %s: %s", self.name, error)
            self.is_active = False
            self._tell({"event": "ended", "state": state, "message": message})

    def _new_session(self) -> Session:
        changes = {
            **self._service.get("changes", {}),
            "budget": stored_limits(self._service.get("budget", {})),
        }
        config = with_changes(RunConfig.from_json(self.settings["config"]), changes)
        problem = self._problem()
        if config.models.models and self._broker is None:
            from discovery.llm.estimate import estimate

            self.warned(estimate(config))
        self._session = Session(
            self.folder, config, problem, observer=self, stop=self._stop, make_executor=self._make_executor
        )
        return self._session

    def _problem(self) -> Stated:
        if self._service["description"] is not None:
            return Description.from_json(self._service["description"])
        return load_source(ProblemSource.from_json(self.settings["problem"]))

    def _make_executor(self, config: RunConfig, problem: Stated) -> Executor:
        is_foreign = self._service["description"] is not None
        if self._broker is not None:
            from discovery.execution.celery import executor_maker

            bundle = (
                Bundle.from_json(json.loads((self.folder.path / "problem.json").read_bytes()))
                if is_foreign
                else None
            )
            make = executor_maker(self._broker, self.settings, bundle=bundle, untrusted=is_foreign)
            inner: Executor = make(config, problem)
        else:
            inner = embedded_executor(config, problem, untrusted=is_foreign)
        self._executor = EndingExecutor(inner, self._stop)
        return self._executor

    def _save(self, **changes: Any) -> None:
        with self._saving:
            self._service |= changes
            write_json(self.folder.path / "service.json", self._service)


class Host:
    """All runs of a service. Thread-safe."""

    def __init__(self, config: HostConfig) -> None:
        """Opens the folder of runs.

        Raises:
            RunFolderError: it cannot be written, or another service works there.
        """
        self.config = config
        self._lock = threading.RLock()
        self._runs: dict[str, HostedRun] = {}
        self._coming: set[str] = set()
        try:
            config.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"cannot write {config.folder}: {error.strerror}; name another with --runs"
            ) from error
        self._held = RunFolder(config.folder.absolute()).lock()
        self._held.__enter__()
        for path in sorted(config.folder.iterdir()):
            if (path / "service.json").is_file():
                try:
                    self._runs[path.name] = HostedRun(RunFolder(path.absolute()), config.broker)
                except (DiscoveryError, ValueError) as error:
                    _log.error("run %s is passed over: %s", path.name, error)

    def resume_unfinished(self) -> list[str]:
        """Goes on with every run that was under way when the service ended, and returns their names."""
        names = []
        for name, run in self._runs.items():
            if run.is_wanted:
                try:
                    run.start()
                    names.append(name)
                except DiscoveryError as error:
                    _log.error("run %s does not go on: %s", name, error)
        return names

    def runs(self) -> list[HostedRun]:
        """Returns all runs, oldest first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: float(run.settings["info"]["started_at"]))

    def run(self, name: str) -> HostedRun:
        """Returns the run of a name.

        Raises:
            NoSuchRunError: there is none.
        """
        with self._lock:
            if (found := self._runs.get(name)) is None:
                raise NoSuchRunError(f"there is no run {name!r:.80}; GET /runs lists them")
            return found

    def create(
        self,
        name: str | None,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig = LaunchConfig(),  # noqa: B008 - frozen
    ) -> HostedRun:
        """Returns a new run, begun.

        Args:
            name: of the run; None takes the problem's name and a number.
            make_config: makes the run's settings, given what names the problem.
            problem: a shipped name, or the files of one from outside.
            launch: what it begins with; its name is not looked at.

        Raises:
            BusyError: the name is taken, or too many runs are under way.
            DiscoveryError, ContractError: the settings or the problem are not right.
        """
        if name is not None:
            check_name(name)
        if isinstance(problem, str) and problem not in shipped_names():
            raise ProblemError(
                f"the service has no problem {problem!r:.80}",
                remedy=f"choose from {', '.join(shipped_names())}, or upload one",
            )
        with self._lock:
            self._check_room()
            base = name or (problem if isinstance(problem, str) else problem.name)
            folder = self._new_folder(base, is_exact=name is not None)
            self._coming.add(folder.path.name)
        try:
            run = self._fill(folder, make_config, problem, launch)
            with self._lock:
                self._runs[run.name] = run
            run.start()
        finally:
            with self._lock:
                self._coming.discard(folder.path.name)
        return run

    def resume(self, name: str, changes: Mapping[str, Any]) -> HostedRun:
        """Goes on with a run that has ended, and returns it.

        Args:
            name: of the run.
            changes: what of its settings changes (settings.doors.read_changes).

        Raises:
            NoSuchRunError: there is none. BusyError: it is under way, or too many runs are.
        """
        run = self.run(name)
        with self._lock:
            if not run.is_active:
                self._check_room()
            run.start(self._allowed(changes))
        return run

    def close(self, timeout_s: float = 30.0) -> None:
        """Ends all sessions; they go on when the service starts again."""
        for run in self.runs():
            if run.is_active:
                run.stop(for_good=False, message="the service ends; the run goes on when it starts again")
        end_s = time.monotonic() + timeout_s
        for run in self.runs():
            run.join(max(0.0, end_s - time.monotonic()))
        self._held.__exit__(None, None, None)

    def _check_room(self) -> None:
        under_way = sum(run.is_active for run in self._runs.values()) + len(self._coming)
        if under_way >= self.config.most_runs:
            raise BusyError(f"{self.config.most_runs} runs are under way; stop one, or wait for an end")

    def _new_folder(self, base: str, *, is_exact: bool) -> RunFolder:
        names: Iterable[str] = [base] if is_exact else (f"{base}-{number}" for number in range(1, 100_000))
        for name in names:
            path = self.config.folder.absolute() / name
            if name not in self._coming and not path.exists():
                return RunFolder(path)
        raise BusyError(f"there is a run {base!r} already; give another name")

    def _allowed(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns settings of one run, if they ask for no more than it may use."""
        if (workers := settings.get("workers", 1)) > self.config.most_workers:
            raise RunError(f"workers must be at most {self.config.most_workers} here, got {workers}")
        return settings

    def _fill(
        self,
        folder: RunFolder,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig,
    ) -> HostedRun:
        description = start = None
        items = [Item.from_json(item) for item in launch.items or ()]
        if isinstance(problem, str):
            stated: Stated = load_problem(problem)
            config = make_config(problem)
        else:
            try:
                path = unpack(problem.encode(), self.config.folder.absolute() / ".problems")
            except OSError as error:
                raise ProblemError(f"the problem's files do not fit together: {error.strerror}") from error
            stated = describe(str(path), problem.name)
            description = stated.to_json()
            config = make_config(str(path))
            if config.unsafe:
                raise RunError("a problem from outside is never judged without a whole sandbox")
            if launch.from_best is not None:
                raise RunError(
                    "from_best goes with the service's own problems only; leave it out for this one"
                )
        self._allowed({"workers": config.workers})
        check_operators(config)
        if launch.from_best is not None:
            stated, start = begin(stated, config, seconds=launch.from_best, certificate=launch.start)
        files = {
            "service.json": {"wanted": True, "state": "running", "message": "", "description": description}
        }
        if not isinstance(problem, str):
            files["problem.json"] = problem.to_json()
        try:
            create_run(folder, config, stated, start)
            if items:
                import_items(folder, items)
            for name, data in files.items():
                write_json(folder.path / name, data)
        except RunFolderError:
            shutil.rmtree(folder.path, ignore_errors=True)  # a half-made one would hold the name
            raise
        return HostedRun(folder, self.config.broker)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file whole or not at all.

    Raises:
        RunFolderError: it cannot be written.
    """
    draft = path.with_suffix(".new")
    try:
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; make room, or look at who owns the folder"
        ) from error
