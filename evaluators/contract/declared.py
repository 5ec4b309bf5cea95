"""What a problem declares of itself: what counts, along which axes, within which limits, and what is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evaluators.contract.errors import (
    ContractError,
    require_choice,
    require_count,
    require_name,
    require_number,
)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is optimised.

    Attributes:
        name: the metric that `score` returns under this key.
        direction: "maximize" or "minimize".
        target: a value that ends the run when reached (declared direction), or None.
        bound: a proven bound; a better value is a bug in the scorer or a trick, and is rejected.
        plausible: a better value than this is not believed without a second look: rejected, with that reason.
        repeats: how often a program is measured that would displace another, where the same program may score
            differently; 1 where it may not. The score of a run is then a lower confidence bound (docs/problems.md).
        also: further metrics that count, as (name, direction) pairs; the target and the best are by the first.
        order: how: "pareto" keeps what nothing beats in everything, in "lexicographic" order the next one counts
            where those before are equal.
    """

    name: str = "score"
    direction: Literal["maximize", "minimize"] = "maximize"
    target: float | None = None
    bound: float | None = None
    plausible: float | None = None
    repeats: int = 1
    also: tuple[tuple[str, str], ...] = ()
    order: Literal["pareto", "lexicographic"] = "pareto"

    def __post_init__(self) -> None:
        self._check_also()
        require_count("Objective repeats", self.repeats)
        require_name("Objective name", self.name)
        require_choice("Objective direction", self.direction, "maximize", "minimize")
        for what in ("target", "bound", "plausible"):
            if getattr(self, what) is not None:
                require_number(f"Objective {what}", getattr(self, what), "a finite number or None")
        for what in ("bound", "plausible"):
            limit = getattr(self, what)
            if limit is not None and self.target is not None and not self.is_reached(limit):
                raise ContractError(
                    f"Objective target {self.target} cannot be reached: scores beyond {what} {limit} are "
                    "rejected; correct one of them"
                )

    def fitness(self, score: float) -> float:
        """Returns the score turned so that larger is better."""
        return score if self.direction == "maximize" else -score

    def values(self, score: float, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Returns the fitness in every objective, the first from `score`; none where there is only one."""
        if not self.also:
            return ()
        turned = (metrics[name] if way == "maximize" else -metrics[name] for name, way in self.also)
        return (self.fitness(score), *turned)

    def _check_also(self) -> None:
        require_choice("Objective order", self.order, "pareto", "lexicographic")
        pairs: Any = self.also
        if not isinstance(pairs, (tuple, list)) or not all(
            isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs
        ):
            raise ContractError(
                f'Objective also must hold (name, direction) pairs, got {pairs!r}; for example (("length", "minimize"),)'
            )
        for name, way in pairs:
            require_name("Objective also: a name", name)
            require_choice(f"Objective also: the direction of {name!r}", way, "maximize", "minimize")
        names = [self.name, *(name for name, _ in pairs)]
        if len(set(names)) < len(names):
            raise ContractError(f"Objective also must name other metrics, each once, got {names}")
        object.__setattr__(self, "also", tuple((name, way) for name, way in pairs))  # as read from JSON

    def is_reached(self, score: float) -> bool:
        """Returns whether `score` meets the target (False where there is none)."""
        return self.target is not None and self.fitness(score) >= self.fitness(self.target)


@dataclass(frozen=True, slots=True)
class Measure:
    """One behaviour axis of the archive: `bins` equal cells over [low, high]; values outside go to the edge.

    `source` "metrics" reads `name` from the metrics of `score`; "code" computes it from the program's text
    (measures.py); "novelty" is how far a program lies from the nearest elites of its island when it is recorded, in
    [0, 1], which the search tells and no judge can.
    """

    name: str
    low: float
    high: float
    bins: int = 16
    source: Literal["metrics", "code", "novelty"] = "metrics"

    def __post_init__(self) -> None:
        require_name("Measure name", self.name)
        low = require_number(f"Measure {self.name!r} low", self.low)
        high = require_number(f"Measure {self.name!r} high", self.high)
        if low >= high:
            raise ContractError(
                f"Measure {self.name!r} low must be below high, got {low:g} and {high:g}; swap them"
            )
        require_count(f"Measure {self.name!r} bins", self.bins)
        require_choice(f"Measure {self.name!r} source", self.source, "metrics", "code", "novelty")
        if self.source == "novelty" and not 0 <= low < high <= 1:
            raise ContractError(
                f"Measure {self.name!r} is a novelty, so its range must lie in [0, 1], got {low:g} to {high:g}"
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation (all cases of one stage) may use. Times are per case.

    Attributes:
        cpu_s: CPU seconds of the whole process tree.
        wall_s: wall-clock seconds.
        memory_mib: address space beyond the warm interpreter.
        output_mib: size of one output on the channel.
        log_kib: how much of stdout and stderr is read; more ends the program.
        scratch_mib: size of the scratch folder.
        processes: 1 forbids new processes (threads stay allowed); more allows that many at once.
        native: whether the program may execute other programs and load libraries it wrote (compilers).
    """

    cpu_s: float = 10.0
    wall_s: float = 20.0
    memory_mib: int = 512
    output_mib: int = 4
    log_kib: int = 256
    scratch_mib: int = 16
    processes: int = 1
    native: bool = False

    def __post_init__(self) -> None:
        for what in ("cpu_s", "wall_s"):
            if require_number(f"Limits {what}", getattr(self, what), "a number of seconds > 0") <= 0:
                raise ContractError(f"Limits {what} must be > 0 seconds, got {getattr(self, what)}")
        for what in ("memory_mib", "output_mib", "log_kib", "scratch_mib", "processes"):
            require_count(f"Limits {what}", getattr(self, what))
        require_choice("Limits native", self.native, True, False)


@dataclass(frozen=True, slots=True)
class BestKnown:
    """A best published value of a problem: data beside the problem, never an aim that is told to programs.

    Attributes:
        value: the value of the objective.
        source: who published it and where.
        date: when, as "YYYY" or "YYYY-MM".
        certified: whether the published object was recomputed exactly; False where the value is only claimed.
        scope: "" where the value answers this very problem; else how what it answers differs ("600 steps"), and
            results are not compared with it.
    """

    value: float
    source: str
    date: str
    certified: bool
    scope: str = ""

    def __post_init__(self) -> None:
        require_number("BestKnown value", self.value)
        require_name("BestKnown source", self.source, "say who published it and where")
        if not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2]))?", str(self.date)):
            raise ContractError(f'BestKnown date must be "YYYY" or "YYYY-MM", got {self.date!r}')
        require_choice("BestKnown certified", self.certified, True, False)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a strong method without any model reaches, so that a result can be seen for what it is.

    Attributes:
        value: the value of the objective.
        source: the method, and how to run it again.
        seconds: CPU seconds that it was given.
    """

    value: float
    source: str
    seconds: float = 60.0

    def __post_init__(self) -> None:
        require_number("Baseline value", self.value)
        require_name("Baseline source", self.source, "say what it is and how to run it")
        if require_number("Baseline seconds", self.seconds, "a number of seconds > 0") <= 0:
            raise ContractError(f"Baseline seconds must be > 0, got {self.seconds}")
