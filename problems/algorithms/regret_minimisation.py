"""Find an update rule that learns to play small games of hidden cards against itself, from regrets alone.

The program defines a class `Learner`, one object per player of a two-player zero-sum game:

    Learner(legal)            legal[i, a]: whether action a exists in information set i (array of bool)
    policy(t)                 -> array (information sets, actions): probabilities to play, t = 1, 2, ...
    update(t, regret, reach, cf_reach)
                              regret[i, a]: counterfactual regret in iteration t; reach[i], cf_reach[i]:
                              how often the player himself, and chance and opponent, lead to i
    average()                 -> array (information sets, actions): the policy to be judged

The players update in turn: each one's regrets already face the other's newest policy. Rows of a policy may
have any positive sum; a row of zeros stands for the uniform policy. At several horizons the players'
averages are judged by their exploitability e, half of what exact best responses gain against them (0 at an
equilibrium), as a share of that of the uniform policies. The score is the mean of log10(e), no e counting
less than 1e-12, over horizons and games; it is to be made as small as possible. The games are drawn at
random, with their sizes, moves and payoffs; those of the final exam are larger, or published. Nothing of
that is told, nor the order of information sets and actions.
"""

# The tree is walked on the trusted side, one oracle call per update: a program cannot look at the game, or
# take more iterations than it is given. Counterfactual regret minimisation (Zinkevich et al. 2007), CFR+
# (Tammelin 2014) and discounted CFR (Brown and Sandholm 2019) are such rules. The seed is the first. Nobody can
# know the games that are learned on (drawn_games.py); Kuhn and Leduc poker, whose equilibria a program could
# know by heart, are among the held-out ones only.

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Exhausted, Invalid, Limits, Measure, Objective, PlainData
from problems.algorithms.bidding_games import goofspiel, liars_dice
from problems.algorithms.drawn_games import draw_game
from problems.algorithms.games import Game, Walker, kuhn, leduc, uniform

LEAST = 1e-12
LONG, SHORT = (10, 100, 1000), (10, 30, 100)  # horizons
TRAIN = (  # family, smallest and largest size, horizons
    ("poker", (3, 6), LONG),
    ("two rounds", (3, 3), SHORT),
    ("signals", (3, 5), SHORT),
    ("bidding", (3, 3), SHORT),
)
HELD_OUT = (("poker", (8, 8), LONG), ("two rounds", (4, 4), SHORT), ("signals", (6, 6), SHORT))
PUBLISHED = {"kuhn": kuhn, "leduc": leduc, "goofspiel": goofspiel, "liars_dice": liars_dice}

