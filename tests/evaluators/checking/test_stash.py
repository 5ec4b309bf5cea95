"""What `check` says of problems in which a program could keep things for later, tried in the sandbox."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from evaluators.checking.findings import Finding, Level
from evaluators.checking.stash import check_stash
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess
from tests.evaluators.judging.test_phases import COMPRESSOR, ONE_PROCESS

PLACES = "globals, modules, files, descriptors"
SEPARATE_CASES = """
def cases(rng, stage):
    return [Case({"compress": bytes([n]) * 99}, bytes([n]) * 99) for n in range(3)]


def run(program, inputs):
    return program.compress(inputs["compress"])


def score(case, output):
    return {"ratio": len(output)}
"""


@pytest.fixture
def found_in(tmp_path: Path):
    def check(text: str) -> list[Finding]:
        path = tmp_path / "compressor.py"
        path.write_text(text)
        problem = load_problem(str(path))
        with closing(JudgeProcess(problem.source, b"secret")) as judge:
            return list(check_stash(problem, 3, judge.evaluate, judge.evaluate(problem.seed)))

    return check


def without_run(text: str) -> str:
    return text[: text.index("def run")]


def test_a_round_trip_in_one_process_rewards_a_stash(found_in):
    (found,) = found_in(without_run(COMPRESSOR) + ONE_PROCESS)
    assert (found.level, found.title) == (Level.ERROR, "a stash beats the seed")
    assert "compress and expand run in one process" in found.detail
    assert f"in {PLACES}, returns a token" in found.detail
    assert "follow(case, output)" in found.remedy


def test_a_round_trip_in_phases_does_not(found_in):
    assert found_in(COMPRESSOR) == []


def test_cases_are_apart_unless_the_problem_says_otherwise(found_in):
    text = without_run(COMPRESSOR) + SEPARATE_CASES
    assert found_in(text) == []
    (found,) = found_in("SHARED_PROCESS = True\n".join([text, ""]))
    assert (found.level, found.title) == (Level.NOTE, "cases share a process")
    assert found.detail.endswith(f"found what it had kept in {PLACES}")
