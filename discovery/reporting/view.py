"""A run as the page takes it: the facts as plain JSON, programs by column. Pure: no files, no drawing.

Whatever comes from a program, a model or a problem is made printable here; the page writes it as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from discovery.core.records import Record, RunInfo, shown
from discovery.core.texts import SELF_SCORED, one_line, printable
from discovery.reporting.drawings import Drawing, checked
from discovery.reporting.facts import Point, Story, Yield

MOST_CHARS = 200_000
_FAILURES, _SPENDING, _NEWS = 40, 600, 40
_DIGITS = 6

Data = dict[str, Any]


class ReportPage(Protocol):
    """Sections of a run's page that a family of problems adds; registered under `discovery.report_pages`.

    Contract: made without arguments; `fold` takes the journal's entries in order and ignores those that it does not
    know; `sections` gives drawings (drawings.py). They are checked, and their texts made printable, after that.
    """

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry."""
        ...

    def sections(self, story: Story) -> Iterable[Drawing]:
        """Yields the sections, none where there is nothing to show."""
        ...


def view_of(story: Story, pages: Sequence[ReportPage] = (), *, after: int = 0) -> Data:
    """Returns a run as JSON.

    Args:
        story: its facts.
        pages: what families of problems show of it.
        after: how many programs the reader has already; only those that follow, and what they changed, are in it.
    """
    points = story.points[after:]
    words: dict[str, list[str]] = {"status": [], "operator": [], "model": []}
    bests = [story.places[best.program_id] for best in story.bests]
    data: Data = {
        "run": info_to_json(story.info),
        "after": after,
        "programs": _columns(story, points, words),
        "words": words,
        "moves": _moves(story, after),
        "bests": bests,
        "lineage": [story.places[one] for one in story.lineage_of_best()],
        "operators": _yields(story.operators),
        "models": _yields(story.models),
        "total": asdict(story.total),
        "failures": _failures(story),
        "spending": [[round(s, 1), tokens, round(usd, 6)] for s, tokens, usd in _thin(story.spending)],
        "held_out": _held_out(story),
        "agreement": one_line(story.agreement.text, 300),
        "exam_fault": one_line(story.exam_faults.get(story.best.program_id, ""), 300) if story.best else "",
        "layers": [
            [[one_line(name, 40) for name in names], count] for names, count in story.layers.most_common(20)
        ],
        "worked_s": round(story.worked_s, 1),
        "ended": one_line(story.reason, 600),
        "asked": [[at_s, one_line(text, 200)] for at_s, text in story.asked[-_NEWS:]],
        "trust": SELF_SCORED if story.is_self_scored else "",
    }
    if after == 0 or bests[-1:] >= [after]:  # what families show is of the best program, and may take long
        data["drawings"] = checked([section for page in pages for section in page.sections(story)])
    return data


def info_to_json(info: RunInfo) -> Data:
    """Returns what a run is about, its texts made printable."""
    objective = info.objective
    lines = {"target": objective.target, "proven bound": objective.bound, **info.known}
    return {
        "problem": one_line(info.problem, 120),
        "goal": printable(info.goal.strip(), 2000),
        "objective": one_line(objective.name, 60),
        "direction": objective.direction,
        "measures": [{**asdict(measure), "name": one_line(measure.name, 40)} for measure in info.measures],
        "islands": info.islands,
        "seed": info.seed,
        "started_at": info.started_at,
        "models": [one_line(model, 80) for model in info.models],
        "lines": {one_line(name, 40): value for name, value in lines.items() if value is not None},
    }


