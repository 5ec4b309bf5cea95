import pytest

from evaluators.contract import Program, Status
from tests.evaluators.kernels import attacks_c, attacks_python, honest
from tests.evaluators.kernels.tasks import HISTOGRAM, SOFTMAX, quick_judge, write_problem

ATTACKS = [("kernel.c", name, text) for name, text in attacks_c.ATTACKS.items()]
ATTACKS += [("kernel.py", name, text) for name, text in attacks_python.ATTACKS.items()]
HONEST_SOFTMAX = [("kernel.c", name, text) for name, text in honest.SOFTMAX_C.items()]
HONEST_SOFTMAX += [("kernel.py", name, text) for name, text in honest.SOFTMAX_PYTHON.items()]
HONEST_HISTOGRAM = [("kernel.c", name, text) for name, text in honest.HISTOGRAM_C.items()]
HONEST_HISTOGRAM += [("kernel.py", name, text) for name, text in honest.HISTOGRAM_PYTHON.items()]


@pytest.fixture(scope="module")
def softmax(tmp_path_factory):
    judge = quick_judge(write_problem(tmp_path_factory.mktemp("softmax"), SOFTMAX, "softmax"))
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def histogram(tmp_path_factory):
    judge = quick_judge(write_problem(tmp_path_factory.mktemp("histogram"), HISTOGRAM, "histogram"))
    yield judge
    judge.close()


def _id(value):
    return value if isinstance(value, str) and len(value) < 60 else ""


def test_the_corpora_are_as_large_as_promised():
    assert len(ATTACKS) >= 83 + 25
    assert len(HONEST_SOFTMAX) + len(HONEST_HISTOGRAM) >= 30


@pytest.mark.hostile
@pytest.mark.parametrize(("file", "name", "text"), ATTACKS, ids=_id)
def test_no_attack_is_accepted(softmax, file, name, text):
    evaluation = softmax.evaluate(Program({file: text}, file))
    assert evaluation.status is not Status.OK, evaluation.metrics
    assert evaluation.score is None
    assert evaluation.reason
    assert "```" not in evaluation.feedback
    assert "\x1b" not in evaluation.feedback


@pytest.mark.parametrize(("file", "name", "text"), HONEST_SOFTMAX, ids=_id)
def test_every_honest_softmax_is_accepted(softmax, file, name, text):
    evaluation = softmax.evaluate(Program({file: text}, file))
    assert evaluation.status is Status.OK, (evaluation.reason, evaluation.feedback)
    assert evaluation.cases_done == evaluation.cases_total


@pytest.mark.parametrize(("file", "name", "text"), HONEST_HISTOGRAM, ids=_id)
def test_every_honest_histogram_is_accepted(histogram, file, name, text):
    evaluation = histogram.evaluate(Program({file: text}, file))
    assert evaluation.status is Status.OK, (evaluation.reason, evaluation.feedback)
