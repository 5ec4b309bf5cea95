"""Plans under way: which candidate of which plan is made next, and which evaluated programs await a summary.

Like the tuning sessions, this is a pure fold of what the journal holds, so a run resumes by replaying it: a plan is
opened by its note, its candidates are expected and told by their entries, a summary is settled by its note. What was
asked for and never came back is asked for again.

After LoongFlow (arXiv:2512.24077): round r tries r candidates of one plan side by side and learns from those of the
rounds before; a plan ends with the round in which a candidate beats the parent, or with the last round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from discovery.core.records import Record
from discovery.core.types import Individual
from discovery.settings.questions import PlanningConfig

PLAN = "plan"
"""The operator whose children come of plans; so are their records called."""
SUMMARY_TEXTS = ("summary", "fault", "guidance")
"""The texts of a summary, by name."""
MAX_AWAITED = 64
"""Summaries that may be owed; the oldest are given up."""

Turns = tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate of a plan that is due: `step` counts the plan's candidates from 0."""

    session: int
    step: int
    island: int
    parent: Individual
    plan: str
    attempts: tuple[Individual, ...]
    turns: Turns
    model: str | None
    variant: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """A program whose summary is due, and whose call it is."""

    program: Individual
    parent_id: str | None
    operator: str
    island: int
    model: str | None
    variant: str
    turns: Turns


@dataclass(slots=True)
class _Session:
    number: int
    island: int
    parent: Individual
    level: float
    plan: str
    model: str | None
    variant: str
    turns: Turns
    results: dict[int, float | None] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    attempts: dict[int, Individual] = field(default_factory=dict)
    candidate_turns: dict[int, Turns] = field(default_factory=dict)


class PlanTracker:
    """The open plans and the owed summaries of a run. One caller at a time; no I/O, no clock, no chance."""

    def __init__(self, config: PlanningConfig | None = None) -> None:
        self.config = config or PlanningConfig()
        self._sessions: dict[int, _Session] = {}
        self._awaited: dict[str, Awaited] = {}
        self._given: set[str] = set()

    @property
    def open_sessions(self) -> int:
        """Returns how many plans are under way."""
        return len(self._sessions)

    def open(
        self,
        number: int,
        *,
        island: int,
        parent: Individual,
        level: float,
        plan: str,
        model: str | None = None,
        variant: str = "",
        turns: Turns = (),
    ) -> None:
        """Opens a plan under the number of the decision that asked for it.

        Args:
            number: of the plan.
            island: where its candidates are born.
            parent: what it changes.
            level: the parent's fitness: the first candidate above it ends the plan.
            plan: its text.
            model: the model to ask.
            variant: the prompt variant.
            turns: the conversation so far, where it is one.
        """
        self._sessions[number] = _Session(number, island, parent, level, plan, model, variant, turns)

    def next_candidate(self) -> Candidate | None:
        """Returns a candidate to make now and counts it as asked for; that of a plan with the fewest goes first."""
        due = [
            (step, session)
            for session in self._sessions.values()
            for step in self._round(session)
            if step not in session.asked and step not in session.results
        ]
        if not due:
            return None
        step, session = min(due, key=lambda one: (one[0], one[1].number))
        session.asked.add(step)
        return Candidate(
            session.number,
            step,
            session.island,
            session.parent,
            session.plan,
            tuple(session.attempts[k] for k in sorted(session.attempts)),
            session.turns,
            session.model,
            session.variant,
        )

    def expect(self, number: int, step: int, turns: Turns = ()) -> None:
        """Notes that a candidate was made and waits for its evaluation."""
        if (session := self._sessions.get(number)) is not None:
            session.asked.add(step)
            if turns:
                session.candidate_turns[step] = turns

    def release(self, number: int, step: int) -> None:
        """Notes that a candidate was asked for in vain, through no fault of the plan: it will be asked for again."""
        if (session := self._sessions.get(number)) is not None:
            session.asked.discard(step)

    def tell(self, number: int, step: int, fitness: float | None, attempt: Individual | None = None) -> None:
        """Notes how a candidate did (None: it failed, or there was none); the plan may end by it."""
        if (session := self._sessions.get(number)) is None or step in session.results:
            return
        session.results[step] = fitness
        session.candidate_turns.pop(step, None)
        if attempt is not None:
            session.attempts[step] = attempt
        has_gained = fitness is not None and fitness > session.level
        if has_gained or not self._round(session):
            del self._sessions[number]

    def fold(self, record: Record, individual: Individual, fitness: float | None) -> None:
        """Takes in an evaluated program: of a plan, one to sum up, both or neither."""
        wanted = self.config.summaries
        if record.calls and (wanted == "all" or (wanted == "plan" and record.operator == PLAN)):
            self._await(record, individual)
        if record.operator == PLAN and record.session is not None and record.step is not None:
            self.tell(record.session, record.step, fitness, individual)

    def next_summary(self) -> Awaited | None:
        """Returns a program to sum up now, the oldest first, and counts it as given out."""
        for program_id, awaited in self._awaited.items():
            if program_id not in self._given:
                self._given.add(program_id)
                return awaited
        return None

    def settle(self, program_id: str) -> None:
        """Notes that a program's summary is done with, whatever came of it."""
        self._awaited.pop(program_id, None)
        self._given.discard(program_id)

    def release_summary(self, program_id: str) -> None:
        """Notes that a summary was asked for in vain: it is owed still."""
        self._given.discard(program_id)

    def _await(self, record: Record, individual: Individual) -> None:
        turns: Turns = ()
        session = None if record.session is None else self._sessions.get(record.session)
        if session is not None and record.step is not None and record.operator == PLAN:
            said = session.candidate_turns.get(record.step, ())
            turns = (*session.turns, *said) if said else ()
        parent = record.parents[0] if record.parents else None
        self._awaited[record.program_id] = Awaited(
            individual, parent, record.operator, record.island, record.model, record.variant, turns
        )
        if len(self._awaited) > MAX_AWAITED:
            self.settle(next(iter(self._awaited)))

    def _round(self, session: _Session) -> range:
        """Returns the steps of the first round that is not over; none where all are."""
        for number in range(1, self.config.rounds + 1):
            steps = range(number * (number - 1) // 2, number * (number + 1) // 2)
            if any(step not in session.results for step in steps):
                return steps
        return range(0)
