"""The operator `agent` in this process: what its proxy passes on, what its desk answers, what it leaves. Jails have their own tests."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from discovery.core.allowance import Verdict
from discovery.core.types import (
    Allowance,
    Context,
    Individual,
    ModelError,
    Note,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.llm.client import ChatModels
from discovery.llm.meter import CallMeter
from discovery.llm.upstream import Upstream
from discovery.operators.agent import inside
from discovery.operators.agent.adapters import ADAPTERS, NO_KEY, start_of
from discovery.operators.agent.commands import ChildError, Desk, child_of
from discovery.operators.agent.formats import RefusedError, UsageReader, read_request
from discovery.operators.agent.gateway import serving
from discovery.operators.agent.operator import Agent
from discovery.operators.agent.proxy import ModelProxy
from discovery.settings.models import ModelConfig
from discovery.testing import Answer, ChatEndpoint, recorded, unused_api_base
from evaluators.contract import Evaluation, Part, Program, Status
from evaluators.sandbox.jail.jail import why_not

KEY = "sk-the-key-of-this-test"
SEED = Program({"program.py": "# EVOLVE-BLOCK-START\nA = 0.5\n# EVOLVE-BLOCK-END\n"})
HELLO = [{"role": "user", "content": "Say hello to everybody here."}]


def evaluation(score: float) -> Evaluation:
    return Evaluation(Status.OK, score, {"score": score}, (0.5,), cases_done=1, cases_total=1)


def job(**changes: Any) -> ProposeJob:
    parent = Individual(SEED, evaluation(0.5), SEED.id)
    given = {"allowance": Allowance(2), **changes}
    context = Context("Find a large A.", "score", "maximize", SEED)
    return ProposeJob("7-agent", "agent", 0, 7, (parent,), context, (1, 7, 1), **given)


class Judge:
    """A bench that scores a program by the number in it."""

    hidden: tuple[str, ...] = ()

    def __init__(self, allowed: int = 2) -> None:
        self.allowed = allowed
        self.judged: list[str] = []
        self.transcript = ""

    def evaluate(self, programs: Sequence[Program], idea: str = "") -> list[Verdict]:
        return [self._judge(number, program) for number, program in enumerate(programs)]

    def _judge(self, number: int, program: Program) -> Verdict:
        if not self.allowed:
            return Verdict("7-agent", number, None, "all evaluations of this job are used up", program.id)
        self.allowed -= 1
        self.judged.append(program.id)
        score = float(program.text.partition("A = ")[2].split()[0])
        return Verdict("7-agent", number, evaluation(score), "", program.id, self.allowed)

    def is_stopped(self) -> bool:
        return False

    def keep(self, transcript: str) -> str:
        self.transcript = transcript
        return "transcripts/7-agent.txt"


def upstream(address: str, meter: CallMeter, **changes: Any) -> Upstream:
    given = {"key": KEY, "price": lambda asked, answered: (asked + 2 * answered) / 1e6, **changes}
    return Upstream("big", "big-1", address, ("openai", "anthropic", "gemini"), 60.0, meter=meter, **given)


@contextmanager
def proxied(proxy: Any) -> Iterator[int]:
    """Yields the port at which a proxy listens."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        port = door.getsockname()[1]
        with serving(door, proxy):
            yield port


def sent(port: int, path: str, body: Any, method: str = "POST", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, json.dumps(body), {"Authorization": f"Bearer {NO_KEY}", **headers})
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_a_request_goes_on_with_the_key_and_the_run_s_model_and_is_counted_to_the_token() -> None:
    meter, lines = CallMeter(), []
    echo = recorded(Answer(f"Your key is {KEY}.", usage={"prompt_tokens": 11, "completion_tokens": 7}))
    with ChatEndpoint(echo) as endpoint:
        proxy = ModelProxy(upstream(endpoint.api_base, meter), Allowance(0), lines.append)
        with proxied(proxy) as port:
            status, text = sent(
                port, "/v1/chat/completions", {"model": "dearest", "messages": HELLO}, **{"X-Own": "1"}
            )
    assert status == 200
    assert KEY not in text
    assert "Your key is [redacted]." in text
    (request,) = endpoint.requests
    assert request.model == "big-1"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert "X-Own" not in request.headers
    (call,) = meter.calls
    assert (call.model, call.prompt_tokens, call.completion_tokens, call.is_estimated) == (
        "big",
        11,
        7,
        False,
    )
    assert call.cost_usd == pytest.approx(25e-6)
    assert KEY not in "".join(lines) + repr(proxy._upstream)


