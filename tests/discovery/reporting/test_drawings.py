from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.reporting.drawings import MOST_POINTS, checked, table
from discovery.reporting.run_view import RunView
from evaluators.problems.loading import load_problem
from tests.discovery.conftest import TOY
from tests.discovery.reporting.test_report import entries, write_run

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


CONSTRUCTIONS = [
    "circle_packing",
    "circles_in_rectangle",
    "hexagon_packing",
    "heilbronn_convex",
    "max_min_distance_ratio",
    "erdos_minimum_overlap",
    "second_autocorrelation",
]


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_shipped_problems_draw_what_their_seeds_return(name: str) -> None:
    problem = load_problem(name)
    module: dict[str, Any] = {}
    exec(problem.seed.text, module)
    output = problem.run(SimpleNamespace(**module), None)
    problem.score(problem.cases(np.random.default_rng(1), 0)[0], output)
    assert problem.picture is not None
    drawn = problem.picture(json.loads(json.dumps(output)))
    found = checked(drawn)
    assert len(found) == len(drawn) > 0
    if found[0]["kind"] == "shapes":
        assert len(found[0]["items"]) == len(drawn[0]["items"]) > 1


def test_nothing_of_a_problem_from_outside_is_executed_to_draw(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    module = tmp_path / "mine.py"
    drawing = "[{'kind': 'bars', 'y': '', 'names': ['a'], 'values': [1]}]"
    executed = f"\nopen({str(marker)!r}, 'w').close()\n\n\ndef picture(output):\n    return {drawing}\n"
    module.write_text(TOY + executed)
    problem = load_problem(str(module))
    marker.unlink()
    run = write_run(tmp_path / "run", entries())
    settings = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**settings, "problem": problem.source.to_json()}))
    (run / "problem.json").write_text("{}")
    assert RunView(run).program("best")["drawings"] == []
    assert not marker.exists()
    (run / "problem.json").unlink()
    assert [one["kind"] for one in RunView(run).program("best")["drawings"]] == ["bars"]
    assert marker.exists()


def test_a_drawing_that_fails_leaves_the_program(tmp_path: Path) -> None:
    module = tmp_path / "mine.py"
    module.write_text(TOY + "\n\ndef picture(output):\n    return output['nothing']\n")
    run = write_run(tmp_path / "run", entries())
    settings = json.loads((run / "config.json").read_text())
    source = load_problem(str(module)).source.to_json()
    (run / "config.json").write_text(json.dumps({**settings, "problem": source}))
    assert RunView(run).program("best")["drawings"] == []
