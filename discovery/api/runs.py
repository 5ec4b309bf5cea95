"""A run in Python: what it found, and a hand on it while it works."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from discovery.api.events import BestFound, EventFold, ModelCalled, ProgramEvaluated, RunEnded, RunEvent
from discovery.api.launch import Launch, MakeExecutor, go_on
from discovery.api.pages import run_page
from discovery.core.errors import RunError, RunFolderError
from discovery.core.records import Record, RunInfo, shown
from discovery.execution.ending import StopRequest
from discovery.execution.runs import replayed_state, run_folder
from discovery.execution.session import Outcome
from discovery.search.state import RunState
from discovery.settings.doors import RESUMED
from discovery.storage.journal import Follower
from discovery.storage.purged import current_entries

_POLL_S = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What is called when something happens to a run; None calls nothing.

    They are called in the thread that works on the run, one at a time, after what they tell of was saved. One that raises
    ends the run, and its error comes out of `Run.wait`.
    """

    on_evaluated: Callable[[ProgramEvaluated], object] | None = None
    on_best: Callable[[BestFound], object] | None = None
    on_model_call: Callable[[ModelCalled], object] | None = None
    on_end: Callable[[RunEnded], object] | None = None

    def call(self, event: RunEvent) -> None:
        """Calls the one for an event."""
        match event:
            case ProgramEvaluated() if self.on_evaluated is not None:
                self.on_evaluated(event)
            case BestFound() if self.on_best is not None:
                self.on_best(event)
            case ModelCalled() if self.on_model_call is not None:
                self.on_model_call(event)
            case RunEnded() if self.on_end is not None:
                self.on_end(event)


class Work:
    """A session of a run in a thread of this process; an `Observer`. Thread-safe.

    Attributes:
        outcome: how it ended, None while it works or where it broke.
        error: what broke it, None where nothing did.
        is_active: whether it works.
    """

    def __init__(
        self, launch: Launch, callbacks: Callbacks, make_executor: MakeExecutor | None = None
    ) -> None:
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self.is_active = True
        self._launch = launch
        self._callbacks = callbacks
        self._make_executor = make_executor
        self._fold = EventFold(launch.problem.objective)
        self._stop = StopRequest()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"run-{launch.folder.path.name}", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self, message: str) -> None:
        """Asks it to end; what is under way is still recorded."""
        self._stop.ask(message)

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for the end, and returns whether it has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def await_news(self) -> None:
        """Waits until something more may have been saved."""
        with self._news:
            if self.is_active:
                self._news.wait(_POLL_S)

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Ignores it: `saved` tells the same."""

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Ignores it."""

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Calls the callbacks for what was saved."""
        for entry in entries:
            for event in self._fold.take(entry):
                self._call(event)
        with self._news:
            self._news.notify_all()

    def warned(self, text: str) -> None:
        """Passes on what a person should know of the money, as Python's own warnings."""
        warnings.warn(text, RuntimeWarning, stacklevel=2)

    def informed(self, text: str) -> None:
        """Passes on how the run fares to the log."""
        _log.info("run %s: %s", self._launch.folder.path.name, text)

    def _call(self, event: RunEvent) -> None:
        if self.error is not None:
            return
        try:
            self._callbacks.call(event)
        except Exception as error:  # noqa: BLE001 - the caller's own code: its error ends the run and is raised where it waits
            self.error = error
            self.stop(f"a callback raised {type(error).__name__}: {error}")

    def _work(self) -> None:
        folder = self._launch.folder
        try:
            with folder.lock():
                if folder.journal.exists():
                    for entry in current_entries(folder.journal):
                        for _ in self._fold.take(entry):
                            pass
                self.outcome = self._launch.session(self, self._stop, self._make_executor).run()
        except BaseException as error:  # noqa: BLE001 - the outermost loop of a thread: raised where the run is waited for
            self.error = self.error or error
        self.is_active = False
        with self._news:
            self._news.notify_all()
        if self.outcome is not None:
            self._call(RunEnded(self.outcome.reason, self.outcome.message))


@dataclass(frozen=True, slots=True)
class Elite:
    """The best program of one cell of one island; `fitness` is the score turned so that larger is better."""

    island: int
    cell: int
    fitness: float
    measures: tuple[float, ...]
    record: Record


