"""Write a search algorithm that finds low values of unknown functions with few evaluations.

The program defines `search(evaluate, dim, low, high, budget, seed)`. `evaluate(points)` takes an array of
shape (k, dim) with every coordinate in [low, high] and returns the k function values; each row costs one of
`budget` evaluations, and when the budget is spent the search is stopped. Many points in one call are quicker
than many calls. What `search` returns is ignored: the best value it ever evaluated counts. Take random
numbers from np.random.default_rng(seed) only.

The functions are hidden: ellipsoids, Rosenbrock valleys, Rastrigin, Ackley and Griewank landscapes and fields
of Gaussian peaks, each rotated, shifted, scaled and raised at random, in 2 to 10 dimensions, with 260 to 500
evaluations each. Nothing is known of a function's lowest value. The score of a function is log10(typical
value / best value found) / 8, both above its true minimum, at most 1; the score is the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluators.contract import Baseline, Case, Exhausted, Invalid, Limits, Measure, Objective

LOW, HIGH = -5.0, 5.0
DECADES = 8.0  # regret 10**8 below that of a typical point counts as solved
MAX_BATCH = 10_000

SEED = '''"""Minimises an unknown function: a random sample, then Gaussian steps around the best point."""

import numpy as np

# EVOLVE-BLOCK-START
FIRST = 40          # random points to begin with
BATCH = 20          # points per step
STEP = 0.3          # first step length, as a share of the box
SHRINK = 0.95       # factor on the step length after a step without success
GROW = 1.0          # factor after a success


def search(evaluate, dim, low, high, budget, seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(low, high, size=(min(int(FIRST), budget), dim))
    values = evaluate(points)
    used = len(points)
    best, best_value = points[np.argmin(values)], np.min(values)
    step = STEP * (high - low)
    while used < budget:
        count = min(int(BATCH), budget - used)
        points = best + step * rng.standard_normal((count, dim))
        points = np.clip(points, low, high)
        values = evaluate(points)
        used += count
        if np.min(values) < best_value:
            best, best_value = points[np.argmin(values)], np.min(values)
            step *= GROW
        else:
            step *= SHRINK
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective(
    "solved", "maximize", bound=1.0, repeats=3
)  # each evaluation turns and moves the functions
MEASURES = (
    Measure("exploration", 0.0, 0.48, bins=16),
    Measure("log2_batch", 0.0, 8.0, bins=16),
)
LIMITS = Limits(cpu_s=5, wall_s=15, memory_mib=256, output_mib=2)
PRELOAD = ("numpy",)
SHARED_PROCESS = (
    True  # 12 short cases; what is kept of one function tells nothing of the next, drawn apart from it
)
BASELINE = Baseline(
    0.28775459116490226, "CMA-ES, benchmarks/baselines/algorithms/function_minimization.py, other cases", 1.0
)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Landscape:
    """A hidden function with its minimum 0 at `centre`, before `scale` and `offset`.

    Attributes:
        kind: which shape, a key of `SHAPES`.
        centre: where the minimum lies, shape (dim,).
        rotation: orthogonal matrix, shape (dim, dim).
        weights: parameters of the shape, shape depends on the kind.
        typical: median of the function's regret over uniform random points.
    """

    kind: str
    centre: Array
    rotation: Array
    weights: Array
    scale: float
    offset: float
    typical: float = 1.0

    def regret(self, points: Array) -> Array:
        """Returns by how much each point, rows of shape (k, dim), lies above the minimum, scaled."""
        turned = (points - self.centre) @ self.rotation.T
        return self.scale * np.maximum(SHAPES[self.kind](turned, self.weights), 0.0)


def _ellipsoid(z: Array, weights: Array) -> Array:
    return np.asarray((z * z) @ weights)


def _rosenbrock(z: Array, weights: Array) -> Array:
    x = 0.3 * z + 1.0
    valley = x[:, 1:] - x[:, :-1] ** 2
    return np.asarray(weights[0] * (valley**2).sum(axis=1) + ((1.0 - x) ** 2).sum(axis=1))


def _rastrigin(z: Array, weights: Array) -> Array:
    return np.asarray(
        (z * z).sum(axis=1) + weights[0] * (1.0 - np.cos(2 * np.pi * z / weights[1])).sum(axis=1)
    )


def _ackley(z: Array, weights: Array) -> Array:
    far = np.sqrt((z * z).mean(axis=1))
    waves = np.cos(2 * np.pi * z / weights[1]).mean(axis=1)
    return np.asarray(20.0 * (1.0 - np.exp(-0.2 * far)) + weights[0] * (math.e - np.exp(waves)))


def _griewank(z: Array, weights: Array) -> Array:
    waves = np.cos(weights * z).prod(axis=1)
    return np.asarray(0.05 * (z * z).sum(axis=1) + 1.0 - waves)


def _peaks(z: Array, weights: Array) -> Array:
    """The best of many Gaussian peaks: one row of `weights` is (height, width, where it stands...)."""
    height, width, where = weights[:, 0], weights[:, 1], weights[:, 2:]
    squares = ((z[:, None, :] - where[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(1.0 - (height * np.exp(-squares / (2 * width**2 * z.shape[1]))).max(axis=1))


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "ellipsoid": _ellipsoid,
    "rosenbrock": _rosenbrock,
    "rastrigin": _rastrigin,
    "ackley": _ackley,
    "griewank": _griewank,
    "peaks": _peaks,
}


def _weights(kind: str, dim: int, rng: np.random.Generator) -> Array:
    """Returns random parameters for one shape."""
    if kind == "ellipsoid":
        condition = 10.0 ** rng.uniform(0, 4)
        return np.asarray(condition ** np.linspace(0.0, 1.0, dim))
    if kind == "rosenbrock":
        return np.array([rng.uniform(10, 100)])
    if kind == "griewank":
        return rng.uniform(1.0, 3.0, size=dim)
    if kind == "peaks":
        low_peaks = np.column_stack(
            [rng.uniform(0.3, 0.9, 20), rng.uniform(0.3, 1.0, 20), rng.uniform(LOW, HIGH, (20, dim))]
        )
        return np.vstack([np.concatenate([[1.0, rng.uniform(0.5, 1.0)], np.zeros(dim)]), low_peaks])
    return np.array([rng.uniform(1.0, 8.0) if kind == "rastrigin" else 1.0, rng.uniform(1.0, 2.5)])


def _rotation(dim: int, rng: np.random.Generator) -> Array:
    rotation, upper = np.linalg.qr(rng.standard_normal((dim, dim)))
    return np.asarray(rotation * np.sign(np.diag(upper)))


def _centre(dim: int, rng: np.random.Generator) -> Array:
    return rng.uniform(0.8 * LOW, 0.8 * HIGH, size=dim)


def draw_landscape(kind: str, dim: int, rng: np.random.Generator) -> Landscape:
    """Returns a random landscape of a kind whose minimum lies well inside the box."""
    rotation = _rotation(dim, rng)
    landscape = Landscape(
        kind=kind,
        centre=_centre(dim, rng),
        rotation=rotation,
        weights=_weights(kind, dim, rng),
        scale=10.0 ** rng.uniform(-2, 3),
        offset=rng.uniform(-1000, 1000),
    )
    typical = float(np.median(landscape.regret(rng.uniform(LOW, HIGH, size=(256, dim)))))
    return Landscape(
        kind=kind,
        centre=landscape.centre,
        rotation=landscape.rotation,
        weights=landscape.weights,
        scale=landscape.scale,
        offset=landscape.offset,
        typical=typical,
    )


@dataclass(slots=True)
class Record:
    """The oracle: evaluates the hidden function, counts, and remembers what the score needs.

    Raises (when called):
        Invalid: a request that is not a (k, dim) array of real numbers in the box.
        Exhausted: the budget is spent; of the last batch, as many points as were left still count.
    """

    landscape: Landscape
    budget: int
    used: int = 0
    calls: int = 0
    best: float = math.inf
    best_point: Array | None = None
    distances: list[float] = field(default_factory=list)

    def __call__(self, request: Any) -> Array:
        """Returns the values of the points (k, dim)."""
        points = self._points(request)
        served = points[: self.budget - self.used]
        if len(served):
            regrets = self.landscape.regret(served)
            self._remember(served, regrets)
        else:
            regrets = np.empty(0)
        if len(served) < len(points):
            raise Exhausted(f"the budget of {self.budget} evaluations is spent")
        return regrets + self.landscape.offset

    def _remember(self, points: Array, regrets: Array) -> None:
        self.used += len(points)
        self.calls += 1
        if self.best_point is not None:
            self.distances += np.sqrt(((points - self.best_point) ** 2).mean(axis=1)).tolist()
        index = int(np.argmin(regrets))
        if regrets[index] < self.best:
            self.best, self.best_point = float(regrets[index]), points[index].copy()

    def _points(self, request: Any) -> Array:
        dim = len(self.landscape.centre)
        if isinstance(request, list):
            request = _as_array(request)
        if not isinstance(request, np.ndarray) or request.dtype.kind not in "fiu":
            raise Invalid(f"evaluate(points) needs an array of real numbers, shape (k, {dim})")
        if request.ndim != 2 or request.shape[1] != dim or not 1 <= len(request) <= MAX_BATCH:
            raise Invalid(
                f"evaluate(points) needs shape (k, {dim}) with k from 1 to {MAX_BATCH}, got {request.shape}"
            )
        points = request.astype(np.float64)
        if not np.isfinite(points).all():
            raise Invalid("evaluate(points) was given a coordinate that is not finite")
        if (points < LOW).any() or (points > HIGH).any():
            raise Invalid(f"evaluate(points) was given a point outside [{LOW:g}, {HIGH:g}]; clip it")
        return points


def _as_array(rows: list[Any]) -> Any:
    """Returns rows of real numbers as an array, anything else as it is."""
    same = all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows) if rows else False
    if same and all(type(value) in (int, float) for row in rows for value in row):
        try:
            return np.array(rows, dtype=np.float64)
        except OverflowError:
            return rows
    return rows


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns two landscapes of every kind: one in 2 to 4 dimensions, one in 5 to 10."""
    del stage
    return [_case(kind, dims, rng) for dims in ((2, 4), (5, 10)) for kind in SHAPES]


