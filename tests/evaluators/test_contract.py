from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.contract import ContractError, Evaluation, Limits, Measure, Objective, Program, Status

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    status = draw(st.sampled_from(Status))
    is_ok = status is Status.OK
    return Evaluation(
        status=status,
        score=draw(numbers) if is_ok else None,
        metrics=draw(st.dictionaries(texts, numbers, max_size=3)),
        measures=tuple(draw(st.lists(numbers, max_size=3))) if is_ok else None,
        reason=draw(texts),
        feedback=draw(texts),
        cases_done=draw(st.integers(0, 9)),
        cases_total=draw(st.integers(0, 9)),
        cpu_s=draw(st.floats(0, 1e3)),
        wall_s=draw(st.floats(0, 1e3)),
        layers=tuple(draw(st.lists(texts, max_size=3))),
        certificate=draw(plain),
        held_out=draw(st.none() | st.dictionaries(texts, numbers, max_size=3)),
    )


@given(evaluations())
def test_an_evaluation_survives_json(evaluation: Evaluation):
    again = Evaluation.from_json(json.loads(json.dumps(evaluation.to_json())))
    assert again == evaluation
    assert repr(again) == repr(evaluation)  # 0, 0.0 and False are told apart


@pytest.mark.parametrize("certificate", [0, 0.0, False, "", [], {}, [0], -1.5])
def test_a_certificate_that_looks_like_nothing_is_kept(certificate: object):
    evaluation = Evaluation(Status.OK, score=0.0, certificate=certificate)
    assert evaluation.to_json()["certificate"] == certificate
    assert type(evaluation.to_json()["certificate"]) is type(certificate)
    assert evaluation.to_json()["score"] == 0.0


def test_an_array_as_certificate_is_kept():
    data = Evaluation(Status.OK, score=1.0, certificate=np.zeros(3)).to_json()
    assert data["certificate"].tolist() == [0.0, 0.0, 0.0]


def test_defaults_are_left_out():
    assert Evaluation(Status.TIMEOUT).to_json() == {"status": "timeout"}
    assert Evaluation(Status.OK, score=0.0, measures=()).to_json() == {
        "status": "ok",
        "score": 0.0,
        "measures": [],
    }


def test_a_score_stands_exactly_where_status_is_ok():
    for status, score in (
        (Status.OK, None),
        (Status.INVALID, 1.0),
        (Status.OK, math.nan),
        (Status.OK, math.inf),
    ):
        with pytest.raises(ContractError, match="score must be"):
            Evaluation(status, score=score)


def test_unknown_fields_and_statuses_are_refused():
    with pytest.raises(ContractError, match=r"unknown fields .*'scor'"):
        Evaluation.from_json({"status": "ok", "scor": 1})
    with pytest.raises(ContractError, match=r"status must be one of ok, rejected, .*got 'good'"):
        Evaluation.from_json({"status": "good"})
    with pytest.raises(ContractError, match="status must be one of"):
        Evaluation.from_json({"score": 1.0})


@given(numbers, numbers)
def test_fitness_orders_scores_in_the_declared_direction(a: float, b: float):
    low, high = min(a, b), max(a, b)
    assert Objective(direction="maximize").fitness(low) <= Objective(direction="maximize").fitness(high)
    assert Objective(direction="minimize").fitness(low) >= Objective(direction="minimize").fitness(high)


def test_a_target_is_reached_from_its_own_side():
    assert Objective(direction="minimize", target=0.0).is_reached(-1.0)
    assert not Objective(direction="minimize", target=0.0).is_reached(0.1)
    assert Objective(target=0.0).is_reached(0.0)
    assert not Objective().is_reached(1e9)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Objective(""), "Objective name must be a non-empty text, got ''"),
        (lambda: Objective("x", "max"), "direction must be 'maximize' or 'minimize', got 'max'"),
        (lambda: Objective(target=math.nan), "target must be a finite number or None, got nan"),
        (lambda: Objective(target="2"), "target must be a finite number or None, got '2'"),
        (lambda: Objective(target=3, bound=2), "target 3 cannot be reached: scores beyond bound 2"),
        (lambda: Objective(direction="minimize", target=1, plausible=2), "cannot be reached"),
        (lambda: Measure("", 0, 1), "Measure name must be"),
        (lambda: Measure("x", 1, 1), "Measure 'x' low must be below high, got 1 and 1"),
        (lambda: Measure("x", 0, math.inf), "Measure 'x' high must be a finite number, got inf"),
        (lambda: Measure("x", 0, 1, bins=0), "bins must be a whole number >= 1, got 0"),
        (lambda: Measure("x", 0, 1, bins=2.0), "bins must be a whole number >= 1, got 2.0"),
        (
            lambda: Measure("x", 0, 1, source="ast"),
            "source must be 'metrics' or 'code' or 'novelty', got 'ast'",
        ),
        (
            lambda: Measure("x", 0, 2, source="novelty"),
            "Measure 'x' is a novelty, so its range must lie in [0, 1], got 0 to 2",
        ),
        (lambda: Limits(cpu_s=0), "Limits cpu_s must be > 0 seconds, got 0"),
        (lambda: Limits(wall_s="9"), "Limits wall_s must be a number of seconds > 0, got '9'"),
        (lambda: Limits(memory_mib=0.5), "Limits memory_mib must be a whole number >= 1, got 0.5"),
        (lambda: Limits(processes=True), "Limits processes must be a whole number >= 1, got True"),
        (lambda: Limits(native="no"), "Limits native must be True or False, got 'no'"),
    ],
)
def test_nonsense_is_refused_with_name_rule_and_value(make, complaint: str):
    with pytest.raises(ContractError) as caught:
        make()
    assert complaint in str(caught.value)


def test_bounds_and_targets_that_agree_are_accepted():
    assert Objective(target=2, bound=2, plausible=3).bound == 2
    assert Objective(direction="minimize", target=2.5, bound=2.0).target == 2.5


class TestProgram:
    def test_its_id_is_that_of_its_content(self):
        one = Program({"a.py": "1", "b.py": "2"}, "a.py")
        assert one.id == Program({"b.py": "2", "a.py": "1"}, "a.py").id
        others = [
            Program({"a.py": "1", "b.py": "2"}, "b.py"),
            Program({"a.py": "12", "b.py": ""}, "a.py"),
            Program({"a.py": "1", "b.py2": ""}, "a.py"),
            Program({"a.py": "1"}, "a.py"),
        ]
        assert len({one.id, *(other.id for other in others)}) == 5
        assert len(one.id) == 16

    def test_lone_surrogates_have_an_id(self):
        assert Program({"program.py": "\ud800"}).id != Program({"program.py": "\ud801"}).id

    @given(st.dictionaries(texts, texts, min_size=1, max_size=3))
    def test_it_survives_json(self, files: dict[str, str]):
        program = Program(files, next(iter(files)))
        assert Program.from_json(json.loads(json.dumps(program.to_json()))) == program

    def test_replacing_a_text_leaves_the_others(self):
        program = Program({"program.py": "1", "lib.py": "2"})
        assert program.with_text("3").files == {"program.py": "3", "lib.py": "2"}
        assert program.with_text("3", "lib.py").files == {"program.py": "1", "lib.py": "3"}
        assert program.text == "1"
