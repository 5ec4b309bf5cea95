"""The facts of a run that its report shows, folded from what its index tells. No drawing.

Memory does not grow with the run: of very many programs, those are kept that make the outline of a picture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from discovery.core.held_out import Agreement, agreement
from discovery.core.records import Record, RunInfo
from discovery.core.texts import one_line
from discovery.core.types import ModelCall
from discovery.learning.screening import is_screened
from discovery.reporting.charts import outline
from discovery.storage.index import Index, Item
from discovery.storage.indexing import Fact, fact_of
from evaluators.contract import Measure

_NUMBERS = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
_REASON_CHARS = 110
_MOST_POINTS = 40_000
_MOST_REASONS = 10_000
_OTHER_REASONS = "other reasons"
LOST = "lost at a kill"
"""Under which name a report shows calls of which only that they were made is known."""


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation on the time line; `worked_s` counts from the start and leaves pauses out."""

    index: int
    program_id: str
    score: float | None
    status: str
    operator: str
    worked_s: float


@dataclass(frozen=True, slots=True)
class EliteSeen:
    """What stands in one cell of one island."""

    program_id: str
    score: float
    measures: tuple[float, ...]


@dataclass(slots=True)
class Yield:
    """What one operator or one model was given and gave.

    Attributes:
        tried: children asked for; childless: how often none came out; ok: children with a score.
        screened: of the childless, how many a model made that were not worth an evaluation.
        bests: new best programs; new_cells: cells opened; better_cells: elites replaced.
        gain: what its new bests added to the best score, in the objective's direction.
        calls, tokens, cost_usd: of its model calls; unpriced: calls whose price is unknown.
    """

    tried: int = 0
    childless: int = 0
    screened: int = 0
    ok: int = 0
    bests: int = 0
    new_cells: int = 0
    better_cells: int = 0
    gain: float = 0.0
    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    def charge(self, calls: Iterable[ModelCall]) -> None:
        """Adds model calls."""
        for call in calls:
            self.calls += 1
            self.tokens += call.prompt_tokens + call.completion_tokens
            self.cost_usd += call.cost_usd or 0.0
            self.unpriced += call.cost_usd is None


@dataclass(slots=True)
class Failure:
    """Programs that failed in one way; `example` is the newest."""

    count: int = 0
    example: str = ""


