"""What holds for every shipped problem; the seeds are judged in the real sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from evaluators.checking.check import Level, check_problem
from evaluators.checking.probes import called_functions
from evaluators.judging.equality import same_data
from evaluators.problems.loading import Problem, ProblemSource, load_problem, load_source, shipped_names
from evaluators.sandbox import plain
from evaluators.source.modules import TRUSTED_FUNCTIONS, import_source, run_source
from evaluators.text.blocks import check_frozen, editable_text, has_blocks
from evaluators.worker import JudgeProcess

FIRST = ("circle_packing", "function_minimization", "online_bin_packing")


PLAIN = tuple(
    name for name in shipped_names() if load_problem(name).kernel is None
)  # kernels: test_kernels.py


@pytest.fixture(params=PLAIN)
def problem(request: pytest.FixtureRequest) -> Problem:
    return load_problem(request.param)


@pytest.fixture(params=FIRST, scope="module")
def judged(request: pytest.FixtureRequest) -> Iterator[tuple[Problem, JudgeProcess]]:
    loaded = load_problem(request.param)
    with closing(JudgeProcess(loaded.source, b"a secret for tests")) as judge:
        yield loaded, judge


def test_the_first_problems_are_there():
    assert set(FIRST) <= set(shipped_names())


def test_it_can_be_loaded_again_from_its_source(problem: Problem):
    source = ProblemSource.from_json(json.loads(json.dumps(problem.source.to_json())))
    assert source.kind == "name"
    assert load_source(source).version == problem.version


def test_its_goal_names_what_the_program_defines(problem: Problem):
    called = called_functions(problem.files.files[problem.files.module])
    assert called
    for name in called:
        assert name in problem.goal
    assert len(problem.goal) < 2500  # it stands in every prompt


def test_its_seed_keeps_its_own_rules(problem: Problem):
    assert has_blocks(problem.seed)
    assert editable_text(problem.seed).strip()
    assert check_frozen(problem.seed, problem.seed) is None


def test_its_cases_are_plain_and_those_of_the_rng(problem: Problem):
    for stage in range(problem.stages):
        cases, again = (problem.draw_cases(np.random.default_rng([3, stage]), stage) for _ in range(2))
        for one, same in zip(cases, again, strict=True):
            assert plain.encode(one.inputs) == plain.encode(same.inputs)
            assert same_data(one.answer, same.answer)


def test_nothing_of_the_scorer_stands_beside_a_program(problem: Problem):
    module = import_source(run_source(problem.files))
    assert callable(module.run)
    for name in TRUSTED_FUNCTIONS:
        assert not hasattr(module, name)


class TestJudged:
    def test_the_seed_scores_the_same_each_time(self, judged: tuple[Problem, JudgeProcess]):
        problem, judge = judged
        first, again = judge.evaluate(problem.seed, held_out=True), judge.evaluate(problem.seed)
        assert first.is_ok, first.reason
        if problem.objective.repeats > 1:  # it says that scores vary
            assert again.score == pytest.approx(first.score, rel=0.5)
        else:
            assert (first.score, first.metrics, first.measures) == (
                again.score,
                again.metrics,
                again.measures,
            )
        assert first.cases_done == first.cases_total
        if problem.held_out:
            assert first.held_out is not None
            assert first.held_out[problem.objective.name] == pytest.approx(first.score, rel=0.5)

    def test_check_finds_no_fault(self, judged: tuple[Problem, JudgeProcess]):
        problem, judge = judged
        found = check_problem(problem, judge.evaluate)
        assert [finding for finding in found if finding.level is not Level.NOTE] == []
