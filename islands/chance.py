"""Streams of random numbers: one for each purpose and number, none of which repeats a part of another.

`default_rng([7, 3])` draws the same as `default_rng([7, 3, 0])`; a `SeedSequence` keeps what a stream is for apart from the
seed, and never fills up with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a run draws from chance for; the numbers stand for good, as a resume must find its streams again."""

    DECISION = 0  # operator, parents and context of a decision
    PROPOSAL = 1  # what an operator draws while it makes a child
    ISLAND = 2  # where a decision breeds
    FOUNDER = 3  # whose program a reseeded island begins from
    SCREENING = 4  # which child is evaluated although it was screened out
    TUNING_ROOT = 5  # whether a tuning session explores
    TUNING_CONSTANTS = 6  # which constants a session moves
    TUNING_POINTS = 7  # the points that it asks for
    FILLER = 8  # whether an operator without a model may fill an evaluator


def seeds(seed: int, purpose: int, *numbers: int) -> np.random.SeedSequence:
    """Returns what seeds the stream of a seed (>= 0) for one purpose and one number of it, or several."""
    return np.random.SeedSequence(seed, spawn_key=(purpose, *numbers))


def stream(seed: int, purpose: int, *numbers: int) -> np.random.Generator:
    """Returns the stream of a seed (>= 0) for one purpose and one number of it, or several."""
    return np.random.default_rng(seeds(seed, purpose, *numbers))


def keyed(key: Sequence[int]) -> np.random.Generator:
    """Returns the stream of a key: a seed, a purpose, numbers."""
    seed, purpose, *numbers = key
    return stream(seed, purpose, *numbers)
