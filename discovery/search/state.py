"""What a run knows: the fold of its records. Everything here is rebuilt by replaying the journal.

Only programs that can still become parents are held as text (elites, tuning roots, recent failures); the rest is in the
journal and in git, so memory grows by a fingerprint and a number per program.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from discovery.core.budget import Ledger
from discovery.core.choices import SEED_OPERATOR
from discovery.core.held_out import Agreement, agreement
from discovery.core.records import Record
from discovery.core.results import EvaluationResult, Learner, NoteRecord, RejectedProposal
from discovery.core.types import Individual
from discovery.core.verdicts import VerdictSource
from discovery.learning.fillers import Fillers
from discovery.learning.instructions import Instructions
from discovery.learning.line_effects import LineEffects
from discovery.learning.pace import Pace
from discovery.learning.patches import Patches
from discovery.learning.screening import Screen
from discovery.learning.tuning import Tuner
from discovery.prompts.genealogy import Genealogy
from discovery.search.plan_tracker import PLAN, PlanTracker, Turns
from evaluators.contract import Evaluation, Incumbent, Limits, Objective, Program, Status
from islands.archipelago import Archipelago, Change

RECENT_FAILURES = 32
_REPAIRABLE = frozenset(
    {Status.ERROR, Status.INVALID, Status.CRASHED, Status.OUTPUT, Status.TIMEOUT, Status.MEMORY}
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a run must know of its problem: words and numbers, no code that runs.

    `start` is the output that the first program is handed to improve on, in a run of that kind; `limits` what a program may use for a case.
    """

    name: str
    goal: str
    notes: str
    objective: Objective
    seed: Program
    has_held_out: bool = False
    start: Incumbent | None = None
    limits: Limits | None = None


def credit(statement: Statement, evaluation: Evaluation) -> float | None:
    """Returns the fitness that a program has earned (larger is better), None if it has no score.

    A program that was handed an output to improve on, and did, has earned what it reached. One that did not has shown
    nothing: it gets what the run's first output was worth, or what it gave back, if that is less. So handing back what
    one was handed earns nothing, however good that was by then.
    """
    if evaluation.score is None:
        return None
    fitness = statement.objective.fitness
    reached = fitness(evaluation.score)
    if statement.start is None or evaluation.start_score is None or reached > fitness(evaluation.start_score):
        return reached
    return min(reached, fitness(statement.start.score))


def improved(statement: Statement, start: Incumbent | None, found: Individual) -> Incumbent | None:
    """Returns what the next program is handed, once a program has a score."""
    evaluation = found.evaluation
    if start is None or evaluation.score is None or evaluation.certificate is None:
        return start
    fitness = statement.objective.fitness
    if fitness(evaluation.score) <= fitness(start.score):
        return start
    return Incumbent(evaluation.certificate, evaluation.score, found.program_id)


