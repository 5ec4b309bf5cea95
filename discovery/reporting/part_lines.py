"""The metrics of a program group by group and case by case, as rows for people: worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from discovery.core.texts import one_line
from evaluators.contract import Evaluation, Objective, Part

MOST_ROWS = 20


def part_lines(evaluation: Evaluation, objective: Objective) -> Iterator[str]:
    """Yields one line for each group, then one for each case, then one for each group of the held-out cases."""
    yield from _lines("group", evaluation.by_group, objective)
    yield from _lines("case", evaluation.by_case, objective)
    yield from _lines("held-out group", evaluation.held_out_by_group, objective)


def worst_first(parts: Sequence[Part], objective: Objective) -> list[tuple[str, Part]]:
    """Returns the parts with their names (their numbers, where they have none), the worst by the objective first."""

    def fitness(row: tuple[str, Part]) -> float:
        value = row[1].metrics.get(objective.name)
        return float("inf") if value is None else objective.fitness(value)

    named = [(one_line(part.name, 60) or str(number), part) for number, part in enumerate(parts, 1)]
    return sorted(named, key=fitness)


def _lines(what: str, parts: Sequence[Part], objective: Objective) -> Iterator[str]:
    rows = worst_first(parts, objective)
    for name, part in rows[:MOST_ROWS]:
        of = (
            f" ({part.cases} cases)"
            if part.cases > 1
            else f" of {one_line(part.group, 60)}"
            if part.group
            else ""
        )
        values = ", ".join(f"{metric} {value:.6g}" for metric, value in part.metrics.items())
        yield f"{what} {name}{of}: {values}"
    if len(rows) > MOST_ROWS:
        yield f"{len(rows) - MOST_ROWS} more, all better"
