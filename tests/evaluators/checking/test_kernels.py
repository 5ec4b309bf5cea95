import numpy as np
import pytest

from evaluators.checking.kernels import check_filters, check_inputs, check_kernel
from evaluators.contract import Evaluation, Status
from tests.evaluators.kernels.tasks import HISTOGRAM, SOFTMAX, write_problem
from tests.evaluators.kernels.test_tolerance import make_task


def filters(**changes):
    return [*check_filters(make_task(public=({"n": 64},), **changes), np.random.default_rng(0))]


@pytest.mark.parametrize("text", [SOFTMAX, HISTOGRAM])
def test_sound_tasks_pass(tmp_path, text):
    problem = write_problem(tmp_path, text, "sound")
    found = check_kernel(problem, problem.kernel, lambda program: Evaluation(Status.OK, score=1.0))
    assert found == []


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        (lambda x, n: {"y": np.zeros(n)}, "all zeros"),
        (lambda x, n: {"y": np.full(n, 3.5)}, "a constant"),
        (lambda x, n: {"y": x.astype(float)}, "a copy of x"),
        (lambda x, n: {"y": np.arange(n, dtype=float)}, "the mean of other inputs' outputs"),
        (lambda x, n: {"y": np.arange(n, dtype=float)}, "the output for another input"),
    ],
)
def test_what_computes_nothing_is_found_where_it_would_pass(reference, what):
    single = lambda x, n: {"y": reference(x, n)["y"].astype(np.float32)}  # noqa: E731
    found = filters(reference=reference, reference_single=single)
    assert any(what in finding.detail and str(finding.level) == "error" for finding in found)


def test_an_input_that_does_not_matter_is_found():
    found = filters(reference=lambda x, n: {"y": np.ones(n)}, reference_single=lambda x, n: {"y": np.ones(n)})
    assert any(
        finding.title == "an input does not matter" and "x can be" in finding.detail for finding in found
    )


def test_a_loose_tolerance_lets_nothing_pass_for_something():
    found = filters(floor=10.0)
    assert any("all zeros" in finding.detail for finding in found)


def test_inputs_must_be_as_declared():
    task = make_task(make_inputs=lambda rng, dims, name: {"x": rng.standard_normal(dims["n"])})
    (finding,) = check_inputs(task, np.random.default_rng(0))
    assert "float64" in finding.detail
    assert "declared is float32" in finding.detail


def test_a_failing_seed_and_a_silent_goal_are_told(tmp_path):
    text = SOFTMAX.replace("softmax(x, out, rows, cols): each row of out is the softmax of", "it: for")
    problem = write_problem(tmp_path, text, "silent")
    found = check_kernel(
        problem, problem.kernel, lambda program: Evaluation(Status.INVALID, reason="is wrong")
    )
    titles = [finding.title for finding in found]
    assert titles[:2] == ["the seed fails", "the baseline fails"]
    assert "goal names no function" in titles


def test_a_function_that_fails_is_a_finding(tmp_path):
    problem = write_problem(
        tmp_path, HISTOGRAM.replace("np.bincount(x, minlength", "np.bincounts(x, minlength"), "broken"
    )
    (finding,) = check_kernel(problem, problem.kernel, lambda program: Evaluation(Status.OK, score=1.0))
    assert finding.title == "the task fails"
