from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import Invalid
from evaluators.exact import (
    ONE,
    Ball,
    ball_sqrt3,
    convolve,
    largest,
    log_ratio,
    mean,
    read_integer,
    read_integer_table,
    read_list,
    read_number,
    read_table,
    read_vector,
    sign_sqrt3,
    value_sqrt3,
)


@given(st.floats(-100, 100))
def test_a_number_is_read_exactly_or_refused(value: float):
    if value != 0 and abs(value) < 2.0**-64:
        with pytest.raises(Invalid, match=r"0 or at least 2\*\*-64"):
            read_number(value, "x", -100, 100)
    else:
        assert Fraction(read_number(value, "x", -100, 100), ONE) == Fraction(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "must lie in [0, 1], got nan"),
        (math.inf, "got inf"),
        (2, "got 2"),
        (1 << 10000, "got a huge integer"),
        (True, "plain float, got bool"),
        (1j, "plain float, got complex"),
        ("1", "plain float, got str"),
        (np.float64(0.5), "plain float, got float64"),
        (1e-161, "use 0.0"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(value: object, said: str):
    with pytest.raises(Invalid) as caught:
        read_number(value, "x", 0, 1)
    assert str(caught.value).startswith("x must")
    assert said in str(caught.value)


def test_integers_are_plain_and_in_range():
    assert read_integer(7, "n", 0, 9) == 7
    for value in (True, 7.0, "7", np.int64(7), 10, -1, 1 << 9999):
        with pytest.raises(Invalid, match="n must"):
            read_integer(value, "n", 0, 9)


def test_lists_tuples_and_real_arrays_are_lists():
    assert read_list((1, 2), "v", 2, 2) == [1, 2]
    assert read_vector(np.array([0.5, 1.0]), "v", least=1, most=5, low=0, high=1) == [ONE // 2, ONE]
    for array in (np.zeros(2, complex), np.zeros(2, bool), np.zeros(2, object), np.array(1.0)):
        with pytest.raises(Invalid, match="v must hold plain numbers"):
            read_list(array, "v", 1, 5)
    with pytest.raises(Invalid, match="v must have 2 to 3 entries, got 1"):
        read_list([1], "v", 2, 3)


def test_tables_name_the_row_and_the_column():
    table = read_table([[0.5, 1], (0, 0)], "pack()", row="point", rows=2, columns="xy", low=0, high=1)
    assert table == [(ONE // 2, ONE), (0, 0)]
    assert read_table(np.eye(2), "pack()", row="point", rows=2, columns="xy", low=0, high=1)[0] == (ONE, 0)
    with pytest.raises(Invalid, match=r"y of point 1 must lie in \[0, 1\], got 2"):
        read_table([[0, 1], [0, 2]], "pack()", row="point", rows=2, columns="xy", low=0, high=1)
    with pytest.raises(Invalid, match=r"point 1 \[x, y\] must have 2 entries, got 3"):
        read_table([[0, 1], [0, 1, 1]], "pack()", row="point", rows=2, columns="xy", low=0, high=1)


def test_integer_tables_take_no_floats():
    options = {"row": "vector", "least": 1, "most": 3, "width": 2, "low": -2, "high": 2}
    assert read_integer_table(np.array([[1, -2]]), "v", **options) == [(1, -2)]
    for bad in ([[1.0, 2]], [[1, 3]], [[1]], np.zeros((1, 2)), [[True, 1]]):
        with pytest.raises(Invalid):
            read_integer_table(bad, "v", **options)


@given(
    st.lists(st.integers(0, 2**130), min_size=1, max_size=20),
    st.lists(st.integers(0, 9), min_size=1, max_size=9),
)
def test_convolution_is_the_product_of_polynomials(a: list[int], b: list[int]):
    expected = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            expected[i + j] += x * y
    assert convolve(a, b) == expected
    assert len(convolve(a, a)) == 2 * len(a) - 1


@given(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20))
def test_signs_in_q_sqrt3(a: int, b: int):
    root = math.isqrt(3 * 10**100)  # sqrt(3) from below, to 50 digits
    low, high = (a * 10**50 + b * r for r in (root, root + 1))
    if (low > 0) == (high > 0):
        assert sign_sqrt3(a, b) == (low > 0) - (low < 0)


def test_a_near_miss_in_q_sqrt3_is_decided():
    a, b = 1, 1
    for _ in range(60):  # convergents of sqrt(3) lie on alternating sides of it
        a, b = a + 3 * b, a + b
        assert sign_sqrt3(a, -b) == (1 if a * a > 3 * b * b else -1)
    assert value_sqrt3(0, 1, 1) == math.sqrt(3)
    assert value_sqrt3(-1, -2, 7) == pytest.approx((-1 - 2 * math.sqrt(3)) / 7, rel=1e-15)
    assert (sign_sqrt3(0, 0), sign_sqrt3(5, 0), sign_sqrt3(0, -5)) == (0, 1, -1)


def holds(ball: Ball, value: Fraction) -> bool:
    return abs(ball.midpoint - value) <= ball.radius


def test_log_ratio_to_40_digits():
    assert float(log_ratio(3, 2)) == math.log(1.5)
    assert holds(log_ratio(7, 7), Fraction(0))
    assert log_ratio(1, 1) == Ball(Fraction(0), Fraction(0))
    assert holds(log_ratio(8, 2), 2 * log_ratio(2, 1).midpoint)
    assert log_ratio(8, 2).radius < Fraction(1, 10**40)


RATIONALS = st.fractions(-100, 100, max_denominator=1000)
RADII = st.fractions(0, 2, max_denominator=100)


@given(RATIONALS, RADII, RATIONALS, RADII, st.fractions(-1, 1), st.fractions(-1, 1))
def test_balls_hold_sums_means_and_quotients_of_what_they_hold(a, r, b, s, u, v):
    left, right = Ball(a, r), Ball(b, s)
    x, y = a + u * r, b + v * s
    assert holds(left + right, x + y)
    middle = mean([left, b])
    assert isinstance(middle, Ball)
    assert holds(middle, (x + b) / 2)
    assert holds(largest([left, right]), max(x, y))
    if abs(b) > s:
        assert holds(left / right, x / y)
    else:
        with pytest.raises(ZeroDivisionError):
            left / right


def test_the_mean_of_fractions_is_one():
    assert mean([Fraction(1), Fraction(2), Fraction(2)]) == Fraction(5, 3)


@given(st.integers(-(10**30), 10**30), st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_balls_in_q_sqrt3_hold_their_value(a: int, b: int, denominator: int):
    ball = ball_sqrt3(a, b, denominator)
    low, high = (
        (end * denominator - a) for end in (ball.midpoint - ball.radius, ball.midpoint + ball.radius)
    )
    # b sqrt(3) lies in [low, high]: compare squares with their signs
    assert low * abs(low) <= 3 * b * abs(b) <= high * abs(high)
    assert ball.radius <= Fraction(1, 2**256)