def program_of(story: Story, record: Record, *, held_out: Mapping[str, float] | None = None) -> Data:
    """Returns everything on one program as JSON, but how it is reached in git."""
    evaluation = record.evaluation
    texts = {**record.texts, **story.notes.get(record.program_id, {})}
    return {
        "program_id": record.program_id,
        "index": record.index,
        "operator": one_line(record.operator, 60),
        "island": record.island,
        "cell": record.cell,
        "parents": list(record.parents),
        "at_s": record.at_s,
        "variant": one_line(record.variant, 60),
        "calls": [{**asdict(call), "model": one_line(call.model, 80)} for call in record.calls],
        "texts": {one_line(name, 40): printable(text, MOST_CHARS) for name, text in texts.items()},
        "files": {
            one_line(path, 200): printable(text, MOST_CHARS) for path, text in record.program.files.items()
        },
        "entry": one_line(record.program.entry, 200),
        "status": str(evaluation.status),
        "score": evaluation.score,
        "scores": list(evaluation.scores),
        "metrics": _numbers(evaluation.metrics),
        "held_out": _numbers(held_out or evaluation.held_out or {}),
        "measures": list(evaluation.measures or ()),
        "reason": printable(evaluation.reason, 2000),
        "feedback": printable(evaluation.feedback, 20_000),
        "cases_done": evaluation.cases_done,
        "cases_total": evaluation.cases_total,
        "cpu_s": evaluation.cpu_s,
        "wall_s": evaluation.wall_s,
        "layers": [one_line(layer, 40) for layer in evaluation.layers],
        "self_scored": evaluation.self_scored,
    }


def _columns(story: Story, points: Sequence[Point], words: dict[str, list[str]]) -> Data:
    places, axes = story.places, range(len(story.info.measures))
    codes: dict[str, dict[str, int]] = {kind: {} for kind in words}

    def code(kind: str, word: str) -> int:
        if (found := codes[kind].get(word)) is None:
            found = codes[kind][word] = len(words[kind])
            words[kind].append(one_line(word, 80))
        return found

    parents = [[places[one] for one in point.parents if one in places] for point in points]
    return {
        "id": [point.program_id for point in points],
        "score": [point.score for point in points],
        "status": [code("status", point.status) for point in points],
        "operator": [code("operator", point.operator) for point in points],
        "model": [code("model", point.model) for point in points],
        "island": [point.island for point in points],
        "parent": [of_one[0] if of_one else -1 for of_one in parents],
        "others": {at: of_one[1:] for at, of_one in enumerate(parents) if len(of_one) > 1},
        "worked_s": [round(point.worked_s, 1) for point in points],
        "measures": [
            [
                _short(point.measures[axis]) if point.measures and axis < len(point.measures) else None
                for point in points
            ]
            for axis in axes
        ],
    }


def _moves(story: Story, after: int) -> list[list[int]]:
    """Returns [island, cell, program] of the elites as they stand, or of the cells that changed since."""
    if after == 0:
        return [
            [island, cell, story.places[program_id]]
            for island, cells in sorted(story.islands.items())
            for cell, program_id in sorted(cells.items())
            if program_id in story.places
        ]
    first = len(story.moves)
    while first > 0 and story.moves[first - 1].at >= after:
        first -= 1
    changed = {(move.island, move.cell): move.program_id for move in story.moves[first:]}
    return [
        [island, cell, story.places[one]] for (island, cell), one in changed.items() if one in story.places
    ]


def _yields(yields: Mapping[str, Yield]) -> list[Data]:
    return [{"name": one_line(name, 80), **asdict(each)} for name, each in yields.items()]


def _failures(story: Story) -> Data:
    ranked = sorted(story.failures.items(), key=lambda item: (-item[1].count, item[0]))
    rows = [
        [status, reason, failure.count, failure.example] for (status, reason), failure in ranked[:_FAILURES]
    ]
    return {"rows": rows, "rest": sum(failure.count for _, failure in ranked[_FAILURES:])}


def _held_out(story: Story) -> list[list[Any]]:
    name = story.info.objective.name
    return [
        [story.places[program_id], metrics[name]]
        for program_id, metrics in story.held_out.items()
        if name in metrics and program_id in story.places
    ]


def _thin(spending: Sequence[tuple[float, int, float]]) -> Sequence[tuple[float, int, float]]:
    stride = max(len(spending) // _SPENDING, 1)
    return [*spending[:-1:stride], *spending[-1:]]


def _numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    return {one_line(name, 60): value for name, value in shown(metrics).items()}


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
