"""On the trusted side: what an evaluator said of a program, as metrics of ours.

What arrives may be forged: evaluator and program share a process. Only its form is checked here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from evaluators.contract import Invalid, PlainData

_NO_ERROR_ABOVE = 0.0


def read_metrics(
    output: PlainData, objective: str, *, features: Collection[str] = (), takes_mean: bool = False
) -> dict[str, float]:
    """Returns the finite numbers that an evaluator gave, with `objective` among them.

    Args:
        output: what `runtime.evaluate` returned.
        objective: name of the score.
        features: metrics that must be there, as the archive has them for axes.
        takes_mean: whether the mean of the numbers that are no features stands in for a missing score; then a
            score above 0 counts although the evaluator also told of an error (a partial success).

    Raises:
        Invalid: the evaluator told of an error, or gave no finite score, or lacks a feature.
    """
    if not isinstance(output, Mapping) or not isinstance(output.get("metrics"), Mapping):
        raise Invalid("what came from the sandbox is not what the evaluator's harness returns")
    error = output.get("error")
    error = error if isinstance(error, str) else ""
    given = {
        name: float(value)
        for name, value in output["metrics"].items()
        if isinstance(name, str) and isinstance(value, (bool, float))
    }
    flags = {name for name, value in output["metrics"].items() if isinstance(value, bool)}
    if objective not in given and takes_mean:
        counted = [v for k, v in given.items() if k not in flags and k not in features and not math.isnan(v)]
        if counted:
            given[objective] = sum(counted) / len(counted)
    score = given.get(objective)
    if error and not (takes_mean and score is not None and score > _NO_ERROR_ABOVE):
        raise Invalid(error)
    if score is None:
        raise Invalid(f"the evaluator gave no number {objective!r}, only {sorted(given)[:8]}")
    if not math.isfinite(score):
        raise Invalid(f"the evaluator's {objective} is {score}")
    metrics = {name: value for name, value in given.items() if math.isfinite(value)}
    if lacking := [name for name in features if name not in metrics]:
        raise Invalid(
            f"the evaluator gave no number {lacking[0]!r}, which the configuration has for a feature dimension"
        )
    return metrics
