"""Small two-player poker games as flat trees: counterfactual regrets, and exact best responses.

A tree lists its nodes level by level; all arrays have one entry per node. Arithmetic follows the type of the
policies: with arrays of `Fraction` (dtype object) an exploitability is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

CHANCE, TERMINAL = 2, 3

Policies: TypeAlias = Sequence[NDArray[Any]]
"""One array (information sets, actions) per player; rows sum to 1 and are 0 where an action is not legal."""


class Turn(NamedTuple):
    """What happens at a history: whose turn, what he knows, and each (action, probability, next history)."""

    player: int
    knows: Any
    moves: tuple[tuple[int, Fraction, Any], ...]
    payoff: int = 0


@dataclass(frozen=True, slots=True)
class Game:
    """A two-player zero-sum game of perfect recall.

    Attributes:
        levels: (first, end) of the nodes at each depth; they come in the order of their parents.
        player: who moves (0, 1, CHANCE or TERMINAL); infoset: of the mover, else 0.
        parent, action, chance: of the edge that leads here; chance is 1 where a player moved.
        payoff: to player 0, at terminal nodes.
        legal: per player, (information sets, actions): which actions exist.
    """

    levels: tuple[tuple[int, int], ...]
    player: NDArray[np.int64]
    infoset: NDArray[np.int64]
    parent: NDArray[np.int64]
    action: NDArray[np.int64]
    chance: NDArray[Any]
    payoff: NDArray[np.int64]
    legal: tuple[NDArray[np.bool_], NDArray[np.bool_]]


def build(root: Any, turn: Callable[[Any], Turn], actions: int) -> Game:
    """Returns the tree of a game that is given by its rules."""
    numbers: tuple[dict[Any, int], dict[Any, int]] = ({}, {})
    legal: tuple[list[NDArray[np.bool_]], list[NDArray[np.bool_]]] = ([], [])
    rows: list[tuple[int, int, int, int, Fraction, int]] = []
    levels: list[tuple[int, int]] = []
    level: list[tuple[Any, int, int, Fraction]] = [(root, 0, 0, Fraction(1))]
    while level:
        following = []
        levels.append((len(rows), len(rows) + len(level)))
        for history, parent, action, probability in level:
            here = turn(history)
            infoset = 0
            if here.player < CHANCE:
                known = numbers[here.player]
                infoset = known.setdefault(here.knows, len(known))
                if infoset == len(legal[here.player]):
                    exist = [move for move, _, _ in here.moves]
                    legal[here.player].append(np.isin(np.arange(actions), exist))
            following += [(after, len(rows), move, share) for move, share, after in here.moves]
            rows.append((here.player, infoset, parent, action, probability, here.payoff))
        level = following
    player, infosets, parents, taken, chances, payoffs = zip(*rows, strict=True)
    return Game(
        tuple(levels),
        np.array(player),
        np.array(infosets),
        np.array(parents),
        np.array(taken),
        np.array(chances, dtype=object),
        np.array(payoffs),
        (np.array(legal[0]), np.array(legal[1])),
    )


class Walker:
    """Walks a game under given policies. `dtype` float is fast; object, with Fractions, is exact."""

    def __init__(self, game: Game, dtype: type = float) -> None:
        self.game, self.dtype = game, dtype
        self._chance: NDArray[Any] = game.chance.astype(dtype)
        mover = game.player[game.parent]
        mover[0] = CHANCE
        self._from = [np.flatnonzero(mover == player) for player in (0, 1)]  # nodes that a player moved to
        self._cell = [(game.infoset[game.parent[nodes]], game.action[nodes]) for nodes in self._from]
        self._steps = []
        for first, end in game.levels[1:]:
            parents, starts = np.unique(game.parent[first:end], return_index=True)
            self._steps.append((first, end, parents, starts))

    def _zeros(self, shape: tuple[int, ...]) -> NDArray[Any]:
        return np.zeros(shape, dtype=self.dtype)

    def _edges(self, policies: Policies) -> list[NDArray[Any]]:
        """Returns the probability of each node's edge by player 0, player 1, chance (1 for the others)."""
        edges = []
        for player in (0, 1):
            edge = self._zeros(self._chance.shape) + 1
            edge[self._from[player]] = policies[player][self._cell[player]]
            edges.append(edge)
        return [*edges, self._chance]

    def _reaches(self, edges: list[NDArray[Any]]) -> list[NDArray[Any]]:
        reaches = [edge.copy() for edge in edges]
        for first, end, _, _ in self._steps:
            parents = self.game.parent[first:end]
            for reach in reaches:
                reach[first:end] *= reach[parents]
        return reaches

    def _payoff(self, player: int) -> NDArray[Any]:
        return (self.game.payoff if player == 0 else -self.game.payoff).astype(self.dtype)

    def regrets(self, policies: Policies, player: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Returns what one traversal of counterfactual regret minimisation tells a player.

        That is, per information set: the instantaneous regret of each action, (n, actions); the player's own
        reach, (n,); and the counterfactual reach by chance and opponent, (n,) (Zinkevich et al. 2007).
        """
        game = self.game
        edges = self._edges(policies)
        reaches = self._reaches(edges)
        edge = edges[0] * edges[1] * edges[2]
        value = self._payoff(player)
        for first, end, parents, starts in reversed(self._steps):
            value[parents] += np.add.reduceat(edge[first:end] * value[first:end], starts)
        others = reaches[CHANCE] * reaches[1 - player]
        legal = game.legal[player]
        worth = self._zeros(legal.shape)
        nodes = self._from[player]
        np.add.at(worth, self._cell[player], others[game.parent[nodes]] * value[nodes])
        regret = np.where(legal, worth - (policies[player] * worth).sum(axis=1, keepdims=True), 0)
        own, rest = self._zeros(legal.shape[:1]), self._zeros(legal.shape[:1])
        mine = np.flatnonzero(game.player == player)
        own[game.infoset[mine]] = reaches[player][mine]  # equal over an information set, by perfect recall
        np.add.at(rest, game.infoset[mine], others[mine])
        return regret, own, rest

    def best_response(self, policies: Policies, player: int) -> Any:
        """Returns what a player can get at best against the other one's policy."""
        game = self.game
        edges = self._edges(policies)
        reaches = self._reaches(edges)
        others = reaches[CHANCE] * reaches[1 - player]
        edge = edges[CHANCE] * edges[1 - player]
        value = self._payoff(player)
        for first, end, parents, starts in reversed(self._steps):
            weight = edge[first:end].copy()
            mine = np.flatnonzero(game.player[game.parent[first:end]] == player)
            if len(mine):
                nodes = first + mine
                infosets = game.infoset[game.parent[nodes]]
                worth = self._zeros(game.legal[player].shape)
                np.add.at(worth, (infosets, game.action[nodes]), others[game.parent[nodes]] * value[nodes])
                least = min(worth.ravel()) - 1
                best = np.argmax(np.where(game.legal[player], worth, least), axis=1)
                weight[mine] = (game.action[nodes] == best[infosets]).astype(int)
            value[parents] += np.add.reduceat(weight * value[first:end], starts)
        return value[0]

    def exploitability(self, policies: Policies) -> Any:
        """Returns half of what both players' best responses gain together; 0 exactly at an equilibrium."""
        return (self.best_response(policies, 0) + self.best_response(policies, 1)) / 2


def uniform(game: Game) -> list[NDArray[np.float64]]:
    """Returns the policies that take every legal action with equal probability."""
    return [legal / legal.sum(axis=1, keepdims=True) for legal in game.legal]


# --- Kuhn poker: one card each out of `cards`, one bet ---

PASS, BET = 0, 1


def kuhn(cards: int = 3) -> Game:
    """Returns Kuhn poker with `cards` cards (3 is the original)."""

    def turn(history: Any) -> Turn:
        if history is None:
            share = Fraction(1, cards * (cards - 1))
            deals = [(a, b) for a in range(cards) for b in range(cards) if a != b]
            return Turn(CHANCE, None, tuple((0, share, (deal, "")) for deal in deals))
        deal, bets = history
        mover = len(bets) % 2
        if bets in ("pp", "bb", "pbb", "bp", "pbp"):
            if bets[-2:] == "bp":
                return Turn(TERMINAL, None, (), 1 if mover == 0 else -1)
            stake = 2 if bets[-2:] == "bb" else 1
            return Turn(TERMINAL, None, (), stake if deal[0] > deal[1] else -stake)
        moves = ((PASS, Fraction(1), (deal, bets + "p")), (BET, Fraction(1), (deal, bets + "b")))
        return Turn(mover, (deal[mover], bets), moves)

    return build(None, turn, actions=2)


# --- Leduc poker: one private card each, then a public one; two rounds of at most one bet and one raise ---

FOLD, CALL, RAISE = 0, 1, 2


def leduc(ranks: int = 3) -> Game:
    """Returns Leduc poker with `ranks` ranks in two suits (3 is the original); suits are not told apart."""

    def turn(history: Any) -> Turn:
        if history is None:
            return Turn(CHANCE, None, tuple(_deals(ranks)))
        cards, rounds = history  # cards: private ones, then the public one; rounds: the betting so far
        betting = rounds[-1]
        stakes = _stakes(rounds)
        if betting.endswith("f"):
            is_first = len(betting) % 2 == 1  # who folded
            return Turn(TERMINAL, None, (), -stakes[0] if is_first else stakes[1])
        if betting == "cc" or betting.endswith("rc"):
            if len(rounds) == 2:
                return Turn(TERMINAL, None, (), stakes[0] * _winner(cards))
            left = [(rank, 2 - cards.count(rank)) for rank in range(ranks)]
            nexts = [(n, ((*cards, rank), (*rounds, ""))) for rank, n in left if n]
            return Turn(CHANCE, None, tuple((0, Fraction(n, 2 * ranks - 2), after) for n, after in nexts))
        mover = len(betting) % 2
        signs = [(CALL, "c")]
        signs += [(FOLD, "f")] if betting.endswith("r") else []
        signs += [(RAISE, "r")] if betting.count("r") < 2 else []
        moves = tuple((move, Fraction(1), (cards, (*rounds[:-1], betting + sign))) for move, sign in signs)
        return Turn(mover, (cards[mover], cards[2:], rounds), moves)

    return build(None, turn, actions=3)


def _deals(ranks: int) -> Iterator[tuple[int, Fraction, Any]]:
    for a in range(ranks):
        for b in range(ranks):
            pairs = 2 * (1 if a == b else 2)
            yield 0, Fraction(pairs, 2 * ranks * (2 * ranks - 1)), ((a, b), ("",))


def _stakes(rounds: Sequence[str]) -> list[int]:
    """Returns what each player has put in: 1 to begin with; a bet or raise is 2, in the second round 4."""
    stakes = [1, 1]
    for size, betting in zip((2, 4), rounds, strict=False):
        for turn, sign in enumerate(betting):
            if sign == "c":
                stakes[turn % 2] = max(stakes)
            elif sign == "r":
                stakes[turn % 2] = max(stakes) + size
    return stakes


def _winner(cards: Sequence[int]) -> int:
    """Returns 1, 0 or -1 for player 0: a pair with the public card wins, else the higher card."""
    first, second, public = cards
    if first == second:
        return 0
    if public in (first, second):
        return 1 if public == first else -1
    return 1 if first > second else -1
