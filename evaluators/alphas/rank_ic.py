"""Daily cross-sectional correlations: exact in float64, and a packed path that ranks a day in one sort.

IC_t is Pearson's correlation over M_t, RankIC_t Pearson's correlation of the average-tie ranks WITHIN M_t
(both sides ranked again after masking). A day with fewer names than `min_names`, or without variance, is NaN.

The packed path (`RankScorer`) prepares the label once: per day the order of its values. A factor value
becomes the upper half of a 64-bit word (float32 bits in ascending order), the name's place in the label's
order the lower half; one sort of the words gives both rankings, and integer sums give the exact
correlation, ties included. Its only approximation is the cast to float32: factor values closer than 6e-8
relative become ties. Use `rank_ic` for final numbers. Without numba the packed path is the exact one on the
float32 values.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.panel import Bools, Floats
from evaluators.contract import ContractError

Engine = Literal["auto", "numba", "numpy"]
NO_NAME = np.uint32(0xFFFFFFFF)


def average_ranks(values: Floats, mask: Bools) -> NDArray[np.float64]:
    """Returns (T, N) ranks 1..|M_t| within each day's mask, ties averaged, NaN outside the mask.

    Values within the mask must be finite.
    """
    spread = np.where(mask, np.asarray(values, np.float64), np.inf)  # far quicker to sort than NaN
    order = np.argsort(spread, axis=1)
    count = np.count_nonzero(mask, axis=1)
    if has_numba():
        ranks = np.full(spread.shape, np.nan)
        _kernels().rank(spread, order, count, ranks)
        return ranks
    ordered = np.take_along_axis(spread, order, axis=1)
    width = spread.shape[1]
    places = np.broadcast_to(np.arange(1.0, width + 1.0), spread.shape)
    ranks = np.empty(spread.shape)
    same = (ordered[:, 1:] == ordered[:, :-1]) & (places[:, 1:] <= count[:, None])
    if not same.any():
        np.put_along_axis(ranks, order, places, axis=1)
        return np.where(mask, ranks, np.nan)
    begins, ends = np.ones((2, *spread.shape), dtype=np.bool_)
    begins[:, 1:] = ~same
    ends[:, :-1] = ~same
    first = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, places, width)[:, ::-1], axis=1)[:, ::-1]
    np.put_along_axis(ranks, order, 0.5 * (first + last), axis=1)
    return np.where(mask, ranks, np.nan)


def ic(x: Floats, y: Floats, mask: Bools, min_names: NDArray[np.int64] | int = 2) -> NDArray[np.float64]:
    """Returns Pearson's correlation of each day over `mask` and finite values, (T,) float64."""
    both = mask & np.isfinite(x) & np.isfinite(y)
    return _pearson(np.asarray(x, np.float64), np.asarray(y, np.float64), both, min_names)


def rank_ic(x: Floats, y: Floats, mask: Bools, min_names: NDArray[np.int64] | int = 2) -> NDArray[np.float64]:
    """Returns Spearman's correlation of each day over `mask` and finite values, (T,) float64, exact."""
    both = mask & np.isfinite(x) & np.isfinite(y)
    return _pearson(average_ranks(x, both), average_ranks(y, both), both, min_names)


def _pearson(
    x: NDArray[np.float64], y: NDArray[np.float64], mask: Bools, min_names: NDArray[np.int64] | int
) -> NDArray[np.float64]:
    count = mask.sum(axis=1)
    safe = np.maximum(count, 1)
    a, b = np.where(mask, x, 0.0), np.where(mask, y, 0.0)
    a = np.where(mask, a - (a.sum(axis=1) / safe)[:, None], 0.0)
    b = np.where(mask, b - (b.sum(axis=1) / safe)[:, None], 0.0)
    varies = _varies(x, mask) & _varies(y, mask) & (count >= np.maximum(min_names, 2))
    scale = np.sqrt(np.einsum("tn,tn->t", a, a)) * np.sqrt(np.einsum("tn,tn->t", b, b))
    product = np.einsum("tn,tn->t", a, b)
    out = np.full(len(x), np.nan)
    use = varies & (scale > 0) & np.isfinite(scale)
    out[use] = np.clip(product[use] / scale[use], -1.0, 1.0)
    return out


