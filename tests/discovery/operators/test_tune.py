from __future__ import annotations

import numpy as np
import pytest

from discovery.core.types import Context, Individual, OperatorError, ProposeJob
from discovery.operators.tune import Tune
from evaluators.contract import Evaluation, Program, Status


def job(text: str, values: tuple[float, ...]) -> ProposeJob:
    parent = Individual(Program({"program.py": text}), Evaluation(Status.OK, 1.0), "parent")
    context = Context("goal", "score", "maximize", parent.program)
    return ProposeJob("j", "tune", 0, 0, (parent,), context, (0,), values=values, session=3)


def test_the_child_has_the_jobs_values():
    proposal = Tune().propose(job("a = 0.5  # one\nb = -2.0\n", (0.25, 3.0)), np.random.default_rng(0), None)
    assert proposal.program.text == "a = 0.25  # one\nb = 3.0\n"
    assert proposal.parents == ("parent",)
    assert proposal.calls == ()


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("a = b\n", (), "parent has no constants"),
        ("a = 0.5\n", (1.0, 2.0), "must be 1 numbers, got 2"),
        ("a = 0.5\n", (float("nan"),), "finite"),
    ],
)
def test_a_job_that_does_not_fit_is_an_operator_error(text: str, values: tuple[float, ...], said: str):
    with pytest.raises(OperatorError, match=said):
        Tune().propose(job(text, values), np.random.default_rng(0), None)
