"""Processes that ask models: what they hand back, and what becomes of a run when one of them hangs, dies or is killed."""

from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.core.events import Broken, Event, NotProposed, Proposed
from discovery.core.types import Context, Individual, ProposeJob
from discovery.execution.proposers import ProposerProcesses
from discovery.settings.models import ModelConfig
from discovery.testing import Answer, ChatEndpoint, ChatRequest
from evaluators.contract import Evaluation, Program, Status

pytestmark = pytest.mark.timeout(500)
LIMIT_S = 400.0
"""Within which all that is waited for comes, on the busiest machine."""
SEED = Program({"program.py": "x = 0.5\n"})
PARENT = Individual(SEED, Evaluation(Status.OK, score=0.0), SEED.id)
JOB = ProposeJob(
    "0-diff", "diff", 0, 0, (PARENT,), Context("Find 0.7.", "closeness", "maximize", SEED), (1, 2)
)
INSTALL = "from tests.discovery.execution.hostile import install; install(); "


def job(number: int, what: str) -> ProposeJob:
    return replace(JOB, job_id=f"{number}-diff", decision=number, variant=what)


def slow(request: ChatRequest) -> Answer:
    return Answer("Hello.", delay_s=600.0 if request.prompt == "slow" else 0.0)


class Watched:
    """Proposers of one test, and what they say."""

    def __init__(self, endpoint: ChatEndpoint, calls: Path, **more: object) -> None:
        self.said: queue.SimpleQueue[Event] = queue.SimpleQueue()
        models = ModelConfig(models=("toy",), api_base=endpoint.api_base, timeout_s=900.0)
        options = {"slots": 2, "prelude": INSTALL, **more}
        self.asker = ProposerProcesses(models, put=self.said.put, calls=calls, **options)

    def events(self, count: int) -> dict[str, Event]:
        found: dict[str, Event] = {}
        end_s = time.monotonic() + LIMIT_S
        while len(found) < count:
            assert time.monotonic() < end_s, found
            self.asker.look(())
            try:
                event = self.said.get(timeout=0.1)
            except queue.Empty:
                continue
            found[getattr(event, "job_id", "broken")] = event
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []
    with ChatEndpoint(slow) as endpoint:

        def make(**more: object) -> Watched:
            made.append(Watched(endpoint, tmp_path / "calls.jsonl", **more))
            made[-1].endpoint = endpoint
            return made[-1]

        yield make
        for one in made:
            one.asker.close()


def until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_a_reply_that_hangs_its_reader_is_given_up_and_the_others_go_on(watched) -> None:
    one = watched(read_limit_s=3.0, slots=1)
    for number, what in enumerate(["hang", "fine", "fine"]):
        one.asker.begin(job(number, what))
    events = one.events(3)
    hung = events["0-diff"]
    assert isinstance(hung, NotProposed)
    assert "could not be read within 3 s" in hung.reason
    assert [call.model for call in hung.calls] == ["toy"], "it was paid"
    assert not hung.is_endpoint
    assert {type(events[f"{number}-diff"]) for number in (1, 2)} == {Proposed}
    assert len(one.endpoint.requests) == 3


def test_a_process_that_dies_takes_no_call_with_it(watched) -> None:
    one = watched()
    one.asker.begin(job(0, "slow"))
    until(lambda: len(one.endpoint.requests) == 1)
    one.asker.begin(job(1, "die"))
    one.asker.begin(job(2, "fine"))
    events = one.events(3)
    for number in (0, 1):
        event = events[f"{number}-diff"]
        assert isinstance(event, NotProposed)
        assert "the process that asked ended" in event.reason
        assert len(event.calls) == 1
    assert isinstance(events["2-diff"], Proposed | NotProposed)
    assert sum(len(event.calls) if isinstance(event, NotProposed) else 1 for event in events.values()) == len(
        one.endpoint.requests
    )


def test_a_killed_process_is_replaced_and_told_whether_it_may_ask(watched) -> None:
    one = watched()
    one.asker.begin(job(0, "fine"))
    one.events(1)
    one.asker.let_ask(False)
    former = one.asker.pids
    os.kill(former[0], signal.SIGKILL)
    until(lambda: one.asker.pids != former)
    one.asker.begin(job(1, "fine"))
    event = one.events(1)["1-diff"]
    assert isinstance(event, NotProposed)
    assert event.is_stop
    one.asker.let_ask(True)
    one.asker.begin(job(2, "fine"))
    assert isinstance(one.events(1)["2-diff"], Proposed)


def test_what_is_under_way_is_known_before_it_is_answered(watched) -> None:
    one = watched()
    one.asker.begin(job(0, "slow"))
    until(lambda: len(one.endpoint.requests) == 1)
    (call,) = one.asker.open_calls()["0-diff"]
    assert call.is_estimated
    assert call.prompt_tokens > 0


def test_proposers_that_cannot_start_end_the_run_loudly(watched) -> None:
    one = watched(prelude="raise SystemExit(7); ")
    one.asker.begin(job(0, "fine"))
    event = one.events(1)["broken"]
    assert isinstance(event, Broken)
    assert "code 7" in event.reason