def _varies(x: NDArray[np.float64], mask: Bools) -> Bools:
    return np.asarray(
        np.max(x, axis=1, where=mask, initial=-np.inf) > np.min(x, axis=1, where=mask, initial=np.inf)
    )


class RankScorer:
    """Scores many factors against one label: `scorer(factor)` is the RankIC of each day, (T,) float64.

    It owns its working memory: use one per thread.
    """

    def __init__(
        self,
        label: Floats,
        mask: Bools,
        min_names: NDArray[np.int64] | int = 2,
        *,
        engine: Engine = "auto",
    ) -> None:
        """Prepares the label: (T, N) values and the part of M_t that does not depend on the factor."""
        if engine not in ("auto", "numba", "numpy"):
            raise ContractError(f"engine must be auto, numba or numpy, got {engine!r}")
        if engine == "numba" and not has_numba():
            raise ContractError("engine 'numba' needs numba; install it, or use 'auto'")
        self._label, self._mask = np.asarray(label, np.float64), np.asarray(mask & np.isfinite(label))
        self._min_names = np.broadcast_to(np.asarray(min_names, dtype=np.int64), (len(label),)).copy()
        self.engine = "numpy" if engine == "numpy" or not has_numba() else "numba"
        if self.engine == "numba":
            self._places, self._group_ends = _prepare(self._label, self._mask)
            self._words = np.empty(label.shape, dtype=np.uint64)
            self._out = np.empty(len(label))

    def __call__(self, factor: Floats) -> NDArray[np.float64]:
        """Returns the RankIC of each day; `factor` (T, N) is cast to float32, NaN and inf are left out."""
        x = np.ascontiguousarray(factor, dtype=np.float32)
        if x.shape != self._label.shape:
            raise ContractError(f"factor must have shape {self._label.shape}, got {x.shape}")
        if self.engine == "numpy":
            return rank_ic(x, self._label, self._mask, self._min_names)
        kernels = _kernels()
        kernels.pack(x.view(np.uint32), self._places, self._words)
        self._words.sort(axis=1)
        kernels.reduce(self._words, self._group_ends, self._min_names, self._out)
        return self._out.copy()


