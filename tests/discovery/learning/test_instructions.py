from __future__ import annotations

import pytest

from discovery.core.records import Record
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import ModelCall
from discovery.learning.instructions import INTERVAL, Instructions
from evaluators.contract import Evaluation, Program, Status

CALL = ModelCall("m", 1, 1, None, 0.1)


def result(variant: str, gain: float | None, operator: str = "diff") -> EvaluationResult:
    program = Program({"program.py": "x = 1\n"})
    done = Evaluation(Status.ERROR) if gain is None else Evaluation(Status.OK, gain)
    record = Record(0, program, program.id, ("p",), done, operator, 0, None, 0, (CALL,), variant=variant)
    return EvaluationResult(record, gain, 0.0, 0.0, ())


def write(pool: Instructions, text: str) -> None:
    pool.learn_note(
        NoteRecord("instruction", "", "instruct", None, "", 0, {"instruction": text} if text else {}, (CALL,))
    )


def test_one_more_is_due_after_every_interval_and_asked_for_once() -> None:
    pool = Instructions(2)
    for count in range(INTERVAL):
        assert not pool.is_due, count
        pool.learn(result("method", 1.0))
    assert pool.is_due
    pool.ask()
    assert not pool.is_due
    pool.release()
    assert pool.is_due
    write(pool, "look at the walls")
    assert not pool.is_due
    assert pool.text("written-1") == "look at the walls"
    assert "written-1" in pool.names("diff")
    assert "written-1" not in pool.names("crossover")


def test_the_worst_gives_way_when_all_slots_are_full() -> None:
    pool = Instructions(2)
    write(pool, "one")
    write(pool, "two")
    for gain in (1.0, 1.0, -1.0):
        pool.learn(result("written-1", gain))
        pool.learn(result("written-2", -1.0))
    write(pool, "three")
    assert (pool.text("written-1"), pool.text("written-2")) == ("one", "three")
    write(pool, "three")
    write(pool, "")
    assert (pool.text("written-1"), pool.text("written-2")) == ("one", "three")


def test_the_question_tells_what_each_brought_worst_first() -> None:
    pool = Instructions(1)
    for _ in range(8):
        pool.learn(result("method", 1.0))
        pool.learn(result("expert", None, "rewrite"))
        pool.learn_rejected(RejectedProposal("diff", None, "weakness", 0, "no code", (CALL,)))
    told = pool.ask()
    shares = {one.program_id: one.score for one in told}
    assert told[-1].program_id == "method"
    assert {told[0].program_id, told[1].program_id} == {"expert", "weakness"}
    assert shares["method"] == pytest.approx(9 / 12)
    assert shares["expert"] == pytest.approx(1 / 12)


def test_without_slots_nothing_is_counted_or_due() -> None:
    pool = Instructions(0)
    for _ in range(2 * INTERVAL):
        pool.learn(result("method", 1.0))
    assert not pool.is_due
    assert pool.text("method") == ""
