"""Two-player zero-sum games drawn at random, of four families, so that none can be known beforehand.

Each draw has its own size, deal, order of moves, stakes and payoffs; all payoffs are whole numbers, so that an
exploitability is exact. The families resemble games that people play, and random ones:

    poker       a private hand each and one round of bets; which hand wins is drawn for every pair
    two rounds  the same with a public card between two rounds, as in Leduc poker
    signals     a private signal each, then a public tree of random moves with random payoffs
    bidding     prizes come one by one, both bid a card of their own at the same time (Goofspiel)
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from problems.algorithms.games import CHANCE, TERMINAL, Game, Turn, Walker, build, uniform

PASS, BET, FOLD = 0, 1, 2  # to pass a bet is to call it
LEFT_OPEN = (0.01, 0.3)  # share of the uniform policies' exploitability that 30 rounds of CFR+ may leave
TRIALS = 100


def draw_game(rng: np.random.Generator, family: str, size: int) -> Game:
    """Returns a game of a family; `size` is the number of hands, signals or cards of each player.

    Where CFR+ leaves nearly nothing after 30 rounds (there are dominant moves, say), or nearly all (the uniform
    policies are hard to beat), every rule would be alike; another game is drawn then.
    """
    for _ in range(TRIALS):
        game = FAMILIES[family](rng, size)
        if LEFT_OPEN[0] < _left_by_cfr_plus(game, 30) < LEFT_OPEN[1]:
            return game
    raise RuntimeError(
        f"{TRIALS} games of family {family}, size {size} tell no rules apart; use a larger size"
    )


def _left_by_cfr_plus(game: Game, rounds: int) -> float:
    """Returns what CFR+ (Tammelin 2014) leaves of the uniform policies' exploitability."""
    walker, policies = Walker(game), uniform(game)
    even = uniform(game)
    regrets, totals = ([np.zeros(legal.shape) for legal in game.legal] for _ in range(2))
    for t in range(1, rounds + 1):
        for player in (0, 1):
            regret, reach, _ = walker.regrets(policies, player)
            totals[player] += t * reach[:, None] * policies[player]
            regrets[player] = np.maximum(regrets[player] + regret, 0)
            policies[player] = _normal(regrets[player], even[player])
    averages = [_normal(total, rest) for total, rest in zip(totals, even, strict=True)]
    before = float(walker.exploitability(even))
    return float(walker.exploitability(averages)) / before if before > 0 else 0.0


def _normal(table: Any, otherwise: Any) -> Any:
    total = table.sum(axis=1, keepdims=True)
    return np.where(total > 0, table / np.where(total > 0, total, 1), otherwise)


def _shares(rng: np.random.Generator, count: int) -> list[Fraction]:
    """Returns random probabilities, each at most five times another."""
    weights = rng.integers(1, 6, count).tolist()
    return [Fraction(weight, sum(weights)) for weight in weights]


def _deal(rng: np.random.Generator, size: int) -> Turn:
    """Returns the first move: chance gives each player a hand; how likely each pair is, is drawn."""
    pairs = [(a, b) for a in range(size) for b in range(size)]
    shares = _shares(rng, len(pairs))
    return Turn(
        CHANCE, None, tuple((0, share, (pair, ())) for share, pair in zip(shares, pairs, strict=True))
    )


