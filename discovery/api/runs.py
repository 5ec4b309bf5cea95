"""A run in Python: what it found, and a hand on it while it works."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.api.events import BestFound, EventFold, ModelCalled, ProgramEvaluated, RunEnded, RunEvent
from discovery.api.launch import Launch, MakeExecutor, go_on
from discovery.api.pages import run_page
from discovery.api.programs import Programs
from discovery.core.errors import RunError, RunFolderError
from discovery.core.records import Record, RunInfo, shown
from discovery.execution.ending import StopRequest
from discovery.execution.population import population_of
from discovery.execution.runs import run_folder
from discovery.execution.session import Outcome
from discovery.search.state import RunState
from discovery.settings.doors import RESUMED
from discovery.storage.index import Index, open_index
from discovery.storage.journal import Follower

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
                with open_index(folder) as index:
                    if (number := index.best()) is not None:
                        self._fold.is_best(index.record(number))
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
        self._info = self._folder.read_info()

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
    def programs(self) -> Programs:
        """Every program that was evaluated, in order, failures included; read when they are looked at."""
        with open_index(self._folder) as index:
            return Programs(self._folder, len(index))

    @property
    def best(self) -> Record | None:
        """The best program (the first among equals); None before any has a score."""
        with open_index(self._folder) as index:
            return None if (number := index.best()) is None else index.record(number)

    @property
    def history(self) -> tuple[Record, ...]:
        """The programs that were the best when they were recorded, in order: how the score got better."""
        with open_index(self._folder) as index:
            return tuple(index.record(number) for number in index.bests())

    @property
    def lineage(self) -> tuple[Record, ...]:
        """The best program and all its ancestors, oldest first; git has the same in `repository`."""
        best = self.best
        return () if best is None else self.ancestors(best.program_id)

    @property
    def archive(self) -> tuple[Elite, ...]:
        """The elites of every cell of every island, in order."""
        with open_index(self._folder) as index:
            population = population_of(self._folder, index)
            return tuple(
                Elite(
                    island,
                    one.cell,
                    one.fitness,
                    one.measures,
                    index.record(index.find(one.program_id)[0][0]),
                )
                for island in range(len(population))
                for one in sorted(population.elites(island), key=lambda one: one.cell)
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
        with open_index(self._folder) as index:
            return index.record(self._number(index, program_id))

    def ancestors(self, program_id: str) -> tuple[Record, ...]:
        """Returns a program and all its ancestors, oldest first.

        Raises:
            RunError: there is no such program.
        """
        with open_index(self._folder) as index:
            found: set[int] = set()
            waiting = [self._number(index, program_id)]
            while waiting:
                number = waiting.pop()
                if number not in found:
                    found.add(number)
                    parents = index.fact(number).parents
                    waiting += [named[0][0] for one in parents if (named := index.find(one, at_most=1))]
            return tuple(index.record(number) for number in sorted(found))

    def _number(self, index: Index, program_id: str) -> int:
        found = index.find(program_id.lower(), at_most=2)
        if len(found) != 1:
            many = "no program is" if not found else "several programs are"
            raise RunError(f"{many} named {program_id!r:.40} in {self.path}; give an id of `run.programs`")
        return found[0][0]

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
        journal = Follower(self._folder.journal)
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
        with open_index(self._folder) as index:
            failed = len(index) - index.count_scored()
            return run_page(self.path, self.info, self.history, state, count=len(index), failed=failed)


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
