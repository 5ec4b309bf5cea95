"""Where jobs run. `EmbeddedExecutor` is the default: threads for models, one judge process per slot, no server."""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy.ma  # noqa: F401 - numpy loads it in the first median: too late beside threads that parse (evaluators/text/trees.py)

from discovery.core.allowance import Verdict
from discovery.core.choices import ASK_OPERATOR
from discovery.core.clock import now_s
from discovery.core.events import Broken, Evaluated, EvaluateJob, Event, Tried
from discovery.core.types import Model, ModelCall, Operator, ProposeJob
from discovery.execution.bench import JobBench
from discovery.execution.jobs import propose
from discovery.llm.client import ChatModels
from discovery.llm.meter import CallMeter
from discovery.operators.registry import JOBS
from discovery.settings.config import RunConfig
from discovery.storage.open_calls import OpenCalls
from evaluators.contract import Evaluation, Incumbent, Program
from evaluators.problems.loading import Problem
from evaluators.worker import JudgeProcess


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
    order; `next_events` blocks until there is one or the time is over, and what it returned counts as saved when it is
    called again; after `close` nothing is left running but model calls that nobody waits for.

    Attributes:
        paused: why nothing moves at the moment; "" when it does.
    """

    paused: str

    def propose(self, job: ProposeJob, *, needs_model: bool) -> None:
        """Begins a proposal."""
        ...

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        ...

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call."""
        ...

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on; what waits for that is put off, what is under way goes on."""
        ...

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the paid calls of jobs that have led to no event yet, by job id, and those of earlier sessions."""
        ...

    def close(self, *, at_once: bool = False) -> None:
        """Ends everything; `at_once` without waiting for what is under way."""
        ...


@runtime_checkable
class Answering(Protocol):
    """An executor on which operators experiment."""

    def answer(self, verdict: Verdict) -> None:
        """Tells an operator at work what came of a program of its own; one that is gone hears nothing."""
        ...


class EmbeddedExecutor:
    """Runs everything on this machine, from this process. See `Executor`.

    Args:
        make_judge: makes a judge, one per slot.
        slots: evaluations at the same time; model_slots: model calls at the same time.
        operators: by name; model: what they ask.
        calls: where the calls of jobs under way outlive a kill.
        clock: unix time.
        offer: takes the jobs of the operator `ask`, whose answers are handed in.
        folder: the run's, in which transcripts are kept and which nothing that an operator starts may see; None for none.
    """

    paused = ""

    def __init__(
        self,
        *,
        make_judge: Callable[[], Judging],
        slots: int,
        operators: Mapping[str, Operator],
        model: Model | None = None,
        model_slots: int = 1,
        calls: OpenCalls | None = None,
        clock: Callable[[], float] = now_s,
        offer: Callable[[ProposeJob], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._offer = offer
        self._folder = folder
        self._benches: dict[str, JobBench] = {}
        self._operators = operators
        self._model = model
        self._model_slots = model_slots
        self._calls = calls
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[EvaluateJob | None] = queue.SimpleQueue()
        self._questions: queue.SimpleQueue[ProposeJob | None] = queue.SimpleQueue()
        self._meters: dict[str, CallMeter] = {}
        self._returned: list[str] = []
        self._stop = threading.Event()
        self._is_closed = False
        self._askers: list[threading.Thread] = []
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
        elif self._model is not None:
            note = None if self._calls is None else functools.partial(self._calls.note, job.job_id)
            self._meters[job.job_id] = CallMeter(self._stop, note)
            if job.allowance is not None:
                self._benches[job.job_id] = JobBench(job, self._events.put, self._stop, self._folder)
            if len(self._askers) < self._model_slots:  # daemons: no call that hangs holds up the process' end
                thread = threading.Thread(target=self._ask, name="model", daemon=True)
                self._askers.append(thread)
                thread.start()
            self._questions.put(job)

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        self._jobs.put(job)

    def answer(self, verdict: Verdict) -> None:
        """Tells an operator at work what came of a program of its own."""
        if (bench := self._benches.get(verdict.job_id)) is not None:
            bench.take(verdict)

    def hand_in(self, event: Event) -> None:
        """Adds an event from outside, from any thread."""
        self._events.put(event)

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call, after at most `timeout_s`."""
        if self._calls is not None and self._returned:
            self._calls.settle(self._returned)
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=timeout_s))
            while True:
                events.append(self._events.get_nowait())
        ended = (event for event in events if not isinstance(event, Tried))
        self._returned = [job_id for event in ended if (job_id := getattr(event, "job_id", ""))]
        for job_id in self._returned:
            self._meters.pop(job_id, None)
            self._benches.pop(job_id, None)
        return events

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on."""
        (self._stop.clear if is_allowed else self._stop.set)()

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the paid calls of jobs that have led to no event yet, by job id, and those of earlier sessions."""
        left = {} if self._calls is None else self._calls.left
        return {**left, **{job_id: meter.calls for job_id, meter in self._meters.items()}}

    def close(self, *, at_once: bool = False) -> None:
        """Ends the judges and drops what waits; model calls under way are left to end by themselves."""
        self._is_closed = True
        self._stop.set()
        for _ in self._threads:
            self._jobs.put(None)
        for _ in self._askers:
            self._questions.put(None)
        for thread in self._threads:
            thread.join(timeout=0.0 if at_once else 30.0)

    def _ask(self) -> None:
        while (job := self._questions.get()) is not None and not self._is_closed:
            operator, meter = self._operators[job.operator], self._meters[job.job_id]
            try:
                self._events.put(propose(job, operator, self._model, meter, self._benches.get(job.job_id)))
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


def embedded_executor(
    config: RunConfig,
    problem: Problem,
    secret: bytes,
    *,
    calls: Path | None = None,
    untrusted: bool = False,
    offer: Callable[[ProposeJob], None] | None = None,
) -> EmbeddedExecutor:
    """Returns an executor on this machine.

    Args:
        config: the run's settings.
        problem: what is solved.
        secret: what its hidden cases are drawn from.
        untrusted: whether its own code is to be confined.
        calls: the file in which the calls of jobs under way outlive a kill.
        offer: takes the jobs of the operator `ask`, whose answers are handed in.
    """
    model: Model | None = ChatModels(config.models) if config.models.models else None
    return EmbeddedExecutor(
        make_judge=lambda: JudgeProcess(
            problem.source, secret, unsafe=config.unsafe, tier=config.tier, untrusted=untrusted
        ),
        slots=config.workers,
        operators=JOBS,
        model=model,
        model_slots=config.model_slots,
        calls=None if calls is None else OpenCalls(calls),
        offer=offer,
        folder=None if calls is None else calls.parent,
    )
