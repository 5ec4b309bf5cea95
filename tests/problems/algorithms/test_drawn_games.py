from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from problems.algorithms import regret_minimisation as problem
from problems.algorithms.drawn_games import FAMILIES, draw_game
from problems.algorithms.games import CHANCE, TERMINAL, Game, Walker, uniform
from tests.problems.algorithms.test_regret_minimisation import Plus, play, programs
from tests.problems.hostile import seed_program

SIZES = {"poker": 4, "two rounds": 3, "signals": 3, "bidding": 3}


def draw(family: str, seed: int) -> Game:
    return draw_game(np.random.default_rng(seed), family, SIZES[family])


def paths_of(game: Game) -> list[list[tuple[int, int]]]:
    """What the mover at each node did before: (information set, action), from the root."""
    paths: list[list[tuple[int, int]]] = []
    for node in range(len(game.player)):
        path, at = [], node
        while at:
            up = game.parent[at]
            if game.player[up] == game.player[node]:
                path.append((int(game.infoset[up]), int(game.action[at])))
            at = up
        paths.append(path[::-1])
    return paths


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_drawn_game_is_a_game_of_perfect_recall(family: str, seed: int):
    game = draw(family, seed)
    paths = paths_of(game)
    for player in (0, 1):
        for infoset in range(len(game.legal[player])):
            nodes = np.flatnonzero((game.player == player) & (game.infoset == infoset))
            assert len(nodes)
            assert all(paths[node] == paths[nodes[0]] for node in nodes)
            for node in nodes:
                taken = game.action[1:][game.parent[1:] == node]
                assert sorted(taken) == np.flatnonzero(game.legal[player][infoset]).tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chances_of_a_drawn_game_sum_to_1_and_payoffs_are_whole(family: str):
    game = draw(family, 0)
    for node in np.flatnonzero(game.player == CHANCE):
        assert sum(game.chance[1:][game.parent[1:] == node]) == Fraction(1)
    assert game.payoff.dtype.kind == "i"
    assert not game.payoff[game.player != TERMINAL].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_exploitability_of_a_drawn_game_is_exact(family: str):
    game = draw(family, 1)
    exact = problem.exact_exploitability(game, [legal * 1.0 for legal in game.legal])
    assert isinstance(exact, Fraction)
    assert Walker(game).exploitability(uniform(game)) == pytest.approx(float(exact), rel=1e-12)
    assert exact > 0


class Keeper(Plus):
    """CFR+ that leaves its last averages where the test finds them."""

    kept: list[Any] = []  # noqa: RUF012

    def average(self) -> np.ndarray:
        Keeper.kept.append(self.total.copy())
        return self.total


def solve(case: Any) -> list[np.ndarray]:
    """Nearly an equilibrium of a case's game, in the game's own order of information sets and actions."""
    Keeper.kept.clear()
    play(programs(Keeper), case)
    game, places, orders = case.answer
    tables = []
    for player, shown in enumerate(Keeper.kept[-2:]):
        own = np.zeros(game.legal[player].shape)
        own[places[player][:, None], orders[player]] = shown
        tables.append(own / own.sum(axis=1, keepdims=True))
    return tables


@pytest.mark.parametrize("family", ["poker", "two rounds"])  # of the others no two trees are alike
def test_an_equilibrium_known_by_heart_is_worth_less_than_learning(family: str):
    """Even one that is applied to a game of the very same tree, in the right order."""
    games: dict[tuple[bytes, bytes], list[Any]] = {}
    for seed in range(30):
        shown, hidden = np.random.default_rng(seed).spawn(2)
        case = problem._case(shown, draw_game(hidden, family, SIZES[family]), (10, 30, 300), family)
        games.setdefault(tuple(legal.tobytes() for legal in case.answer[0].legal), []).append(case)
    alike = max(games.values(), key=len)[:6]
    assert len(alike) > 2
    known = [solve(case) for case in alike]
    for number, case in enumerate(alike):
        walker = Walker(case.answer[0])
        unit = walker.exploitability(uniform(case.answer[0]))
        by_heart = [walker.exploitability(table) / unit for i, table in enumerate(known) if i != number]
        honest = play(seed_program(problem), case)["log10_exploitability"]
        assert honest < np.log10(min(by_heart))
