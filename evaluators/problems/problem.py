"""A problem, loaded and checked: its data, and its functions with what they return held against the contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from evaluators.contract import (
    Baseline,
    BestKnown,
    Case,
    Invalid,
    Limits,
    Measure,
    Objective,
    Oracle,
    PlainData,
    Program,
    Result,
)
from evaluators.exact import Ball, Exact, as_finite, mean
from evaluators.kernel_task import KernelTask
from evaluators.source.files import ProblemError, SourceFiles

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class ProblemSource:
    """How another process loads the same problem: plain data.

    Attributes:
        kind: "name" (shipped), "module" (dotted) or "path" (absolute); where: what that names.
        name: the problem's name; version: the hash its source must have.
        improve_s: None; or how long a program has to improve on the best output so far (improving.py).
    """

    kind: str
    where: str
    name: str
    version: str
    improve_s: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        return {key: value for key, value in data.items() if value is not None}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ProblemSource:
        """Returns the source of a JSON form.

        Raises:
            ProblemError: a key is missing or unknown.
        """
        known = {item.name for item in fields(ProblemSource)}
        if set(data) | {"improve_s"} != known:
            raise ProblemError(f"a problem source must have the keys {sorted(known)}, got {sorted(data)}")
        return ProblemSource(**data)


@dataclass(frozen=True, slots=True)
class Problem:
    """A loaded and checked problem.

    Attributes:
        name: short name; goal: the module's docstring, told to the model; notes: further advice for prompts.
        seed: the first program.
        objective, measures, limits: as declared (two code measures where the module declares none).
        stages: number of stages; thresholds: one per stage but the last, in the declared direction.
        preload: modules that a process which forks programs imports once.
        keeps_certificate: whether the output is kept in the evaluation.
        self_scored: whether `run` itself gives the score, which a program can forge then.
        heuristic_seed: the first program of a search that hands out the best output so far, if the module has one.
        harness: what runs beside programs instead of the module's `run`, if not that (improving.py).
        best_known: best published values, those of a narrower or wider scope too; baseline: of a method without a model.
        version: 16 hex digits of the content of all files that belong to the problem.
        source: how another process loads it; files: its texts, enough to run it elsewhere.
        run_extras: which of oracle, report, deadline_s, files `run` takes, by name.
        cases, run, score, follow, serve, aggregate, held_out, vary, exact, picture: the module's functions; all but cases,
            run and score may be None.
        takes_old_aggregate: whether `aggregate` is of the first edition, which takes the metrics alone.
        shares_process: whether the cases of a stage are run in one child; else each has a child of its own.
        warnings: what the author should change in time: the module keeps to an older edition of the contract.
        kernel: what a kernel problem declares instead of these functions; None for other problems.
    """

    name: str
    goal: str
    seed: Program
    objective: Objective
    measures: tuple[Measure, ...]
    limits: Limits
    version: str
    source: ProblemSource
    files: SourceFiles
    cases: Callable[[np.random.Generator, int], list[Case]]
    run: Callable[..., PlainData]
    score: Callable[..., Mapping[str, float]]
    aggregate: Callable[..., Mapping[str, float]] | None = None
    follow: Callable[..., Case | None] | None = None
    serve: Callable[[Case], Oracle] | None = None
    held_out: Callable[[np.random.Generator], list[Case]] | None = None
    vary: Callable[[np.random.Generator, Case], Case] | None = None
    run_extras: tuple[str, ...] = ()
    stages: int = 1
    thresholds: tuple[float, ...] = ()
    preload: tuple[str, ...] = ()
    keeps_certificate: bool = False
    self_scored: bool = False
    notes: str = ""
    best_known: tuple[BestKnown, ...] = ()
    baseline: Baseline | None = None
    exact: Callable[[Case, PlainData], Exact] | None = None
    picture: Callable[[PlainData], PlainData] | None = None
    heuristic_seed: Program | None = None
    harness: SourceFiles | None = None
    kernel: KernelTask | None = None
    takes_old_aggregate: bool = False
    shares_process: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Returns the metrics that `score` must return: the objectives, then the measures from metrics."""
        from_metrics = (measure.name for measure in self.measures if measure.source == "metrics")
        also = (name for name, _ in self.objective.also)
        return tuple(dict.fromkeys((self.objective.name, *also, *from_metrics)))

    def draw_cases(self, rng: np.random.Generator, stage: int = 0) -> tuple[Case, ...]:
        """Returns the cases of one stage.

        Raises:
            ProblemError: `cases` returns something else than a non-empty sequence of `Case`.
        """
        return self._checked_cases("cases", self.cases(rng, stage))

    def draw_held_out(self, rng: np.random.Generator) -> tuple[Case, ...]:
        """Returns the held-out cases; () where the problem has none.

        Raises:
            ProblemError: see `draw_cases`.
        """
        return self._checked_cases("held_out", self.held_out(rng)) if self.held_out else ()

    def varied(self, rng: np.random.Generator, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        """Returns the cases as one evaluation meets them: others of the same difficulty where the problem has `vary`.

        Raises:
            ProblemError: `vary` returns something else than a `Case`.
        """
        if self.vary is None:
            return cases
        return self._checked_cases("vary", [self.vary(rng, case) for case in cases])

    def _checked_cases(self, function: str, found: Iterable[Case]) -> tuple[Case, ...]:
        if not isinstance(found, (list, tuple)) or not found or not all(isinstance(c, Case) for c in found):
            raise ProblemError(
                f"{function}() must return a non-empty list of Case, got {found!r:.80}",
                remedy="return [Case(inputs=..., answer=...), ...]",
                file=self.files.path,
            )
        return tuple(found)

    def score_output(self, case: Case, output: PlainData, oracle: Oracle | None = None) -> dict[str, float]:
        """Returns the checked metrics of one output; `oracle` is the object that served it, if any.

        Raises:
            Invalid: the scorer rejects the output.
            ProblemError: the scorer itself breaks the contract.
        """
        scored = self.score(case, output) if self.serve is None else self.score(case, output, oracle)
        return self._checked_metrics("score", scored, () if self.aggregate else self.metric_names, case)

    def following(self, case: Case, output: PlainData, oracle: Oracle | None = None) -> Case | None:
        """Returns the next phase of a case, which is run in a fresh process; None where this one is scored.

        Raises:
            Invalid: the problem rejects the output.
            ProblemError: `follow` returns something else than a `Case` or None.
        """
        if self.follow is None:
            return None
        found = self.follow(case, output) if self.serve is None else self.follow(case, output, oracle)
        if found is not None and not isinstance(found, Case):
            raise ProblemError(
                f"follow() must return a Case or None, got {found!r:.80}",
                remedy="return Case(inputs=..., answer=...) for a further phase, None to have this output scored",
                file=self.files.path,
            )
        return found

    def exact_score(self, cases: Sequence[Case], outputs: Sequence[PlainData]) -> Exact | None:
        """Returns the exact mean of the objective over outputs that `score` accepts; None where there is no `exact`.

        Raises:
            Invalid: `exact` rejects an output.
            ProblemError: `exact` returns neither a fraction nor a ball.
        """
        if self.exact is None:
            return None
        values = [self.exact(case, output) for case, output in zip(cases, outputs, strict=True)]
        if not all(isinstance(value, (Fraction, Ball)) for value in values):
            what = f"exact() must return a Fraction or a Ball, got {values[0]!r:.80}"
            raise ProblemError(what, file=self.files.path)
        return mean(values)

    def combine(self, results: Sequence[Result], *, is_last: bool = True) -> dict[str, float]:
        """Returns the metrics of all cases of a stage as one, by the problem's `aggregate` (default: the mean per name).

        Of a stage that is not the last only the objective must be among them.

        Raises:
            Invalid: `aggregate` rejects them; or there is none, and the cases have different metrics.
            ProblemError: `aggregate` breaks the contract.
        """
        needed = self.metric_names if is_last else self.metric_names[:1]
        if self.aggregate is None:
            return self._checked_metrics("score", _mean(results), needed)
        given = [result.metrics for result in results] if self.takes_old_aggregate else list(results)
        return self._checked_metrics("aggregate", self.aggregate(given), needed)

    def _checked_metrics(
        self, function: str, metrics: object, needed: Sequence[str], case: Case | None = None
    ) -> dict[str, float]:
        if not isinstance(metrics, Mapping):
            raise ProblemError(f"{function}() must return a dict of metrics, got {type(metrics).__name__}")
        checked: dict[str, float] = {}
        for key, value in metrics.items():
            number = as_finite(value)
            if not isinstance(key, str) or number is None:
                raise ProblemError(
                    f"{function}() must return finite numbers by name, got {key!r}: {value!r:.60}",
                    remedy="raise Invalid('why') to reject an output",
                    file=self.files.path,
                )
            checked[key] = number
        for name in needed:
            if name not in checked:
                near = get_close_matches(name, checked, n=1)
                of_case = f" for case {case.name!r}" if case is not None and case.name else ""
                raise ProblemError(
                    f"{function}() must return the metric {name!r}{of_case}, got {sorted(checked)}",
                    remedy=f"did you mean {near[0]!r}?"
                    if near
                    else f"add it, or define aggregate(results) and give {name!r} there",
                    file=self.files.path,
                )
        return checked


def _mean(results: Sequence[Result]) -> dict[str, float]:
    """Returns the mean of each metric over the cases.

    Raises:
        Invalid: the cases do not have the same metrics.
    """
    first = results[0].metrics
    for number, result in enumerate(results):
        if odd := set(first) ^ set(result.metrics):
            raise Invalid(
                f"score() returned the metric {min(odd)!r} for case 1 or case {number + 1} only; "
                "return it for every case, or define aggregate(results)"
            )
    return {name: math.fsum(one.metrics[name] for one in results) / len(results) for name in first}
