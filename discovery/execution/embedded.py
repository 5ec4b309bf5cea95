"""Where jobs run. `EmbeddedExecutor` is the default: processes for models, one judge process per slot, no server."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy.ma  # noqa: F401 - numpy loads it in the first median: too late beside threads that parse (evaluators/text/trees.py)

from discovery.core.allowance import Verdict
from discovery.core.choices import ASK_OPERATOR
from discovery.core.clock import now_s
from discovery.core.events import Broken, Evaluated, EvaluateJob, Event, Tried
from discovery.core.types import ModelCall, Operator, ProposeJob
from discovery.execution.jobs import propose
from discovery.execution.proposers import ProposerProcesses
from discovery.operators.registry import JOBS
from discovery.settings.config import RunConfig
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


class Asker(Protocol):
    """Does the jobs that ask models.

    Contract: `begin` returns at once; each job leads to one event at least, which the asker was told where to put.
    """

    def begin(self, job: ProposeJob) -> None:
        """Begins a job."""
        ...

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on."""
        ...

    def answer(self, verdict: Verdict) -> None:
        """Tells an operator at work what came of a program of its own; one that is gone hears nothing."""
        ...

    def look(self, returned: Iterable[str]) -> None:
        """Takes in which jobs' events are saved, and ends what takes too long. Called a few times a second."""
        ...

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the paid calls of jobs that have led to no event yet, by job id, and those of earlier sessions."""
        ...

    def close(self) -> None:
        """Ends it; calls under way are left to end by themselves, or end with it."""
        ...


class EmbeddedExecutor:
    """Runs everything on this machine, from this process. See `Executor`.

    Args:
        make_judge: makes a judge, one per slot.
        slots: evaluations at the same time.
        operators: by name.
        make_asker: makes what asks models, given where it puts its events; None where there are none.
        clock: unix time.
        offer: takes the jobs of the operator `ask`, whose answers are handed in.
    """

    paused = ""

    def __init__(
        self,
        *,
        make_judge: Callable[[], Judging],
        slots: int,
        operators: Mapping[str, Operator],
        make_asker: Callable[[Callable[[Event], None]], Asker] | None = None,
        clock: Callable[[], float] = now_s,
        offer: Callable[[ProposeJob], None] | None = None,
    ) -> None:
        self._offer = offer
        self._operators = operators
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._jobs: queue.SimpleQueue[EvaluateJob | None] = queue.SimpleQueue()
        self._asker = None if make_asker is None else make_asker(self._events.put)
        self._returned: list[str] = []
        self._is_closed = False
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
        elif self._asker is not None:
            self._asker.begin(job)

    def evaluate(self, job: EvaluateJob) -> None:
        """Begins an evaluation."""
        self._jobs.put(job)

    def answer(self, verdict: Verdict) -> None:
        """Tells an operator at work what came of a program of its own."""
        if self._asker is not None:
            self._asker.answer(verdict)

    def hand_in(self, event: Event) -> None:
        """Adds an event from outside, from any thread."""
        self._events.put(event)

    def next_events(self, timeout_s: float) -> list[Event]:
        """Returns what has happened since the last call, after at most `timeout_s`."""
        if self._asker is not None:
            self._asker.look(self._returned)
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=timeout_s))
            while True:
                events.append(self._events.get_nowait())
        ended = (event for event in events if not isinstance(event, Tried))
        self._returned = [job_id for event in ended if (job_id := getattr(event, "job_id", ""))]
        return events

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on."""
        if self._asker is not None:
            self._asker.let_ask(is_allowed)

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the paid calls of jobs that have led to no event yet, by job id, and those of earlier sessions."""
        return {} if self._asker is None else self._asker.open_calls()

    def close(self, *, at_once: bool = False) -> None:
        """Ends the judges and drops what waits; nobody waits for model calls under way."""
        self._is_closed = True
        if self._asker is not None:
            self._asker.close()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(timeout=0.0 if at_once else 30.0)

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
    calls: Path,
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

    def make_asker(put: Callable[[Event], None]) -> Asker:
        return ProposerProcesses(config.models, slots=config.model_slots, put=put, calls=calls)

    return EmbeddedExecutor(
        make_judge=lambda: JudgeProcess(
            problem.source, secret, unsafe=config.unsafe, tier=config.tier, untrusted=untrusted
        ),
        slots=config.workers,
        operators=JOBS,
        make_asker=make_asker if config.models.models else None,
        offer=offer,
    )
