"""Write the rule by which a growing population of strategies is mixed, so that the mixture is hard to exploit.

A hidden symmetric zero-sum game has some hundred strategies; what one wins against another is a whole number. The population begins
with one strategy. In each of 40 steps, the best response of the whole game to the mixture with which the rule explores joins
the population (also if it is in it already), as in policy-space response oracles (PSRO).

The program defines a class `MetaSolver`, made once per game as MetaSolver(steps), with two methods:

    explore(step, payoffs)   the mixture to which the next best response is sought
    answer(step, payoffs)    the mixture that is scored

Both get the step from 0 on and an integer array (k, k): what each member of the population wins against each other. They return k
weights >= 0 with a sum > 0. Other strategies, and the kind of game, are not told.

An answer's exploitability is what the best strategy of the whole game wins against it, here as a share of what the best wins against
all strategies mixed equally. The score is the mean of its log10, from -3 (a thousandth) to 0.5, over the steps from
the 5th on and over hidden games of five kinds; it is to be made as small as possible. Numpy and scipy may be imported.
"""

# Lanctot et al. (2017); the mixtures to explore and to answer with are apart as in Li et al. (arXiv 2602.16928). Kinds of games
# after Balduzzi et al. (2019) and Czarnecki et al. (2020). Payoffs are whole numbers, so exploitabilities are exact.

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, PlainData

STEPS = 40
COUNTED = 5  # the step from which answers count
LEAST, MOST = 1e-3, 10**0.5

