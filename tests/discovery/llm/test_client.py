from __future__ import annotations

import email.utils
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact
from discovery.core.types import ModelError, Reply
from discovery.llm.client import ChatModels, close_connections
from discovery.llm.meter import CallMeter
from discovery.llm.routes import check_models
from discovery.settings.models import ModelConfig
from discovery.settings.named_model import parse_models
from discovery.testing import (
    FAULTS,
    Answer,
    ChatEndpoint,
    ChatRequest,
    Latency,
    Script,
    recorded,
    unused_api_base,
)

ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello, please."}]
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE")


@pytest.fixture(autouse=True)
def no_keys_and_no_connections_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    yield
    close_connections()


def config(api_base: str | None, **settings: object) -> ModelConfig:
    return ModelConfig(**{"models": (("toy", 1.0),), "api_base": api_base, "timeout_s": 20.0, **settings})


def ask(script: Script, **settings: object) -> tuple[Reply, tuple[ChatRequest, ...]]:
    with ChatEndpoint(script) as endpoint:
        model = ChatModels(config(endpoint.api_base, **settings))
        reply = model.complete(ASK, rng=np.random.default_rng(1))
        return reply, endpoint.requests


class Pauses(CallMeter):
    """Notes the pauses instead of making them."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


def fails(
    script: Script, *, by_litellm: bool = False, **settings: object
) -> tuple[ModelError, int, list[float]]:
    meter = Pauses()
    with ChatEndpoint(script) as endpoint, pytest.MonkeyPatch.context() as patch:
        chosen = config(endpoint.api_base, **settings)
        if by_litellm:
            patch.setenv("OPENAI_BASE_URL", endpoint.api_base)
            patch.setenv("OPENAI_API_KEY", "x" * 20)
            chosen = config(None, **{"models": (("openai/toy", 1.0),), **settings})
        model = ChatModels(chosen, meter=meter)
        with pytest.raises(ModelError) as caught:
            model.complete(ASK, rng=np.random.default_rng(1))
        assert caught.value.calls == meter.calls
        return caught.value, len(endpoint.requests), meter.pauses


def test_a_reply_comes_with_its_tokens_and_seconds() -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    reply, requests = ask(recorded(Answer("Hello.", usage=usage)))
    assert reply.text == "Hello."
    assert (reply.call.model, reply.call.prompt_tokens, reply.call.completion_tokens) == ("toy", 11, 3)
    assert not reply.call.is_estimated
    assert 0 < reply.call.seconds < 20
    assert requests[0].model == "toy"
    assert list(requests[0].messages) == ASK


def test_an_unknown_price_is_none_and_never_zero() -> None:
    reply, _ = ask(recorded("Hello."))
    assert reply.call.cost_usd is None


def test_a_known_price_is_that_of_the_list() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    reply, _ = ask(recorded(Answer("Hello.", usage=usage)), models=(("gpt-4o", 1.0),))
    assert reply.call.cost_usd == pytest.approx(1000 * 2.5e-6 + 100 * 10e-6)


@pytest.mark.parametrize(
    "usage",
    [None, {"prompt_tokens": 10**18, "completion_tokens": 10**18, "total_tokens": 1}, {"prompt_tokens": -5}],
)
def test_missing_or_absurd_token_counts_are_estimated_and_marked(usage: dict[str, int] | None) -> None:
    reply, _ = ask(recorded(Answer("Hello, hello, hello.", usage=usage)))
    assert reply.call.is_estimated
    assert 5 <= reply.call.prompt_tokens <= 20
    assert 4 <= reply.call.completion_tokens <= 10


def test_temperature_and_limits_reach_the_endpoint() -> None:
    _, requests = ask(recorded("Hi."), temperature=(0.3, 0.3), max_tokens=77)
    assert requests[0].body["temperature"] == pytest.approx(0.3)
    assert requests[0].body["max_tokens"] == 77


def test_a_reply_limit_above_what_the_model_can_give_is_lowered() -> None:
    _, requests = ask(recorded("Hi."), models=(("gpt-4o", 1.0),), max_tokens=900_000)
    assert requests[0].body["max_tokens"] == 16_384


def test_models_are_drawn_by_weight_and_temperatures_from_the_range() -> None:
    with ChatEndpoint(recorded("Hi.")) as endpoint:
        model = ChatModels(config(endpoint.api_base, models=(("big", 1.0), ("small", 3.0))))
        rng = np.random.default_rng(3)
        calls = [model.complete(ASK, rng=rng).call for _ in range(80)]
        asked = [request.model for request in endpoint.requests]
        heats = [request.body["temperature"] for request in endpoint.requests]
    assert [call.model for call in calls] == asked
    assert 45 <= Counter(asked)["small"] <= 72  # Binomial(80, 3/4): 60, sd 3.9
    assert 0.7 <= min(heats) < 0.75
    assert 0.95 < max(heats) <= 1.0


def test_equal_generators_draw_equal_models() -> None:
    with ChatEndpoint(recorded("Hi.")) as endpoint:
        model = ChatModels(config(endpoint.api_base, models=(("a", 1.0), ("b", 1.0), ("c", 1.0))))
        draws = [
            [model.complete(ASK, rng=rng).call.model for _ in range(6)]
            for rng in (np.random.default_rng(5), np.random.default_rng(5))
        ]
    assert draws[0] == draws[1]


def test_a_rate_limit_is_waited_out_as_the_endpoint_asks() -> None:
    meter = Pauses()
    busy = Answer("Slow down", status=429, headers={"Retry-After": "7"})
    with ChatEndpoint(recorded(busy, busy, "Hello.")) as endpoint:
        model = ChatModels(config(endpoint.api_base), meter=meter)
        reply = model.complete(ASK, rng=np.random.default_rng(1))
        requests = endpoint.requests
    assert reply.text == "Hello."
    assert len(requests) == 3
    assert meter.pauses == [7.0, 7.0]
    assert meter.calls == (reply.call,), "what was refused is not paid"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("by_litellm", [False, True], ids=["direct", "litellm"])
def test_a_long_wait_that_an_endpoint_asks_for_is_left_to_who_asks(
    status: int, form: str, by_litellm: bool
) -> None:
    said = "600" if form == "seconds" else email.utils.formatdate(time.time() + 600, usegmt=True)
    busy = Answer("Not now", status=status, headers={"Retry-After": said})
    error, requests, pauses = fails(recorded(busy), by_litellm=by_litellm)
    assert (requests, pauses) == (1, [])
    assert error.retry_after_s is not None
    assert 500 < error.retry_after_s <= 600


@pytest.mark.parametrize(
    ("fault", "paid"),
    [
        ("unauthorised", 0),
        ("no_credit", 0),
        ("malformed", 0),
        ("rate_limited", 0),
        ("server_error", 0),
        ("not_json", 1),
        ("no_choices", 1),
        ("hangs_up", 1),
        ("time_out", 1),
    ],
)
@pytest.mark.parametrize("by_litellm", [False, True], ids=["direct", "litellm"])
def test_every_request_that_may_be_charged_is_counted(fault: str, paid: int, by_litellm: bool) -> None:
    error, requests, _ = fails(FAULTS[fault], by_litellm=by_litellm, timeout_s=1.0, retries=1)
    assert len(error.calls) == paid * requests
    assert all(call.is_estimated and call.prompt_tokens > 0 < call.completion_tokens for call in error.calls)


def test_a_refused_connection_costs_nothing_and_nothing_goes_out_after_a_stop() -> None:
    stop = threading.Event()
    meter = CallMeter(stop)
    model = ChatModels(config(unused_api_base(), retries=0), meter=meter)
    with pytest.raises(ModelError) as refused:
        model.complete(ASK, rng=np.random.default_rng(0))
    assert (refused.value.calls, meter.calls) == ((), ())
    with ChatEndpoint(FAULTS["server_error"]) as endpoint:
        model = ChatModels(config(endpoint.api_base, retries=4), meter=meter)
        stop.set()
        with pytest.raises(ModelError) as stopped:
            model.complete(ASK, rng=np.random.default_rng(0))
        assert stopped.value.is_stop
        assert not endpoint.requests


def test_server_errors_are_tried_again_after_growing_pauses() -> None:
    error, requests, pauses = fails(FAULTS["server_error"], retries=3)
    assert requests == 4
    assert [0.25 * 2**n <= pause <= 0.5 * 2**n for n, pause in enumerate(pauses)] == [True] * 3
    assert not error.is_fatal
    assert "status 500" in str(error)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("unauthorised", "give its variable with api_key_env"),
        ("no_credit", "no credit left"),
        ("unknown_model", "check the model's name"),
        ("malformed", "check that it is a chat model"),
    ],
)
def test_what_asking_again_cannot_mend_is_fatal_at_once(fault: str, remedy: str) -> None:
    error, requests, pauses = fails(FAULTS[fault])
    assert error.is_fatal
    assert (requests, pauses) == (1, [])
    assert remedy in str(error)
    assert "model toy at http://127.0.0.1" in str(error)


@pytest.mark.parametrize("fault", ["rate_limited", "hangs_up", "not_json", "no_choices"])
@pytest.mark.parametrize("by_litellm", [False, True], ids=["direct", "litellm"])
def test_what_may_pass_is_no_reason_to_stop(fault: str, by_litellm: bool) -> None:
    error, requests, _ = fails(FAULTS[fault], by_litellm=by_litellm, retries=2)
    assert not error.is_fatal
    assert requests == 3


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_a_reply_of_wrong_types_is_refused() -> None:
    error, _, _ = fails(FAULTS["wrong_types"], retries=0)
    assert not error.is_fatal


def test_a_used_up_quota_is_fatal() -> None:
    error, requests, _ = fails(recorded(Answer("You exceeded your current quota", status=429)))
    assert error.is_fatal
    assert requests == 1
    assert "quota is used up" in str(error)


def test_a_slow_endpoint_ends_in_a_time_out_that_says_so() -> None:
    start_s = time.monotonic()
    error, requests, _ = fails(FAULTS["time_out"], timeout_s=0.3, retries=1)
    assert time.monotonic() - start_s < 10
    assert requests == 2
    assert "no answer within 0.3 s; raise timeout_s" in str(error)


def test_a_refused_connection_names_the_endpoint_and_the_remedy() -> None:
    model = ChatModels(config(unused_api_base(), retries=0))
    with pytest.raises(ModelError, match=r"toy at http://127.0.0.1:\d+/v1: cannot connect; check") as caught:
        model.complete(ASK, rng=np.random.default_rng(0))
    assert not caught.value.is_fatal


@pytest.mark.parametrize("fault", ["empty", "null"])
def test_an_empty_reply_is_a_reply_that_was_paid(fault: str) -> None:
    reply, _ = ask(FAULTS[fault])
    assert reply.text == ""
    assert reply.call.prompt_tokens > 0


def test_a_megabyte_of_text_arrives_whole() -> None:
    reply, _ = ask(FAULTS["flood"])
    assert len(reply.text) > 1_000_000


def test_no_key_is_ever_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_KEY", "my-very-private-value")
    told = "bad key my-very-private-value sk-proj-abc123def456ghi789 Bearer abcdefg Authorization key=hijklmn"
    with ChatEndpoint(recorded(Answer(told, status=401))) as endpoint:
        model = ChatModels(config(endpoint.api_base, api_key_env="TOY_KEY"))
        with pytest.raises(ModelError) as caught:
            model.complete(ASK, rng=np.random.default_rng(0))
        assert endpoint.requests[0].headers["Authorization"] == "Bearer my-very-private-value"
    shown = str(caught.value)
    for secret in ("private", "abc123", "abcdefg", "hijklmn"):
        assert secret not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_redaction_leaves_ordinary_text_alone() -> None:
    text = "the task-list has 26 circles; risk-free; http://127.0.0.1:80/v1; tokens: 12"
    assert redact(text) == text
    assert redact("http://user:pass@host/v1") == "http://[redacted]@host/v1"


def test_sixteen_threads_share_one_model() -> None:
    with ChatEndpoint(lambda request: Answer(f"reply to {request.prompt}")) as endpoint:
        model = ChatModels(config(endpoint.api_base))
        model.complete(ASK, rng=np.random.default_rng(0))  # one connection pool for all
        replies: dict[int, str] = {}

        def work(number: int) -> None:
            messages = [{"role": "user", "content": str(number)}]
            for _ in range(3):
                replies[number] = model.complete(messages, rng=np.random.default_rng(number)).text

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == {number: f"reply to {number}" for number in range(16)}


def test_latency_has_the_mean_it_is_told() -> None:
    latency = Latency(2.0, seed=1)
    draws = [latency.seconds(number) for number in range(2000)]
    assert np.mean(draws) == pytest.approx(2.0, rel=0.05)
    assert latency.seconds(7) == draws[7]


def test_weights_are_read_from_text() -> None:
    def weights(texts: str | list[str]) -> list[tuple[str, float]]:
        return [(model.name, model.weight) for model in parse_models(texts)]

    assert weights("gpt-5=2,anthropic/claude-x=0.5") == [("gpt-5", 2.0), ("anthropic/claude-x", 0.5)]
    assert weights(["gpt-5", " ollama/llama3:8b = 3"]) == [("gpt-5", 1.0), ("ollama/llama3:8b", 3.0)]


@pytest.mark.parametrize("text", ["gpt-5=0", "gpt-5=-1", "gpt-5=nan", "gpt-5=much", "=2", "a,a=2"])
def test_wrong_weights_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_models(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"models": (("", 1.0),)},
        {"models": (("a", 0.0),)},
        {"temperature": (1.0, 0.5)},
        {"temperature": (0.0, 3.0)},
        {"max_tokens": 0},
        {"timeout_s": 0.0},
        {"retries": -1},
        {"api_base": "localhost:8000"},
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings)).removesuffix("s")):
        ModelConfig(**settings)


def test_a_model_needs_a_name() -> None:
    with pytest.raises(ConfigError, match="--model"):
        ChatModels(ModelConfig())


def test_the_check_names_the_missing_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ModelConfig(models=(("gpt-4o", 1.0), ("anthropic/claude-sonnet-4-5", 1.0)))
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        check_models(chosen)
    assert caught.value.is_fatal
    monkeypatch.setenv("OPENAI_API_KEY", "x" * 20)
    with pytest.raises(ModelError, match="ANTHROPIC_API_KEY"):
        check_models(chosen)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x" * 20)
    check_models(chosen)


def test_the_check_explains_a_name_without_provider() -> None:
    with pytest.raises(ModelError, match=r"'my-own' names no provider.*--api-base"):
        check_models(ModelConfig(models=(("my-own", 1.0),)))
    check_models(config("http://127.0.0.1:1/v1", models=(("my-own", 1.0), ("meta-llama/Llama-3", 1.0))))


def test_a_name_with_a_slash_that_is_no_provider_is_asked_for_as_it_is() -> None:
    _, requests = ask(recorded("Hi."), models=(("meta-llama/Llama-3", 1.0),))
    assert requests[0].model == "meta-llama/Llama-3"


def test_litellm_is_loaded_for_providers_alone_and_stays_off_the_network() -> None:
    code = (
        "import sys, numpy as np, discovery.llm.client as m, discovery.llm.routes as r\n"
        "from discovery.settings.models import ModelConfig; from discovery.core.types import ModelError\n"
        "import socket; real = socket.getaddrinfo\n"
        "def refuse(*a, **k): raise OSError(f'looked up {a}')\n"
        "socket.getaddrinfo = refuse\n"
        "def ask(name, **more):\n"
        "    config = ModelConfig(models=((name, 1.0),), retries=0, **more)\n"
        "    r.check_models(config)\n"
        "    try: m.ChatModels(config).complete([{'role': 'user', 'content': 'x'}], rng=np.random.default_rng(0))\n"
        "    except ModelError as error: assert 'cannot connect' in str(error), error\n"
        "ask('x', api_base='http://127.0.0.1:1/v1')\n"
        "assert 'litellm' not in sys.modules\n"
        "ask('openai/x')\n"
        "assert 'litellm' in sys.modules\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith(("LITELLM", "OPENAI"))}
    env |= {"OPENAI_API_KEY": "x" * 20, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