def _prepare(label: NDArray[np.float64], mask: Bools) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Returns each name's place in the day's label order (NO_NAME outside), and where each tie group ends."""
    shape = label.shape
    order = np.argsort(np.where(mask, label, np.nan), axis=1)
    rows = np.arange(len(label))[:, None]
    places = np.empty(shape, dtype=np.uint32)
    places[rows, order] = np.arange(shape[1], dtype=np.uint32)
    ordered = np.where(mask, label, np.nan)[rows, order]
    ends = np.ones(shape, dtype=np.bool_)
    ends[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    at = np.where(ends, np.arange(shape[1]), shape[1])
    group_ends = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1].astype(np.int32)
    return np.where(mask, places, NO_NAME).astype(np.uint32), np.ascontiguousarray(group_ends)


@cache
def has_numba() -> bool:
    """Returns whether the compiled path is available."""
    return importlib.util.find_spec("numba") is not None


class _Kernels(NamedTuple):
    """The compiled loops."""

    rank: Callable[..., None]
    pack: Callable[..., None]
    reduce: Callable[..., None]


@cache
def _kernels() -> _Kernels:
    """Returns the compiled loops (about 1 s the first time, then from numba's cache where it may write)."""
    numba: Any = importlib.import_module("numba")
    compiled = []
    for function in (_rank, _pack, _reduce):
        try:
            compiled.append(numba.njit(cache=True, nogil=True)(function))
        except RuntimeError:  # no folder to cache in
            compiled.append(numba.njit(nogil=True)(function))
    return _Kernels(*compiled)


def _rank(
    spread: NDArray[np.float64],
    order: NDArray[np.int64],
    count: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Writes the average ranks of the first `count` of each day's names in ascending order."""
    for t in range(len(spread)):
        first = 0
        while first < count[t]:
            value = spread[t, order[t, first]]
            end = first + 1
            while end < count[t] and spread[t, order[t, end]] == value:
                end += 1
            for place in range(first, end):
                out[t, order[t, place]] = 0.5 * (first + 1 + end)
            first = end


def _pack(bits: NDArray[np.uint32], places: NDArray[np.uint32], words: NDArray[np.uint64]) -> None:
    """Writes key << 32 | place: keys ascend as the float32 do; all ones where there is no value or label."""
    sign, exponent, none = np.uint32(0x80000000), np.uint32(0x7F800000), np.uint64(0xFFFFFFFFFFFFFFFF)
    shift = np.uint64(32)
    for t in range(bits.shape[0]):
        for i in range(bits.shape[1]):
            word = bits[t, i]
            place = places[t, i]
            if (word & exponent) == exponent or place == np.uint32(0xFFFFFFFF):
                words[t, i] = none
            else:
                if word == sign:  # -0.0 equals 0.0
                    word = np.uint32(0)
                key = ~word if word & sign else word | sign
                words[t, i] = (np.uint64(key) << shift) | np.uint64(place)


def _reduce(  # noqa: PLR0915 - one loop nest, so that a day stays in registers and cache
    words: NDArray[np.uint64],
    group_ends: NDArray[np.int32],
    min_names: NDArray[np.int64],
    out: NDArray[np.float64],
) -> None:
    """Writes each day's correlation of doubled average ranks (whole numbers); ties are the slow branch."""
    days, width = words.shape
    none, low, shift = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFFFFFFFF), np.uint64(32)
    ranks = np.zeros(width, dtype=np.int32)
    before: Any
    square_x: Any
    square_y: Any
    for t in range(days):
        out[t] = np.nan
        ranks[:] = 0
        count, tied = 0, 0
        while count < width and words[t, count] != none:
            ranks[words[t, count] & low] = 1
            count += 1
        if count < min_names[t] or count < 2:
            continue
        before = np.int64(0)  # label ranks among the names that are present, tie groups share theirs
        for p in range(width):
            tied += group_ends[t, p] - p
            before += ranks[p]
            ranks[p] = 2 * before
        square_y = np.int64(0)
        if tied:
            before = np.int64(0)
            start: Any = 0
            while start < width:
                stop = np.int64(group_ends[t, start]) + 1
                after = np.int64(ranks[stop - 1]) // 2
                doubled = before + 1 + after
                for p in range(start, stop):
                    ranks[p] = doubled
                square_y += (after - before) * doubled * doubled
                before, start = after, stop
        else:
            square_y = np.int64(4 * count * (count + 1) * (2 * count + 1) // 6)
        cross, square_x, twins = np.int64(0), np.int64(0), 0
        for i in range(count):
            cross += np.int64(2 * (i + 1)) * np.int64(ranks[words[t, i] & low])
        for i in range(1, count):
            twins += (words[t, i] >> shift) == (words[t, i - 1] >> shift)
        if twins:
            cross, first = np.int64(0), 0
            while first < count:
                key = words[t, first] >> shift
                total, end = np.int64(ranks[words[t, first] & low]), first + 1
                while end < count and (words[t, end] >> shift) == key:
                    total += np.int64(ranks[words[t, end] & low])
                    end += 1
                both = np.int64(first + 1 + end)
                cross += both * total
                square_x += np.int64(end - first) * both * both
                first = end
        else:
            square_x = np.int64(4 * count * (count + 1) * (2 * count + 1) // 6)
        mean_square = np.int64(count * (count + 1) * (count + 1))
        vary_x, vary_y = square_x - mean_square, square_y - mean_square
        if vary_x > 0 and vary_y > 0:
            out[t] = (cross - mean_square) / (np.sqrt(float(vary_x)) * np.sqrt(float(vary_y)))
