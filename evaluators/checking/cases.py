"""Checks on a problem's cases: that they repeat, are plain data, and give nothing away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

import numpy as np

from evaluators.checking.findings import Finding, Level, brief
from evaluators.contract import Case
from evaluators.judging.equality import same_data
from evaluators.problems.loading import Problem
from evaluators.sandbox import plain


class Draws:
    """The cases of a problem, drawn once with their own generators."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem, self.seed = problem, seed
        self.error = ""
        try:
            self.stages = [self._stage(seed, stage) for stage in range(problem.stages)]
            self.held_out = problem.draw_held_out(np.random.default_rng([seed, 1, 0]))
        except (Exception, SystemExit) as error:  # noqa: BLE001  (a finding, whatever it is)
            self.stages, self.held_out = [], ()
            self.error = brief(error)

    def _stage(self, seed: int, stage: int) -> tuple[Case, ...]:
        return self.problem.draw_cases(np.random.default_rng([seed, 0, stage]), stage)

    @property
    def is_sound(self) -> bool:
        """Returns whether there are cases to look at."""
        return not self.error

    @property
    def cases(self) -> tuple[Case, ...]:
        """Returns the cases of all stages."""
        return tuple(case for stage in self.stages for case in stage)

    def again(self, seed: int) -> tuple[Case, ...]:
        """Returns the cases of all stages, drawn anew."""
        return tuple(case for stage in range(self.problem.stages) for case in self._stage(seed, stage))


def check_cases(draws: Draws) -> Iterator[Finding]:
    """Yields what is wrong with the cases."""
    if not draws.is_sound:
        yield Finding(
            Level.ERROR, "cases() fails", draws.error, "cases(rng, stage) must return a list of Case"
        )
        return
    cases = draws.cases
    again = draws.again(draws.seed)
    if not same_data([case.inputs for case in cases], [case.inputs for case in again]) or not same_data(
        [case.answer for case in cases], [case.answer for case in again]
    ):
        yield Finding(
            Level.ERROR,
            "cases() is not repeatable",
            "two calls with the same rng gave different cases, so programs are not judged on the same ground",
            "draw everything from the rng that cases() is given, and keep no state between calls",
        )
    other = draws.again(draws.seed + 1)
    if any(case.answer is not None for case in cases) and same_data(
        [(case.inputs, case.answer) for case in cases], [(case.inputs, case.answer) for case in other]
    ):
        yield Finding(
            Level.WARNING,
            "answers are not secret",
            "the cases are the same whatever rng is given: who reads the module knows the answers",
            "draw hidden answers from the rng of cases()",
        )
    for case in (*cases, *draws.held_out):
        yield from _check_inputs(draws.problem, case)
    yield from _check_held_out(draws)


def _check_inputs(problem: Problem, case: Case) -> Iterator[Finding]:
    where = f"case {case.name!r}" if case.name else "a case"
    try:
        size = len(plain.encode(case.inputs))
    except plain.PlainDataError as error:
        yield Finding(
            Level.ERROR,
            "inputs are not plain data",
            f"the inputs of {where} cannot be handed to a program: {error}",
            "use None, bool, int, float, str, lists, dicts with text keys, and numeric arrays",
        )
        return
    if size > problem.limits.memory_mib << 19:
        yield Finding(
            Level.WARNING,
            "inputs are large",
            f"the inputs of {where} take {size / 2**20:.0f} of {problem.limits.memory_mib} MiB memory",
            "raise LIMITS memory_mib, or hand over less",
        )
    leak = _leak(case)
    if leak:
        yield Finding(
            Level.ERROR if leak == "the answer" else Level.WARNING,
            "secret in the inputs",
            f"{leak} of {where} stands in its inputs, where the program can read it",
            "keep in Case.answer only what the program must not see, and in Case.inputs only what it may",
        )


def _check_held_out(draws: Draws) -> Iterator[Finding]:
    public = [case.inputs for case in draws.cases if _is_telling(case.inputs)]
    twice = [case for case in draws.held_out if any(same_data(case.inputs, inputs) for inputs in public)]
    seen = [case.answer for case in draws.cases if _is_telling(case.answer)]
    twice += [case for case in draws.held_out if any(same_data(case.answer, answer) for answer in seen)]
    if twice:
        yield Finding(
            Level.ERROR,
            "held-out cases are not held out",
            f"{len(twice)} of {len(draws.held_out)} held-out cases are also among cases()",
            "draw the held-out cases from the rng that held_out() is given",
        )


def _leak(case: Case) -> str:
    """Returns how much of a case's answer occurs in its inputs, in words; "" for nothing."""
    if case.answer is None:
        return ""
    inside = [part for part in _parts(case.inputs) if _is_telling(part)]
    for index, part in enumerate(_parts(case.answer)):
        if _is_telling(part) and any(same_data(part, other) for other in inside):
            return "a part of the answer" if index else "the answer"
    return ""


def _parts(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yields a value and all that is inside it, the whole first."""
    yield value
    if depth > 6:
        return
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, (list, tuple)):
        inner = islice(value, 1000)
    elif is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, item.name) for item in fields(value)]
    for part in inner:
        yield from _parts(part, depth + 1)


def _is_telling(value: Any) -> bool:
    """Returns whether finding `value` twice is no accident: no small number, short text, empty list."""
    if isinstance(value, (bool, type(None))):
        return False
    if isinstance(value, int):
        return abs(value) > 10**6
    if isinstance(value, float):
        return value != round(value, 3)
    if isinstance(value, str):
        return len(value) >= 8
    if isinstance(value, np.ndarray):
        return value.size >= 3 and bool((value != value.flat[0]).any())
    if isinstance(value, (list, tuple)):
        return len(value) >= 3 and any(not same_data(item, value[0]) for item in value)
    return isinstance(value, Mapping) and any(_is_telling(item) for item in value.values())