class Run:
    """One run, under way in this process or not: all of it is read from its folder.

    `discovery.search` returns one, and `discovery.open` one of earlier. What it shows is what is saved at that moment.

    Attributes:
        path: of its folder.
    """

    def __init__(self, path: Path, work: Work | None = None) -> None:
        self.path = path
        self._folder = run_folder(path)
        self._work = work
        self._read: tuple[int, tuple[Record, ...]] = (-1, ())
        self._info = RunInfo.from_json(self._folder.read_settings()["info"])

    # --- what it found

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def info(self) -> RunInfo:
        """What the run is about: problem, goal, objective, measures, seed, models."""
        return self._info

    @property
    def programs(self) -> tuple[Record, ...]:
        """Every program that was evaluated, in order, failures included."""
        journal = self._folder.journal
        size = journal.stat().st_size if journal.exists() else 0
        if self._read[0] != size:
            self._read = (size, _records(journal) if size else ())
        return self._read[1]

    @property
    def best(self) -> Record | None:
        """The best program (the first among equals); None before any has a score."""
        return history[-1] if (history := self.history) else None

    @property
    def history(self) -> tuple[Record, ...]:
        """The programs that were the best when they were recorded, in order: how the score got better."""
        fold = EventFold(self._info.objective)
        return tuple(record for record in self.programs if fold.is_best(record))

    @property
    def lineage(self) -> tuple[Record, ...]:
        """The best program and all its ancestors, oldest first; git has the same in `repository`."""
        best = self.best
        return () if best is None else self.ancestors(best.program_id)

    @property
    def archive(self) -> tuple[Elite, ...]:
        """The elites of every cell of every island, in order."""
        population = replayed_state(self._folder).archipelago
        by_id = {record.program_id: record for record in self.programs}
        return tuple(
            Elite(island, elite.cell, elite.fitness, elite.measures, by_id[elite.program_id])
            for island in range(len(population))
            for elite in sorted(population.elites(island), key=lambda one: one.cell)
        )

    @property
    def repository(self) -> Path:
        """The git repository in which every program is a commit."""
        return self._folder.lineage

    def find(self, program_id: str) -> Record:
        """Returns the program of an id or its beginning.

        Raises:
            RunError: there is none, or several.
        """
        found = [record for record in self.programs if record.program_id.startswith(program_id.lower())]
        if len(found) != 1:
            many = "no program is" if not found else f"{len(found)} programs are"
            raise RunError(f"{many} named {program_id!r:.40} in {self.path}; give an id of `run.programs`")
        return found[0]

    def ancestors(self, program_id: str) -> tuple[Record, ...]:
        """Returns a program and all its ancestors, oldest first.

        Raises:
            RunError: there is no such program.
        """
        wanted = {self.find(program_id).program_id}
        found: list[Record] = []
        for record in reversed(self.programs):
            if record.program_id in wanted:
                found.append(record)
                wanted.update(record.parents)
        return tuple(reversed(found))

    def to_frame(self) -> Any:
        """Returns the programs as a pandas DataFrame, one row each; metrics that are not hidden are columns of their own.

        Raises:
            RunError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise RunError(
                "to_frame() needs pandas, which is not installed: pip install pandas; `run.programs` holds the same"
            ) from error
        return pd.DataFrame([_row(record) for record in self.programs])

    # --- a hand on it

    @property
    def is_running(self) -> bool:
        """Whether this process works on it."""
        return self._work is not None and self._work.is_active

    @property
    def outcome(self) -> Outcome | None:
        """How the latest session of this process ended; None while it works, or where there was none."""
        return None if self._work is None else self._work.outcome

    def events(self) -> Iterator[RunEvent]:
        """Yields what happened from the start, and goes on with what happens while this process works on the run."""
        fold = EventFold(self._info.objective)
        with Follower(self._folder.journal) as journal:
            while True:
                is_running = self.is_running  # asked before reading: what is saved until the end is read
                for entry in journal.entries():
                    yield from fold.take(entry)
                if not is_running:
                    return
                assert self._work is not None
                self._work.await_news()

    def stop(self, message: str = "stopped on request") -> None:
        """Asks the run to end; what is under way is still recorded. It can be gone on with."""
        if self._work is not None:
            self._work.stop(message)

    def wait(self, timeout_s: float | None = None) -> Run:
        """Waits for the end and returns the run itself; Ctrl-C ends the run, saves it, and is raised again.

        Raises:
            TimeoutError: `timeout_s` went by before.
            RunError: the run stopped before it had done what was asked of it, and nobody had asked it to stop.
            Exception: whatever a callback raised, or broke the run.
        """
        work = self._work
        if work is None:
            return self
        try:
            if not work.join(timeout_s):
                raise TimeoutError(f"{self.path} is still under way after {timeout_s} s")
        except KeyboardInterrupt:
            work.stop("interrupted")
            work.join()
            raise
        if work.error is not None:
            raise work.error
        if (outcome := work.outcome) is not None and not (
            outcome.is_success or outcome.reason == "interrupted"
        ):
            raise RunError(f"{outcome.message}; all is saved in {self.path}, read it with discovery.open()")
        return self

    def resume(self, *, wait: bool = True, workers: int | None = None, **more: Any) -> Run:
        """Goes on with the run where it ended or was killed, and returns it.

        Args:
            wait: whether to wait for the end.
            workers: evaluations at the same time, if that is to change.
            **more: new limits (evals, minutes, cost_usd, tokens, calls, patience), a target, and callbacks as in `discovery.search`.

        Raises:
            RunError, RunFolderError: it is under way, or cannot go on.
        """
        self._check_idle()
        callbacks = take_callbacks(more)
        check_limits(more)
        launch = go_on(self.path, changes={"workers": workers, **more}, where="Run.resume()")
        self._start(Work(launch, callbacks))
        return self.wait() if wait else self

    def _check_idle(self) -> None:
        if self.is_running:
            raise RunFolderError(f"{self.path} is under way in this process; stop() it, then wait()")

    def _start(self, work: Work) -> None:
        self._work = work
        work.start()

    # --- how it looks

    def __repr__(self) -> str:
        best = self.best
        score = "no score yet" if best is None else f"best {best.score!r}"
        return f"Run({str(self.path)!r}, {len(self.programs)} programs, {score})"

    def _repr_html_(self) -> str:
        state = "under way" if self.is_running else (self.outcome.message if self.outcome is not None else "")
        return run_page(self.path, self.info, self.programs, self.history, state)


CALLBACKS = ("on_evaluated", "on_best", "on_model_call", "on_end")


def take_callbacks(options: dict[str, Any]) -> Callbacks:
    """Returns the callbacks among some options, which it takes from there."""
    return Callbacks(**{name: options.pop(name) for name in CALLBACKS if name in options})


def check_limits(options: Mapping[str, Any]) -> None:
    """Checks that options are limits of a run.

    Raises:
        RunError: one is not.
    """
    known = [setting.key for setting in RESUMED]
    if unknown := options.keys() - set(known):
        raise RunError(
            f"a run that goes on cannot change {', '.join(sorted(unknown))}; it can change {', '.join(known)}"
        )


def _records(journal: Path) -> tuple[Record, ...]:
    found: dict[str, Record] = {}
    for entry in current_entries(journal):
        if entry["type"] == "evaluated":
            record = Record.from_json(entry["record"])
            found[record.program_id] = record
        elif entry["type"] == "held_out" and entry["program_id"] in found:
            record = found[entry["program_id"]]
            found[record.program_id] = replace(
                record, evaluation=replace(record.evaluation, held_out=entry["metrics"])
            )
    return tuple(found.values())


def _row(record: Record) -> dict[str, Any]:
    evaluation = record.evaluation
    row = {
        "index": record.index,
        "program_id": record.program_id,
        "status": str(evaluation.status),
        "score": evaluation.score,
        "operator": record.operator,
        "island": record.island,
        "cell": record.cell,
        "parents": " ".join(record.parents),
        "reason": evaluation.reason,
        "seconds": evaluation.wall_s,
        "tokens": record.tokens,
        "cost_usd": record.cost_usd,
        "at_s": record.at_s,
    }
    row |= {f"metric.{name}": value for name, value in shown(evaluation.metrics).items()}
    held_out = shown(evaluation.held_out or {})
    return row | {f"held_out.{name}": value for name, value in held_out.items()}
