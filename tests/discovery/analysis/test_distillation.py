from __future__ import annotations

from pathlib import Path

import pytest

from discovery.analysis.distillation import CannotDistilError, distil
from evaluators.contract import Evaluation, Objective, Program, Status
from tests.discovery.conftest import Discovery, last_json

SEED = Program(
    {"program.py": "# EVOLVE-BLOCK-START\ndef f(x):\n    return x\n# EVOLVE-BLOCK-END\nTAIL = 1\n"}
)
BLOATED = SEED.with_text(
    """# EVOLVE-BLOCK-START
def helper(x):
    return x + 1


def f(x):
    unused = [helper(i) for i in range(3)]
    if x > -1000:
        y = 2 * x + 0.0 * x
    else:
        y = 0
    for _ in range(2):
        y = y + 0
    return y * 1.0 + 2.9999871231239871
# EVOLVE-BLOCK-END
TAIL = 1
"""
)
POINTS = (0.0, 1.0, 5.0)


def judge(program: Program, *, held: bool = False) -> Evaluation:
    """Scores how close f comes to 2x + 3 (the tests' own programs, run in this process)."""
    space: dict = {}
    try:
        exec(program.text, space)
        error = max(abs(space["f"](x) - (2 * x + 3)) for x in POINTS)
        away = abs(space["f"](-2000.0) - 0.0)
    except (ArithmeticError, NameError, TypeError, SyntaxError, KeyError, UnboundLocalError) as problem:
        return Evaluation(Status.ERROR, reason=repr(problem))
    return Evaluation(Status.OK, score=error, held_out={"error": away} if held else None)


OBJECTIVE = Objective("error", "minimize")


def test_what_is_not_needed_goes_and_constants_become_short() -> None:
    found = distil(BLOATED, SEED, OBJECTIVE, judge, epsilon=1e-3, evaluations=2000)
    assert found.is_minimal
    assert found.nodes[1] < 0.5 * found.nodes[0]
    assert "helper" not in found.program.text
    assert "3.0" in found.program.text
    assert "2.99998" not in found.program.text
    assert found.evaluation.score is not None
    assert found.evaluation.score <= judge(BLOATED).score + 1e-3
    assert found.program.text.endswith("# EVOLVE-BLOCK-END\nTAIL = 1\n")


def test_what_only_held_out_cases_need_stays() -> None:
    bare = distil(BLOATED, SEED, OBJECTIVE, judge, epsilon=1e-3, evaluations=2000)
    kept = distil(BLOATED, SEED, OBJECTIVE, lambda one: judge(one, held=True), epsilon=1e-3, evaluations=2000)
    assert "1000" not in bare.program.text
    assert "1000" in kept.program.text or "else" in kept.program.text
    assert kept.nodes[1] > bare.nodes[1]


def test_without_epsilon_the_score_does_not_get_worse() -> None:
    found = distil(BLOATED, SEED, OBJECTIVE, judge, epsilon=0.0, evaluations=2000)
    assert found.evaluation.score is not None
    assert found.before.score is not None
    assert found.evaluation.score <= found.before.score


@pytest.mark.parametrize("evaluations", [1, 2, 7])
def test_evaluations_are_limited(evaluations: int) -> None:
    calls = []
    found = distil(
        BLOATED,
        SEED,
        OBJECTIVE,
        lambda one: (calls.append(one), judge(one))[1],
        epsilon=0.0,
        evaluations=evaluations,
    )
    assert len(calls) == found.evaluations == evaluations
    assert not found.is_minimal


def test_a_program_that_fails_is_not_distilled() -> None:
    with pytest.raises(CannotDistilError, match="ZeroDivisionError"):
        distil(SEED.with_text("def f(x): return x / 0\n"), SEED, OBJECTIVE, judge, epsilon=0.0, evaluations=5)


def test_a_run_is_distilled(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert discovery("run", toy, "--evals", 40, "--seed", 3, "--out", run).returncode == 0
    done = discovery("distil", run, "--epsilon", 0.01, "--out", tmp_path / "small.py", "--json")
    assert done.returncode == 0, done.stderr
    found = last_json(done)
    assert found["nodes"] < found["nodes_before"]
    assert found["score"] >= found["score_before"] - 0.01
    judged = last_json(discovery("evaluate", toy, tmp_path / "small.py", "--json"))
    assert judged["score"] == found["score"]
