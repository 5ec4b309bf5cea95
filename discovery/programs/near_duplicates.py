"""Near-duplicates: programs of almost the same code, known by sketches of their tokens.

Exact duplicates (fingerprint.py) are never evaluated twice. Here a child is refused that is almost like an elite or a recent
program of its island: MinHash (Broder 1997) estimates the Jaccard index of two programs' sets of token n-grams. Tokens are
those of the fingerprint, so comments, formatting and annotations do not count, and C is read as C.

Operators that change numbers on purpose are exempt. A sketch is made when a child is to be compared, so a run without
this pays nothing, and a replay next to nothing.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from discovery.core.errors import ConfigError
from discovery.core.results import Lesson, Remark, Waste
from discovery.programs.fingerprint import tokens
from discovery.search.state import RunState
from evaluators.contract import Program

GRAM = 4
"""Tokens in an n-gram."""
HASHES = 192
"""Hash functions of a sketch: an estimate of 0.95 has a standard deviation of 0.016."""
EXEMPT = frozenset({"tune", "perturb"})
_PRIME = np.uint64(2**31 - 1)
_CACHED = 1024

Sketch = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class DuplicatesConfig:
    """What counts as too much alike.

    Attributes:
        enabled: False refuses exact duplicates only.
        threshold: estimated Jaccard index of token 4-grams from which a child is refused, in (0, 1].
        recent: latest programs of the island that it is compared with, >= 0.
        elites: best elites of the island that it is compared with, >= 0.
    """

    enabled: bool = False
    threshold: float = 0.97
    recent: int = 64
    elites: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"duplicates threshold must be in (0, 1], got {self.threshold}")
        if self.recent < 0 or self.elites < 0:
            raise ConfigError(
                f"duplicates recent and elites must be >= 0, got {self.recent} and {self.elites}"
            )


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


class NearDuplicates:
    """Knows the recent programs of each island. A `Learner`; `like` is asked before an evaluation is spent."""

    def __init__(self, config: DuplicatesConfig) -> None:
        self._config = config
        self._recent: dict[int, deque[tuple[str, Program]]] = {}
        self._sketches: OrderedDict[str, Sketch] = OrderedDict()

    def learn(self, lesson: Lesson) -> None:
        """Remembers an evaluated program."""
        record = lesson.record
        island = self._recent.setdefault(record.island, deque(maxlen=self._config.recent))
        island.append((record.program_id, record.program))

    def learn_waste(self, waste: Waste) -> None:
        """Passes over replies without a program."""

    def learn_remark(self, remark: Remark) -> None:
        """Passes over texts."""

    def like(self, operator: str, island: int, program: Program, state: RunState) -> str:
        """Returns the id of the program that a child of an operator on an island is almost the same as, or ""."""
        if operator in EXEMPT:
            return ""
        known = dict(self._recent.get(island, ()))
        if self._config.elites:
            for elite in state.archipelago.archive(island).top(self._config.elites):
                known[elite.program_id] = state.individual(elite.program_id).program
        if not known:
            return ""
        mine = self._sketch(program.id, program)
        ids = list(known)
        table = np.stack([self._sketch(program_id, known[program_id]) for program_id in ids])
        shares = (table == mine).mean(axis=1)
        nearest = int(shares.argmax())
        return ids[nearest] if shares[nearest] >= self._config.threshold else ""

    def _sketch(self, program_id: str, program: Program) -> Sketch:
        found = self._sketches.get(program_id)
        if found is None:
            found = self._sketches[program_id] = sketch(program)
            if len(self._sketches) > _CACHED:
                self._sketches.popitem(last=False)
        else:
            self._sketches.move_to_end(program_id)
        return found


def _functions() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Returns the factors and shifts of the hash functions x -> (a x + b) mod p: the same in every process."""
    rng = np.random.default_rng(1997)
    return rng.integers(1, _PRIME, HASHES, dtype=np.uint64), rng.integers(0, _PRIME, HASHES, dtype=np.uint64)


_FACTORS, _SHIFTS = _functions()
