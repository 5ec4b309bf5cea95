"""Where jobs run. `EmbeddedExecutor` is the default: threads for models, one judge process per slot, no server."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy.ma  # noqa: F401 - numpy loads it in the first median: too late beside threads that parse (evaluators/text/trees.py)

from discovery.core.choices import ASK_OPERATOR
from discovery.core.clock import now_s
from discovery.core.events import Broken, Evaluated, EvaluateJob, Event
from discovery.core.types import Model, Operator, ProposeJob
from discovery.execution.jobs import propose
from evaluators.contract import Evaluation, Incumbent, Program


class Judging(Protocol):
    """Judges programs, one at a time. Contract: never raises for what a program does; restarts itself when hung."""

    def evaluate(
        self, program: Program, *, held_out: bool = False, start: Incumbent | None = None
    ) -> Evaluation:
        """Returns the evaluation of a program, which is handed `start` to improve on, if there is one."""
        ...

    def close(self) -> None:
        """Ends its processes."""
        ...


class Executor(Protocol):
    """Runs jobs and hands back events.

    Contract: `propose` and `evaluate` return at once; each job leads to one event at least (twice is harmless), in any
    order; `next_events` blocks until there is one or the time is over; after `close` nothing is left running.
    """

    def propose(self, job: ProposeJob, *, needs_model: bool) -> None:
        """Begins a proposal."""
        ...

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        ...

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call."""
        ...

    def close(self) -> None:
        """Ends everything."""
        ...


class EmbeddedExecutor:
    """Runs everything on this machine, from this process."""

    def __init__(
        self,
        *,
        make_judge: Callable[[], Judging],
        slots: int,
        operators: Mapping[str, Operator],
        model: Model | None = None,
        model_slots: int = 1,
        clock: Callable[[], float] = now_s,
        offer: Callable[[ProposeJob], None] | None = None,
    ) -> None:
        """Starts the judges; `offer` takes the jobs of the operator `ask`, whose answers are handed in."""
        self._offer = offer
        self._operators = operators
        self._model = model
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[EvaluateJob | None] = queue.SimpleQueue()
        self._is_closed = False
        self._models = ThreadPoolExecutor(max(1, model_slots), thread_name_prefix="model") if model else None
        self._threads = [
            threading.Thread(target=self._serve, args=(make_judge,), name=f"judge-{slot}", daemon=True)
            for slot in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    def propose(self, job: ProposeJob, *, needs_model: bool) -> None:
        """Begins a proposal; one without a model is made at once, in this thread, so that its order is certain."""
        if self._offer is not None and job.operator == ASK_OPERATOR:
            self._offer(job)
        elif not needs_model:
            self._events.put(propose(job, self._operators[job.operator], None))
        elif self._models is not None:
            self._models.submit(self._propose, job)

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        self._jobs.put(job)

    def hand_in(self, event: Event) -> None:
        """Adds an event from outside, from any thread."""
        self._events.put(event)

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call, after at most `timeout_s`."""
        events: list[Event] = []
        try:
            events.append(self._events.get(timeout=timeout_s))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def close(self) -> None:
        """Ends the judges and drops what waits; model calls under way are left to end by themselves."""
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)
        if self._models is not None:
            self._models.shutdown(wait=False, cancel_futures=True)
        for thread in self._threads:
            thread.join(timeout=30)

    def _propose(self, job: ProposeJob) -> None:
        try:
            self._events.put(propose(job, self._operators[job.operator], self._model))
        except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: a fault of ours must end the run loudly
            self._events.put(Broken(f"operator {job.operator} failed: {type(error).__name__}: {error}"))

    def _serve(self, make_judge: Callable[[], Judging]) -> None:
        try:
            judge = make_judge()
        except Exception as error:  # noqa: BLE001 - as above
            self._events.put(Broken(str(error)))
            return
        try:
            while (job := self._jobs.get()) is not None and not self._is_closed:
                evaluation = judge.evaluate(job.program, held_out=job.held_out, start=job.start)
                self._events.put(Evaluated(job.job_id, evaluation, self._clock()))
        except Exception as error:  # noqa: BLE001 - as above
            self._events.put(Broken(f"{type(error).__name__}: {error}"))
        finally:
            judge.close()
