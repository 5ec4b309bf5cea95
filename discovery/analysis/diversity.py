"""How many different programs some programs amount to: an effective number, for people to look at.

K* = exp(entropy of the eigenvalues of the programs' similarity matrix over their number), after "Agent scaling via
diversity" (arXiv:2602.03794): 1 for clones, n for n programs that share nothing. Similarity is the cosine of TF-IDF
vectors of normalised code tokens (fingerprint.py); here a token that all programs have still counts, so that programs
are not called different for what little they do not share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from discovery.programs.fingerprint import tokens
from discovery.storage.index import Index
from evaluators.contract import Program

LATEST = 32
"""Children of an island that are looked at."""

Vectors = NDArray[np.float64]


def effective_number(vectors: Vectors) -> float:
    """Returns K* of (n, d) vectors, in [1, n]; 0 for none.

    Args:
        vectors: of any length but 0; only their directions count.
    """
    if not len(vectors):
        return 0.0
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = np.clip(np.linalg.eigvalsh(unit @ unit.T) / len(unit), 0.0, None)
    seen = shares[shares > 1e-12]
    return float(np.exp(-(seen * np.log(seen)).sum()))


def effective_children(index: Index) -> dict[int, float]:
    """Returns, by island, how many different programs the latest children born there amount to.

    Raises:
        JournalError: the journal cannot be read.
    """
    return {
        island: effective_programs(
            [index.record(number).program for number in reversed(index.latest(LATEST, island))]
        )
        for island in index.islands()
    }


def effective_programs(programs: Sequence[Program]) -> float:
    """Returns how many different programs some programs amount to."""
    counts = [Counter(tokens(program)) for program in programs]
    documents = Counter(word for one in counts for word in one)
    columns = {word: column for column, word in enumerate(sorted(documents))}
    table = np.zeros((len(counts), len(columns)))
    for row, one in enumerate(counts):
        for word, times in one.items():
            rarity = 1 + np.log((1 + len(counts)) / (1 + documents[word]))
            table[row, columns[word]] = (1 + np.log(times)) * rarity
    return effective_number(table)
