"""A refusal that names a parameter is answered by asking without it, once; what was learned is remembered per model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from discovery.core.types import ModelError, Reply
from discovery.llm.client import ChatModels, close_connections
from discovery.llm.meter import CallMeter
from discovery.settings.models import ModelConfig
from discovery.testing import Answer, ChatEndpoint, ChatRequest

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
STREAM = "".join(
    f"data: {json.dumps(event)}\n\n"
    for event in (
        {"choices": [{"delta": {"role": "assistant", "reasoning_content": "so"}}]},
        {"choices": [{"delta": {"content": "Hel"}}]},
        {"choices": [{"delta": {"content": "lo."}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}},
    )
)


@pytest.fixture(autouse=True)
def no_connections_left() -> Iterator[None]:
    yield
    close_connections()


def refusing(holds: Callable[[Mapping[str, Any]], bool], said: str) -> Callable[[ChatRequest], Answer]:
    """A server that answers only requests of which something holds."""

    def script(request: ChatRequest) -> Answer:
        if not holds(request.body):
            return Answer(said, status=400)
        if request.body.get("stream"):
            return Answer(
                body=(STREAM + "data: [DONE]\n\n").encode(), headers={"Content-Type": "text/event-stream"}
            )
        return Answer("Hello.")

    return script


def ask_twice(script: Callable[[ChatRequest], Answer]) -> tuple[Reply, list[Mapping[str, Any]]]:
    with ChatEndpoint(script) as endpoint:
        model = ChatModels(ModelConfig(models=("toy",), api_base=endpoint.api_base, retries=0))
        meter = CallMeter()
        for _ in range(2):
            reply = model.for_job("toy", (), meter).complete(ASK, rng=np.random.default_rng(1))
        assert len(meter.calls) == 2, "what is refused costs nothing"
        return reply, [request.body for request in endpoint.requests]


def no_system(body: Mapping[str, Any]) -> bool:
    return all(message["role"] != "system" for message in body["messages"])


@pytest.mark.parametrize(
    ("holds", "said", "changed"),
    [
        (lambda b: "temperature" not in b, "Unsupported value: 'temperature' does not support 0.8 with this model.", None),
        (
            lambda b: "max_tokens" not in b and "max_completion_tokens" in b,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            ("max_completion_tokens", 16_000),
        ),
        (lambda b: b.get("max_tokens", 0) <= 8192, "max_tokens is too large: 16000. It supports at most 8192", ("max_tokens", 8192)),
        (lambda b: "max_tokens" not in b, "max_tokens: Extra inputs are not permitted", None),
        (lambda b: b.get("stream") is True, "Only streaming is supported: stream must be set to true", ("stream", True)),
        (no_system, "System role not supported", None),
        (no_system, "messages[0].role: the role system is not allowed for this model", None),
    ],
)  # fmt: skip
def test_a_named_parameter_is_left_out_and_that_is_remembered(
    holds: Callable[[Mapping[str, Any]], bool], said: str, changed: tuple[str, object] | None
) -> None:
    reply, bodies = ask_twice(refusing(holds, said))
    assert reply.text == "Hello."
    assert [holds(body) for body in bodies] == [False, True, True], "refused once"
    if changed:
        assert bodies[-1][changed[0]] == changed[1]
    asked = json.dumps(bodies[-1]["messages"])
    assert "Be brief." in asked
    assert "Say hello." in asked


def test_several_are_left_out_one_after_the_other() -> None:
    def script(request: ChatRequest) -> Answer:
        for name in ("temperature", "max_tokens"):
            if name in request.body:
                return Answer(f"Unknown parameter: {name}", status=422)
        return Answer("Hello.")

    reply, bodies = ask_twice(script)
    assert reply.text == "Hello."
    assert len(bodies) == 4


def test_a_stream_is_put_together_with_its_reasoning_and_tokens() -> None:
    reply, _ = ask_twice(refusing(lambda body: body.get("stream") is True, "stream is required"))
    assert reply.text == "Hello."
    assert (reply.call.prompt_tokens, reply.call.completion_tokens) == (9, 4)


@pytest.mark.parametrize("said", ["Unknown parameter", "Bad request", "the prompt is too long"])
def test_a_refusal_that_names_nothing_is_told_once(said: str) -> None:
    with ChatEndpoint(lambda request: Answer(said, status=400)) as endpoint:
        model = ChatModels(ModelConfig(models=("toy",), api_base=endpoint.api_base))
        with pytest.raises(ModelError):
            model.complete(ASK, rng=np.random.default_rng(1))
        assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "stream", ["", "data: [DONE]\n\n", 'data: {"error": {"message": "busy"}}\n\n', "data: {\n\n"]
)
def test_a_stream_that_breaks_off_may_pass(stream: str) -> None:
    answer = Answer(body=(stream or ": nothing\n\n").encode(), headers={"Content-Type": "text/event-stream"})
    with ChatEndpoint(lambda request: answer) as endpoint:
        model = ChatModels(ModelConfig(models=("toy",), api_base=endpoint.api_base, retries=0))
        with pytest.raises(ModelError) as caught:
            model.complete(ASK, rng=np.random.default_rng(1))
    assert not caught.value.is_fatal
    assert len(caught.value.calls) == 1, "it was worked on"