def test_streams_pass_line_by_line_and_their_last_event_tells_the_cost() -> None:
    events = [
        {"choices": [{"delta": {"content": f"Key {KEY}"}}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
    ]
    body = (
        b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    )
    meter = CallMeter()
    with ChatEndpoint(recorded(Answer(body=body))) as endpoint:
        with proxied(ModelProxy(upstream(endpoint.api_base, meter), Allowance(0), lambda line: None)) as port:
            _, text = sent(port, "/v1/chat/completions", {"stream": True, "messages": HELLO})
    assert text.endswith("data: [DONE]\n\n")
    assert KEY not in text
    assert endpoint.requests[0].body["stream_options"] == {"include_usage": True}
    assert [(call.prompt_tokens, call.completion_tokens) for call in meter.calls] == [(9, 4)]


@pytest.mark.parametrize(
    ("allowance", "passed", "said"),
    [
        (Allowance(0, calls=2), 2, "2 calls"),
        (Allowance(0, tokens=60), 2, "tokens"),
        (Allowance(0, cost_usd=0.00203), 1, "USD"),
    ],
)
def test_what_a_job_has_no_allowance_for_does_not_go_out(
    allowance: Allowance, passed: int, said: str
) -> None:
    meter = CallMeter()
    answer = recorded(Answer("Hello.", usage={"prompt_tokens": 20, "completion_tokens": 5}))
    with ChatEndpoint(answer) as endpoint:
        with proxied(ModelProxy(upstream(endpoint.api_base, meter), allowance, lambda line: None)) as port:
            answers = [sent(port, "/v1/chat/completions", {"messages": HELLO}) for _ in range(4)]
    assert (
        [status for status, _ in answers].count(200) == len(endpoint.requests) == len(meter.calls) >= passed
    )
    assert answers[-1][0] == 403
    assert said in answers[-1][1] or "used up" in answers[-1][1]


def test_nothing_goes_out_once_the_run_ends() -> None:
    meter = CallMeter()
    meter._stop.set()  # type: ignore[attr-defined]
    with ChatEndpoint(recorded("Hello.")) as endpoint:
        with proxied(ModelProxy(upstream(endpoint.api_base, meter), Allowance(0), lambda line: None)) as port:
            assert sent(port, "/v1/chat/completions", {"messages": HELLO})[0] == 403
    assert not endpoint.requests
    assert not meter.calls


def test_what_fails_at_the_endpoint_costs_nothing_and_is_told_without_the_key() -> None:
    meter = CallMeter()
    with ChatEndpoint(recorded(Answer(f"bad key {KEY}", status=401))) as endpoint:
        proxy = ModelProxy(upstream(endpoint.api_base, meter), Allowance(0), lambda line: None)
        with proxied(proxy) as port:
            status, text = sent(port, "/v1/chat/completions", {"messages": HELLO})
    assert (status, meter.calls) == (401, ())
    assert KEY not in text
    assert isinstance(proxy.failure, ModelError)
    assert proxy.failure.is_fatal
    assert KEY not in str(proxy.failure)
    proxy = ModelProxy(upstream(unused_api_base(), meter), Allowance(0), lambda line: None)
    with proxied(proxy) as port:
        assert sent(port, "/v1/chat/completions", {"messages": HELLO})[0] == 502
    assert meter.calls == ()
    assert proxy.failure is not None
    assert not proxy.failure.is_fatal


def test_oversized_and_malformed_requests_are_refused_and_the_door_stays_open() -> None:
    with ChatEndpoint(recorded("Hello.")) as endpoint:
        with proxied(
            ModelProxy(upstream(endpoint.api_base, CallMeter()), Allowance(0), lambda line: None)
        ) as port:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/v1/messages", b"{" * 50_000)
            assert connection.getresponse().status == 400
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/v1/messages", headers={"Content-Length": "99999999999"})
            assert connection.getresponse().status == 413
            nested: Any = "x"
            for _ in range(300):
                nested = [nested]
            assert sent(port, "/v1/chat/completions", {"messages": nested})[0] == 403
            assert sent(port, "/v1/models", None, "GET")[0] == 200
            assert sent(port, "/v1/chat/completions", {"messages": HELLO})[0] == 200


BEYOND = [
    ("/v1/responses", {"tools": [{"type": "web_search"}]}),
    ("/v1/responses", {"tools": [{"type": "mcp", "server_url": "http://h"}]}),
    ("/v1/responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    ("/v1/responses", {"background": True}),
    ("/v1/chat/completions", {"web_search_options": {"x": 1}}),
    ("/v1/chat/completions", {"plugins": [{"id": "web"}]}),
    ("/v1/chat/completions", {"search_parameters": {"mode": "on"}}),
    ("/v1/chat/completions", {"models": ["dearest"]}),
    ("/v1/chat/completions", {"n": 8}),
    (
        "/v1/chat/completions",
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "http://h/secret"}}]}]},
    ),
    ("/v1/messages", {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}),
    ("/v1/messages", {"mcp_servers": [{"url": "http://h"}]}),
    (
        "/v1/messages",
        {"messages": [{"content": [{"type": "image", "source": {"type": "url", "url": "http://h"}}]}]},
    ),
    ("/v1beta/models/x:generateContent", {"tools": [{"googleSearch": {}}]}),
    ("/v1beta/models/x:generateContent", {"tools": [{"urlContext": {}}]}),
    ("/v1beta/models/x:generateContent", {"contents": [{"parts": [{"fileData": {"fileUri": "http://h"}}]}]}),
    ("/v1/files", {}),
    ("/v1/chat/completions/../files", {}),
    ("/v1beta/models/x:generateContent/../../files", {}),
    ("/v1beta/models/..%2f..%2ffiles:generateContent", {}),
]


