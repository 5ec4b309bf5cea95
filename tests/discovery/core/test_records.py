from __future__ import annotations

import json

import pytest

from discovery.core.records import Change, Record, RecordError, RunInfo, total_cost_usd
from discovery.core.types import ModelCall
from evaluators.contract import Evaluation, Measure, Objective, Program, Status


def record(**values: object) -> Record:
    program = Program({"program.py": "x = 1\n", "lib/util.py": "y = '\udcff\u202e'\n"})
    base: dict[str, object] = {
        "index": 3,
        "program": program,
        "program_id": program.id,
        "parents": ("a" * 16, "b" * 16),
        "evaluation": Evaluation(
            Status.OK, 0.0, {"score": 0.0, "evenness": -1.5}, (0.0, 2.0), layers=("rlimits", "seccomp")
        ),
        "operator": "crossover",
        "island": 1,
        "cell": 0,
        "decision": 7,
        "calls": (ModelCall("m", 10, 5, None, 0.25),),
        "texts": {"plan": "shift\nit"},
        "at_s": 1700000000.25,
        "changes": (Change(1, 0, program.id, "c" * 16), Change(0, 0, "a" * 16, None, "migration")),
        "fingerprint": "f" * 16,
        "session": 2,
        "step": 0,
    }
    return Record(**{**base, **values})  # type: ignore[arg-type]


def test_a_record_survives_json() -> None:
    for one in (record(), record(cell=None, parents=(), calls=(), texts={}, changes=())):
        assert Record.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_a_failed_record_survives_json() -> None:
    failed = record(evaluation=Evaluation(Status.TIMEOUT, reason="5 s are up", cases_total=2), cell=None)
    assert Record.from_json(json.loads(json.dumps(failed.to_json()))) == failed


def test_empty_fields_take_no_room() -> None:
    assert not {"calls", "texts", "changes"} & record(calls=(), texts={}, changes=()).to_json().keys()


def test_missing_and_unknown_fields_are_named() -> None:
    data = record().to_json()
    with pytest.raises(RecordError, match="sccore"):
        Record.from_json({**data, "sccore": 1})
    del data["operator"]
    with pytest.raises(RecordError, match="'operator' is missing in record 3"):
        Record.from_json(data)
    with pytest.raises(RecordError, match="record 3 cannot be read"):
        Record.from_json({**record().to_json(), "evaluation": {"status": "fine"}})


def test_an_unknown_price_is_never_zero() -> None:
    known, unknown = ModelCall("m", 1, 1, 0.5, 0.1), ModelCall("n", 1, 1, None, 0.1)
    assert total_cost_usd([known, known]) == 1.0
    assert total_cost_usd([known, unknown]) is None
    assert total_cost_usd([]) == 0
    assert record(calls=(known, unknown)).tokens == 4


def test_run_information_survives_json() -> None:
    info = RunInfo(
        "circles",
        "Pack.",
        Objective("sum", "minimize", target=2.5),
        (Measure("x", 0, 1, 4), Measure("loops", 0, 9, source="code")),
        islands=3,
        seed=5,
        started_at=1.5,
        models=("a/b",),
    )
    assert RunInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    with pytest.raises(RecordError, match="islnds"):
        RunInfo.from_json({"problem": "x", "islnds": 3})
