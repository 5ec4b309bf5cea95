from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from problems.algorithms import regret_minimisation as problem
from problems.algorithms.bidding_games import goofspiel, liars_dice
from problems.algorithms.games import Game, Walker, uniform


def exact(game: Game) -> Fraction:
    return problem.exact_exploitability(game, [legal * 1.0 for legal in game.legal])


def solved(game: Game, iterations: int) -> list[Any]:
    """Average policies of plain regret matching, the players updated at once."""
    walker = Walker(game)
    regrets = [np.zeros(legal.shape) for legal in game.legal]
    totals = [np.zeros(legal.shape) for legal in game.legal]
    for _ in range(iterations):
        policies = []
        for regret, legal in zip(regrets, game.legal, strict=True):
            positive = np.maximum(regret, 0) * legal
            rest = positive.sum(axis=1, keepdims=True) == 0
            policy = np.where(rest, legal, positive)
            policies.append(policy / policy.sum(axis=1, keepdims=True))
        for player in (0, 1):
            regret, reach, _ = walker.regrets(policies, player)
            regrets[player] = np.maximum(regrets[player] + regret, 0)
            totals[player] += reach[:, None] * policies[player]
    sums = [total.sum(axis=1, keepdims=True) for total in totals]
    return [
        np.where(reached > 0, total / np.where(reached > 0, reached, 1), rest)
        for total, reached, rest in zip(totals, sums, uniform(game), strict=True)
    ]


@pytest.mark.parametrize("cards", [2, 3, 4])
def test_against_a_random_player_of_goofspiel_it_is_best_to_bid_the_prize(cards: int):
    # Ross (1971). Bidding k for the prize k wins k * (P(other < k) - P(other > k)), on average over all cards
    won = sum((Fraction(k * (2 * k - cards - 1), cards) for k in range(1, cards + 1)), Fraction(0))
    assert exact(goofspiel(cards)) == won


def test_goofspiel_has_the_leaves_and_information_sets_of_its_rules():
    game = goofspiel(3)
    assert sum(game.player == 3) == 36  # 3! orders each
    assert [len(legal) for legal in game.legal] == [1 + 9 + 36] * 2
    assert set(game.payoff[game.player == 3].tolist()) <= set(range(-6, 7))


@pytest.mark.parametrize("sides", [2, 3, 4])
def test_liars_dice_has_as_many_information_sets_as_is_known(sides: int):
    # sides * 2 ** (2 * sides - 1) each; with 6 sides 24,576 together, as published
    assert sum(len(legal) for legal in liars_dice(sides).legal) == 2 * sides * 2 ** (2 * sides - 1)
    assert 2 * 6 * 2 ** (2 * 6 - 1) == 24_576


def test_a_call_is_settled_by_both_dice_and_the_highest_face_is_wild():
    game = liars_dice(2)
    ends = np.flatnonzero(game.player == 3)
    paid = {}
    for end in ends.tolist():
        path, at = [], end
        while at:
            path.append(int(game.action[at]))
            at = int(game.parent[at])
        first = game.parent[end]
        while game.parent[first]:
            first = int(game.parent[first])
        paid[int(first), tuple(path[::-1][1:])] = int(game.payoff[end])
    deals = {1: (0, 0), 2: (0, 1), 3: (1, 0), 4: (1, 1)}  # nodes in the order of rolls
    for node, roll in deals.items():
        for bid in range(4):
            count, face = divmod(bid, 2)
            is_true = sum(die in (face, 1) for die in roll) >= count + 1
            assert paid[node, (bid, 4)] == (1 if is_true else -1)  # player 0 bids, player 1 calls


@pytest.mark.parametrize(
    ("game", "most"), [(goofspiel(3), 0.02), (liars_dice(2), 0.01)], ids=["goofspiel", "liars dice"]
)
def test_regret_matching_comes_near_an_equilibrium(game: Game, most: float):
    assert 0 <= Walker(game).exploitability(solved(game, 300)) < most


def test_goofspiel_is_worth_nothing_to_either_player():
    walker = Walker(goofspiel(3))
    policies = solved(goofspiel(3), 300)
    gains = [walker.best_response(policies, player) for player in (0, 1)]
    assert all(0 <= gain < 0.05 for gain in gains)
