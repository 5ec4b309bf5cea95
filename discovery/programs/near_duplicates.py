"""Near-duplicates: programs of almost the same code, known by sketches of their tokens.

Exact duplicates (fingerprint.py) are never evaluated twice. Here a child is refused that is almost like an elite or a recent
program of its island: MinHash (Broder 1997) estimates the Jaccard index of two programs' sets of token n-grams. Tokens are
those of the fingerprint, so comments, formatting and annotations do not count, and C is read as C.

Operators that change numbers on purpose are exempt. A sketch is made when a child is to be compared, so a run without
this pays nothing, and a replay next to nothing.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from discovery.programs.fingerprint import tokens
from evaluators.contract import Program

GRAM = 4
"""Tokens in an n-gram."""
HASHES = 192
"""Hash functions of a sketch: an estimate of 0.95 has a standard deviation of 0.016."""
_PRIME = np.uint64(2**31 - 1)

Sketch = NDArray[np.uint32]


def sketch(program: Program) -> Sketch:
    """Returns (HASHES,) minima of as many hash functions over the program's token n-grams."""
    words = tokens(program)
    grams = {"\0".join(words[at : at + GRAM]) for at in range(max(1, len(words) - GRAM + 1))}
    values = np.fromiter(
        (zlib.crc32(gram.encode("utf-8", "surrogatepass")) for gram in sorted(grams)), np.uint64
    )
    hashed = (_FACTORS[:, None] * (values % _PRIME)[None, :] + _SHIFTS[:, None]) % _PRIME
    return np.asarray(hashed.min(axis=1), dtype=np.uint32)


def similarity(one: Sketch, other: Sketch) -> float:
    """Returns the estimated Jaccard index of two programs' token n-grams, in [0, 1]."""
    return float((one == other).mean())


def _functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Returns the factors and shifts of the hash functions x -> (a x + b) mod p: the same in every process."""
    rng = np.random.default_rng(1997)
    return rng.integers(1, _PRIME, HASHES, dtype=np.uint64), rng.integers(0, _PRIME, HASHES, dtype=np.uint64)


_FACTORS, _SHIFTS = _functions()
