from __future__ import annotations

from discovery.core.records import Record
from discovery.core.results import EvaluationResult, RejectedProposal
from discovery.core.types import ModelCall
from discovery.learning.pace import Pace
from evaluators.contract import Evaluation, Program, Status

PROGRAM = Program({"program.py": "x = 1\n"})


def paced(*, evaluation_s: float, call_s: float | None = None, operator: str = "diff") -> Pace:
    pace = Pace()
    calls = () if call_s is None else (ModelCall("m", 10, 5, None, call_s),)
    done = Evaluation(Status.OK, 1.0, wall_s=evaluation_s)
    record = Record(0, PROGRAM, PROGRAM.id, ("p",), done, operator, 0, None, 0, calls)
    for _ in range(3):
        pace.learn(EvaluationResult(record, 1.0, 1.0, 1.0, ()))
    return pace


def fills(pace: Pace, busy: int, *ages_s: float, slots: int = 2, times: float = 1.0) -> bool:
    return pace.may_fill(busy, slots=slots, ahead=slots + 1, ages_s=ages_s, times=times)


def test_the_next_question_waits_where_a_result_comes_sooner_than_a_reply():
    assert paced(evaluation_s=2.0, call_s=20.0).is_worth_waiting
    assert not paced(evaluation_s=60.0, call_s=20.0).is_worth_waiting
    assert not paced(evaluation_s=2.0).is_worth_waiting
    assert not paced(evaluation_s=2.0, call_s=20.0, operator="ask").is_worth_waiting


def test_replies_that_came_to_nothing_tell_how_long_a_call_takes():
    pace = paced(evaluation_s=2.0)
    pace.learn_rejected(RejectedProposal("diff", None, "", 0, "no code", (ModelCall("m", 1, 1, None, 8.0),)))
    assert pace.call_s == 8.0


def test_all_evaluators_are_filled_while_no_model_is_asked():
    pace = paced(evaluation_s=2.0, call_s=20.0)
    assert [fills(pace, busy) for busy in range(4)] == [True, True, True, False]


def test_one_evaluator_is_kept_free_for_what_models_send():
    pace = paced(evaluation_s=2.0, call_s=20.0)
    assert [fills(pace, busy, 15.0, slots=4) for busy in range(5)] == [True, True, True, False, False]
    assert not fills(pace, 0, 15.0, slots=1)


def test_the_last_one_is_filled_early_in_a_call():
    pace = paced(evaluation_s=2.0, call_s=20.0)
    assert fills(pace, 1, 3.0)
    assert not fills(pace, 1, 3.0, times=4.0)
    assert not fills(pace, 1, 3.0, 9.0)
    assert not fills(pace, 2, 3.0)
    assert not fills(paced(evaluation_s=2.0), 1, 0.0), "nothing is known of calls yet"


def test_evaluations_that_hold_up_nobody_fill_everything():
    pace = paced(evaluation_s=0.1, call_s=20.0)
    assert [fills(pace, busy, 30.0) for busy in range(4)] == [True, True, True, False]
