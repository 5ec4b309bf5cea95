"""Which items to show: those of the highest learned value among those that fit, with a share of chance.

Source: EvoKernel (arXiv:2603.10846): the K most similar items, of these the N of the highest Q of the stage, epsilon-greedy.
Similarity is the cosine of TF-IDF vectors, computed here; it breaks ties, so that untried items come in the order in
which they fit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from discovery.learning.memory.items import Item, Stage, words_of

Vector = Mapping[str, float]


class Index:
    """TF-IDF vectors of items (term frequency 1 + ln n, smooth inverse document frequency, unit length)."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = tuple(items)
        counts = [Counter(words_of(item.text)) for item in self.items]
        documents = Counter(word for one in counts for word in one)
        self._idf = {word: 1 + math.log((1 + len(counts)) / (1 + n)) for word, n in documents.items()}
        self._vectors = [self._vector(one) for one in counts]

    def similarities(self, words: Sequence[str]) -> list[float]:
        """Returns how alike each item and a query are, in [0, 1]. Words that no item has change nothing but the scale."""
        query = self._vector(Counter(word for word in words if word in self._idf))
        return [sum(weight * query.get(word, 0.0) for word, weight in one.items()) for one in self._vectors]

    def _vector(self, counts: Mapping[str, int]) -> Vector:
        weights = {word: (1 + math.log(n)) * self._idf[word] for word, n in sorted(counts.items())}
        length = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
        return {word: weight / length for word, weight in weights.items()}


def retrieve(
    index: Index,
    words: Sequence[str],
    stage: Stage,
    *,
    count: int,
    shortlist: int,
    epsilon: float,
    prior: float,
    rng: np.random.Generator,
) -> list[Item]:
    """Returns up to `count` items, the most valuable first.

    Args:
        index: the items.
        words: of what is to be done, see `words_of`.
        stage: whose value counts.
        count: N, how many at most.
        shortlist: K, how many of the most similar ones are looked at.
        epsilon: share of the places that are drawn at random from the shortlist.
        prior: weight of the value of an item that was never shown, in programs.
        rng: decides.
    """
    similarities = index.similarities(words)
    nearest = sorted(range(len(similarities)), key=lambda n: (-similarities[n], index.items[n].item_id))
    ranked = sorted(
        nearest[:shortlist], key=lambda n: -index.items[n].value(stage).mean(prior)
    )  # stable: among equals the more similar one
    chosen: list[Item] = []
    while ranked and len(chosen) < count:
        place = int(rng.integers(len(ranked))) if rng.random() < epsilon else 0
        chosen.append(index.items[ranked.pop(place)])
    return chosen
