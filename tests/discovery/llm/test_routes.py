"""A provider's key goes to that provider and nowhere else; an address of one's own gets the key named for it, or none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from discovery.core.types import ModelError
from discovery.llm.client import ChatModels, close_connections
from discovery.llm.meter import CallMeter
from discovery.llm.prices import Usage, listed_provider, prices_of, providers
from discovery.llm.providers import load_litellm
from discovery.llm.routes import KEYS, OPENAI_FORMAT, check_models, route_of
from discovery.settings.models import ModelConfig
from discovery.testing import Answer, ChatEndpoint, recorded, unused_api_base

ASK = [{"role": "user", "content": "Say hello."}]
SECRETS = {
    "OPENAI_API_KEY": "openai-secret-1",
    "ANTHROPIC_API_KEY": "anthropic-secret-2",
    "DEEPSEEK_API_KEY": "deepseek-secret-3",
    "GATEWAY_KEY": "gateway-secret-4",
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_BASE_URL", "_API_BASE"))]:
        monkeypatch.delenv(name)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    yield
    close_connections()


def ask_all(config: ModelConfig) -> None:
    model = ChatModels(config)
    for name in config.names:
        model.for_job(name, (), CallMeter()).complete(ASK, rng=np.random.default_rng(1))


def seen(endpoint: ChatEndpoint) -> list[set[str]]:
    """Returns which of the secrets each request of an endpoint carried, anywhere in it."""
    return [
        {name for name, value in SECRETS.items() if value in json.dumps([dict(one.headers), dict(one.body)])}
        for one in endpoint.requests
    ]


def test_two_providers_and_a_local_server_each_see_only_what_is_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        local, claude, gpt, gateway = (
            stack.enter_context(ChatEndpoint(recorded("Hello."))) for _ in range(4)
        )
        monkeypatch.setenv("ANTHROPIC_API_BASE", claude.api_base.removesuffix("/v1"))
        monkeypatch.setenv("OPENAI_BASE_URL", gpt.api_base)
        models = [
            "local",
            "anthropic/claude-sonnet-4-5",
            "openai/gpt-4o",
            {"name": "other", "api_base": gateway.api_base, "api_key_env": "GATEWAY_KEY"},
        ]
        ask_all(ModelConfig(models=models, api_base=local.api_base))
        assert seen(local) == [set()]
        assert "Authorization" not in local.requests[0].headers, (
            "a server without a key gets none, not even 'none'"
        )
        assert seen(claude) == [{"ANTHROPIC_API_KEY"}]
        assert seen(gpt) == [{"OPENAI_API_KEY"}]
        assert seen(gateway) == [{"GATEWAY_KEY"}]
        assert gateway.requests[0].headers["Authorization"] == "Bearer gateway-secret-4"


def test_a_providers_key_goes_to_another_address_only_where_it_is_named_for_it() -> None:
    with ChatEndpoint(recorded("Hello.")) as endpoint:
        own = {"name": "deepseek/deepseek-chat", "api_base": endpoint.api_base}
        ask_all(ModelConfig(models=[own]))
        ask_all(ModelConfig(models=[{**own, "api_key_env": "DEEPSEEK_API_KEY"}]))
        assert seen(endpoint) == [set(), {"DEEPSEEK_API_KEY"}]
        assert [one.model for one in endpoint.requests] == ["deepseek-chat"] * 2
        assert [one.headers.get("Authorization") for one in endpoint.requests] == [
            None,
            "Bearer deepseek-secret-3",
        ]


def test_the_common_address_is_for_names_without_a_provider() -> None:
    config = ModelConfig(
        models=["deepseek/deepseek-chat", "gpt-4o", "meta-llama/Llama-3"], api_base="http://h:1/v1"
    )
    routes = [route_of(config, model) for model in config.models]
    assert [route.address for route in routes] == [None, "http://h:1/v1", "http://h:1/v1"]
    assert [route.called for route in routes] == ["deepseek/deepseek-chat", "gpt-4o", "meta-llama/Llama-3"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DEEPSEEK_API_KEY")
        with pytest.raises(ModelError, match=r"DEEPSEEK_API_KEY.*--model deepseek/deepseek-chat,api_base="):
            check_models(config)


def test_what_litellm_would_take_from_the_environment_for_another_address_is_refused() -> None:
    own = {"name": "anthropic/claude-sonnet-4-5", "api_base": unused_api_base()}
    with pytest.raises(ModelError, match="api_key_env=ANTHROPIC_API_KEY") as caught:
        ask_all(ModelConfig(models=[own]))
    assert caught.value.is_fatal
    check_models(ModelConfig(models=[{**own, "api_key_env": "ANTHROPIC_API_KEY"}]))
    check_models(ModelConfig(models=[{**own, "name": "ollama/llama3"}]))


def test_clouds_that_take_more_than_a_key_are_left_to_their_first_call() -> None:
    check_models(ModelConfig(models=["azure/gpt-4o", "bedrock/x", "vertex_ai/gemini-pro", "ollama/llama3"]))


def test_settings_of_a_model_reach_its_endpoint_alone() -> None:
    with ChatEndpoint(recorded("Hello.")) as endpoint:
        one = {
            "name": "careful", "model": "big", "temperature": 0.1, "top_p": 0.5, "max_tokens": 9, "reasoning_effort": "high",
            "extra_body": {"seed": 7}, "extra_headers": {"X-Team": "search", "X-Api-Key": "$GATEWAY_KEY"},
        }  # fmt: skip
        ask_all(ModelConfig(models=[one, "plain"], api_base=endpoint.api_base, temperature=(0.9, 0.9)))
        first, second = endpoint.requests
    assert {key: value for key, value in first.body.items() if key != "messages"} == {
        "model": "big", "temperature": 0.1, "top_p": 0.5, "max_tokens": 9, "reasoning_effort": "high", "seed": 7,
    }  # fmt: skip
    assert (first.headers["X-Team"], first.headers["X-Api-Key"]) == ("search", "gateway-secret-4")
    assert set(second.body) == {"model", "messages", "temperature", "max_tokens"}
    assert "X-Team" not in second.headers


def test_a_redirection_takes_no_key_along() -> None:
    with ChatEndpoint(recorded("Hello.")) as other:
        moved = Answer("", status=307, headers={"Location": f"{other.api_base}/chat/completions"})
        with ChatEndpoint(recorded(moved)) as endpoint:
            own = {"name": "x", "api_base": endpoint.api_base, "api_key_env": "GATEWAY_KEY"}
            with pytest.raises(ModelError, match=r"elsewhere.*redirects to http://127"):
                ask_all(ModelConfig(models=[own]))
        assert not other.requests


def test_a_variable_that_is_not_set_is_named() -> None:
    own = {"name": "x", "api_base": "http://h:1/v1"}
    with pytest.raises(ModelError, match="set NO_SUCH_KEY in the environment"):
        check_models(ModelConfig(models=[{**own, "api_key_env": "NO_SUCH_KEY"}]))
    with pytest.raises(ModelError, match="needs header X-Key: set NO_SUCH_KEY"):
        check_models(ModelConfig(models=[{**own, "extra_headers": {"X-Key": "$NO_SUCH_KEY"}}]))


def test_the_list_is_litellms_own() -> None:
    litellm = load_litellm()
    known = {getattr(one, "value", one) for one in litellm.provider_list}
    assert known >= OPENAI_FORMAT
    assert set(KEYS) <= known
    chat = known & set(litellm.models_by_provider)
    assert chat <= providers(), "their models would be asked for at --api-base"
    assert listed_provider("gpt-4o") == "openai"


@pytest.mark.parametrize(
    "model", ["gpt-4o", "deepseek/deepseek-chat", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro"]
)
@pytest.mark.parametrize(("prompt", "cached"), [(1000, 0), (1000, 600), (300_000, 0)])
def test_a_cost_is_what_litellm_makes_of_its_list(model: str, prompt: int, cached: int) -> None:
    config = ModelConfig(models=[model])
    prices = prices_of(config.models[0], model, model.partition("/")[2] or model)
    assert prices is not None
    expected = load_litellm().cost_per_token(
        model=model,
        prompt_tokens=prompt,
        completion_tokens=100,
        cache_read_input_tokens=cached,
    )
    assert prices.cost_usd(Usage(prompt, 100, cached)) == pytest.approx(sum(expected), rel=1e-6)


def test_a_price_of_ones_own_wins_over_the_list() -> None:
    config = ModelConfig(models=[{"name": "gpt-4o", "price": {"in": 1.0, "cached": 0.1, "out": 10.0}}])
    prices = prices_of(config.models[0], "gpt-4o")
    assert prices is not None
    assert prices.cost_usd(Usage(1_000_000, 1_000_000, 500_000)) == pytest.approx(0.5 + 0.05 + 10)
