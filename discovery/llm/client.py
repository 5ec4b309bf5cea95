"""The door to chat models: any model that litellm reaches, behind the one method of `Model`.

Keys come from the environment only (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...), read by litellm itself, and
never appear in a message. litellm takes 3 s to import, so it is loaded by the first call that needs it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import logging
import math
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact
from discovery.core.texts import one_line
from discovery.core.types import ModelCall, ModelError, Reply
from discovery.llm.tokens import estimate_tokens
from discovery.settings.models import ModelConfig
from evaluators.text import trees

_MAX_MESSAGE_CHARS = 300
_LONGEST_PAUSE_S = 60.0


class LiteLLMModel:
    """The models of a configuration, through litellm.

    Thread-safe: calls share nothing but litellm's connections. Rate limits, time-outs and server errors are
    tried again after growing pauses (or the endpoint's own Retry-After, up to 60 s). The retries are made
    here: litellm's `num_retries` needs a package that it does not install, makes no pause, and also repeats
    calls that were refused for their key. A time-out counts from the last byte that came.
    """

    def __init__(self, config: ModelConfig, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not config.models:
            raise ConfigError("models must name at least one model, for example: --model gpt-5")
        self._config = config
        self._sleep = sleep
        weights = np.array([weight for _, weight in config.models])
        self._shares = weights / weights.sum()

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat; `rng` draws the model, the temperature and the length of pauses.

        Raises:
            ModelError: no attempt succeeded; fatal if a further one cannot.
        """
        name = self._config.models[int(rng.choice(len(self._shares), p=self._shares))][0]
        temperature = float(rng.uniform(*self._config.temperature))
        litellm = load_litellm()
        start_s = time.perf_counter()
        for attempt in range(self._config.retries + 1):
            try:
                response = litellm.completion(
                    model=_full_name(name, self._config.api_base),
                    messages=[dict(message) for message in messages],
                    temperature=round(temperature, 3),
                    max_tokens=_reply_limit(name, self._config.max_tokens),
                    timeout=self._config.timeout_s,
                    max_retries=0,
                    **_endpoint(self._config.api_base),
                )
                return self._reply(name, messages, response, time.perf_counter() - start_s)
            except _call_errors() as error:
                failure = _as_model_error(error, name, self._config)
                pause_s = _pause_s(error, attempt, rng) if not failure.is_fatal else None
            if pause_s is None or attempt == self._config.retries:
                raise failure
            self._sleep(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def only(self, name: str) -> LiteLLMModel:
        """Returns the same with one model alone.

        Raises:
            ModelError: (fatal) the configuration has no model of that name.
        """
        if name not in dict(self._config.models):
            raise ModelError(f"model {name!r} was chosen, and the settings do not name it", is_fatal=True)
        return LiteLLMModel(replace(self._config, models=((name, 1.0),)), sleep=self._sleep)

    def _reply(
        self, name: str, messages: Sequence[Mapping[str, Any]], response: Any, seconds: float
    ) -> Reply:
        content = response.choices[0].message.content
        text = content if isinstance(content, str) else ""
        usage = getattr(response, "usage", None)
        guess = (
            sum(estimate_tokens(str(message.get("content", ""))) for message in messages),
            estimate_tokens(text),
        )
        counts = (
            _believable(getattr(usage, "prompt_tokens", None), guess[0], most=guess[0]),
            _believable(getattr(usage, "completion_tokens", None), guess[1], most=self._config.max_tokens),
        )
        prompt_tokens, completion_tokens = (counts[0] or guess[0]), (counts[1] or guess[1])
        is_estimated = None in counts
        cost = None if is_estimated else getattr(response, "_hidden_params", {}).get("response_cost")
        if not cost:
            cost = _price(_full_name(name, self._config.api_base), prompt_tokens, completion_tokens)
        call = ModelCall(name, prompt_tokens, completion_tokens, cost, seconds, is_estimated)
        return Reply(text, call)


def check_model(config: ModelConfig) -> None:
    """Checks, without asking any model, that every model of a configuration can be asked.

    Raises:
        ModelError: (fatal) a name without provider, or a key that is not in the environment, by its name.
    """
    litellm = load_litellm()
    for name in [
        name for name, value in os.environ.items() if name.endswith("_API_KEY") and not value.strip()
    ]:
        del os.environ[name]  # an empty key (as container settings pass on what is unset) is no key
    for name, _ in config.models:
        full = _full_name(name, config.api_base)
        try:
            provider = litellm.get_llm_provider(full)[1]
        except _call_errors():
            raise ModelError(
                f"model {name!r} names no provider that litellm knows; write PROVIDER/MODEL (openai/gpt-5, "
                "ollama/llama3), or give the address of an OpenAI-compatible endpoint with --api-base",
                is_fatal=True,
            ) from None
        if config.api_base is None:
            missing = [
                key for key in litellm.validate_environment(full)["missing_keys"] if key.endswith("_API_KEY")
            ]
            if missing:
                raise ModelError(
                    f"model {name!r} ({provider}) needs a key: set {' or '.join(missing)} in the "
                    "environment, or give the address of an endpoint without keys with --api-base",
                    is_fatal=True,
                )


def call_price(config: ModelConfig, name: str, prompt_tokens: int) -> float | None:
    """Returns what a call costs at most whose prompt has so many tokens; None if the price is unknown."""
    return _price(_full_name(name, config.api_base), prompt_tokens, _reply_limit(name, config.max_tokens))


def close_connections() -> None:
    """Closes the connections that litellm keeps open, of all models; the next call opens new ones."""
    clients = load_litellm().in_memory_llm_clients_cache
    for key, client in list(clients.cache_dict.items()):
        close = getattr(client, "close", None)
        if callable(close) and not inspect.iscoroutinefunction(close):
            close()
            clients.delete_cache(key)


def load_litellm() -> Any:
    """Returns litellm, silenced and kept from fetching its price list from the network. Thread-safe."""
    with trees.one_at_a_time:
        return _load()


@functools.cache
def _load() -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies, about each other
        import litellm

        litellm.ModelResponse()  # builds its classes here, not in the first call
        with contextlib.suppress(ImportError):  # imported in the first call, by versions that have it
            importlib.import_module("litellm.llms.github_copilot.per_user_auth")
    litellm.suppress_debug_info = True
    litellm.drop_params = True
    litellm.telemetry = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
    return litellm


@functools.cache
def _call_errors() -> tuple[type[Exception], ...]:
    """Returns what `litellm.completion` may raise: its tree, and what odd replies do to its parsing."""
    kinds = tuple(load_litellm().exceptions.LITELLM_EXCEPTION_TYPES)
    return (*kinds, OSError, ValueError, TypeError, LookupError, AttributeError, UserWarning)


@functools.cache
def _full_name(name: str, api_base: str | None) -> str:
    if api_base is None or name.partition("/")[0] in set(map(str, _provider_names())):
        return name
    return f"openai/{name}"


def _provider_names() -> list[str]:
    return [getattr(provider, "value", provider) for provider in load_litellm().provider_list]


@functools.cache
def _reply_limit(name: str, wanted: int) -> int:
    known = load_litellm().model_cost.get(name) or load_litellm().model_cost.get(name.partition("/")[2]) or {}
    limit = known.get("max_output_tokens")
    return min(wanted, limit) if isinstance(limit, int) and limit > 0 else wanted


def _endpoint(api_base: str | None) -> dict[str, str]:
    if api_base is None:
        return {}
    return {"api_base": api_base} | ({} if os.environ.get("OPENAI_API_KEY") else {"api_key": "none"})


def _believable(count: object, guess: int, *, most: int) -> int | None:
    """Returns a reported token count; None where it is nonsense: none at all, or over ten times too many."""
    if not isinstance(count, int) or isinstance(count, bool) or (guess > 0 and count == 0):
        return None
    return count if 0 <= count <= 10 * most + 1000 else None


def _price(full_name: str, prompt_tokens: int, completion_tokens: int) -> float | None:
    """Returns the price by litellm's list, or None if it lists none (a price of zero is none)."""
    litellm = load_litellm()
    if full_name not in litellm.model_cost and full_name.partition("/")[2] not in litellm.model_cost:
        return None
    try:
        prices = litellm.cost_per_token(
            model=full_name, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
        )
    except (*_call_errors(), litellm.exceptions.ModelNotMappedError):
        return None
    return float(sum(prices)) or None


def _pause_s(error: Exception, attempt: int, rng: np.random.Generator) -> float | None:
    """Returns how long to wait before the next attempt, or None if there should be none."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status < 500 and status not in (408, 409, 425, 429):
        return None
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    try:
        asked_s = float((headers or {}).get("retry-after", ""))
    except (TypeError, ValueError):
        asked_s = math.nan
    if 0 <= asked_s <= _LONGEST_PAUSE_S:
        return asked_s
    return min(_LONGEST_PAUSE_S, 0.5 * 2.0**attempt) * float(rng.uniform(0.5, 1.0))


def _as_model_error(error: Exception, name: str, config: ModelConfig) -> ModelError:
    """Returns the error as ours: what happened, to which model, and what to do about it."""
    kinds = load_litellm().exceptions
    status = getattr(error, "status_code", None)
    said = one_line(redact(_unwrapped(str(error))), _MAX_MESSAGE_CHARS)
    where = f" at {redact(config.api_base)}" if config.api_base else ""
    is_fatal = False
    if isinstance(error, kinds.ContextWindowExceededError):
        what = "the prompt is too long for it; choose a model with a longer context or lower the token budget"
    elif isinstance(error, kinds.ContentPolicyViolationError):
        what = "it refused the prompt by its content policy"
    elif status == 429 and "quota" in str(error).lower():
        what, is_fatal = "its quota is used up; add credit, or choose another model", True
    elif status == 429:
        what = "it is rate-limited; lower the number of workers, or try later"
    elif isinstance(error, kinds.Timeout):
        what = f"no answer within {config.timeout_s:g} s; raise timeout_s, or choose a faster model"
    elif status in (401, 403):
        what, is_fatal = "the key was refused; check the key of its provider in the environment", True
    elif status == 402:
        what, is_fatal = "the account has no credit left", True
    elif status == 404:
        what, is_fatal = "the endpoint does not know it; check the model's name and --api-base", True
    elif status == 400:
        what, is_fatal = "the request was refused as malformed; check that it is a chat model", True
    elif "connection error" in said.lower() or isinstance(error, kinds.APIConnectionError | OSError):
        what = "cannot connect; check that the endpoint runs, the network, and --api-base"
    elif status is None:
        what = "the endpoint's answer is not in the chat format; check --api-base"
    else:
        what = f"the endpoint failed with status {status}; try later, or choose another model"
    return ModelError(f"model {name}{where}: {what} ({said})", is_fatal=is_fatal)


def _unwrapped(message: str) -> str:
    """Returns the endpoint's own words from a litellm message, without class names and stack traces."""
    message = message.partition("Traceback (most recent call last)")[0]
    return re.sub(
        r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\s*(?::|-)\s*|litellm\.\w+:\s*)+", "", message
    )
