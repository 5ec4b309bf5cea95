from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from discovery.reporting.charts import Dot, Frame, compact, operator_style, thin, ticks

numbers = st.floats(-1e9, 1e9).map(lambda value: round(value, 3))


@given(numbers, st.floats(0.01, 1e6))
@example(-366503876.72, 0.01)
def test_ticks_are_few_rising_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert found == sorted(set(found))
    assert 1 <= len(found) <= 11
    slack = span * 1e-6 + 4 * math.ulp(abs(low) + span)
    assert all(low - slack <= value <= low + span + slack for value in found)


def test_ticks_are_round() -> None:
    assert ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert ticks(0.91, 2.72) == [1.0, 1.5, 2.0, 2.5]
    assert ticks(3, 3) == [3]


def test_numbers_in_few_characters() -> None:
    assert [compact(value) for value in (0, 0.12345678, 1234.5, 12345, 1234567, -2.5e9)] == [
        "0", "0.12346", "1234.5", "12.3k", "1.23M", "-2.5G",
    ]  # fmt: skip


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=400))
def test_thinning_keeps_the_extremes_and_the_order(values: list[float]) -> None:
    dots = [Dot(n, value, "") for n, value in enumerate(values)]
    kept = thin(dots, 40)
    assert len(kept) <= 44
    assert [dot.x for dot in kept] == sorted(dot.x for dot in kept)
    assert max(dot.y for dot in kept) == max(values)
    assert min(dot.y for dot in kept) == min(values)


@given(numbers)
def test_values_outside_stand_at_the_edge(value: float) -> None:
    frame = Frame(0, 1, 0, 1)
    assert frame.y(1) <= frame.y(value) <= frame.y(0)


def test_an_operator_keeps_its_colour() -> None:
    assert operator_style("tune") == "op-0"
    assert operator_style("seed") == "op-seed"
    assert operator_style("my own <operator>") == "op-7"
