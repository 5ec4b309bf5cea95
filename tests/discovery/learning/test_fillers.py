from __future__ import annotations

import numpy as np
import pytest

from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import ModelCall
from discovery.learning.fillers import FLOOR, Fillers
from evaluators.contract import Evaluation, Program, Status

CALL = ModelCall("m", 10, 5, None, 4.0)
PROGRAM = Program({"program.py": "x = 1\n"})


def result(operator: str, step: float, *, cpu_s: float = 1.0) -> EvaluationResult:
    """A program that lies so much above the best so far."""
    done = Evaluation(Status.OK, 10 + step, cpu_s=cpu_s)
    calls = (CALL,) if operator == "diff" else ()
    record = Record(0, PROGRAM, PROGRAM.id, ("p",), done, operator, 0, None, 0, calls)
    return EvaluationResult(record, 10 + step, 9.0, 10.0, ())


def share(fillers: Fillers, operator: str = "tune") -> float:
    return float(np.mean([fillers.may_go(operator, np.random.default_rng(n)) for n in range(2000)]))


def searched(*, tune: float, count: int, cpu_s: float = 1.0) -> Fillers:
    """Models gain in one of four programs, `tune` gains `tune` each time."""
    fillers = Fillers()
    for number in range(24):
        fillers.learn(result("diff", 0.5 if number % 4 == 0 else -0.1))
    for _ in range(count):
        fillers.learn(result("tune", tune, cpu_s=cpu_s))
    return fillers


def test_it_goes_at_first_and_no_more_than_the_floor_once_it_has_brought_nothing():
    shares = [share(searched(tune=-1.0, count=count)) for count in (0, 10, 20, 40, 80)]
    assert shares[0] > 0.7
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(FLOOR, abs=0.02)


def test_what_brings_as_much_as_models_goes_on():
    assert share(searched(tune=0.5, count=40)) > 0.99


def test_last_digits_are_no_gains():
    assert share(searched(tune=1e-6, count=60)) < 2 * FLOOR


def test_what_counts_is_the_time_that_it_took():
    assert share(searched(tune=-1.0, count=40, cpu_s=0.01)) > 0.5
    assert share(searched(tune=-1.0, count=8, cpu_s=10.0)) < 2 * FLOOR


def test_operators_are_judged_one_by_one():
    assert share(searched(tune=-1.0, count=60), "cherry_pick") > 0.7
