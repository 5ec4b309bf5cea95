"""Write a rule that packs items into bins as they come, one by one, and uses as few bins as possible.

The program defines `priority(item, bins)`. `item` is the size of the next item, a whole number from 1 to 100;
`bins` is an integer array with the room left in every bin that can take it, in the order in which the bins
were opened. The last entry is always a fresh, empty bin of capacity 100. The function returns one number per
entry, and the item goes into the bin with the highest (the first of these, if several are). What will come is
not known.

The sizes follow a Weibull distribution (shape 3, scale 45), rounded, at most 100; the sequences are hidden,
and 2,000 items long. The score is bins / ceil(total size / 100) - 1 over all sequences: how many more bins
were used than the total size needs at the least. First fit gives about 0.05, best fit 0.045; rules that leave
room of a useful size, and open a bin rather than spoil one, come near 0.01.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective, Result

CAPACITY = 100
SHAPE, SCALE = 3.0, 45.0  # of the Weibull distribution
FIRST_ITEMS = 250  # one short sequence, to stop early what does not work
ITEMS = 2000
SEQUENCES = 2

SEED = '''"""Chooses a bin for each item as it comes."""

import numpy as np


# EVOLVE-BLOCK-START
def priority(item, bins):
    """First fit: the earliest bin that can take the item."""
    return -np.arange(len(bins))
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("excess", "minimize", bound=0.0)
MEASURES = (
    Measure("opened_early", 0.0, 0.4, bins=16),
    Measure("room_left", 0.2, 0.36, bins=16),
)
LIMITS = Limits(cpu_s=10, wall_s=30, memory_mib=256, output_mib=1)
STAGES = 2
THRESHOLDS = (0.3,)
PRELOAD = ("numpy",)
BEST_KNOWN = BestKnown(
    0.00684,
    "FunSearch, Nature 625",
    "2023-12",
    certified=True,
    scope="five published sequences of 5,000 items",
)
BASELINE = Baseline(
    0.044720496894409933,
    "best fit, benchmarks/baselines/algorithms/online_bin_packing.py, other sequences",
    1.0,
)


@dataclass(slots=True)
class Packing:
    """The oracle: hands out the items one by one and keeps the bins.

    The first request is None; each later one is the index of the bin for the item handed out last, counted
    from 0 in the order of opening, where the number of open bins stands for a fresh one. The reply is the
    next item, and None after the last.

    Attributes:
        items: the whole sequence, hidden.
        room: room left in each open bin.
        chosen: the bin of every item packed so far.
        openings_early: how often a fresh bin was opened though an open one had room.
    """

    items: list[int]
    room: list[int] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)
    openings_early: int = 0
    is_started: bool = False
    _bins_with: list[int] = field(default_factory=lambda: [0] * (CAPACITY + 1))

    def __call__(self, request: Any) -> int | None:
        """Returns the next item, or None when all are packed.

        Raises:
            Invalid: no whole number, no such bin, a bin without room, or a request after the last item.
        """
        if not self.is_started:
            if request is not None:
                raise Invalid("the first request must be None, as no item is known yet")
            self.is_started = True
        else:
            self._place(request)
        position = len(self.chosen)
        return self.items[position] if position < len(self.items) else None

    def _place(self, index: Any) -> None:
        if len(self.chosen) == len(self.items):
            raise Invalid("all items are packed; there is nothing left to choose")
        item, opened = self.items[len(self.chosen)], len(self.room)
        if type(index) is not int or not 0 <= index <= opened:
            raise Invalid(f"a bin must be a whole number from 0 to {opened}, got {index!r:.60}")
        if index == opened:
            self.openings_early += any(self._bins_with[item:])
            self.room.append(CAPACITY)
        else:
            if self.room[index] < item:
                raise Invalid(f"bin {index} has room for {self.room[index]}, but the item is {item}")
            self._bins_with[self.room[index]] -= 1
        self.room[index] -= item
        self._bins_with[self.room[index]] += 1
        self.chosen.append(index)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one short sequence in the first stage, some longer ones in the second."""
    sizes = [FIRST_ITEMS] if stage == 0 else [ITEMS] * SEQUENCES
    return [_case(size, rng) for size in sizes]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns two longer sequences: a rule must not depend on where its sequences end."""
    return [_case(5000, rng) for _ in range(2)]


def draw_items(count: int, rng: np.random.Generator) -> list[int]:
    """Returns `count` item sizes in [1, 100]."""
    sizes = np.clip(np.rint(SCALE * rng.weibull(SHAPE, size=count)), 1, CAPACITY)
    return [int(size) for size in sizes]


def _case(count: int, rng: np.random.Generator) -> Case:
    return Case(inputs={"capacity": CAPACITY}, answer=draw_items(count, rng), name=f"{count} items")


def serve(case: Case) -> Packing:
    """Returns the oracle of one sequence."""
    return Packing(case.answer)


def run(program: Any, inputs: dict[str, int], oracle: Any) -> None:
    """Packs the items by the program's priorities, on a copy of the bins; the oracle keeps the true ones."""
    capacity = inputs["capacity"]
    room = np.zeros(1024, dtype=np.int64)
    opened = 0
    item = oracle(None)
    while item is not None:
        if opened + 1 >= len(room):
            room = np.concatenate([room, np.zeros(len(room), dtype=np.int64)])
        room[opened] = capacity
        fitting = np.flatnonzero(room[: opened + 1] >= item)
        priorities = np.asarray(program.priority(item, room[fitting]), dtype=float)
        if priorities.shape != fitting.shape:
            raise ValueError(f"priority() returned shape {priorities.shape} for {len(fitting)} bins")
        if np.isnan(priorities).any():
            raise ValueError("priority() returned NaN")
        index = int(fitting[priorities.argmax()])
        room[index] -= item
        opened += index == opened
        item = oracle(index)


def score(case: Case, output: Any, oracle: Packing) -> dict[str, float]:
    """Returns the excess over the bins that the total size needs, recounted from the choices on record.

    `opened_early` is the share of items for which a fresh bin was opened though an open one had room;
    `room_left` the mean room that an item left in its bin, as a share of the capacity; `bins` counts the
    bins, `least` those that the total size needs at the least.

    Raises:
        Invalid: items were left over, or a bin holds too much.
    """
    del output
    items = case.answer
    if len(oracle.chosen) < len(items):
        raise Invalid(f"only {len(oracle.chosen)} of {len(items)} items were packed")
    filled = [0] * (max(oracle.chosen) + 1)
    room_left = 0
    for item, index in zip(items, oracle.chosen, strict=True):
        filled[index] += item
        room_left += CAPACITY - filled[index]
    if max(filled) > CAPACITY or min(filled) == 0:
        raise Invalid("a bin holds more than its capacity, or nothing")
    least = -(-sum(items) // CAPACITY)
    return {
        "excess": (len(filled) - least) / least,
        "opened_early": oracle.openings_early / len(items),
        "room_left": room_left / len(items) / CAPACITY,
        "bins": len(filled),
        "least": least,
    }


def aggregate(results: list[Result]) -> dict[str, float]:
    """Returns the metrics of all sequences as one: totals of the bins, weighted means of the rest."""
    bins, least = (math.fsum(one.metrics[name] for one in results) for name in ("bins", "least"))
    weighted = {
        name: math.fsum(one.metrics[name] * one.metrics["least"] for one in results) / least
        for name in ("opened_early", "room_left")
    }
    return {"excess": bins / least - 1.0, **weighted, "bins": bins, "least": least}