SEED = '''"""Mixes a population of strategies."""

import numpy as np


# EVOLVE-BLOCK-START
class MetaSolver:
    RATE = 0.5
    ROUNDS = 10.0
    FLOOR = 0.2  # share of the equal mixture in what is explored

    def __init__(self, steps):
        self.steps = steps

    def weights(self, payoffs):
        scale = max(1.0, float(np.abs(payoffs).max()))
        mixture = np.ones(len(payoffs)) / len(payoffs)
        for _ in range(int(self.ROUNDS)):
            mixture = mixture * np.exp(self.RATE * (payoffs @ mixture) / scale)
            mixture /= mixture.sum()
        return mixture

    def explore(self, step, payoffs):
        return (1 - self.FLOOR) * self.weights(payoffs) + self.FLOOR / len(payoffs)

    def answer(self, step, payoffs):
        return self.weights(payoffs)
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("log_exploitability", "minimize", bound=math.log10(LEAST))
MEASURES = (
    Measure("distinct", 0.0, 1.0, bins=12),
    Measure("spread", 0.0, 1.0, bins=12),
    Measure("ast_nodes", 0, 800, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=40, memory_mib=512, output_mib=1)
PRELOAD = ("numpy", "scipy.optimize")
BASELINE = Baseline(
    -1.8424672392693342,
    "the double oracle, benchmarks/baselines/algorithms/psro_meta_solver.py, other games",
    1.4,
)

Payoffs = NDArray[np.int64]


def random_game(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns payoffs without any order."""
    return _antisymmetric(rng.normal(size=(size, size)))


def ranked(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns payoffs by strength, with many cycles."""
    strength = rng.normal(size=size)
    return _antisymmetric(strength[:, None] - strength + 2.0 * rng.normal(size=(size, size)))


def disc(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns the game of points in a disc: each wins against those a quarter turn behind it, by their distance."""
    x, y = np.sqrt(rng.random(size)), rng.uniform(0, 2 * np.pi, size)
    points = x[:, None] * np.stack([np.cos(y), np.sin(y)], axis=1)
    return _antisymmetric(points[:, :1] @ points[:, 1:].T * 2)


def blotto(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns Colonel Blotto on fields of drawn worth: armies of 12 on 4 fields, as many ways to place them as wanted."""
    worth = rng.integers(1, 6, 4)
    armies = rng.multinomial(12, rng.dirichlet(np.ones(4), size))
    wins = np.sign(armies[:, None] - armies[None]) @ worth
    return np.asarray(wins, dtype=np.int64)


def spinning(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns a spinning top: strong strategies are few and ordered, in the middle there are many in cycles."""
    strength = np.sort(rng.normal(size=size))
    width = np.exp(-(strength**2))
    noise = rng.normal(size=(size, size)) * 5 * np.sqrt(width[:, None] * width)
    return _antisymmetric(strength[:, None] - strength + noise)


def sparse(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns payoffs most of which are 0."""
    return _antisymmetric(rng.normal(size=(size, size)) * (rng.random((size, size)) < 0.1))


def teams(rng: np.random.Generator, size: int) -> Payoffs:
    """Returns three teams that beat each other in a circle, with an order in each."""
    team, strength = rng.integers(3, size=size), rng.normal(size=size)
    circle = (team[:, None] - team + 1) % 3 - 1
    return _antisymmetric(circle + (circle == 0) * 0.5 * (strength[:, None] - strength))


def _antisymmetric(values: NDArray[np.float64]) -> Payoffs:
    return np.rint(100 * (values - values.T)).astype(np.int64)


Draw = Callable[[np.random.Generator, int], Payoffs]
TRAINED: dict[str, Draw] = {
    "random": random_game,
    "ranked": ranked,
    "disc": disc,
    "blotto": blotto,
    "spinning top": spinning,
}
WITHHELD: dict[str, Draw] = {"sparse": sparse, "teams": teams}


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns two games of each kind."""
    del stage
    return [_case(rng, kind, draw, 100) for kind, draw in TRAINED.items() for _ in range(2)]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns games of other kinds and larger ones."""
    others = [_case(rng, kind, draw, 150) for kind, draw in WITHHELD.items()]
    return [*others, _case(rng, "random", random_game, 250), _case(rng, "spinning top", spinning, 250)]


def _case(rng: np.random.Generator, kind: str, draw: Draw, size: int) -> Case:
    while True:
        payoffs = draw(rng, size)
        if (payoffs.sum(axis=1) > 0).any():
            return Case(None, answer=payoffs, name=f"{kind}, {size} strategies", group=kind)


def run(program: Any, inputs: None, oracle: Any) -> None:
    """Grows the population, step by step."""
    del inputs
    told = oracle(None)
    solver = program.MetaSolver(told["steps"])
    step = 0
    while told is not None:
        explored, answered = (
            np.asarray(method(step, told["payoffs"].copy()), dtype=float)
            for method in (solver.explore, solver.answer)
        )
        told = oracle({"explore": explored, "answer": answered})
        step += 1


class Arena:
    """The oracle: it holds the whole game and the population, and finds best responses.

    The first request is None; each later one {"explore": weights, "answer": weights}. The reply is what the population knows.
    """

    def __init__(self, payoffs: Payoffs) -> None:
        self.payoffs = payoffs
        first = int(payoffs.sum(axis=1).argmin())  # the weakest against all, so there is something to learn
        self.population = [first]
        self.shares = list[float]()
        self.widths = list[float]()
        self._is_open = False
        self._unit = int(payoffs.sum(axis=1).max()) / len(payoffs)

    @property
    def is_done(self) -> bool:
        """Returns whether all steps have been made."""
        return len(self.shares) == STEPS

    def __call__(self, request: PlainData) -> PlainData:
        """Scores an answer and lets the best response to what is explored join; returns None after the last step.

        Raises:
            Invalid: the request holds no two mixtures of the population.
        """
        if not self._is_open:
            if request is not None:
                raise Invalid("the first request must be None, as nothing is known yet")
            self._is_open = True
            return self._told()
        if self.is_done:
            raise Invalid("all steps have been made")
        if type(request) is not dict or set(request) != {"explore", "answer"}:
            raise Invalid("a request must hold a mixture to explore and one to answer with, and nothing else")
        explored = self._read(request["explore"], "explore()")
        answered = self._read(request["answer"], "answer()")
        self.shares.append(float(self._wins(answered).max()) / self._unit)
        self.widths.append(1 / (len(answered) * float((answered**2).sum())))
        self.population.append(int(self._wins(explored).argmax()))
        return None if len(self.shares) == STEPS else self._told()

    def _told(self) -> dict[str, PlainData]:
        return {"steps": STEPS, "payoffs": self.payoffs[np.ix_(self.population, self.population)]}

    def _wins(self, mixture: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns what every strategy of the game wins against a mixture of the population."""
        wins: NDArray[np.float64] = self.payoffs[:, self.population] @ mixture
        return wins

    def _read(self, weights: PlainData, what: str) -> NDArray[np.float64]:
        shape = (len(self.population),)
        if not isinstance(weights, np.ndarray) or weights.dtype.kind != "f" or weights.shape != shape:
            got = (
                f"{weights.dtype} {weights.shape}"
                if isinstance(weights, np.ndarray)
                else type(weights).__name__
            )
            raise Invalid(f"{what} must return {shape[0]} floats, got {got}")
        if not (weights >= 0).all() or not (weights <= 1e100).all():
            raise Invalid(
                f"{what} must return weights in [0, 1e100], got {weights.min():g} to {weights.max():g}"
            )
        total = float(weights.sum())
        if total < 1e-100:
            raise Invalid(f"{what} must return weights with a sum > 0, got {total:g}")
        return np.asarray(weights / total, dtype=float)


def serve(case: Case) -> Arena:
    """Returns the arena, with a population of one."""
    return Arena(case.answer)


def score(case: Case, output: Any, oracle: Arena) -> dict[str, float]:
    """Returns `log_exploitability`; `last`, that of the last answer; what the population and the mixtures look like.

    `distinct` is the share of different strategies in the population, `spread` how evenly answers are mixed.

    Raises:
        Invalid: the program ended before the last step.
    """
    del case, output
    if not oracle.is_done:
        raise Invalid(f"the program ended after {len(oracle.shares)} of {STEPS} steps")
    logs = np.log10(np.clip(oracle.shares[COUNTED:], LEAST, MOST))
    return {
        "log_exploitability": max(float(logs.mean()), math.log10(LEAST)),
        "last": float(logs[-1]),
        "distinct": len(set(oracle.population)) / len(oracle.population),
        "spread": float(np.mean(oracle.widths[COUNTED:])),
    }


def exploitability(payoffs: Payoffs, mixture: list[Fraction]) -> Fraction:
    """Returns what the best strategy wins against a mixture of all, exactly."""
    total = sum(mixture, Fraction(0))
    rows = (
        sum((int(win) * share for win, share in zip(row, mixture, strict=True)), Fraction(0))
        for row in payoffs
    )
    return max(rows) / total
