"""Every stream of random numbers is one of its own."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np

from islands.chance import Purpose, keyed, seeds, stream

DISCOVERY = Path(__file__).parents[2] / "discovery"


def first(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(2**63, size=2).tolist())


def test_no_two_streams_are_the_same_not_even_by_zeros_at_the_end() -> None:
    numbers = [(), *((one,) for one in range(6)), *product(range(6), range(4)), (0, 0, 0)]
    keys = [
        (seed, purpose, *more)
        for seed, purpose, more in product((0, 1, 7, 2**40), range(len(Purpose)), numbers)
    ]
    assert len({first(stream(*key)) for key in keys}) == len(keys)


def test_a_stream_is_found_again_by_its_key() -> None:
    key = (7, int(Purpose.PROPOSAL), 3)
    assert (
        first(keyed(key))
        == first(stream(7, Purpose.PROPOSAL, 3))
        == first(np.random.default_rng(seeds(*key)))
    )


def test_the_numbers_of_purposes_stand_for_good() -> None:
    assert [(one.name, one.value) for one in Purpose] == [
        ("DECISION", 0),
        ("PROPOSAL", 1),
        ("ISLAND", 2),
        ("FOUNDER", 3),
        ("SCREENING", 4),
        ("TUNING_ROOT", 5),
        ("TUNING_CONSTANTS", 6),
        ("TUNING_POINTS", 7),
        ("FILLER", 8),
    ]


def test_no_part_of_a_run_makes_up_streams_of_its_own() -> None:
    own = [
        path.relative_to(DISCOVERY).as_posix()
        for path in DISCOVERY.rglob("*.py")
        if re.search(r"default_rng\([\[(*]|SeedSequence\(", path.read_text("utf-8"))
    ]
    assert [path for path in own if not path.startswith("testing/")] == []
