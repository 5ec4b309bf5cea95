"""Ask and tell: a run whose children come from whoever drives it.

The run is an ordinary session in a thread: it draws parents, judges, journals and writes the lineage. Jobs of the operator
`ask` go to `Study.ask` instead of to a model, and what `Study.tell` hands in takes the way of every other proposal. The
session draws parents only when somebody asks, so that every ask knows all that was told before it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from discovery.api.events import plain
from discovery.api.launch import Launch
from discovery.api.runs import Callbacks, Run, Work
from discovery.core.errors import ConfigError, RunError
from discovery.core.events import Event, NotProposed, Proposed, SlotsChanged
from discovery.core.records import Record
from discovery.core.types import Context, Individual, ModelCall, Proposal, ProposeJob
from discovery.execution.embedded import EmbeddedExecutor, Executor, embedded_executor
from discovery.operators.chat import read_child, restored
from discovery.programs.fingerprint import fingerprint
from discovery.prompts.question import Message, compose
from discovery.search.state import RunState
from discovery.settings.config import RunConfig
from evaluators.contract import Program
from evaluators.problems.loading import Problem
from evaluators.text.blocks import check_frozen


class StudyOver(RunError):
    """There is nothing to ask any more: the run has ended, or all that is left of its budget is promised to open asks."""


@dataclass(frozen=True, slots=True)
class Question:
    """One ask: make a child of `parents`. Plain frozen data.

    Attributes:
        job: the same as operators get it, with the generator's key, so that an operator can answer.
    """

    job: ProposeJob

    @property
    def number(self) -> int:
        """The number of the decision, by which the child's record names it."""
        return self.job.decision

    @property
    def island(self) -> int:
        """The island that the child is born on."""
        return self.job.island

    @property
    def parents(self) -> tuple[Individual, ...]:
        """The programs to make a child of, with what is known of them."""
        return self.job.parents

    @property
    def context(self) -> Context:
        """What is known of the search: goal, best score, other good programs, failures, what was tried on the parent."""
        return self.job.context

    def messages(self, kind: Literal["diff", "rewrite"] = "diff") -> tuple[Message, ...]:
        """Returns the chat that asks a model for the child, by SEARCH/REPLACE blocks or as a whole.

        Raises:
            ConfigError: `kind` is neither. OperatorError: the program does not fit the token budget.
        """
        return compose(_checked(kind), (restored(self.context.seed, self.parents[0]),), self.context)

    def read(self, reply: str, kind: Literal["diff", "rewrite"] = "diff") -> Program:
        """Returns the child that a model's reply to `messages` of the same kind describes.

        Raises:
            ConfigError: `kind` is unknown. EditError: there is none in it; the message says why, and can be shown to the model.
        """
        return read_child(_checked(kind), restored(self.context.seed, self.parents[0]).program, reply)


