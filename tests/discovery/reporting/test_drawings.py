from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.reporting.drawings import MOST_POINTS, checked, table

LINES = {
    "kind": "lines",
    "title": "T",
    "note": "n",
    "x": "day",
    "y": "IC",
    "series": [{"name": "a", "points": [[0, 1]]}],
}
BARS = {"kind": "bars", "title": "T", "y": "IC", "names": ["a", "b"], "values": [0.1, -2]}
MATRIX = {"kind": "matrix", "names": ["a"], "values": [[1.0]]}
TABLE = {"kind": "table", "columns": ["a"], "rows": [["<b>x</b>"]]}
SHAPES = {
    "kind": "shapes",
    "items": [
        {"circle": [0, 0, 1]},
        {"path": [[0, 0], [1, 1]], "closed": True, "style": 8},
        {"points": [[1, 2]]},
    ],
}


def test_every_kind_is_kept_in_its_form() -> None:
    found = checked([LINES, BARS, MATRIX, TABLE, SHAPES])
    assert [one["kind"] for one in found] == ["lines", "bars", "matrix", "table", "shapes"]
    assert found[0]["series"] == [{"name": "a", "points": [[0.0, 1.0]]}]
    assert found[4]["items"][1] == {"path": [[0.0, 0.0], [1.0, 1.0]], "closed": True, "style": 2}
    assert found[3]["rows"] == [["<b>x</b>"]]  # the page writes texts as texts
    assert checked([table("T", "n", [("a", "b")], texts=["c"])])[0]["texts"] == ["c"]


BAD: list[Any] = [
    None,
    7,
    {},
    {"kind": "film"},
    {**LINES, "series": 3},
    {**LINES, "series": [{"name": "a", "points": [[0, math.nan]]}]},
    {**LINES, "series": [{"name": "a", "points": [[0]]}]},
    {**BARS, "values": ["x", "y"]},
    {**BARS, "values": [1.0]},
    {"kind": "table", "columns": None, "rows": []},
    {"kind": "shapes", "items": [{"circle": [1, 2]}]},
    {"kind": "shapes", "items": [{"circle": [1, 2, math.inf]}]},
    {"kind": "shapes", "items": [{}]},
]


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_drawing_is_left_out(bad: object) -> None:
    assert [one["kind"] for one in checked([bad, BARS])] == ["bars"]


def test_sizes_are_bounded() -> None:
    many = {**LINES, "title": "x" * 999, "series": [{"name": "a", "points": [[n, n] for n in range(9999)]}]}
    found = checked([many] * 99)
    assert len(found) == 24
    assert len(found[0]["series"][0]["points"]) == MOST_POINTS
    assert len(found[0]["title"]) == 80


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["kind", "names", "values", "rows", "items", "circle", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(plain)
def test_any_plain_data_gives_finite_drawings(data: object) -> None:
    for one in (
        data,
        [data],
        [{"kind": "shapes", "items": data}],
        [{"kind": "bars", "y": "", "names": data, "values": data}],
    ):
        json.dumps(checked(one), allow_nan=False)
