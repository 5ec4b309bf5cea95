from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.events import Broken, Evaluated, EvaluateJob, Noted, NotProposed, Proposed
from discovery.core.types import (
    Advice,
    Attribution,
    Context,
    Individual,
    LineEffect,
    ModelCall,
    Note,
    Proposal,
    ProposeJob,
    Trace,
    Trajectory,
)
from discovery.execution import wire
from evaluators.contract import Evaluation, Incumbent, Program, Status

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
programs = st.builds(lambda text, other: Program({"program.py": text, "lib/a.py": other}), texts, texts)
evaluations = st.one_of(
    st.builds(
        lambda score, metrics, measures, layers: Evaluation(
            Status.OK,
            score,
            metrics,
            tuple(measures),
            layers=tuple(layers),
            held_out=metrics,
            certificate=[1, "a"],
        ),
        numbers,
        st.dictionaries(texts, numbers, max_size=3),
        st.lists(numbers, max_size=3),
        st.lists(texts, max_size=3),
    ),
    st.builds(lambda reason: Evaluation(Status.ERROR, reason=reason, feedback=reason), texts),
)
individuals = st.builds(Individual, programs, evaluations, texts, st.dictionaries(texts, texts, max_size=2))
calls = st.builds(
    ModelCall,
    texts,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.none() | numbers,
    numbers,
    st.booleans(),
)
call_tuples = st.lists(calls, max_size=2).map(tuple)
groups = st.lists(individuals, max_size=2).map(tuple)
turns = st.lists(st.fixed_dictionaries({"role": texts, "content": texts}), max_size=2).map(tuple)
traces = st.builds(
    Trace, texts, st.none() | numbers, st.none() | numbers, texts, st.dictionaries(texts, texts, max_size=2)
)
effects = st.lists(
    st.builds(LineEffect, texts, texts, st.integers(0, 9), numbers, st.integers(0, 9)), max_size=2
).map(tuple)
trace_groups = st.lists(traces, max_size=2).map(tuple)
contexts = st.builds(
    Context,
    goal=texts,
    objective=texts,
    direction=st.sampled_from(["maximize", "minimize"]),
    seed=programs,
    notes=texts,
    best_score=st.none() | numbers,
    inspirations=groups,
    failures=groups,
    token_budget=st.integers(1, 10**6),
    ancestors=trace_groups,
    siblings=trace_groups,
    trajectories=st.lists(st.builds(Trajectory, texts, trace_groups), max_size=2).map(tuple),
    standing=st.lists(numbers, max_size=2).map(tuple),
    situation=texts,
    advice=st.lists(st.builds(Advice, texts, texts), max_size=2).map(tuple),
    instruction=texts,
    is_full=st.booleans(),
    attribution=st.builds(Attribution, st.integers(0, 9), effects, effects),
)
propose_jobs = st.builds(
    ProposeJob,
    job_id=texts,
    operator=texts,
    island=st.integers(0, 9),
    decision=st.integers(0, 2**40),
    parents=groups,
    context=contexts,
    rng_key=st.lists(st.integers(0, 2**63), max_size=3).map(tuple),
    values=st.lists(numbers, max_size=3).map(tuple),
    session=st.none() | st.integers(0, 9),
    plan=texts,
    attempts=groups,
    turns=turns,
)
events = st.one_of(
    st.builds(Evaluated, texts, evaluations, numbers),
    st.builds(
        Proposed,
        texts,
        st.builds(
            Proposal,
            programs,
            st.lists(texts, max_size=2).map(tuple),
            call_tuples,
            st.dictionaries(texts, texts),
            turns,
        ),
        texts,
        texts,
    ),
    st.builds(Noted, texts, st.builds(Note, st.dictionaries(texts, texts), call_tuples, turns)),
    st.builds(NotProposed, texts, texts, call_tuples, st.booleans(), st.booleans()),
    st.builds(Broken, texts),
)


def through_json(data: object) -> dict:
    return json.loads(json.dumps(data))


@given(events)
def test_events_come_back_as_they_were(event: Proposed | Noted | NotProposed | Evaluated | Broken) -> None:
    assert wire.event_from_json(through_json(wire.event_to_json(event))) == event


@given(propose_jobs)
def test_propose_jobs_come_back_as_they_were(job: ProposeJob) -> None:
    assert wire.propose_job_from_json(through_json(wire.propose_job_to_json(job))) == job


starts = st.builds(Incumbent, st.lists(numbers, max_size=3), numbers, texts)


@given(texts, programs, st.booleans(), st.none() | starts)
def test_evaluate_jobs_come_back_as_they_were(
    job_id: str, program: Program, held_out: bool, start: Incumbent | None
) -> None:
    job = EvaluateJob(job_id, program, held_out, start)
    assert wire.evaluate_job_from_json(through_json(wire.evaluate_job_to_json(job))) == job


def test_an_unknown_event_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="got 'exploded'"):
        wire.event_from_json({"event": "exploded"})


def test_the_id_of_a_job_derives_from_its_content_alone() -> None:
    assert wire.content_id("run", {"a": 1, "b": 2}) == wire.content_id("run", {"b": 2, "a": 1})
    assert wire.content_id("run", {"a": 1}) != wire.content_id("other", {"a": 1})
    assert len(wire.content_id("run")) == 32
