from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from discovery.cli.scaffold import write_problem
from discovery.core.errors import ConfigError
from evaluators.contract import Invalid
from evaluators.problems.loading import load_problem
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source


def test_the_new_problem_runs_as_it_is(tmp_path: Path):
    path = write_problem("spread_points", tmp_path / "deep" / "folder")
    assert path == tmp_path / "deep" / "folder" / "spread_points.py"
    problem = load_problem(str(path))
    assert problem.name == "spread_points"
    (case,) = problem.draw_cases(np.random.default_rng(0))
    program = import_source(SourceFiles("seed", "program.py", problem.seed.files))
    output = problem.run(program, case.inputs)
    metrics = problem.score_output(case, output)
    assert metrics == pytest.approx({"distance": 0.2236068, "on_border": 0.125}, abs=1e-6)
    spread = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5], [0.5, 0.0], [0.0, 0.5], [1.0, 0.5]]
    assert problem.score_output(case, spread)["distance"] == 0.5


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        [[0.0, 0.0]] * 7,
        [[0.0]] * 8,
        [[0.0, 2.0]] * 8,
        [[0.0, float("nan")]] * 8,
        [[0, 1]] * 8,
        "points",
    ],
)
def test_its_scorer_sets_an_example(tmp_path: Path, output: object):
    problem = load_problem(str(write_problem("points", tmp_path)))
    with pytest.raises(Invalid):
        problem.score_output(problem.draw_cases(np.random.default_rng(0))[0], output)


def test_it_is_short_and_fits_the_screen(tmp_path: Path):
    lines = write_problem("points", tmp_path).read_text().splitlines()
    assert len(lines) < 65
    assert max(map(len, lines)) <= 110
    assert "`discovery check points.py`" in "\n".join(lines)


def test_an_existing_file_is_left_alone(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("precious")
    with pytest.raises(ConfigError, match=r"mine\.py exists already; choose another name"):
        write_problem("mine", tmp_path)
    assert path.read_text() == "precious"


def test_the_suffix_may_be_given(tmp_path: Path):
    assert write_problem("mine.py", tmp_path).name == "mine.py"


@pytest.mark.parametrize(
    "name", ["", "My", "2d", "a-b", "a b", "../x", "a/b", "class", "x" * 65, "_x", ".py", "é"]
)
def test_names_that_are_no_modules_are_refused(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match="NAME must be lower-case letters"):
        write_problem(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_a_shipped_problem_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="'circle_packing' is that of a shipped problem"):
        write_problem("circle_packing", tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot make the folder"):
        write_problem("mine", tmp_path / "file")
