"""What questions tell is true and whole, for any course of a run; a false statement is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.truth import Journal, Tally, check_question
from discovery.core.records import Record
from discovery.core.types import ModelCall
from discovery.learning.tuning import Tuner
from discovery.prompts.genealogy import Genealogy
from discovery.prompts.question import compose
from discovery.search.context import compose_context
from discovery.search.decisions import UnderWay
from discovery.search.state import RunState, Statement
from discovery.settings.learning import TuningConfig
from discovery.settings.questions import ContextConfig
from evaluators.contract import Evaluation, Limits, Objective, Part, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

CALL = ModelCall("fake", 900, 100, 0.01, 1.0)
STEP = st.tuples(
    st.integers(0, 10**6),
    st.sampled_from([None, 1.0, 1.5, 2.25, -3.0, 1e-7, 12345.678]),
    st.sampled_from(
        ["", "sort first", 'say "no" to `it`', "x" * 300, "a: score 3, better by 1", "kept; kept"]
    ),
    st.booleans(),
)


def program(number: int) -> Program:
    return Program({"program.py": f"def f(x):\n    return x + {number}\n"})


def judged(score: float, number: int) -> Evaluation:
    """Six cases in three groups, of which the score is the mean."""
    spread = (-2.0, 0.5, -0.5, 1.0, number % 3, -(number % 3) + 1.0)
    cases = tuple(
        Part(f"c{at}", {"value": float(f"{score + one:.6g}")}, "abc"[at % 3]) for at, one in enumerate(spread)
    )
    groups = tuple(
        Part(
            name,
            {"value": float(np.mean([one.metrics["value"] for one in cases if one.group == name]))},
            cases=2,
        )
        for name in "abc"
    )
    return Evaluation(
        Status.OK,
        score,
        {"value": score},
        (float(number),),
        cases_done=6,
        cases_total=6,
        cpu_s=0.3 * (1 + number % 4),
        by_case=cases,
        by_group=groups if number % 5 else (),
    )


def course(steps, direction: str) -> tuple[RunState, Journal, list[Record]]:
    objective = Objective("value", direction)
    statement = Statement("toy", "Add well.", "", objective, program(0), limits=Limits(cpu_s=0.25))
    config = IslandsConfig(islands=1)
    state = RunState(
        statement,
        lambda: Archipelago(config, [Axis("n", 0, 1000, 40)]),
        Tuner(TuningConfig(), seed=1),
        genealogy=Genealogy(objective),
    )
    journal = Journal(1.0 if direction == "maximize" else -1.0)
    journal.under_way = {99: "merge", 100: ""}
    records: list[Record] = []
    for number, (at, score, idea, is_model) in enumerate([(0, 1.0, "", False), *steps]):
        scored = [one for one in records if one.evaluation.score is not None]
        parent = scored[at % len(scored)] if scored else None
        evaluation = (
            Evaluation(Status.ERROR, reason=f"ZeroDivisionError: {number % 3}", cases_total=1)
            if score is None
            else judged(score, number)
        )
        child = program(number)
        record = Record(
            index=number,
            program=child,
            program_id=child.id,
            parents=() if parent is None else (parent.program_id,),
            evaluation=evaluation,
            operator="seed" if parent is None else "diff" if is_model else "tune",
            island=0,
            cell=None,
            decision=number,
            calls=(CALL,) if is_model and parent is not None else (),
            texts={"idea": idea} if is_model and parent is not None and idea else {},
        )
        state.fold(record)
        journal.records[record.program_id] = record
        records.append(record)
    return state, journal, records


def question(state: RunState, parent: Record) -> str:
    individual = state.find(parent.program_id)
    context = compose_context(
        state,
        0,
        (individual,),
        np.random.default_rng(0),
        config=ContextConfig(),
        under_way=UnderWay(("merge", "")),
    )
    return compose("diff", (individual,), context)[1]["content"]


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=24), st.sampled_from(["maximize", "minimize"]))
def test_every_statement_of_every_question_is_true_and_the_ledger_is_whole(steps, direction) -> None:
    state, journal, records = course(steps, direction)
    for parent in records:
        if parent.evaluation.score is not None and state.find(parent.program_id) is not None:
            tally = Tally()
            check_question(question(state, parent), parent.program_id, journal, tally)
            assert (tally.total("false"), tally.counts["unsupported"], tally.incomplete) == (0, 0, 0), (
                tally.examples
            )


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("better by 0.5", "better by 0.7"),
        ("score 1.5", "score 1.6"),
        ("; kept: what follows builds on it", ""),
        ("the best so far", "best so far: 7"),
        ('- "merge"', '- "split"'),
        ("in the mean of 6 cases", "in the mean of 7 cases"),
        ("(2 cases): ", "(2 cases): 9, "),
        ("6 cases; ", "6 cases; 1"),
        (
            "The last change of this program made it better, and nothing was tried",
            "None of the attempts on this program made it better",
        ),
    ],
)
def test_a_false_statement_is_found(right: str, wrong: str) -> None:
    state, journal, records = course(
        [(0, 1.5, "sort first", True), (1, 2.25, "then split", True)], "maximize"
    )
    text = question(state, records[-1])
    assert right in text
    tally = Tally()
    check_question(text.replace(right, wrong), records[-1].program_id, journal, tally)
    assert tally.total("false") >= 1
