"""The metrics of an evaluation case by case and group by group, small enough to be kept with every program."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

from evaluators.contract import Part, Result

MOST_CASES = 64
MOST_GROUPS = 32
MOST_BYTES = 8192
"""How much the cases, or the groups, of one evaluation take as JSON."""

_DIGITS = 6
_NAME_CHARACTERS = 60


def by_case(results: Sequence[Result], objective: str) -> tuple[Part, ...]:
    """Returns the metrics of each case, those that are not hidden; () where there is only one."""
    if len(results) < 2:
        return ()
    parts = [
        Part(one.case.name[:_NAME_CHARACTERS], _shown([one]), one.group[:_NAME_CHARACTERS])
        for one in results[:MOST_CASES]
    ]
    return _fitting(parts, objective)


def by_group(results: Sequence[Result], objective: str) -> tuple[Part, ...]:
    """Returns the mean metrics of each group, in the order in which they first occur; () where none has a name."""
    members: dict[str, list[Result]] = {}
    for one in results:
        members.setdefault(one.group, []).append(one)
    if not any(members):
        return ()
    parts = [
        Part(name[:_NAME_CHARACTERS], _shown(group), cases=len(group)) for name, group in members.items()
    ]
    return _fitting(parts[:MOST_GROUPS], objective)


def _shown(results: Sequence[Result]) -> dict[str, float]:
    """Returns the mean of each metric over those cases that have it, the hidden ones left out."""
    names = dict.fromkeys(name for one in results for name in one.metrics if not name.startswith("_"))
    means = {}
    for name in names:
        values = [one.metrics[name] for one in results if name in one.metrics]
        means[name] = float(f"{math.fsum(values) / len(values):.{_DIGITS}g}")
    return means


def _fitting(parts: list[Part], objective: str) -> tuple[Part, ...]:
    """Returns the parts if they are small enough, else with the objective alone, else the first of them."""
    if _size(parts) > MOST_BYTES:
        parts = [
            replace(one, metrics={name: one.metrics[name] for name in (objective,) if name in one.metrics})
            for one in parts
        ]
    while _size(parts) > MOST_BYTES:
        parts = parts[: len(parts) // 2]
    return tuple(parts)


def _size(parts: Sequence[Part]) -> int:
    return len(json.dumps([part.to_json() for part in parts]))