class _Betting:
    """One round of bets: moves "p", "b" and "f" in a string; players take turns, and a bet can be raised."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.bet = int(rng.integers(1, 6))
        self.raises = int(rng.integers(1, 3))
        self.first = int(rng.integers(2))

    def mover(self, bets: str) -> int:
        return (self.first + len(bets)) % 2

    def is_over(self, bets: str) -> bool:
        return bets == "pp" or bets.endswith(("bp", "f"))

    def moves(self, bets: str) -> list[tuple[int, str]]:
        """Returns each action with its sign."""
        found = [(PASS, "p")]
        found += [(BET, "b")] if bets.count("b") < self.raises else []
        found += [(FOLD, "f")] if bets.endswith("b") else []
        return found

    def stakes(self, bets: str) -> list[int]:
        """Returns what each player has put in."""
        stakes = [0, 0]
        for turn, sign in enumerate(bets):
            mover = (self.first + turn) % 2
            if sign != "f":
                stakes[mover] = max(stakes) + (self.bet if sign == "b" else 0)
        return stakes


def draw_poker(rng: np.random.Generator, size: int) -> Game:
    """Returns a game with one round of bets."""
    return _betting_game(rng, size, publics=0)


def draw_two_rounds(rng: np.random.Generator, size: int) -> Game:
    """Returns a game with two rounds of bets and one of `size` public cards between them."""
    return _betting_game(rng, size, publics=size)


def _betting_game(rng: np.random.Generator, size: int, publics: int) -> Game:
    rounds = [_Betting(rng) for _ in range(2 if publics else 1)]
    ante = int(rng.integers(1, 4))
    deal = _deal(rng, size)
    wins = rng.choice([-1, 1], (max(publics, 1), size, size))  # for player 0, by public card and hands
    draws = {pair: _shares(rng, publics) for pair in np.ndindex(size, size)} if publics else {}

    def turn(history: Any) -> Turn:
        if history is None:
            return deal
        hands, told = history  # told: bets of each round; a public card stands between them
        number, bets = len(told) // 2, told[-1] if told else ""
        betting = rounds[number]
        if not betting.is_over(bets):
            mover = betting.mover(bets)
            moves = tuple(
                (action, Fraction(1), (hands, (*told[:-1], bets + sign)))
                for action, sign in betting.moves(bets)
            )
            return Turn(mover, (hands[mover], told), moves)
        stakes = [ante + sum(parts) for parts in zip(*_all_stakes(told), strict=True)]
        if bets.endswith("f"):
            is_first = betting.mover(bets[:-1]) == 0  # who folded
            return Turn(TERMINAL, None, (), -stakes[0] if is_first else stakes[1])
        if number + 1 < len(rounds):
            nexts = enumerate(draws[hands])
            return Turn(CHANCE, None, tuple((0, share, (hands, (*told, card, ""))) for card, share in nexts))
        winner = int(wins[told[1] if publics else 0][hands])
        return Turn(TERMINAL, None, (), stakes[0] * winner)

    def _all_stakes(told: Any) -> list[list[int]]:
        return [betting.stakes(bets) for betting, bets in zip(rounds, told[::2], strict=False)]

    return build(None, turn, actions=3)


def draw_signals(rng: np.random.Generator, size: int) -> Game:
    """Returns a game of up to 5 public moves, of 2 or 3 actions each, whose ends pay by both signals."""
    deal = _deal(rng, size)
    nodes: dict[tuple[int, ...], tuple[int, int]] = {}  # who moves, how many actions; none at an end
    ends: dict[tuple[int, ...], Any] = {}

    def turn(history: Any) -> Turn:
        if history is None:
            return deal
        signals, path = history
        if path not in nodes:
            is_end = len(path) == 5 or (len(path) > 2 and rng.random() < 0.3)
            nodes[path] = int(rng.integers(2)), 0 if is_end else int(rng.integers(2, 4))
            ends[path] = rng.integers(-9, 10, (size, size)) if is_end else None
        mover, count = nodes[path]
        if not count:
            return Turn(TERMINAL, None, (), int(ends[path][signals]))
        moves = tuple((action, Fraction(1), (signals, (*path, action))) for action in range(count))
        return Turn(mover, (signals[mover], path), moves)

    return build(None, turn, actions=3)


def draw_bidding(rng: np.random.Generator, size: int) -> Game:
    """Returns a game in which `size` prizes of random worth come in random order; the higher bid takes each.

    Players bid cards of their own, which are spent; equal bids, and who wins one, are settled by a drawn table.
    """
    prizes = rng.integers(1, 10, size).tolist()
    wins = rng.choice([-1, 0, 1], (size, size), p=[0.4, 0.2, 0.4])  # what the prize is to player 0, by bids

    def turn(history: Any) -> Turn:
        shown, bids, gain = history  # numbers of prizes; pairs of bids, the last one perhaps of one player
        if len(shown) == len(bids) // 2:
            left = [prize for prize in range(size) if prize not in shown]
            if not left:
                return Turn(TERMINAL, None, (), gain)
            share = Fraction(1, len(left))
            return Turn(CHANCE, None, tuple((0, share, ((*shown, prize), bids, gain)) for prize in left))
        mover = len(bids) % 2
        own = bids[mover::2]
        seen = tuple(int(wins[pair]) for pair in zip(bids[::2], bids[1::2], strict=False))
        moves = tuple(
            (card, Fraction(1), (shown, (*bids, card), gain + (won(bids, card, shown) if mover else 0)))
            for card in range(size)
            if card not in own
        )
        return Turn(mover, (shown, own, seen), moves)

    def won(bids: tuple[int, ...], card: int, shown: tuple[int, ...]) -> int:
        return int(wins[bids[-1], card]) * int(prizes[shown[-1]])

    return build(((), (), 0), turn, actions=size)


FAMILIES: dict[str, Callable[[np.random.Generator, int], Game]] = {
    "poker": draw_poker,
    "two rounds": draw_two_rounds,
    "signals": draw_signals,
    "bidding": draw_bidding,
}
