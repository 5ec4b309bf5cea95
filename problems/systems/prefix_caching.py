"""Put the cells of a table in an order in which a prompt cache hits as often as possible.

A language model is asked one question per row of a table. The question is the row's cells, one after the other;
of two questions that follow each other, the leading cells that are equal (same column, same text) are served
from the cache. Rows may come in any order, and each row may have its cells in an order of its own.

The program defines `arrange(table)`. `table` is a dict: "lengths", an integer array (rows, columns) of the length of
each cell's text in tokens, and "texts", an integer array (rows, columns) in which two cells of a column have the same
number where they have the same text. It returns a dict: "rows", a permutation of the rows, and "columns", an integer
array (rows, columns) whose line i is a permutation of the columns, the order of the cells in row i of the table
(not: of the i-th row asked).

The score is the share of all tokens that are served from the cache, divided by a proven upper bound on it, averaged
over hidden tables of several kinds, and is to be made as large as possible. There are 5 seconds of CPU per table.
"""

# After Liu et al., "Optimizing LLM Queries in Relational Data Analytics Workloads" (MLSys 2025, arXiv 2403.05821), with
# tables of our own. A cell can be served only if its text came before, so a column's first cell of each text is lost.

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective

ROWS = 300

SEED = '''"""Orders the rows and columns of a table."""

import numpy as np


# EVOLVE-BLOCK-START
LENGTH_WEIGHT = 0.0
REPEAT_WEIGHT = 0.0


def arrange(table):
    lengths, texts = table["lengths"], table["texts"]
    rows, columns = texts.shape
    repeats = [1 - len(np.unique(texts[:, column])) / rows for column in range(columns)]
    worth = LENGTH_WEIGHT * lengths.mean(axis=0) + REPEAT_WEIGHT * np.array(repeats)
    order = np.argsort(-worth, kind="stable")
    return {"rows": np.lexsort(texts[:, order[::-1]].T), "columns": np.tile(order, (rows, 1))}
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("hits", "maximize", bound=1.0)
MEASURES = (
    Measure("orders", 0.0, 1.0, bins=12),
    Measure("depth", 0.0, 1.0, bins=12),
    Measure("ast_nodes", 0, 900, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=5, wall_s=25, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(0.621815102912916, "greedy groups, benchmarks/baselines/systems/prefix_caching.py", 1.0)


class Kind(NamedTuple):
    """How tables are drawn: columns, groups of columns that depend on one, how skewed and how full of repeats."""

    columns: int
    groups: int
    skew: float
    share: float  # of distinct texts among the rows, of a typical column
    shuffled: float  # share of cells that break their dependence


TRAINED = {
    "catalogue": Kind(columns=8, groups=2, skew=0.6, share=0.1, shuffled=0.0),
    "reviews": Kind(columns=10, groups=3, skew=1.0, share=0.25, shuffled=0.02),
    "logs": Kind(columns=6, groups=6, skew=1.3, share=0.05, shuffled=0.0),
    "survey": Kind(columns=12, groups=8, skew=0.4, share=0.03, shuffled=0.05),
    "ledger": Kind(columns=9, groups=4, skew=0.8, share=0.5, shuffled=0.1),
}
WITHHELD = {
    "wide": Kind(columns=16, groups=5, skew=0.9, share=0.15, shuffled=0.05),
    "flat": Kind(columns=5, groups=5, skew=0.0, share=0.1, shuffled=0.0),
}


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one table of each kind."""
    del stage
    return [_case(rng, name, kind, ROWS) for name, kind in TRAINED.items()]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns tables of other kinds and sizes."""
    return [_case(rng, name, kind, rows) for name, kind in WITHHELD.items() for rows in (200, 450)]


def _case(rng: np.random.Generator, name: str, kind: Kind, rows: int) -> Case:
    lengths, texts = draw(rng, kind, rows)
    return Case(
        {"lengths": lengths, "texts": texts}, answer=upper_bound(lengths, texts), name=name, group=name
    )


def draw(rng: np.random.Generator, kind: Kind, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the lengths and texts of a table.

    Columns of one group follow from its leading one, where the text of a cell is a function of the leader's, but for a
    share of cells that were changed. Texts are numbered at random, and each has a length of its own, in tokens.
    """
    texts = np.zeros((rows, kind.columns), dtype=np.int64)
    lengths = np.zeros_like(texts)
    leaders: dict[int, NDArray[np.int64]] = {}
    for column in rng.permutation(kind.columns).tolist():
        group = column % kind.groups
        count = max(2, int(rows * kind.share * 4 ** rng.uniform(-1, 1)))
        count = min(count, rows)
        if group in leaders:
            below = leaders[group]
            made = rng.integers(count, size=below.max() + 1)[below]
        else:
            shares = 1.0 / np.arange(1, count + 1) ** kind.skew
            made = leaders[group] = rng.choice(count, rows, p=shares / shares.sum())
        broken = rng.random(rows) < kind.shuffled
        made = np.where(broken, rng.integers(count, size=rows), made)
        typical = int(rng.choice([2, 5, 15, 40, 120], p=[0.25, 0.3, 0.25, 0.15, 0.05]))
        by_text = 1 + rng.poisson(typical * rng.uniform(0.6, 1.4), count)
        texts[:, column] = rng.permutation(count)[made]
        lengths[:, column] = by_text[made]
    return lengths, texts


def upper_bound(lengths: NDArray[np.int64], texts: NDArray[np.int64]) -> int:
    """Returns the most tokens that could be served: all but those of one cell of each text of each column."""
    lost = 0
    for column in range(texts.shape[1]):
        _, first = np.unique(texts[:, column], return_index=True)
        lost += int(lengths[first, column].sum())
    return int(lengths.sum()) - lost


def run(program: Any, inputs: dict[str, NDArray[np.int64]]) -> Any:
    """Returns the program's arrangement."""
    return program.arrange(inputs)


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `hits`, and what the arrangement looks like.

    `orders` is the number of different column orders over the rows, as the share of its logarithm that is possible;
    `depth` the mean share of a row's cells that are served.

    Raises:
        Invalid: rows or columns are no permutations.
    """
    lengths, texts = case.inputs["lengths"], case.inputs["texts"]
    rows, columns = _read(output, *texts.shape)
    at = np.arange(len(rows))[:, None]
    asked = columns[rows]  # columns, in the order in which they are asked
    named = texts[rows][at, asked]
    same = (asked[1:] == asked[:-1]) & (named[1:] == named[:-1])
    served = np.cumprod(same, axis=1)
    tokens = int((lengths[rows][at, asked][1:] * served).sum())
    kinds = len(np.unique(columns, axis=0))
    return {
        "hits": tokens / case.answer,
        "served": tokens / int(lengths.sum()),
        "orders": float(np.log(kinds) / np.log(len(rows))),
        "depth": float(served.sum(axis=1).mean()) / texts.shape[1],
    }


def _read(output: Any, height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if type(output) is not dict or set(output) != {"rows", "columns"}:
        raise Invalid('arrange() must return a dict with the keys "rows" and "columns" and no other')
    rows = _whole(output["rows"], "rows", (height,))
    columns = _whole(output["columns"], "columns", (height, width))
    if not np.array_equal(np.sort(rows), np.arange(height)):
        raise Invalid(f"rows must hold each of 0, ..., {height - 1} once")
    wrong = np.flatnonzero((np.sort(columns, axis=1) != np.arange(width)).any(axis=1))
    if len(wrong):
        raise Invalid(f"columns must hold each of 0, ..., {width - 1} once per row; row {wrong[0]} does not")
    return rows, columns


def _whole(value: Any, what: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Returns an integer array of this shape."""
    if type(value) is not np.ndarray or value.dtype.kind not in "iu" or value.shape != shape:
        got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise Invalid(f"{what} must be an integer array of shape {shape}, got {got}")
    if value.min() < 0 or value.max() >= max(shape):
        raise Invalid(f"{what} must hold numbers from 0 on, got {value.min()} to {value.max()}")
    return value.astype(np.int64)