def _checked(kind: Literal["diff", "rewrite"]) -> Literal["diff", "rewrite"]:
    if kind not in ("diff", "rewrite"):
        raise ConfigError(f'kind must be "diff" or "rewrite", got {kind!r:.40}')
    return kind


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a child that was told: its `record`, or, where it was not evaluated, the reason."""

    record: Record | None
    reason: str = ""

    @property
    def score(self) -> float | None:
        """The score; None where it has none."""
        return None if self.record is None else self.record.score


class _StudyWork(Work):
    """The session of a study: what it offers waits for an ask, and what comes of each ask waits for its tell."""

    def __init__(self, launch: Launch, callbacks: Callbacks) -> None:
        super().__init__(launch, callbacks, self._make_executor_of)
        self.changed = threading.Condition()
        self.offered: list[ProposeJob] = []
        self.told: dict[int, Told] = {}
        self.open: set[int] = set()
        self.waiting = 0
        self.is_spent = False
        self._executor: EmbeddedExecutor | None = None
        self._handed_in: list[Event] = []
        self._idle_ticks = 0

    def _make_executor_of(self, config: RunConfig, problem: Problem, secret: bytes) -> Executor:
        executor = embedded_executor(
            config, problem, secret, calls=self._launch.folder.calls, offer=self._offer
        )
        with self.changed:
            self._executor = executor
            for event in self._handed_in:
                executor.hand_in(event)
        return executor

    def hand_in(self, *events: Event) -> None:
        """Hands events to the session; `changed` must be held."""
        self._idle_ticks = 0
        if self._executor is None:
            self._handed_in += events
            return
        for event in events:
            self._executor.hand_in(event)

    def slots(self) -> SlotsChanged:
        """Returns how many asks there are, answered by a job or not; `changed` must be held."""
        return SlotsChanged(len(self.open) + self.waiting)

    def _offer(self, job: ProposeJob) -> None:
        with self.changed:
            self.offered.append(job)
            self.changed.notify_all()

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Notes when nothing but open asks is under way, so that those who wait for one wait in vain."""
        with self.changed:
            is_idle = self.waiting > len(self.offered) and in_flight == len(self.open) + len(self.offered)
            self._idle_ticks = self._idle_ticks + 1 if is_idle else 0
            self.is_spent = self._idle_ticks > 1  # what was handed in before the first is carried out by now
            self.changed.notify_all()

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Tells the tellers what came of their programs."""
        super().saved(entries)
        with self.changed:
            for entry in entries:
                if entry["type"] == "evaluated":
                    self._settle(entry["record"].decision, Told(plain(entry["record"])))
                elif entry["type"] == "unproposed":
                    self._settle(entry["decision"], Told(None, entry["reason"]))
            self.changed.notify_all()

    def _settle(self, number: int, told: Told) -> None:
        if number in self.told:
            self.told[number] = told

    def _work(self) -> None:
        try:
            super()._work()
        finally:
            with self.changed:
                self.changed.notify_all()


_PENDING = Told(None, "pending")


class Study:
    """A run that asks for programs and is told them. Thread-safe: several threads may ask and tell.

    `discovery.study` makes one. Iterating over it asks until there is nothing more to ask.

    Attributes:
        run: the run, with all that it found so far.
    """

    def __init__(self, launch: Launch, callbacks: Callbacks) -> None:
        self._seed = launch.problem.seed
        self._work = _StudyWork(launch, callbacks)
        self.run = Run(launch.folder.path, self._work)
        self._work.start()

    def ask(self) -> Question:
        """Returns what to make a child of; answer it with `tell`, or give it back with `skip`.

        Raises:
            StudyOver: there is nothing more to ask; the message says why.
        """
        work = self._work
        with work.changed:
            work.waiting += 1
            work.hand_in(work.slots())
            try:
                work.changed.wait_for(lambda: work.offered or not work.is_active or work.is_spent)
                if not work.offered:
                    raise StudyOver(self._why_over())
                job = work.offered.pop(0)
                work.open.add(job.decision)
                return Question(job)
            finally:
                work.waiting -= 1
                work.is_spent = False
                work.hand_in(work.slots())

    def tell(
        self,
        question: Question,
        program: str | Program,
        *,
        parents: Iterable[str] | None = None,
        texts: Mapping[str, str] | None = None,
        calls: Iterable[ModelCall] = (),
    ) -> Told:
        """Returns what came of a child, once it was judged, journalled and written to the lineage.

        Args:
            question: what was asked.
            program: the child: its text (of the entry file, where there are several), or the whole program.
            parents: ids of its genealogical parents, the first of which it was made from; by default those of the question.
            texts: what is to stay with it, by name; "idea" is one line that later questions tell.
            calls: the calls of a model that it took, so that budgets and figures count them.

        Raises:
            RunError: the question is not open, or the run ended before the child was judged.
        """
        whole = self._seed.with_text(program) if isinstance(program, str) else program
        ids = tuple(parents) if parents is not None else tuple(one.program_id for one in question.parents)
        proposal = Proposal(whole, ids, tuple(calls), dict(texts or {}))
        refusal = check_frozen(self._seed, whole) or ""
        number, work = question.number, self._work
        with work.changed:
            self._close_question(number)
            work.told[number] = _PENDING
            work.hand_in(work.slots(), Proposed(question.job.job_id, proposal, fingerprint(whole), refusal))
            work.changed.wait_for(lambda: work.told[number] is not _PENDING or not work.is_active)
            if (told := work.told.pop(number)) is _PENDING:
                raise RunError(f"the run ended before this program was judged: {self._why_over()}")
            return told

    def skip(self, question: Question, reason: str = "skipped") -> None:
        """Gives a question back without an answer; `reason` goes to the journal.

        Raises:
            RunError: the question is not open.
        """
        with self._work.changed:
            self._close_question(question.number)
            self._work.hand_in(self._work.slots(), NotProposed(question.job.job_id, reason))

    def __iter__(self) -> Iterator[Question]:
        """Yields questions until there is nothing more to ask."""
        while True:
            try:
                question = self.ask()
            except StudyOver:
                return
            yield question

    def close(self) -> None:
        """Ends the run, if it has not ended by itself, and waits for that. It can be gone on with.

        Raises:
            RunError: the run stopped for a fault of the system.
        """
        self.run.stop("the study was closed")
        self.run.wait()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.run.stop("the study was closed")
        if kind is None:
            self.run.wait()
        else:  # the error of the block counts
            self._work.join()

    def _close_question(self, number: int) -> None:
        if number not in self._work.open:
            raise RunError(f"question {number} is not open: it was told, or skipped, or is of another study")
        self._work.open.discard(number)

    def _why_over(self) -> str:
        work = self._work
        if work.is_active:
            return (
                f"the run is paused, or all evaluations that are left are promised to {len(work.open)} open questions; "
                "tell one first"
            )
        if work.outcome is not None:
            return work.outcome.message
        return str(work.error or "the run was stopped")
