"""However a run ends, every request that the endpoint worked on is on the ledger: counted there, and compared."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from discovery.execution.runs import replayed_state
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from discovery.testing import FAULTS, Answer, ChatEndpoint, ChatRequest, ScriptedMutator

pytestmark = pytest.mark.timeout(500)
LONG_S = 600.0
PATIENCE_S = 400.0
"""Within which all that is waited for comes, on the busiest machine; less than LONG_S, so that a call that hangs shows."""


def slow(delay_s: float, after: int = 0) -> Callable[[ChatRequest], Answer]:
    """A model that is slow from its `after`-th request on."""
    mutator = ScriptedMutator(seed=1)

    def script(request: ChatRequest) -> Answer:
        answer = mutator(request)
        return Answer(answer.text, delay_s=delay_s if request.number >= after else 0.0)

    return script


class Run:
    """A run of the command line, watched from outside."""

    def __init__(self, toy: Path, endpoint: ChatEndpoint, *options: object, models: str = "") -> None:
        self.folder = RunFolder(toy.parent / "run")
        self.endpoint = endpoint
        self.process: subprocess.Popen[bytes] | None = None
        self.log = toy.parent / "log"
        config = toy.parent / "run.toml"
        config.write_text(f"[models]\n{models}\n")
        common = ("--seed", 2, "--model", "scripted", "--api-base", endpoint.api_base, "--operators", "diff")
        self.start(
            "run", toy, "--out", self.folder.path, "--config", config, "--workers", 2, *common, *options
        )

    def start(self, *arguments: object) -> None:
        self.kill()
        command = [sys.executable, "-m", "discovery", *map(str, arguments)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "OPENAI_API_KEY": "none"}
            )

    def kill(self) -> None:
        """Ends the process where it stands, if it still runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def until(self, holds: Callable[[], bool], limit_s: float = PATIENCE_S) -> None:
        end_s = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end_s, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def end(self, code: int, limit_s: float = PATIENCE_S) -> None:
        assert self.process.wait(limit_s) == code, self.log.read_text()
        assert "Traceback" not in self.log.read_text()

    def booked(self) -> int:
        """The calls on the ledger, of which there are as many as the endpoint has seen requests, now and later."""
        ledger = replayed_state(self.folder).ledger
        assert ledger.calls == len(self.endpoint.requests), self.log.read_text()
        calls = [
            c
            for e in read_entries(self.folder.journal)
            if e["type"] != "evaluated"
            for c in e.get("calls", ())
        ]
        assert len(calls) == ledger.calls
        return ledger.calls


@pytest.fixture
def served() -> Iterator[Callable[[Callable[[ChatRequest], Answer]], ChatEndpoint]]:
    """Endpoints that are closed at the end; a run that still asks them ends by that."""
    open_endpoints: list[ChatEndpoint] = []

    def serve(script: Callable[[ChatRequest], Answer]) -> ChatEndpoint:
        open_endpoints.append(ChatEndpoint(script))
        return open_endpoints[-1].__enter__()

    yield serve
    for endpoint in open_endpoints:
        endpoint.__exit__(None, None, None)


def test_a_stop_waits_for_open_calls_asks_nothing_more_and_evaluates_the_replies_later(toy, served) -> None:
    run = Run(toy, served(slow(2.0, after=6)), "--minutes", 5)
    run.until(lambda: len(run.endpoint.requests) >= 9)
    run.process.send_signal(signal.SIGINT)
    time.sleep(1.0)  # a call that goes out with the signal is under way; what comes later would be new
    asked = len(run.endpoint.requests)
    run.end(130)
    assert run.booked() == asked
    entries = list(read_entries(run.folder.journal))
    recorded = {entry["record"]["decision"] for entry in entries if entry["type"] == "evaluated"}
    waiting = {entry["decision"] for entry in entries if entry["type"] == "proposed"} - recorded
    assert waiting, "paid replies that came after the stop"
    run.start("resume", run.folder.path, "--evals", len(recorded) + len(waiting))
    run.end(0)
    entries = list(read_entries(run.folder.journal))
    assert waiting <= {entry["record"]["decision"] for entry in entries if entry["type"] == "evaluated"}
    run.booked()


@pytest.mark.parametrize("way", ["grace over", "second signal"])
def test_calls_that_nobody_waits_for_count_as_estimated(toy, served, way: str) -> None:
    grace = 1 if way == "grace over" else 300
    run = Run(toy, served(slow(LONG_S, after=6)), "--minutes", 5, "--grace", grace, models="timeout_s = 900")
    run.until(lambda: len(run.endpoint.requests) >= 10)
    run.process.send_signal(signal.SIGINT)
    if way == "second signal":
        run.until(lambda: "a second signal ends it at once" in run.log.read_text())
        run.process.send_signal(signal.SIGINT)
    run.end(130)
    assert run.booked() == 10
    calls = [c for e in read_entries(run.folder.journal) if e["type"] == "unproposed" for c in e["calls"]]
    assert sum(call["is_estimated"] for call in calls) == 4


@pytest.mark.parametrize(
    ("limit", "code"),
    [(("--evals", 8), 0), (("--tokens", 6000), 0), (("--minutes", 0.4), 0)],
    ids=lambda one: str(one),
)
def test_whatever_budget_ends_a_run_all_is_booked(toy, served, limit: tuple, code: int) -> None:
    run = Run(toy, served(slow(0.7)), *limit)
    run.end(code)
    assert run.booked() > 0


def test_a_target_ends_a_run_with_all_booked(toy, served) -> None:
    run = Run(toy, served(slow(0.7)), "--minutes", 5, "--target", -1.0)  # the seed reaches it
    run.end(0)
    run.booked()
    assert "target" in run.log.read_text()


@pytest.mark.parametrize("fault", ["time_out", "no_choices", "not_json", "hangs_up", "no_code", "wrong_diff"])
def test_calls_that_gave_nothing_are_booked(toy, served, fault: str) -> None:
    models = "timeout_s = 1\nretries = 1\noutage_s = 5"
    run = Run(toy, served(FAULTS[fault]), "--minutes", 5, "--grace", 5, models=models)
    run.end(3)
    assert run.booked() >= 2


def test_what_a_killed_run_had_asked_is_booked_when_it_is_resumed(toy, served) -> None:
    run = Run(toy, served(slow(LONG_S, after=6)), "--minutes", 5, models="timeout_s = 900")
    run.until(lambda: len(run.endpoint.requests) >= 10)
    run.process.kill()
    run.process.wait()
    for _ in range(2):  # once only
        run.start("resume", run.folder.path, "--evals", 1)
        run.process.wait(PATIENCE_S)
        assert run.booked() == 10