SEED = '''"""Regret matching: play in proportion to the positive regrets so far; the average is judged."""

import numpy as np


class Learner:
    # EVOLVE-BLOCK-START
    KEEP_POSITIVE = 1.0  # share of a positive regret that lasts to the next iteration
    KEEP_NEGATIVE = 1.0
    AVERAGE_POWER = 0.0  # iteration t counts t ** AVERAGE_POWER in the average

    def __init__(self, legal):
        self.legal = legal
        self.regrets = np.zeros(legal.shape)
        self.total = np.zeros(legal.shape)

    def policy(self, t):
        positive = np.maximum(self.regrets, 0) * self.legal
        rest = positive.sum(axis=1, keepdims=True) == 0
        self.current = np.where(rest, self.legal, positive)
        self.current = self.current / self.current.sum(axis=1, keepdims=True)
        return self.current

    def update(self, t, regret, reach, cf_reach):
        keep = np.where(self.regrets > 0, self.KEEP_POSITIVE, self.KEEP_NEGATIVE)
        self.regrets = keep * self.regrets + regret
        self.total += t**self.AVERAGE_POWER * reach[:, None] * self.current

    def average(self):
        return self.total
    # EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("log10_exploitability", "minimize", bound=math.log10(LEAST))
MEASURES = (
    Measure("early", -3.0, 0.5, bins=14),
    Measure("late", -12.0, 0.5, bins=16),
    Measure("ast_nodes", 0, 1200, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=30, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    -2.3444241643514254,
    "predictive CFR+, benchmarks/baselines/algorithms/regret_minimisation.py, other games",
    1.0,
)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one case per family of games; the games and the order of what is shown of them are drawn."""
    del stage
    return [_drawn_case(rng, *game) for game in TRAIN]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns larger games of three of the families, and published games, two of them larger than they were."""
    drawn = [_drawn_case(rng, *game) for game in HELD_OUT]
    published = (("kuhn", 5, LONG), ("leduc", 4, SHORT), ("goofspiel", 4, SHORT), ("liars_dice", 3, SHORT))
    return [*drawn, *(published_case(rng, *game) for game in published)]


def _drawn_case(
    rng: np.random.Generator, family: str, sizes: tuple[int, int], horizons: Sequence[int]
) -> Case:
    hidden, shown = rng.spawn(2)  # what a program sees tells nothing of the state that payoffs are drawn from
    game = draw_game(hidden, family, int(hidden.integers(sizes[0], sizes[1] + 1)))
    return _case(shown, game, horizons, family)


def published_case(rng: np.random.Generator, rules: str, size: int, horizons: Sequence[int]) -> Case:
    """Returns Kuhn poker with `size` cards or Leduc poker with `size` ranks, in a drawn order."""
    return _case(rng, PUBLISHED[rules](size), horizons, f"{rules} {size}")


def _case(rng: np.random.Generator, game: Game, horizons: Sequence[int], name: str) -> Case:
    orders = [
        rng.permuted(np.tile(np.arange(legal.shape[1]), (len(legal), 1)), axis=1) for legal in game.legal
    ]
    places = [rng.permutation(len(legal)) for legal in game.legal]
    shown = [
        legal[place[:, None], order] for legal, place, order in zip(game.legal, places, orders, strict=True)
    ]
    inputs = {"legal": shown, "horizons": list(horizons)}
    return Case(inputs, answer=(game, places, orders), name=name)


def run(program: Any, inputs: dict[str, Any], oracle: Any) -> None:
    """Lets two learners play; the oracle keeps the record."""
    learners = [program.Learner(legal.copy()) for legal in inputs["legal"]]
    policies = [learner.policy(1) for learner in learners]
    for t in range(1, max(inputs["horizons"]) + 1):
        for player, learner in enumerate(learners):
            told = oracle({"player": player, "policies": policies})
            learner.update(t, told["regret"], told["reach"], told["cf_reach"])
            policies[player] = learner.policy(t + 1)
        if t in inputs["horizons"]:
            oracle({"averages": [learner.average() for learner in learners]})


class Table:
    """The oracle: it walks the tree, counts the updates and keeps the averages that it is shown."""

    def __init__(self, case: Case) -> None:
        self.game: Game
        self.game, self._places, self._orders = case.answer
        self._horizons = case.inputs["horizons"]
        self.walker = Walker(self.game)
        self._updates = 0
        self.averages: list[list[NDArray[np.float64]]] = []

    def __call__(self, request: PlainData) -> PlainData:
        """Returns what a player learns from both policies, or keeps the averages at a horizon."""
        if not isinstance(request, dict):
            raise Invalid(f"a request must be a dict, got {type(request).__name__}")
        if len(self.averages) == len(self._horizons):
            raise Exhausted
        is_due = self._updates == 2 * self._horizons[len(self.averages)]
        if set(request) == {"averages"} and is_due:
            self.averages.append(self._read(request["averages"], "average()"))
            return None
        if set(request) != {"player", "policies"} or is_due or request["player"] != self._updates % 2:
            raise Invalid(f"request {sorted(map(str, request))} is out of turn after {self._updates} updates")
        player = self._updates % 2
        policies = self._read(request["policies"], "policy()")
        self._updates += 1
        regret, reach, cf_reach = self.walker.regrets(policies, player)
        place, order = self._places[player], self._orders[player]
        return {"regret": regret[place[:, None], order], "reach": reach[place], "cf_reach": cf_reach[place]}

    def _read(self, tables: Any, what: str) -> list[NDArray[np.float64]]:
        """Returns both players' policies in the game's own order, normalised."""
        if not isinstance(tables, list) or len(tables) != 2:
            raise Invalid(f"{what} must come from both players")
        return [self._read_one(table, what, player) for player, table in enumerate(tables)]

    def _read_one(self, table: Any, what: str, player: int) -> NDArray[np.float64]:
        legal = self.game.legal[player]
        if not isinstance(table, np.ndarray) or table.dtype.kind != "f" or table.shape != legal.shape:
            got = f"{table.dtype} {table.shape}" if isinstance(table, np.ndarray) else type(table).__name__
            raise Invalid(f"{what} must return an array of floats of shape {legal.shape}, got {got}")
        own = np.zeros(legal.shape)
        own[self._places[player][:, None], self._orders[player]] = table
        if not (own >= 0).all() or not (own <= 1e200).all():
            raise Invalid(f"{what} must return numbers in [0, 1e200], got {table.min():g} to {table.max():g}")
        if own[~legal].any():
            raise Invalid(f"{what} must be 0 where legal is False; multiply it by legal")
        total = own.sum(axis=1, keepdims=True)
        return np.where(
            total > 0, own / np.where(total > 0, total, 1), legal / legal.sum(axis=1, keepdims=True)
        )


def serve(case: Case) -> Table:
    """Returns the table at which the learners play."""
    return Table(case)


def score(case: Case, output: Any, oracle: Table) -> dict[str, float]:
    """Returns `log10_exploitability`, its mean over the horizons; `early`, at the first; `late`, at the last.

    All are of the exploitability as a share of that of the uniform policies in the same game.

    Raises:
        Invalid: the program ended before the last horizon.
    """
    del output
    horizons = case.inputs["horizons"]
    if len(oracle.averages) < len(horizons):
        raise Invalid(f"the play ended before iteration {horizons[len(oracle.averages)]}; all must be played")
    unit = float(oracle.walker.exploitability(uniform(oracle.game)))
    found = [float(oracle.walker.exploitability(average)) / unit for average in oracle.averages]
    logs = [math.log10(max(e, LEAST)) for e in found]
    return {"log10_exploitability": math.fsum(logs) / len(logs), "early": logs[0], "late": logs[-1]}


def exact_exploitability(game: Game, policies: Sequence[NDArray[np.float64]]) -> Fraction:
    """Returns the exploitability of policies as a fraction; rows are normalised exactly."""
    exact = []
    for policy in policies:
        table = np.array([[Fraction(float(value)) for value in row] for row in policy], dtype=object)
        exact.append(table / table.sum(axis=1, keepdims=True))
    return Fraction(Walker(game, object).exploitability(exact))
