from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.programs.line_diff import Hunk, blocks, hunks, is_costly

lines = st.lists(st.sampled_from("abc"), max_size=12)


def patched(old: list[str], new: list[str]) -> list[str]:
    made = list(old)
    for low, high, new_low, new_high in reversed(hunks(old, new)):
        made[low:high] = new[new_low:new_high]
    return made


@given(lines, lines)
def test_hunks_make_the_new_text_of_the_old_one(old: list[str], new: list[str]):
    assert patched(old, new) == new


@given(lines, lines)
def test_blocks_are_those_of_difflib_without_its_last_empty_one(old: list[str], new: list[str]):
    found = [
        block for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks() if block.size
    ]
    assert list(blocks(old, new)) == [tuple(block) for block in found]


@pytest.mark.parametrize("size", [2_000, 60_000])
def test_where_matching_would_take_long_the_middle_counts_as_changed(size: int):
    old, new = ["head", *["x"] * size, "tail"], ["head", "y", *["x"] * size, "z", "tail"]
    assert is_costly(old, new)
    assert hunks(old, new) == [Hunk(1, size + 1, 1, size + 3)]
    assert patched(old, new) == new
    assert hunks(old, old) == []
    assert list(blocks(old, new)) == [(0, 0, 1), (size + 1, size + 3, 1)]


def test_programs_of_a_usual_size_are_matched_in_full():
    old = [f"x{number} = 1" if number % 4 else "" for number in range(600)]
    new = [*old[:100], "y = 2", *old[100:]]
    assert not is_costly(old, new)
    assert hunks(old, new) == [Hunk(100, 100, 100, 101)]
