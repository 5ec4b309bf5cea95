"""The results of a program in a question: by group or by case beside those of its parent and of the best, worst first; what it used.

The error of a difference is that of a mean over cases that were compared one by one (the standard deviation of the differences over the
root of their number, as a bootstrap over cases would find it), and is told only where the score is that mean.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from discovery.core.texts import one_line
from discovery.core.types import Context, Individual
from evaluators.contract import Evaluation, Part

MOST_ROWS = 8
MAX_NAME_CHARS = 40
LEAST_CASES = 4
"""Fewer cases say nothing of the error."""


def results_text(one: Individual, context: Context) -> str:
    """Returns the lines on the results of a program that has a score; "" where there are none to tell."""
    if not one.evaluation.is_ok:
        return ""
    lines = [
        _used(one.evaluation, context),
        *_table(one.evaluation, context),
        _difference(one.evaluation, context),
    ]
    return "\n".join(filter(None, lines))


def _used(evaluation: Evaluation, context: Context) -> str:
    cases, limits = evaluation.cases_done, context.limits
    if not cases or limits is None:
        return ""
    return f"CPU time used: {evaluation.cpu_s / cases:.3g} of {limits.cpu_s:g} s a case, in the mean of {cases} case{'s' * (cases > 1)}."


def _table(evaluation: Evaluation, context: Context) -> list[str]:
    """Returns a line for each group, or each case, the worst first."""
    rows, what = (evaluation.by_group, "group") if evaluation.by_group else (evaluation.by_case, "case")
    name = context.objective
    others = [(label, _values(other, what, name)) for label, other in context.compared]
    others = [(label, values) for label, values in others if values]
    found = {key: (part, part.metrics[name]) for key, part in _named(rows).items() if name in part.metrics}
    if len(found) < 2:
        return []
    sign = 1.0 if context.direction == "maximize" else -1.0
    order = sorted(found, key=lambda key: sign * found[key][1])
    labels = ", ".join(["this program", *(label for label, _ in others)])
    lines = [f"`{one_line(name, MAX_NAME_CHARS)}` by {what}, the worst first ({labels}):"]
    for key in order[:MOST_ROWS]:
        part, value = found[key]
        told = [f"{value:.4g}", *(_number(values.get(key)) for _, values in others)]
        count = f" ({part.cases} cases)" if part.cases > 1 else ""
        lines.append(f"- {key}{count}: {', '.join(told)}")
    if len(order) > MOST_ROWS:
        lines.append(f"- {len(order) - MOST_ROWS} more, all better")
    return lines


def _difference(evaluation: Evaluation, context: Context) -> str:
    """Returns how a program differs from its parent case by case, with the error of the mean."""
    parent = dict(context.compared).get("its parent")
    name = context.objective
    if parent is None or not (_is_mean(evaluation, name) and _is_mean(parent, name)):
        return ""
    pairs = [
        (one.metrics[name], other.metrics[name])
        for one, other in zip(evaluation.by_case, parent.by_case, strict=False)
    ]
    if len(pairs) != len(parent.by_case) or len(pairs) < LEAST_CASES:
        return ""
    sign = 1.0 if context.direction == "maximize" else -1.0
    gains = [sign * (new - old) for new, old in pairs]
    mean, error = statistics.fmean(gains), statistics.stdev(gains) / math.sqrt(len(gains))
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    return (
        f"Against its parent, case by case: {mean:+.3g} (standard error {error:.2g}, {len(gains)} cases; "
        f"{better} better, {worse} worse)."
    )


def _is_mean(evaluation: Evaluation, name: str) -> bool:
    """Returns whether the score is the mean over the cases that are kept, to their digits."""
    values = [part.metrics[name] for part in evaluation.by_case if name in part.metrics]
    return (
        len(values) == evaluation.cases_done == len(evaluation.by_case)
        and bool(values)
        and evaluation.score is not None
        and math.isclose(statistics.fmean(values), evaluation.score, rel_tol=1e-4, abs_tol=1e-9)
    )


def _values(evaluation: Evaluation, what: str, name: str) -> dict[str, float]:
    rows = evaluation.by_group if what == "group" else evaluation.by_case
    return {key: part.metrics[name] for key, part in _named(rows).items() if name in part.metrics}


def _named(parts: Sequence[Part]) -> Mapping[str, Part]:
    """Returns the parts by their names, or by their numbers where they have none."""
    return {one_line(part.name, MAX_NAME_CHARS) or f"case {at}": part for at, part in enumerate(parts, 1)}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
