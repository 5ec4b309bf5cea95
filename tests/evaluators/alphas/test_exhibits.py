"""What oracles of held-out cases show, and why a held-out case was refused, reach the evaluation."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from evaluators.contract import Evaluation, Program
from evaluators.judging.judge import JudgeError
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess

PROBLEM = '''"""Return a number with `answer()`; more is better."""

from evaluators.contract import Case, Invalid, Objective

SEED = "def answer():\\n    return 1\\n"
OBJECTIVE = Objective("value", "maximize")
PAGES = [{"title": "A page", "note": "", "kind": "bars", "y": "v", "names": ["a"], "values": [1.0]}]


class Ear:
    def __init__(self, case):
        self.case, self.heard, self.exhibit = case, None, None

    def __call__(self, request):
        self.heard = request


def cases(rng, stage):
    return [Case(inputs=None, answer="public")]


def held_out(rng):
    return [Case(inputs=None, answer="held out")]


def serve(case):
    return Ear(case)


def run(program, inputs, oracle):
    oracle(program.answer())


def score(case, output, oracle):
    if type(oracle.heard) is not int:
        raise Invalid("a whole number is asked for")
    if case.answer == "held out" and oracle.heard > 5:
        raise Invalid("too good out there")
    oracle.exhibit = PAGES
    return {"value": oracle.heard, "_hidden": 0.5}
'''


def judged(tmp_path: Path, answer: str, text: str = PROBLEM, *, held_out: bool = True) -> Evaluation:
    path = tmp_path / "ear.py"
    path.write_text(text)
    problem = load_problem(str(path))
    with closing(JudgeProcess(problem.source, b"secret")) as judge:
        return judge.evaluate(
            Program({"program.py": f"def answer():\n    return {answer}\n"}), held_out=held_out
        )


def test_pages_come_with_the_held_out_cases_only(tmp_path) -> None:
    found = judged(tmp_path, "3")
    assert found.held_out == {"value": 3.0, "_hidden": 0.5}
    assert [page["title"] for page in found.exhibit] == ["A page"]
    assert judged(tmp_path, "3", held_out=False).exhibit is None


def test_a_refusal_out_there_is_told_and_costs_no_score(tmp_path) -> None:
    found = judged(tmp_path, "7")
    assert found.is_ok
    assert found.score == 7
    assert found.held_out is None
    assert found.exhibit is None
    assert found.reason == "held-out cases: too good out there"


def test_pages_that_are_too_large_are_left_out_and_broken_ones_are_the_problems_fault(tmp_path) -> None:
    large = PROBLEM.replace('"values": [1.0]', '"values": [1.0] * 100_000')
    found = judged(tmp_path, "3", large)
    assert found.held_out is not None
    assert found.exhibit is None
    with pytest.raises(JudgeError, match="the exhibit of the problem failed"):
        judged(tmp_path, "3", PROBLEM.replace('"values": [1.0]', '"values": [float("nan")]'))