@dataclass(slots=True)
class Story:
    """A run as its journal tells it; `fold` takes what happened in order.

    Attributes:
        count: programs evaluated.
        points: of the programs, or of an outline of them where they are very many.
    """

    info: RunInfo
    count: int = 0
    points: list[Point] = field(default_factory=list)
    bests: list[Point] = field(default_factory=list)
    islands: dict[int, dict[int, EliteSeen]] = field(default_factory=dict)
    operators: dict[str, Yield] = field(default_factory=dict)
    models: dict[str, Yield] = field(default_factory=dict)
    total: Yield = field(default_factory=Yield)
    failures: dict[tuple[str, str], Failure] = field(default_factory=dict)
    layers: Counter[tuple[str, ...]] = field(default_factory=Counter)
    spending: list[tuple[float, int, float]] = field(default_factory=list)
    held_out: dict[str, Mapping[str, float]] = field(default_factory=dict)
    exam_faults: dict[str, str] = field(default_factory=dict)
    is_self_scored: bool = False
    notes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    reason: str = ""
    last_s: float = 0.0
    _opened_s: float | None = None
    _earlier_s: float = 0.0
    _retired: list[str] = field(default_factory=list)

    @property
    def worked_s(self) -> float:
        """Returns the seconds that were worked on the run, pauses left out."""
        return self._worked(self.last_s)

    @property
    def agreement(self) -> Agreement:
        """How visible scores agree with held-out ones."""
        name = self.info.objective.name
        return agreement(
            [
                (one.score, held_out)
                for one in self.points
                if one.score is not None
                and (held_out := self.held_out.get(one.program_id, {}).get(name)) is not None
            ]
        )

    @property
    def best(self) -> Point | None:
        """Returns the best evaluation."""
        return self.bests[-1] if self.bests else None

    def fold(self, item: Item, calls: Sequence[ModelCall] = ()) -> None:
        """Takes in what happened next; kinds that a report does not show are passed over.

        Args:
            item: a program's fact, or an entry of another kind.
            calls: the program's model calls.
        """
        if isinstance(item, Fact):
            self._fold_program(item, calls)
            return
        entry, kind = item, item["type"]
        if kind == "evaluated":
            record = entry["record"] if isinstance(entry["record"], dict) else entry["record"].to_json()
            made = [ModelCall(**call) for call in record.get("calls", ())]
            self._fold_program(fact_of(record), made)
        elif kind == "unproposed":
            self._fold_childless(entry)
        elif kind == "noted":
            self._fold_note(entry)
        elif kind == "spent":
            self._charge(LOST, [ModelCall(**call) for call in entry["calls"]], self._worked(self.last_s))
        elif kind == "retired":
            self._retired.append(f"model {entry['model']} was asked no more: {entry['reason']}")
        elif kind == "held_out":
            self.held_out[entry["program_id"]] = entry["metrics"]
            self.exam_faults[entry["program_id"]] = entry.get("reason", "")
        elif kind == "opened":
            if self._opened_s is not None:
                self._earlier_s += self.last_s - self._opened_s
            self._opened_s = self.last_s = float(entry["at_s"])
            self.reason = ""
            self._retired.clear()
        elif kind == "closed":
            self.last_s = max(self.last_s, float(entry["at_s"]))
            self.reason = "; ".join([entry.get("message") or entry.get("reason", ""), *self._retired])

    def _worked(self, at_s: float) -> float:
        opened_s = self.info.started_at if self._opened_s is None else self._opened_s
        return max(self._earlier_s + at_s - opened_s, 0.0)

    def _fold_program(self, fact: Fact, calls: Sequence[ModelCall]) -> None:
        self.last_s = max(self.last_s, fact.at_s)
        point = Point(
            fact.number, fact.program_id, fact.score, fact.status, fact.operator, self._worked(fact.at_s)
        )
        self.count += 1
        self.points.append(point)
        if len(self.points) > _MOST_POINTS:
            self.points = outline(self.points, _MOST_POINTS // 2, lambda one: one.score)
        self.layers[fact.layers] += 1
        self.is_self_scored = self.is_self_scored or fact.is_self_scored
        counted = [self._operator(fact.operator), self.total]
        if calls:
            counted += map(self._model, sorted({call.model for call in calls}))
        gain = self._gain(point)
        for each in counted:
            each.tried += 1
            each.ok += fact.status == "ok"
            each.new_cells += fact.opened
            each.better_cells += fact.improved
            each.bests += gain is not None
            each.gain += gain or 0.0
        self._charge(fact.operator, calls, point.worked_s)
        if fact.score is None:
            self._fail(point, fact.reason)

    def _gain(self, point: Point) -> float | None:
        """Returns by how much a point beats the best so far and makes it the best; None where it does not."""
        if point.score is None:
            return None
        fitness, best = self.info.objective.fitness, self.best
        if best is None or best.score is None:
            self.bests.append(point)
            return 0.0
        gain = fitness(point.score) - fitness(best.score)
        if gain <= 0:
            return None
        self.bests.append(point)
        return gain

    def _fold_childless(self, entry: Mapping[str, Any]) -> None:
        calls = [ModelCall(**call) for call in entry.get("calls", ())]
        operator = entry["operator"]
        models = {call.model for call in calls}
        for each in (self._operator(operator), self.total, *map(self._model, sorted(models))):
            each.tried += 1
            each.childless += 1
            each.screened += is_screened(entry["reason"])
        self._charge(operator, calls, self._worked(self.last_s))

    def _fold_note(self, entry: Mapping[str, Any]) -> None:
        if entry["kind"] == "summary":
            self.notes[entry["program_id"]] = entry["texts"]
        calls = [ModelCall(**call) for call in entry["calls"]]
        self._charge(entry["operator"], calls, self._worked(self.last_s))

    def _charge(self, operator: str, calls: Sequence[ModelCall], worked_s: float) -> None:
        if not calls:
            return
        self._operator(operator).charge(calls)
        self.total.charge(calls)
        for call in calls:
            self._model(call.model).charge([call])
        self.spending.append((worked_s, self.total.tokens, self.total.cost_usd))
        if len(self.spending) > _MOST_POINTS:
            self.spending = self.spending[::2]

    def _operator(self, name: str) -> Yield:
        return self.operators.setdefault(name, Yield())

    def _model(self, name: str) -> Yield:
        return self.models.setdefault(name, Yield())

    def _fail(self, point: Point, reason: str) -> None:
        kind = _NUMBERS.sub("#", one_line(reason, _REASON_CHARS)) or "no reason given"
        if len(self.failures) >= _MOST_REASONS and (point.status, kind) not in self.failures:
            kind = _OTHER_REASONS
        failure = self.failures.setdefault((point.status, kind), Failure())
        failure.count += 1
        failure.example = point.program_id


def read_story(info: RunInfo, index: Index) -> Story:
    """Returns a run as its index tells it."""
    story = Story(info)
    for item in index.timeline():
        if isinstance(item, Fact):
            made = [ModelCall(**call) for call in index.calls(item)] if item.calls else ()
            story.fold(item, made)
        else:
            story.fold(item)
    for island, cell, number in index.elites():
        found = index.record(number)
        seen = EliteSeen(found.program_id, found.score or 0.0, found.evaluation.measures or ())
        story.islands.setdefault(island, {})[cell] = seen
    return story


def ancestors_of_best(index: Index) -> list[Record]:
    """Returns the records from the seed to the best, along first parents."""
    chain: list[Record] = []
    number = index.best()
    while number is not None:
        chain.append(index.record(number))
        parents = index.find(chain[-1].parents[0], at_most=1) if chain[-1].parents else []
        number = parents[0][0] if parents and parents[0][0] < number else None
    return chain[::-1]


def bin_of(value: float, measure: Measure) -> int:
    """Returns the bin of a value on an axis; values outside go to the edge bins."""
    share = (value - measure.low) / (measure.high - measure.low)
    return min(max(int(share * measure.bins), 0), measure.bins - 1)


def map_of(
    elites: Iterable[EliteSeen], axes: Sequence[Measure], info: RunInfo
) -> dict[tuple[int, int], EliteSeen]:
    """Returns (column, row) -> the best elite there, over the first two axes (one axis: a single row)."""
    cells: dict[tuple[int, int], EliteSeen] = {}
    fitness = info.objective.fitness
    for elite in elites:
        if len(elite.measures) < len(axes[:2]):
            continue
        row = bin_of(elite.measures[1], axes[1]) if len(axes) > 1 else 0
        at = (bin_of(elite.measures[0], axes[0]), row)
        if at not in cells or fitness(elite.score) > fitness(cells[at].score):
            cells[at] = elite
    return cells
