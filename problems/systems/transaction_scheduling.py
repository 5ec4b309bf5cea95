"""Order transactions so that all of them are done as early as possible.

A transaction is a list of accesses, one per tick once it has begun, without pause. An access reads or writes a
key, or works on none. Two transactions conflict where both access a key and at least one writes it; then the
one that comes first in the order must access that key in an earlier tick than the other. Each transaction
begins as early as the ones before it in the order allow: the first at tick 0, a later one at the earliest
tick >= 0 at which all its accesses come after every conflicting access of those.

The program defines `order(transactions)`. `transactions` is a list of 100 lists of [key, write]: key is a whole
number, -1 where the tick accesses none, and write is 1 or 0. It returns a permutation of 0, ..., 99, which is
the order in which they are scheduled.

The makespan is the tick at which the last one ends. The score is the makespan divided by a proven lower bound
on it, averaged over hidden workloads of five kinds, and is to be made as small as possible; 1 would be perfect.
There are 6 seconds of CPU per workload.
"""

# After transaction scheduling for databases (Cheng et al., "Towards Optimal Transaction Scheduling", VLDB 2024),
# with an exact simulator and workloads of our own.

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_integer, read_list

COUNT = 100

SEED = '''"""Orders transactions."""


# EVOLVE-BLOCK-START
LENGTH_WEIGHT = 0.0
WRITE_WEIGHT = 0.0


def order(transactions):
    def rank(number):
        accesses = transactions[number]
        writes = sum(write for key, write in accesses)
        return LENGTH_WEIGHT * len(accesses) + WRITE_WEIGHT * writes

    return sorted(range(len(transactions)), key=rank, reverse=True)
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("stretch", "minimize", bound=1.0)
MEASURES = (
    Measure("waiting", 0.0, 1.0, bins=12),
    Measure("disorder", 0.0, 1.0, bins=12),
    Measure("ast_nodes", 0, 800, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=6, wall_s=30, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    2.616388945336314,
    "least growth, then moves for 3.5 s a workload, benchmarks/baselines/systems/transaction_scheduling.py",
    18.0,
)

Access = list[int]  # key, -1 for none; 1 for a write, 0 for a read
Transaction = list[Access]


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one workload of each kind."""
    del stage
    kinds = {
        "hot rows": {"keys": 60, "skew": 1.1, "writes": 0.5},
        "read mostly": {"keys": 25, "skew": 0.8, "writes": 0.12},
        "long and short": {"keys": 120, "skew": 0.8, "writes": 0.5, "long": 0.15},
        "accounts": {"keys": 24, "skew": 0.3, "writes": 0.6, "branches": 8},
        "two tables": {"keys": 40, "skew": 0.9, "writes": 0.4, "late_key": True},
    }
    return [_case(rng, name, **terms) for name, terms in kinds.items()]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns workloads of other kinds: a queue whose head all update, and a mixture of all that is trained on."""
    return [
        _case(rng, "queue", keys=200, skew=0.2, writes=0.3, queue=True),
        _case(rng, "mixture", keys=50, skew=1.0, writes=0.35, long=0.1, branches=5, late_key=True),
    ]


def _case(rng: np.random.Generator, name: str, **terms: Any) -> Case:
    transactions = draw(rng, **terms)
    return Case(inputs=transactions, answer=lower_bound(transactions), name=name, group=name)


def draw(
    rng: np.random.Generator,
    *,
    keys: int,
    skew: float,
    writes: float,
    long: float = 0.0,
    branches: int = 0,
    late_key: bool = False,
    queue: bool = False,
) -> list[Transaction]:
    """Returns a workload; no transaction accesses a key twice.

    Keys are drawn by a power law of exponent `skew`, a share `writes` of accesses are writes. A share `long` has 25
    to 40 ticks instead of 5 to 12; with `branches`, each reads one key and writes the one of its branch after it;
    with `late_key`, one of a few keys comes last; with `queue`, the first tick writes the same key as all others.
    """
    shares = 1.0 / np.arange(1, keys + 1) ** skew
    shares = rng.permutation(shares / shares.sum())
    workload = []
    for _ in range(COUNT):
        length = int(rng.integers(25, 41) if rng.random() < long else rng.integers(5, 13))
        accessed = min(keys, max(2, int(length * rng.uniform(0.3, 0.7))))
        chosen = rng.choice(keys, size=accessed, replace=False, p=shares).tolist()
        accesses = [[key, int(rng.random() < writes)] for key in chosen]
        accesses += [[-1, 0] for _ in range(length - accessed)]
        accesses = [accesses[i] for i in rng.permutation(length)]
        if branches:
            accesses.insert(int(rng.integers(2, length)), [keys + int(rng.integers(branches)), 1])
        if late_key:
            accesses.append([keys + branches + int(rng.integers(4)), 1])
        if queue:
            accesses.insert(0, [keys + branches + 4, 1])
        workload.append(accesses)
    return workload


def starts(transactions: Sequence[Transaction], order: Sequence[int]) -> list[int]:
    """Returns when each transaction begins, by its number."""
    touched: dict[int, int] = {}  # the first tick after all accesses of a key
    written: dict[int, int] = {}  # the first tick after all writes of a key
    begin = [0] * len(transactions)
    for number in order:
        accesses = transactions[number]
        at = 0
        for offset, (key, write) in enumerate(accesses):
            if key >= 0:
                at = max(at, (touched if write else written).get(key, 0) - offset)
        begin[number] = at
        for offset, (key, write) in enumerate(accesses):
            if key >= 0:
                touched[key] = max(touched.get(key, 0), at + offset + 1)
                if write:
                    written[key] = max(written.get(key, 0), at + offset + 1)
    return begin


def makespan(transactions: Sequence[Transaction], order: Sequence[int]) -> int:
    """Returns the tick at which the last transaction ends."""
    begin = starts(transactions, order)
    return max(at + len(accesses) for at, accesses in zip(begin, transactions, strict=True))


def lower_bound(transactions: Sequence[Transaction]) -> int:
    """Returns a tick before which no order can be done.

    Writes of one key come one per tick. Each has a head, the ticks of its transaction before it, and a tail, those
    after it; serving those with the longest tail first among those whose head has passed is optimal for jobs of
    one tick (Jackson's rule), so what it needs for any one key is a bound. So is the longest transaction.
    """
    writes: dict[int, list[tuple[int, int]]] = {}
    for accesses in transactions:
        for offset, (key, write) in enumerate(accesses):
            if key >= 0 and write:
                writes.setdefault(key, []).append((offset, len(accesses) - offset - 1))
    return max([max(map(len, transactions)), *(_one_key(jobs) for jobs in writes.values())])


def _one_key(jobs: list[tuple[int, int]]) -> int:
    coming, waiting = sorted(jobs), list[int]()
    tick = end = 0
    while coming or waiting:
        while coming and coming[0][0] <= tick:
            heapq.heappush(waiting, -coming.pop(0)[1])
        tick += 1
        if waiting:
            end = max(end, tick - heapq.heappop(waiting))
    return end


def run(program: Any, inputs: list[Transaction]) -> Any:
    """Returns the program's order."""
    return program.order(inputs)


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `stretch`, and the schedule's `waiting` (mean begin over makespan) and `disorder`.

    `disorder` is how far, on average, the order takes neighbours from one another, as a share of all.

    Raises:
        Invalid: the output is no permutation.
    """
    entries = read_list(output, "order()", COUNT, COUNT, kinds="iu")
    order = [read_integer(entry, f"entry {i} of order()", 0, COUNT - 1) for i, entry in enumerate(entries)]
    if len(set(order)) < COUNT:
        raise Invalid("order() must name every transaction once")
    end = makespan(case.inputs, order)
    return {
        "stretch": end / case.answer,
        "makespan": float(end),
        "waiting": sum(starts(case.inputs, order)) / (COUNT * end),
        "disorder": float(np.abs(np.diff(order)).mean()) / COUNT,
    }