class RunState:
    """The fold of a run's records: population, best, ledger, what is known already.

    Attributes:
        ledger: what was spent.
        best: the best program so far, None before the first that has a score.
        best_index: its record's index.
        start: the best output so far, which the next program is handed to improve on; None in runs of the other kind.
        first: the seed program, once it is evaluated.
        first_fitness: fitness of the first program that had a score: the seed.
        counts: evaluations by status.
        yields: operator -> [evaluated, ok, new or improved cells].
        hints: what the models are told on behalf of the person who runs the search, oldest first.
        next_index: the index of the next record.
        next_decision: a number above every decision seen.
    """

    def __init__(
        self,
        statement: Statement,
        archipelago: Callable[[], Archipelago],
        tuner: Tuner,
        learners: Sequence[Learner] = (),
        plans: PlanTracker | None = None,
        genealogy: Genealogy | None = None,
        instructions: Instructions | None = None,
        line_effects: LineEffects | None = None,
        patches: Patches | None = None,
        screen: Screen | None = None,
        verdicts: Sequence[VerdictSource] = (),
        fillers: Fillers | None = None,
    ) -> None:
        """Starts empty; `learners` are told of every record and of every paid call that led to none, in order.

        `genealogy`, a learner too, is what questions to models tell of the past; without it they tell nothing of it.
        So are the `instructions` that models write, and the `line_effects`. `patches` is what `cherry_pick` goes by;
        `screen` says which children are not worth an evaluation; `verdicts` which programs' exams are counted; `fillers`
        whether operators without a model bring anything, in runs in which models are asked.
        """
        self.pace = Pace()
        self.fillers = fillers
        parts = (genealogy, instructions, line_effects, patches, screen, self.pace, fillers)
        own = (part for part in parts if part is not None)
        self._learners: tuple[Learner, ...] = (*learners, *own)
        self.instructions = instructions or Instructions(0)
        self.genealogy = genealogy
        self.line_effects = line_effects
        self.patches = patches
        self.screen = screen
        self._verdicts = verdicts
        self.plans = plans or PlanTracker()
        self.statement = statement
        self.tuner = tuner
        self.ledger = Ledger()
        self.best: Individual | None = None
        self.best_index = -1
        self._passed = -math.inf
        self._examined: list[tuple[float, float]] = []
        self.start = statement.start
        self.first: Individual | None = None
        self.first_fitness: float | None = None
        self.counts: dict[str, int] = {}
        self.yields: dict[str, list[int]] = {}
        self.hints: list[str] = []
        self.next_index = 0
        self.next_decision = 0
        self._failures: deque[tuple[tuple[str, ...], Individual]] = deque(maxlen=RECENT_FAILURES)
        self._repaired: set[str] = set()
        self._make_archipelago = archipelago
        self._archipelago: Archipelago | None = None
        self._individuals: dict[str, Individual] = {}
        self._former: dict[str, Individual] = {}
        self._prune_at = 1024
        self._known: dict[bytes, float | None] = {}

    @property
    def worth_tuning(self) -> float:
        """The least fitness of programs whose constants are worth tuning: where models are asked, those near the best."""
        best, first = self._best_fitness(), self.first_fitness
        if self.fillers is None or best is None or first is None:
            return -math.inf
        return best - self.tuner.config.within * (best - first)

    @property
    def archipelago(self) -> Archipelago:
        """Returns the population (made on first use: its library is slow to load)."""
        if self._archipelago is None:
            self._archipelago = self._make_archipelago()
        return self._archipelago

    def individual(self, program_id: str) -> Individual:
        """Returns a program that can be a parent.

        Raises:
            KeyError: it is neither an elite nor was one of late.
        """
        found = self._individuals.get(program_id)
        return self._former[program_id] if found is None else found

    def find(self, program_id: str) -> Individual | None:
        """Returns a program that can be a parent, or None where it is forgotten."""
        return self._individuals.get(program_id) or self._former.get(program_id)

    def is_known(self, fingerprint: str) -> bool:
        """Returns whether a program of this fingerprint was evaluated, or is on its way."""
        return bytes.fromhex(fingerprint) in self._known

    def known_fitness(self, fingerprint: str) -> float | None:
        """Returns the fitness of a known program; None if it failed or is still on its way."""
        return self._known[bytes.fromhex(fingerprint)]

    def expect(self, fingerprint: str) -> None:
        """Notes that a program of this fingerprint is on its way to evaluation."""
        self._known[bytes.fromhex(fingerprint)] = None

    def scored(self) -> tuple[Individual, ...]:
        """Returns the programs with a score whose text is still held, in the order in which they came."""
        return tuple(self._individuals.values())

    def next_repairable(self) -> Individual | None:
        """Returns the newest failed program that nobody tried to repair yet, and marks it as tried."""
        for _, individual in reversed(self._failures):
            if individual.program_id not in self._repaired and individual.evaluation.status in _REPAIRABLE:
                self._repaired.add(individual.program_id)
                return individual
        return None

    def find_failed(self, program_id: str) -> Individual | None:
        """Returns a program that failed recently, or None where it is forgotten."""
        return next((one for _, one in self._failures if one.program_id == program_id), None)

    def note_repair(self, operator: str, parents: Sequence[str]) -> None:
        """Notes that a program was tried to be repaired, where that is what an operator did."""
        if operator == "repair":
            self._repaired.update(parents[:1])

    def release_repair(self, operator: str, parents: Sequence[str]) -> None:
        """Notes that a repair was asked for in vain, so that it is tried again."""
        if operator == "repair":
            self._repaired.difference_update(parents[:1])

    def fitness(self, record: Record) -> float | None:
        """Returns the record's fitness (larger is better), None if it has no score."""
        return credit(self.statement, record.evaluation)

    def fold(self, record: Record) -> tuple[Change, ...]:
        """Folds a record in and returns the changes it made to the archives."""
        evaluation = record.evaluation
        fitness = self.fitness(record)
        parent_fitness, best_before = self._fitness_of(record.parents[:1]), self._best_fitness()
        self.next_index = record.index + 1
        self.next_decision = max(self.next_decision, record.decision + 1)
        self.ledger.evaluations += 1
        self.ledger.since_best += 1
        self.counts[str(evaluation.status)] = self.counts.get(str(evaluation.status), 0) + 1
        if record.fingerprint:
            self._known[bytes.fromhex(record.fingerprint)] = fitness
        if record.session is not None and record.step is not None and record.operator != PLAN:
            self._tell(record, record.session, record.step, fitness)
        if record.parents:
            self.archipelago.record_parents(record.island, record.parents)
        individual = Individual(record.program, evaluation, record.program_id, record.texts)
        if record.operator == SEED_OPERATOR:
            self.first = individual
        if record.calls:
            self.plans.fold(record, individual, fitness)
        changes: tuple[Change, ...] = ()
        if fitness is None or evaluation.measures is None:
            self._failures.append((record.parents, individual))
        else:
            self._individuals[record.program_id] = individual
            if self.first_fitness is None:
                self.first_fitness = fitness
            reached = self.statement.objective.fitness(evaluation.score or 0.0)
            if best_before is None or reached > best_before:
                self.best, self.best_index = individual, record.index
                self.ledger.since_best = 0
            self.start = improved(self.statement, self.start, individual)
            changes = self._settle(record, fitness, evaluation.measures)
            self._prune()
        tally = self.yields.setdefault(record.operator, [0, 0, 0])
        for place, hit in enumerate((True, fitness is not None, bool(changes))):
            tally[place] += hit
        for learner in self._learners:
            learner.learn(EvaluationResult(record, fitness, parent_fitness, best_before, changes))
        return changes

    def rejected(self, rejected: RejectedProposal) -> None:
        """Books paid model calls that led to no evaluation."""
        self.ledger.charge(rejected.calls)
        for learner in self._learners:
            learner.learn_rejected(rejected)

    def note(self, note: NoteRecord) -> None:
        """Books paid model calls that led to a text."""
        self.ledger.charge(note.calls)
        if note.kind == "summary" and note.texts:
            self._add_texts(note.program_id, note.texts)
        for learner in self._learners:
            learner.learn_note(note)

    def open_plan(self, number: int, note: NoteRecord, turns: Turns) -> None:
        """Opens the plan of a note, if its parent is still known."""
        parent, level = self.find(note.program_id), self._fitness_of((note.program_id,))
        if parent is not None and level is not None:
            self.plans.open(
                number,
                island=note.island,
                parent=parent,
                level=level,
                plan=note.texts["plan"],
                model=note.model,
                variant=note.variant,
                turns=turns,
            )

    def _add_texts(self, program_id: str, texts: Mapping[str, str]) -> None:
        for held in (self._individuals, self._former):
            if (individual := held.get(program_id)) is not None:
                held[program_id] = replace(individual, texts={**individual.texts, **texts})
        if self.best is not None and self.best.program_id == program_id:
            self.best = replace(self.best, texts={**self.best.texts, **texts})
        self._failures = deque(
            (
                (parents, replace(one, texts={**one.texts, **texts}) if one.program_id == program_id else one)
                for parents, one in self._failures
            ),
            maxlen=RECENT_FAILURES,
        )

    def _best_fitness(self) -> float | None:
        return (
            None if self.best is None else self.statement.objective.fitness(self.best.evaluation.score or 0.0)
        )

    def _fitness_of(self, ids: Sequence[str]) -> float | None:
        """Returns the fitness of the first id, None where it has none or is forgotten."""
        found = (self._individuals.get(ids[0]) or self._former.get(ids[0])) if ids else None
        return credit(self.statement, found.evaluation) if found else None

    def _tell(self, record: Record, session: int, step: int, fitness: float | None) -> None:
        if not self.tuner.knows(
            session
        ):  # a replay: the session was opened by a decision, which leaves no record
            root = self._individuals.get(record.parents[0]) or self._former.get(record.parents[0])
            level = credit(self.statement, root.evaluation) if root is not None else None
            if root is not None and level is not None:
                self.tuner.open(session, record.island, root, level)
        self.tuner.tell(session, step, fitness)

    def deserves_exam(self, record: Record) -> bool:
        """Returns whether a program is to meet the held-out cases: a new elite.

        Where a verdict counts how many were examined (core/verdicts.py), it must also be better than all that passed, for
        no other will be reported, and an exam takes as long as two evaluations.
        """
        if not self.statement.has_held_out or record.cell is None:
            return False
        fitness = credit(self.statement, record.evaluation)
        is_counted = any(source.applies_to(record.evaluation.metrics) for source in self._verdicts)
        return not is_counted or (fitness is not None and fitness > self._passed)

    @property
    def agreement(self) -> Agreement:
        """How the visible scores of the programs that were examined agree with their held-out scores."""
        return agreement(self._examined)

    def note_held_out(self, program_id: str, metrics: Mapping[str, float], reason: str = "") -> None:
        """Notes the metrics of a program on the held-out cases; none, and why, where they refused it."""
        examined = self._individuals.get(program_id)
        held_out = metrics.get(self.statement.objective.name)
        if examined is not None and examined.evaluation.score is not None and held_out is not None:
            self._examined.append((examined.evaluation.score, held_out))
        fitness = None if examined is None else credit(self.statement, examined.evaluation)
        if metrics and fitness is not None:
            self._passed = max(self._passed, fitness)
        for individual in (self._individuals.get(program_id), self.best):
            if individual is not None and individual.program_id == program_id:
                found = replace(individual.evaluation, held_out=dict(metrics), reason=reason)
                noted = replace(individual, evaluation=found)
                if program_id in self._individuals:
                    self._individuals[program_id] = noted
                if self.best is not None and self.best.program_id == program_id:
                    self.best = noted

    def restore(self, island: int, record: Record) -> None:
        """Puts a program that is known to be an elite of an island there; nothing else is folded."""
        fitness, measures = self.fitness(record), record.evaluation.measures
        if fitness is not None and measures is not None:
            values = self._values(record.evaluation)
            self.archipelago.restore(island, record.program_id, fitness, measures, values)

    def _settle(self, record: Record, fitness: float, measures: tuple[float, ...]) -> tuple[Change, ...]:
        islands = range(len(self.archipelago)) if record.operator == SEED_OPERATOR else (record.island,)
        values = self._values(record.evaluation)
        return tuple(
            change
            for island in islands
            for change in self.archipelago.add(island, record.program_id, fitness, measures, values)
        )

    def _values(self, evaluation: Evaluation) -> tuple[float, ...]:
        objective = self.statement.objective
        return objective.values(evaluation.score or 0.0, evaluation.metrics) if objective.also else ()

    def _prune(self) -> None:
        """Forgets the text of programs that no archive holds, one round late: a decision in flight may name them."""
        if len(self._individuals) < self._prune_at:
            return
        islands = range(len(self.archipelago))
        alive = {elite.program_id for island in islands for elite in self.archipelago.elites(island)}
        if self.best is not None:
            alive.add(self.best.program_id)
        self._former = {key: value for key, value in self._individuals.items() if key not in alive}
        self._individuals = {key: value for key, value in self._individuals.items() if key in alive}
        self._prune_at = max(1024, 2 * len(self._individuals))
