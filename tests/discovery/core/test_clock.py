from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from discovery.core.clock import now_s, steady_clock


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e9, 1e9)), max_size=20))
def test_lengths_are_right_whatever_happens_to_the_wall_clock(steps: list[tuple[float, float]]) -> None:
    wall, passed = [1.7e9], [50.0]
    clock = steady_clock(lambda: wall[0], lambda: passed[0])
    begun = clock()
    assert begun == 1.7e9
    for length_s, jump_s in steps:
        before = clock()
        passed[0] += length_s
        wall[0] += length_s + jump_s
        assert abs(clock() - before - length_s) < 1e-3
    assert abs(clock() - begun - (passed[0] - 50.0)) < 1e-3


def test_a_process_has_one_and_it_goes_on() -> None:
    assert now_s() <= now_s()
