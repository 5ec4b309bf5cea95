"""The facts of a run that its page shows, folded from the journal's entries. Pure: no files, no drawing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from discovery.core.held_out import Agreement, agreement
from discovery.core.records import Record, RunInfo
from discovery.core.requests import KIND_WORDS
from discovery.core.texts import one_line
from discovery.core.types import ModelCall
from discovery.learning.screening import is_screened

_NUMBERS = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
_REASON_CHARS = 110
LOST = "lost at a kill"
"""Under which name a report shows calls of which only that they were made is known."""


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation on the time line.

    Attributes:
        worked_s: when, in seconds of work from the start; pauses are left out.
        parents: ids, the first is the one it was made from; model: that made it, "" for none.
        measures: its place in the archives, None where it has none.
    """

    index: int
    program_id: str
    score: float | None
    status: str
    operator: str
    worked_s: float
    island: int = 0
    parents: tuple[str, ...] = ()
    model: str = ""
    measures: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A cell that got a new elite: with the evaluation number `at`, cell `cell` of an island went to `program_id`."""

    at: int
    island: int
    cell: int
    program_id: str


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
    """A run as its journal tells it; `fold` takes the entries in order.

    Attributes:
        points: every evaluation, in order; bests: those that were the best when they came.
        islands: island -> cell -> the elite's id; moves: how they came to stand there, in order.
        asked: what people asked of the run, and when (unix time); is_paused, limits: what follows from it.
        reason: how the latest session ended, "" while it goes on; end: the word for it.
    """

    info: RunInfo
    points: list[Point] = field(default_factory=list)
    bests: list[Point] = field(default_factory=list)
    islands: dict[int, dict[int, str]] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
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
    asked: list[tuple[float, str]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    end: str = ""
    is_paused: bool = False
    limits: Mapping[str, Any] = field(default_factory=dict)
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

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in the journal's next entry; kinds that a report does not show are passed over."""
        kind = entry["type"]
        if kind == "evaluated":
            record = entry["record"]
            self._fold_record(record.to_json() if isinstance(record, Record) else record)
        elif kind == "unproposed":
            self._fold_childless(entry)
        elif kind == "noted":
            self._fold_note(entry)
        elif kind == "spent":
            self._charge(LOST, [ModelCall(**call) for call in entry["calls"]], self._worked(self.last_s))
        elif kind == "asked":
            self._fold_request(entry)
        elif kind == "retired":
            self._retired.append(f"model {entry['model']} was asked no more: {entry['reason']}")
        elif kind == "held_out":
            self.held_out[entry["program_id"]] = entry["metrics"]
            self.exam_faults[entry["program_id"]] = entry.get("reason", "")
        elif kind == "opened":
            if self._opened_s is not None:
                self._earlier_s += self.last_s - self._opened_s
            self._opened_s = self.last_s = float(entry["at_s"])
            self.reason = self.end = ""
            self.is_paused = bool(entry.get("paused"))
            self._retired.clear()
        elif kind == "closed":
            self.last_s = max(self.last_s, float(entry["at_s"]))
            self.end = entry.get("reason", "")
            self.reason = "; ".join([entry.get("message") or entry.get("reason", ""), *self._retired])

    def lineage_of_best(self) -> list[str]:
        """Returns the ids from the seed to the best, along first parents."""
        chain: list[str] = []
        ids: tuple[str, ...] = (self.best.program_id,) if self.best else ()
        while ids and ids[0] in self.places and ids[0] not in chain[-1:]:
            chain.append(ids[0])
            ids = self.points[self.places[ids[0]]].parents
        return chain[::-1]

    def _worked(self, at_s: float) -> float:
        opened_s = self.info.started_at if self._opened_s is None else self._opened_s
        return max(self._earlier_s + at_s - opened_s, 0.0)

    def _fold_record(self, record: Mapping[str, Any]) -> None:
        evaluation, made = record["evaluation"], record.get("calls", ())
        changes = record.get("changes", ())
        self.last_s = max(self.last_s, record["at_s"])
        measures = evaluation.get("measures")
        point = Point(
            record["index"],
            record["program_id"],
            evaluation.get("score"),
            evaluation["status"],
            record["operator"],
            self._worked(record["at_s"]),
            record["island"],
            tuple(record["parents"]),
            made[-1]["model"] if made else "",
            tuple(measures) if measures is not None else None,
        )
        self.places[point.program_id] = len(self.points)
        self.points.append(point)
        self.layers[tuple(evaluation.get("layers", ()))] += 1
        self.is_self_scored = self.is_self_scored or evaluation.get("self_scored", False)
        calls = [ModelCall(**call) for call in made]
        counted = [self._operator(point.operator), self.total]
        counted += [self._model(name) for name in sorted({call.model for call in calls})]
        gain = self._gain(point)
        opened = sum(displaced is None and cause == "birth" for *_, displaced, cause in changes)
        replaced = sum(displaced is not None and cause == "birth" for *_, displaced, cause in changes)
        for each in counted:
            each.tried += 1
            each.ok += point.score is not None
            each.new_cells += opened
            each.better_cells += replaced
            each.bests += gain is not None
            each.gain += gain or 0.0
        self._charge(point.operator, calls, point.worked_s)
        if point.score is None:
            self._fail(point, evaluation.get("reason", ""))
        for island, cell, program_id, *_ in changes:
            self.islands.setdefault(island, {})[cell] = program_id
            self.moves.append(Move(len(self.points) - 1, island, cell, program_id))

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

    def _fold_request(self, entry: Mapping[str, Any]) -> None:
        request, refusal = entry["request"], entry.get("refusal", "")
        what = KIND_WORDS.get(request["kind"], request["kind"])
        if text := one_line(request.get("text", ""), _REASON_CHARS):
            what += f": {text}"
        if not refusal:
            self.is_paused = request["kind"] == "pause" or (self.is_paused and request["kind"] != "resume")
            self.limits = {**self.limits, **request.get("budget", {})}
        self.asked.append((float(entry["at_s"]), what + (f" (refused: {refusal})" if refusal else "")))

    def _charge(self, operator: str, calls: Sequence[ModelCall], worked_s: float) -> None:
        if not calls:
            return
        self._operator(operator).charge(calls)
        self.total.charge(calls)
        for call in calls:
            self._model(call.model).charge([call])
        self.spending.append((worked_s, self.total.tokens, self.total.cost_usd))

    def _operator(self, name: str) -> Yield:
        return self.operators.setdefault(name, Yield())

    def _model(self, name: str) -> Yield:
        return self.models.setdefault(name, Yield())

    def _fail(self, point: Point, reason: str) -> None:
        kind = _NUMBERS.sub("#", one_line(reason, _REASON_CHARS)) or "no reason given"
        failure = self.failures.setdefault((point.status, kind), Failure())
        failure.count += 1
        failure.example = point.program_id