@pytest.mark.parametrize(("path", "body"), BEYOND)
def test_what_would_leave_the_jail_through_the_provider_is_not_passed_on(path: str, body: dict) -> None:
    with pytest.raises(RefusedError):
        read_request(path, body, "m")


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        (
            "/v1/chat/completions",
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            "/chat/completions",
        ),
        ("/v1/responses", {"tools": [{"type": "custom", "name": "apply_patch"}]}, "/responses"),
        (
            "/v1/messages?beta=true",
            {"tools": [{"name": "Bash", "input_schema": {}}, {"type": "bash_20250124"}]},
            "/messages",
        ),
        (
            "/v1beta/models/y:generateContent",
            {"tools": [{"functionDeclarations": []}]},
            "/models/m:generateContent",
        ),
        ("/v1beta/models/y:streamGenerateContent?alt=sse", {}, "/models/m:streamGenerateContent?alt=sse"),
    ],
)
def test_functions_that_run_in_the_jail_are_passed_on(path: str, body: dict, where: str) -> None:
    assert read_request(path, body, "m").path == where


STARTED = {"message": {"usage": {"input_tokens": 4, "cache_read_input_tokens": 1, "output_tokens": 1}}}


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([{"usage": {"prompt_tokens": 5, "completion_tokens": 2}}], (5, 2)),
        ([{"type": "response.completed", "response": {"usage": {"input_tokens": 5, "output_tokens": 2}}}], (5, 2)),
        (
            [STARTED, {"usage": {"output_tokens": 2}}],
            (5, 2),
        ),
        ([{"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "thoughtsTokenCount": 1}}], (5, 2)),
    ],
)  # fmt: skip
def test_each_format_tells_what_a_call_cost(values: list, counts: tuple[int, int]) -> None:
    reader = UsageReader()
    for value in values:
        reader.take(value)
    assert reader.believed(10) == (*counts, False)


def test_counts_that_are_none_or_nonsense_are_estimated() -> None:
    for usage in (
        {},
        {"prompt_tokens": 10**9, "completion_tokens": 1},
        {"prompt_tokens": -1, "completion_tokens": 1},
    ):
        reader = UsageReader()
        reader.take({"choices": [{"message": {"content": "one two three"}}], "usage": usage})
        asked, answered, is_estimated = reader.believed(10)
        assert (asked, is_estimated) == (10, True)
        assert answered > 0


def test_the_desk_meters_evaluations_and_tells_differences() -> None:
    bench = Judge(allowed=2)
    desk = Desk(job(), job().parents[0], bench, lambda line: None)
    child = {"program.py": SEED.text.replace("0.5", "0.75")}
    text, code = desk.evaluate({"candidates": [child], "idea": "a larger A"})
    assert code == 0
    assert text.startswith("score 0.75, better by 0.25 than the program you began with")
    assert text.endswith("1 evaluation is left.")
    grid = inside.variants(child, {"A": ["0.1", "0.2", "0.3"]})
    text, code = desk.evaluate({"candidates": grid, "idea": ""})
    assert [line[:12] for line in text.splitlines() if line.startswith("[")] == [
        "[0] score 0.",
        "[1] not judg",
        "[2] not judg",
    ]
    assert len(bench.judged) == 2
    assert "a larger A: score 0.75" in desk.history()
    assert desk.base == bench.judged[-1]
    for body in (
        {},
        {"candidates": [], "idea": ""},
        {"candidates": [1], "idea": ""},
        {"candidates": [{}], "idea": ""},
    ):
        assert desk.evaluate(body)[1] != 0
    assert len(bench.judged) == 2


def test_the_desk_tells_results_by_case_and_the_paired_difference_with_its_error() -> None:
    def by_case(*scores: float) -> Evaluation:
        parts = tuple(Part(f"case-{at}", {"score": score}) for at, score in enumerate(scores))
        mean = sum(scores) / len(scores)
        return replace(evaluation(mean), by_case=parts, cases_done=len(parts), cases_total=len(parts))

    class Cases(Judge):
        def _judge(self, number: int, program: Program) -> Verdict:
            return replace(super()._judge(number, program), evaluation=by_case(0.6, 0.7, 0.4, 0.9))

    parent = Individual(SEED, by_case(0.5, 0.5, 0.5, 0.5), SEED.id)
    desk = Desk(job(), parent, Cases(), lambda line: None)
    text, _ = desk.evaluate({"candidates": [{"program.py": SEED.text.replace("0.5", "0.65")}], "idea": ""})
    assert "- case-2: 0.4, 0.5" in text
    assert "+0.15 (standard error 0.1, 4 cases; 3 better, 1 worse)" in text


def test_a_child_is_made_of_what_may_belong_to_it() -> None:
    open_ = Program({"program.py": "a\n", "lib.py": "b\n"})
    assert child_of(open_, {"program.py": "c", "new.py": "d", "notes.md": "e"}).files == {
        "program.py": "c",
        "new.py": "d",
    }
    assert child_of(SEED, {"program.py": "c", "new.py": "d"}).files == {"program.py": "c"}
    for parent, files in ((open_, {"lib.py": "x"}), (SEED, {}), (SEED, {"program.py": 1}), (SEED, [])):
        with pytest.raises(ChildError):
            child_of(parent, files)


@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - {"command"}))
def test_known_agents_are_told_the_jail_s_address_and_no_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / ADAPTERS[name].command[0]
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    task = "Do it; {model} and {entry} are words here."
    start = start_of(Allowance(1, adapter=name), task=task, model="big-1", entry="main.py")
    told = json.dumps([start.command, dict(start.environment), start.files])
    assert KEY not in told
    assert "http://127.0.0.1:8001" in told
    assert "big-1" in " ".join(start.command)
    assert task in start.command or ("TASK.md", task, 0o644) in start.files
    assert not any("{model}" in part for part in start.command if part != task)
    assert str(command) in start.readable


