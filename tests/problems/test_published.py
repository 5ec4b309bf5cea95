"""Published constructions, written down from their papers or found anew, score what the papers say, to the last digit.

Those of poker and of the placement of models stand with their problems (test_regret_minimisation, test_prism_placement).
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest

from benchmarks.baselines.constructions import max_min_distance_ratio as ratio_baseline
from problems.constructions import (
    cap_set,
    erdos_minimum_overlap,
    heilbronn_triangle,
    kissing_number,
    matrix_multiplication,
    max_min_distance_ratio,
    second_autocorrelation,
    sums_and_differences,
    uncertainty_inequality,
)
from tests.problems.hostile import first_case


def funsearch_cap() -> list[list[int]]:
    """The cap set of 512 vectors, in the explicit form that the paper gives (Nature 625, Fig. 4b)."""

    def reflections(v: tuple[int, ...]) -> int:
        return sum(v[i] == v[-i] for i in range(1, 4))

    def support(v: tuple[int, ...]) -> str:
        return "".join(str(i) for i in range(8) if v[i])

    freely = {"0123", "0125", "0367", "0567", "1346", "1456", "2347", "2457"}
    oddly = {
        "0127",
        "0126",
        "0137",
        "0167",
        "0157",
        "0236",
        "0267",
        "0256",
        "1247",
        "1246",
        "1347",
        "1467",
        "1457",
        "2346",
        "2467",
        "2456",
    }
    zeros = {"047", "024", "014", "046", "126", "267", "127", "167"}

    def belongs(v: tuple[int, ...]) -> bool:
        empty = "".join(str(i) for i in range(8) if not v[i])
        return (
            (not empty and reflections(v) > 1)
            or support(v) in freely
            or (support(v) in oddly and reflections(v) % 2 == 1)
            or (empty in zeros and reflections(v) <= 1 and v[1] * v[7] % 3 != 1 and v[2] * v[6] % 3 != 1)
        )

    return [list(v) for v in product((0, 1, 2), repeat=8) if belongs(v)]


def test_the_cap_set_of_funsearch_has_512_vectors():
    assert cap_set.score(first_case(cap_set), funsearch_cap())["size"] == 512.0 == cap_set.BEST_KNOWN.value


LADERMAN = """
(a11+a12+a13-a21-a22-a32-a33) (b22)
(a11-a21) (-b12+b22)
(a22) (-b11+b12+b21-b22-b23-b31+b33)
(-a11+a21+a22) (b11-b12+b22)
(a21+a22) (-b11+b12)
(a11) (b11)
(-a11+a31+a32) (b11-b13+b23)
(-a11+a31) (b13-b23)
(a31+a32) (-b11+b13)
(a11+a12+a13-a22-a23-a31-a32) (b23)
(a32) (-b11+b13+b21-b22-b23-b31+b32)
(-a13+a32+a33) (b22+b31-b32)
(a13-a33) (b22-b32)
(a13) (b31)
(a32+a33) (-b31+b32)
(-a13+a22+a23) (b23+b31-b33)
(a13-a23) (b23-b33)
(a22+a23) (-b31+b33)
(a12) (b21)
(a23) (b32)
(a21) (b13)
(a31) (b12)
(a33) (b33)
"""
SUMS = (
    "6 14 19; 1 4 5 6 12 14 15; 6 7 9 10 14 16 18; 2 3 4 6 14 16 17; 2 4 5 6 20; 14 16 17 18 21; "
    "6 7 8 11 12 13 14; 12 13 14 15 22; 6 7 8 9 23"
)


def laderman() -> list[np.ndarray]:
    """The algorithm of Laderman (1976) for 3 x 3 matrices."""
    u, v, w = (np.zeros((23, 9)) for _ in range(3))
    for r, line in enumerate(LADERMAN.split("\n")[1:-1]):
        for table, terms in zip((u, v), line.split(), strict=True):
            for sign, i, j in re.findall(r"([+-]?)[ab](\d)(\d)", terms):
                table[r, 3 * int(i) + int(j) - 4] = -1 if sign == "-" else 1
    for place, products in enumerate(SUMS.split(";")):
        w[[int(r) - 1 for r in products.split()], place] = 1
    return [u, v, w]


def test_ladermans_algorithm_multiplies_3_x_3_matrices_in_23_products():
    case = next(c for c in matrix_multiplication.cases(np.random.default_rng(0), 0) if c.inputs == [3, 3, 3])
    metrics = matrix_multiplication.score(case, laderman())
    assert metrics["rank"] == 23
    assert metrics["exponent"] == pytest.approx(math.log(23, 3), rel=1e-15)


def test_the_root_system_d11_has_220_vectors():
    vectors = []
    for places in combinations(range(11), 2):
        for signs in product((1, -1), repeat=2):
            vector = [0] * 11
            for place, sign in zip(places, signs, strict=True):
                vector[place] = sign
            vectors.append(vector)
    assert kissing_number.score(first_case(kissing_number), vectors)["vectors"] == 220.0


@pytest.mark.parametrize(("digits", "places"), [((0, 1, 3), 6), ((0, 1, 3), 7)])
def test_numbers_of_digits_0_1_3_in_base_7_have_the_exponent_of_their_digits(
    digits: tuple[int, ...], places: int
):
    numbers = [0]
    for _ in range(places):
        numbers = [7 * number + digit for number in numbers for digit in digits]
    metrics = sums_and_differences.score(first_case(sums_and_differences), numbers)
    assert (metrics["sums"], metrics["differences"]) == (6.0**places, 7.0**places)
    assert metrics["exponent"] == pytest.approx(1 + math.log(7 / 6) / math.log(7), rel=1e-15)


@pytest.mark.parametrize("steps", [1, 2, 200])
def test_one_step_has_its_closed_forms(steps: int):
    case = first_case(second_autocorrelation)
    assert second_autocorrelation.exact(case, [0.5] * steps) == Fraction(2, 3)
    assert erdos_minimum_overlap.exact(case, [0.5] * steps) == Fraction(1, 2)


def test_16_points_in_the_plane_reach_the_value_that_slsqp_finds_in_a_fraction_of_a_second():
    points = ratio_baseline.solve(first_case(max_min_distance_ratio), 1.5, np.random.default_rng(8))
    metrics = max_min_distance_ratio.score(first_case(max_min_distance_ratio), points)
    assert round(metrics["ratio_squared"], 12) == 12.889229907694


@pytest.mark.parametrize(
    ("coefficients", "published"),
    [
        (
            (-113 / 100, 1 / 25, 1 / 3240),
            0.35229556248234,
        ),  # Goncalves et al. (2017), rounded by them to 0.353
        (
            (0.3292519302257546, -0.01158510802599293, -8.921606035407065e-05),
            0.35209910442252773,
        ),  # AlphaEvolve
    ],
)
def test_sums_of_hermite_polynomials_have_their_published_radius(
    coefficients: tuple[float, ...], published: float
):
    scaled = [c * uncertainty_inequality.hermite(k)[0] for k, c in enumerate(coefficients)]
    case = first_case(uncertainty_inequality)
    assert uncertainty_inequality.score(case, scaled)["sign_radius"] == pytest.approx(published, abs=1e-15)


HEILBRONN = """
0.855969059106645 0  0.2956511458813343 0  0.08207229541395694 0.852732769678901
0.24378779767479847 0.37810610116260324  0.5072505900947807 0.337039497095273  0 0.2774529779155061
0.08207229541395696 0.0651949349071427  0.29565114588133207 0.7043488541186679  0 0.7225470220844967
0.5072505900947867 0.15570991280994512  0.8559690591066482 0.14403094089335172
"""


def test_11_points_in_a_triangle_have_their_published_area():
    numbers = [float(word) for word in HEILBRONN.split()]
    points = [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
    found = heilbronn_triangle.score(first_case(heilbronn_triangle), points)["smallest_share"]
    assert found == heilbronn_triangle.BEST_KNOWN.value
    assert round(found, 4) == 0.0365
