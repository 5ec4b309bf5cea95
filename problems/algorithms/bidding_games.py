"""Goofspiel and Liar's dice as trees."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from problems.algorithms.games import CHANCE, TERMINAL, Game, Turn, build


def goofspiel(cards: int = 4) -> Game:
    """Returns Goofspiel: prizes of `cards`, ..., 1 in this order, each to the higher of two cards that are shown then.

    Equal cards win nobody the prize. The payoff is the difference of what the prizes are worth (Ross 1971).
    """

    def turn(history: Any) -> Turn:
        bids: tuple[int, ...] = history
        if len(bids) == 2 * cards:
            rounds = zip(bids[::2], bids[1::2], range(cards, 0, -1), strict=True)
            return Turn(TERMINAL, None, (), sum(prize * ((a > b) - (a < b)) for a, b, prize in rounds))
        mover = len(bids) % 2
        left = [card for card in range(cards) if card not in bids[mover::2]]
        shown = bids[: len(bids) - mover]  # the other one's card of this round is not seen
        return Turn(mover, shown, tuple((card, Fraction(1), (*bids, card)) for card in left))

    return build((), turn, actions=cards)


def liars_dice(sides: int = 4) -> Game:
    """Returns Liar's dice with one die each, of which the highest face is wild; whoever calls a true bid a lie loses.

    Bids rise: one of 1, ..., one of `sides`, two of 1, ... The last
    action calls the bid before it a lie. The stake is 1.
    """
    bids = 2 * sides

    def turn(history: Any) -> Turn:
        if history is None:
            share = Fraction(1, sides * sides)
            rolls = [(a, b) for a in range(sides) for b in range(sides)]
            return Turn(CHANCE, None, tuple((0, share, (roll, ())) for roll in rolls))
        roll, made = history
        mover = len(made) % 2
        if made and made[-1] == bids:
            count, face = divmod(made[-2], sides)
            is_true = sum(die in (face, sides - 1) for die in roll) > count
            caller = 1 - mover  # who moved last
            return Turn(TERMINAL, None, (), 1 if is_true == (caller == 1) else -1)
        first = made[-1] + 1 if made else 0
        allowed = [*range(first, bids), *([bids] if made else [])]
        return Turn(
            mover, (roll[mover], made), tuple((bid, Fraction(1), (roll, (*made, bid))) for bid in allowed)
        )

    return build(None, turn, actions=bids + 1)