def test_an_agent_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(OperatorError, match="not on this machine"):
        start_of(Allowance(1, command=("no-such-agent",)), task="", model="m", entry="program.py")
    with pytest.raises(OperatorError, match=r"agents\.command"):
        start_of(Allowance(1), task="", model="m", entry="program.py")


@pytest.mark.skipif(bool(why_not()), reason="no namespaces on this machine")
class TestInJail:
    """The whole operator, with agents of one line."""

    def ran(self, code: str, bench: Judge, script: Any = None) -> tuple[Proposal | Note, ChatEndpoint]:
        with ChatEndpoint(script or recorded("Hello.")) as endpoint:
            config = ModelConfig(models="local", api_base=endpoint.api_base)  # type: ignore[arg-type]
            model = ChatModels(config, meter=CallMeter())
            allowance = Allowance(2, command=("python3", "-c", code, "{task}"))
            found = Agent().experiment(job(allowance=allowance), np.random.default_rng(0), model, bench)
            return found, endpoint

    def test_the_state_of_the_folder_is_the_child(self) -> None:
        code = (
            "import sys, pathlib; p = pathlib.Path('program.py'); p.write_text(p.read_text().replace('0.5', '0.875')); "
            "print(sys.argv[1])"
        )
        bench = Judge()
        found, _ = self.ran(code, bench)
        assert isinstance(found, Proposal)
        assert found.program.text == SEED.text.replace("0.5", "0.875")
        assert found.parents == (SEED.id,)
        assert "Find a large A." in bench.transcript
        assert "evaluate -m" in bench.transcript

    def test_what_it_had_judged_is_no_child_again_and_is_its_parent(self) -> None:
        code = (
            "import subprocess, pathlib; p = pathlib.Path('program.py'); t = p.read_text(); p.write_text(t.replace('0.5', '0.75')); "
            "r = subprocess.run(['evaluate', '-m', 'more'], capture_output=True, text=True); print(r.stdout, r.stderr, r.returncode); "
            "print(subprocess.run(['evaluate', '--set', 'A=0.1,0.2'], capture_output=True, text=True).stdout); "
            "print(subprocess.run(['history'], capture_output=True, text=True).stdout)"
        )
        bench = Judge()
        found, _ = self.ran(code, bench)
        assert isinstance(found, Note), bench.transcript
        assert found.texts["program"] == bench.judged[0]
        assert len(bench.judged) == 2
        assert "better by 0.25" in bench.transcript
        assert "[1] not judged: all evaluations of this job are used up" in bench.transcript
        assert "- more: score 0.75" in bench.transcript

    def test_an_agent_that_cannot_ask_or_does_nothing_is_told_of(self) -> None:
        with pytest.raises(OperatorError, match="left the program as it was"):
            self.ran("pass", Judge())
        with pytest.raises(OperatorError, match=r"program\.py is missing"):
            self.ran("import os; os.remove('program.py')", Judge())
        with pytest.raises(ModelError, match=r"asked nothing \(exit code 3\)"):
            self.ran("import sys; sys.exit(3)", Judge())
