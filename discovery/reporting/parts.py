"""A program's metrics by group and by case, as tables for the page and the report."""

from __future__ import annotations

from collections.abc import Iterator

from discovery.reporting.drawings import Drawing
from discovery.reporting.part_lines import MOST_ROWS, worst_first
from evaluators.contract import Evaluation, Objective


def tables(evaluation: Evaluation, objective: Objective) -> Iterator[Drawing]:
    """Yields a table for the groups, the cases and the held-out groups, worst first; none where nothing is told apart."""
    for what, title, parts in (
        ("group", "By group", evaluation.by_group),
        ("case", "By case", evaluation.by_case),
        ("held-out group", "By held-out group", evaluation.held_out_by_group),
    ):
        names = list(dict.fromkeys(name for part in parts for name in part.metrics))
        rows = [
            [
                name,
                part.group or str(part.cases),
                *(f"{part.metrics[metric]:.6g}" if metric in part.metrics else "" for metric in names),
            ]
            for name, part in worst_first(parts, objective)[:MOST_ROWS]
        ]
        if rows:
            columns = [what, "group" if what == "case" else "cases", *names]
            yield {
                "kind": "table",
                "title": title,
                "note": "The worst first.",
                "columns": columns,
                "rows": rows,
            }
