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
import os
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact
from discovery.core.types import ModelCall, ModelError, Reply
from discovery.llm.faults import explained, may_pass, retry_after_s, was_paid
from discovery.llm.meter import CallMeter
from discovery.llm.tokens import estimate_tokens
from discovery.settings.models import ModelConfig
from evaluators.text import trees

PATIENCE_S = 10.0
"""The longest pause between two attempts of one call."""
UNKNOWN_REPLY_TOKENS = 1000
"""How long a reply is taken to be before a model has given any."""


class LiteLLMModel:
    """The models of a configuration, through litellm.

    Thread-safe: calls share nothing but litellm's connections. Rate limits, time-outs and server errors are
    tried again after growing pauses (or the endpoint's own Retry-After, where that is short; a longer one is left to
    whoever asks). The retries are made here: litellm's `num_retries` needs a package that it does not install, makes no
    pause, and also repeats calls that were refused for their key. A time-out counts from the last byte that came.

    Args:
        config: which models, and how.
        meter: counts the calls; says when no further one may go out.
    """

    def __init__(self, config: ModelConfig, *, meter: CallMeter | None = None) -> None:
        if not config.models:
            raise ConfigError("models must name at least one model, for example: --model gpt-5")
        self._config = config
        self._meter = meter
        self._lengths = _Lengths(config.max_tokens)
        weights = np.array([weight for _, weight in config.models])
        self._shares = weights / weights.sum()

    def for_job(self, name: str | None, avoid: Sequence[str], meter: CallMeter) -> LiteLLMModel:
        """Returns the model of a name, or all but those to avoid; its calls are counted by `meter`.

        Raises:
            ModelError: (fatal) the configuration has no such model.
        """
        kept = tuple(
            one
            for one in self._config.models
            if (one[0] == name if name is not None else one[0] not in avoid)
        )
        if not kept:
            what = f"model {name!r} was chosen, and the settings do not name it"
            raise ModelError(what if name else "no model is left to ask", is_fatal=True, model=name or "")
        found = LiteLLMModel(replace(self._config, models=kept), meter=meter)
        found._lengths = self._lengths
        return found

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat; `rng` draws the model, the temperature and the length of pauses.

        Raises:
            ModelError: no attempt succeeded; fatal if a further one cannot.
        """
        name = self._config.models[int(rng.choice(len(self._shares), p=self._shares))][0]
        temperature = float(rng.uniform(*self._config.temperature))
        meter = self._meter or CallMeter()
        paid: list[ModelCall] = []
        for attempt in range(self._config.retries + 1):
            start_s = time.perf_counter()
            number = meter.begin(expected := self._expected(name, messages))
            response: Any = None
            try:
                response = load_litellm().completion(
                    model=_full_name(name, self._config.api_base),
                    messages=[dict(message) for message in messages],
                    temperature=round(temperature, 3),
                    max_tokens=_reply_limit(name, self._config.max_tokens),
                    timeout=self._config.timeout_s,
                    max_retries=0,
                    **_endpoint(self._config.api_base),
                )
                reply = self._reply(name, messages, response, time.perf_counter() - start_s)
                meter.end(number, reply.call)
                return reply
            except _call_errors() as error:
                call = replace(expected, seconds=time.perf_counter() - start_s)
                is_paid = response is not None or was_paid(error)
                meter.end(number, call if is_paid else None)
                paid += [call] * is_paid
                failure = self._failure(error, name, paid)
                pause_s = _pause_s(error, attempt, rng) if may_pass(error) and not failure.is_fatal else None
            if pause_s is None or attempt == self._config.retries:
                raise failure
            meter.pause(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _failure(self, error: Exception, name: str, paid: Sequence[ModelCall]) -> ModelError:
        """Returns the error as ours: what happened, to which model, and what to do about it."""
        where = f" at {redact(self._config.api_base)}" if self._config.api_base else ""
        what, is_fatal = explained(error, load_litellm().exceptions, timeout_s=self._config.timeout_s)
        return ModelError(
            f"model {name}{where}: {what}",
            is_fatal=is_fatal,
            model=name,
            retry_after_s=retry_after_s(error),
            calls=paid,
        )

    def _expected(self, name: str, messages: Sequence[Mapping[str, Any]]) -> ModelCall:
        """Returns what a call is taken to cost while nothing is known of its answer."""
        counts = _estimated_prompt(messages), self._lengths.expected(name)
        return ModelCall(name, *counts, _price(_full_name(name, self._config.api_base), *counts), 0.0, True)

    def _reply(
        self, name: str, messages: Sequence[Mapping[str, Any]], response: Any, seconds: float
    ) -> Reply:
        content = response.choices[0].message.content
        text = content if isinstance(content, str) else ""
        usage = getattr(response, "usage", None)
        guess = (_estimated_prompt(messages), estimate_tokens(text))
        counts = (
            _believable(getattr(usage, "prompt_tokens", None), guess[0], most=guess[0]),
            _believable(getattr(usage, "completion_tokens", None), guess[1], most=self._config.max_tokens),
        )
        prompt_tokens, completion_tokens = (counts[0] or guess[0]), (counts[1] or guess[1])
        is_estimated = None in counts
        cost = None if is_estimated else getattr(response, "_hidden_params", {}).get("response_cost")
        if not cost:
            cost = _price(_full_name(name, self._config.api_base), prompt_tokens, completion_tokens)
        self._lengths.learn(name, completion_tokens)
        call = ModelCall(name, prompt_tokens, completion_tokens, cost, seconds, is_estimated)
        return Reply(text, call)


class _Lengths:
    """How long the replies of models are, on average. Thread-safe."""

    def __init__(self, max_tokens: int) -> None:
        self._unknown = min(max_tokens, UNKNOWN_REPLY_TOKENS)
        self._sums: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def learn(self, name: str, tokens: int) -> None:
        """Takes a reply's length in."""
        with self._lock:
            count, total = self._sums.get(name, (0, 0))
            self._sums[name] = count + 1, total + tokens

    def expected(self, name: str) -> int:
        """Returns how many tokens a reply that nobody has seen is taken to have."""
        with self._lock:
            count, total = self._sums.get(name, (0, 0))
        return round(total / count) if count else self._unknown


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
    """Returns how long to wait before the next attempt, or None if that is not for one call to wait for."""
    asked_s = retry_after_s(error)
    if asked_s is not None:
        return asked_s if asked_s <= PATIENCE_S else None
    return min(PATIENCE_S, 0.5 * 2.0**attempt) * float(rng.uniform(0.5, 1.0))


def _estimated_prompt(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(estimate_tokens(str(message.get("content", ""))) for message in messages)
