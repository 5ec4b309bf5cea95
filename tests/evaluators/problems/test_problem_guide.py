"""The guide for authors, docs/problems.md, says what is true."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.problem_table import algorithm_names
from evaluators.checking.check import Level, check_problem
from evaluators.contract import Limits, Objective
from evaluators.problems.declaration import _OPTIONAL, _REQUIRED
from evaluators.problems.loading import Problem, load_problem
from evaluators.text.measures import NAMES
from evaluators.worker import JudgeProcess

GUIDE = (Path(__file__).parents[3] / "docs" / "problems.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)

LAKE = '''"""Find the deepest place: sound(oracle, places) may ask oracle(place) for 20 depths."""

from evaluators.contract import Case, Exhausted, Invalid, Objective

SEED = """
# EVOLVE-BLOCK-START
def sound(oracle, places):
    for place in range(30):
        oracle(place)
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("depth", "maximize")


def cases(rng, stage):
    return [Case(inputs={"places": 1000}, answer=(rng.random(1000) * 90).tolist())]


'''


def load(folder: Path, text: str) -> Problem:
    (folder / "guided.py").write_text(text)
    return load_problem(str(folder / "guided.py"))


@pytest.mark.parametrize(("text", "score"), [(EXAMPLES[0], 10.0), (LAKE + EXAMPLES[1], None)])
def test_its_examples_run_and_have_no_faults(tmp_path: Path, text: str, score: float | None):
    problem = load(tmp_path, text)
    with closing(JudgeProcess(problem.source, b"secret")) as judge:
        evaluation = judge.evaluate(problem.seed)
        found = check_problem(problem, judge.evaluate)
    assert evaluation.is_ok, evaluation.reason
    assert evaluation.score == pytest.approx(score or evaluation.score)
    assert [finding for finding in found if finding.level is Level.ERROR] == []


def test_it_names_all_there_is():
    for name in (*_REQUIRED, *_OPTIONAL, *NAMES, *(item.name for item in fields(Objective))):
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", GUIDE), name
    for item in fields(Limits)[:4]:
        assert item.name in GUIDE


@pytest.mark.parametrize("name", algorithm_names())
def test_its_table_states_what_the_problems_declare(name: str):
    row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |"))
    problem = load_problem(name)
    assert problem.baseline is not None
    assert f"| {problem.baseline.value:.10g} |" in row
    for best in problem.best_known:
        assert f"{best.value:.10g} ({best.source}" in row
    assert ("↑" in row) == (problem.objective.direction == "maximize")


def test_its_lines_are_short_but_for_tables():
    assert [line for line in GUIDE.splitlines() if len(line) > 120 and not line.startswith("|")] == []