def vary(rng: np.random.Generator, case: Case) -> Case:
    """Returns a landscape as hard as the case's, turned and moved: where its minimum lies, nobody has seen."""
    moved = replace(
        case.answer,
        centre=_centre(len(case.answer.centre), rng),
        rotation=_rotation(len(case.answer.centre), rng),
        offset=rng.uniform(-1000, 1000),
    )
    return replace(case, inputs={**case.inputs, "seed": int(rng.integers(2**31))}, answer=moved)


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns fresh landscapes, three of every kind."""
    return [_case(kind, (2, 10), rng) for _ in range(3) for kind in SHAPES]


def _case(kind: str, dims: tuple[int, int], rng: np.random.Generator) -> Case:
    hidden, shown = rng.spawn(
        2
    )  # what a program sees tells nothing of the state that landscapes are drawn from
    dim = int(shown.integers(dims[0], dims[1] + 1))
    inputs = {
        "dim": dim,
        "low": LOW,
        "high": HIGH,
        "budget": 200 + 30 * dim,
        "seed": int(shown.integers(2**31)),
    }
    return Case(
        inputs=inputs, answer=draw_landscape(kind, dim, hidden), name=f"{kind}, {dim} dimensions", group=kind
    )


def serve(case: Case) -> Record:
    """Returns the oracle of one landscape."""
    return Record(case.answer, case.inputs["budget"])


def run(program: Any, inputs: dict[str, Any], oracle: Any) -> None:
    """Lets the program search; what it returns does not matter."""

    def evaluate(points: Any) -> Any:
        return oracle(np.array(points, dtype=float))

    program.search(evaluate, **inputs)


def score(case: Case, output: Any, oracle: Record) -> dict[str, float]:
    """Returns how far the search came, from the oracle's record alone.

    `exploration` is the root mean square distance per coordinate of the points from the best point known when
    they were asked for, as a share of the box; `log2_batch` the logarithm of the mean number of points per
    call; `used` the share of the budget that was used.

    Raises:
        Invalid: nothing was evaluated.
    """
    del output
    if not oracle.used:
        raise Invalid("search() evaluated no point; call evaluate(points)")
    typical = case.answer.typical
    distances = np.array(oracle.distances or [0.0])
    return {
        "solved": min(1.0, math.log10(typical / max(oracle.best, typical * 10**-DECADES)) / DECADES),
        "exploration": float(np.sqrt((distances**2).mean()) / (HIGH - LOW)),
        "log2_batch": math.log2(oracle.used / oracle.calls),
        "used": oracle.used / oracle.budget,
    }
