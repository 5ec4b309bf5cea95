"""Which program a question to a model starts from, by what the program's children brought (EvoKernel, arXiv:2603.10846).

EvoKernel's Q of refining chooses the start point as well as the items. Here the archipelago's law still says who may be
a parent: it draws a few candidates, and the learned value decides among these. The value of a program is the mean gain of
its children by models, each less what such children brought at that time, because gains get rarer as a search goes on;
a prior of so many children that brought just the usual stands for what is not known yet. Everything is a fold of the journal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from discovery.core.results import EvaluationResult
from discovery.core.types import Individual

CANDIDATES = 4
"""Programs that are drawn, among which value decides."""
_FADE = 0.5 ** (1 / 24)  # per child; the half-life of what counts as usual


class StartValues:
    """Learns what programs are worth as parents, and puts drawn ones in order."""

    def __init__(self, *, prior: float, epsilon: float) -> None:
        """Knows nothing yet.

        Args:
            prior: children that brought the usual, which every program starts with, > 0.
            epsilon: share of the choices that take the candidates as they were drawn, in [0, 1].
        """
        self._prior = prior
        self._epsilon = epsilon
        self._sums: dict[str, tuple[int, float]] = {}  # children, what they brought beyond the usual
        self._latest = (0.0, 0.0)  # children and gains, faded

    def learn(self, result: EvaluationResult, gain: float) -> None:
        """Takes in a child that a model made and what it gained (gains.py); its first parent is credited.

        A parent without a score says nothing: it is repaired, not chosen.
        """
        if result.parent_fitness is None:
            return
        children, gains = self._latest
        usual = gains / children if children else gain
        count, total = self._sums.get(result.record.parents[0], (0, 0.0))
        self._sums[result.record.parents[0]] = count + 1, total + gain - usual
        self._latest = 1 + _FADE * children, gain + _FADE * gains

    def value(self, program_id: str) -> float:
        """Returns what a child of the program brings beyond the usual, 0 where nothing is known."""
        count, total = self._sums.get(program_id, (0, 0.0))
        return total / (count + self._prior)

    def ordered(self, drawn: Sequence[Individual], rng: np.random.Generator) -> tuple[Individual, ...]:
        """Returns the candidates with the one of the highest value first, the first drawn among equals."""
        if len(drawn) < 2 or rng.random() < self._epsilon:
            return tuple(drawn)
        best = max(range(len(drawn)), key=lambda place: (self.value(drawn[place].program_id), -place))
        return (drawn[best], *drawn[:best], *drawn[best + 1 :])
