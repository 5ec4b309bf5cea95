"""The models of a run, each at its own address and with its own settings, behind the one method of `Model`.

What speaks the OpenAI format at an address that a person named is asked over HTTP; models at their providers are asked through
litellm. Keys come from the environment only, and never appear in a message.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np

from discovery.core.errors import ConfigError
from discovery.core.types import ModelCall, ModelError, Reply
from discovery.llm.answers import ChatAnswer, read_answer, usage_of
from discovery.llm.chat import FormatError, StatusError, post_chat
from discovery.llm.chat import close_connections as close_chats
from discovery.llm.faults import explained, is_overflow, may_pass, retry_after_s, was_paid
from discovery.llm.meter import CallMeter
from discovery.llm.prices import Usage
from discovery.llm.providers import ask_provider, call_errors, close_provider_connections, load_litellm
from discovery.llm.quirks import Quirks, learned
from discovery.llm.routes import Route, route_of
from discovery.llm.tokens import estimate_tokens
from discovery.llm.upstream import Upstream, upstream_of
from discovery.settings.models import ModelConfig

PATIENCE_S = 10.0
"""The longest pause between two attempts of one call."""
MOST_FORMS = 8
"""How often one call may be asked in another form because the former was refused."""
UNKNOWN_REPLY_TOKENS = 1000
"""How long a reply is taken to be before a model has given any."""
_DIRECT_ERRORS: tuple[type[Exception], ...] = (StatusError, FormatError, httpx.HTTPError, httpx.InvalidURL)


class ChatModels:
    """The models of a configuration.

    Thread-safe: calls share nothing but connections and what is learned of the models. Rate limits, time-outs and server
    errors are tried again after growing pauses (or the endpoint's own Retry-After, where that is short; a longer one is left
    to whoever asks). The retries are made here: litellm's `num_retries` needs a package that it does not install, makes no
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
        self._known = _Known(config)
        weights = np.array([model.weight for model in config.models])
        self._shares = weights / weights.sum()

    def for_job(self, name: str | None, avoid: Sequence[str], meter: CallMeter) -> ChatModels:
        """Returns the model of a name, or all but those to avoid; its calls are counted by `meter`.

        Raises:
            ModelError: (fatal) the configuration has no such model.
        """
        kept = tuple(
            one
            for one in self._config.models
            if (one.name == name if name is not None else one.name not in avoid)
        )
        if not kept:
            what = f"model {name!r} was chosen, and the settings do not name it"
            raise ModelError(what if name else "no model is left to ask", is_fatal=True, model=name or "")
        found = ChatModels(replace(self._config, models=kept), meter=meter)
        found._known = self._known
        return found

    def warm_up(self) -> None:
        """Loads what the first call needs, so that it does not wait for it."""
        routes = [route_of(self._config, model) for model in self._config.models]
        if not all(route.is_direct for route in routes):
            load_litellm()

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat; `rng` draws the model, the temperature and the length of pauses.

        Raises:
            ModelError: no attempt succeeded; fatal if a further one cannot.
        """
        name = self._config.models[int(rng.choice(len(self._shares), p=self._shares))].name
        route = self._known.route(name)
        body = _body(route, messages, float(rng.uniform(*route.temperature)))
        meter = self._meter or CallMeter()
        asked = _estimated_prompt(messages)
        paid: list[ModelCall] = []
        errors: tuple[type[Exception], ...] = (
            _DIRECT_ERRORS if route.is_direct else (FormatError, *call_errors())
        )
        attempt = forms = 0
        while True:
            sent = self._known.quirks(route).apply(body)
            start_s = time.perf_counter()
            number = meter.begin(expected := self._expected(route, asked))
            answer: Mapping[str, Any] | None = None
            try:
                answer = (post_chat if route.is_direct else ask_provider)(route, sent)
                reply = self._reply(route, asked, read_answer(answer), time.perf_counter() - start_s)
                meter.end(number, reply.call)
                return reply
            except errors as error:
                call = replace(expected, seconds=time.perf_counter() - start_s)
                if forms < MOST_FORMS and self._known.adapt(route, body, sent, error):
                    forms += 1
                    meter.end(number, None)
                    continue
                is_paid = answer is not None or was_paid(error)
                meter.end(number, call if is_paid else None)
                paid += [call] * is_paid
                failure = _failure(error, route, paid)
                pause_s = _pause_s(error, attempt, rng) if may_pass(error) and not failure.is_fatal else None
            if pause_s is None or attempt == route.retries:
                raise failure
            meter.pause(pause_s)
            attempt += 1

    def reach(self, rng: np.random.Generator) -> Upstream:
        """Returns how requests that others wrote reach one of the models, which `rng` draws.

        Raises:
            ModelError: (fatal) they cannot.
        """
        name = self._config.models[int(rng.choice(len(self._shares), p=self._shares))].name
        return upstream_of(self._known.route(name), self._meter or CallMeter())

    def _expected(self, route: Route, asked: int) -> ModelCall:
        """Returns what a call is taken to cost while nothing is known of its answer."""
        usage = Usage(asked, self._known.expected_tokens(route))
        return _call(route, usage, 0.0, is_estimated=True)

    def _reply(self, route: Route, asked: int, answer: ChatAnswer, seconds: float) -> Reply:
        written = estimate_tokens(answer.text) + estimate_tokens(answer.reasoning)
        usage, is_estimated = usage_of(answer.usage, (asked, written), most_completion=route.max_tokens)
        self._known.learn(route, usage.completion)
        return Reply(answer.text, _call(route, usage, seconds, is_estimated=is_estimated))


class _Known:
    """What is known of the models of a configuration: how they are reached, and how long their replies are. Thread-safe."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._routes: dict[str, Route] = {}
        self._sums: dict[str, tuple[int, int]] = {}
        self._quirks: dict[str, Quirks] = {}
        self._lock = threading.Lock()

    def route(self, name: str) -> Route:
        """Returns how a model is reached.

        Raises:
            ModelError: (fatal) it cannot be; see `Route.check`.
        """
        with self._lock:
            if (found := self._routes.get(name)) is None:
                model = next(one for one in self._config.models if one.name == name)
                found = route_of(self._config, model)
                found.check()
                self._routes[name] = found
        return found

    def quirks(self, route: Route) -> Quirks:
        """Returns what a model does not take."""
        with self._lock:
            return self._quirks.get(route.name, Quirks())

    def adapt(self, route: Route, body: Mapping[str, Any], sent: Mapping[str, Any], error: Exception) -> bool:
        """Takes in that the form of a request was refused; returns whether its body has another form now."""
        if getattr(error, "status_code", None) not in (400, 422) or is_overflow(error):
            return False
        with self._lock:
            known = self._quirks.get(route.name, Quirks())
            known = self._quirks[route.name] = learned(known, sent, str(error), may_stream=route.is_direct)
        return known.apply(body) != sent

    def learn(self, route: Route, tokens: int) -> None:
        """Takes a reply's length in."""
        with self._lock:
            count, total = self._sums.get(route.name, (0, 0))
            self._sums[route.name] = count + 1, total + tokens

    def expected_tokens(self, route: Route) -> int:
        """Returns how many tokens a reply that nobody has seen is taken to have."""
        with self._lock:
            count, total = self._sums.get(route.name, (0, 0))
        return round(total / count) if count else min(route.max_tokens, UNKNOWN_REPLY_TOKENS)


def close_connections() -> None:
    """Closes the connections that are kept open to models; the next call opens new ones."""
    close_chats()
    close_provider_connections()


def _body(route: Route, messages: Sequence[Mapping[str, Any]], temperature: float) -> dict[str, Any]:
    own = route.settings
    return {
        "model": route.called,
        "messages": [dict(message) for message in messages],
        "temperature": round(temperature, 3),
        "max_tokens": route.max_tokens,
        **({} if own.top_p is None else {"top_p": own.top_p}),
        **({} if own.reasoning_effort is None else {"reasoning_effort": own.reasoning_effort}),
        **own.extra_body,
    }


def _call(route: Route, usage: Usage, seconds: float, *, is_estimated: bool) -> ModelCall:
    cost_usd = None if route.prices is None else route.prices.cost_usd(usage)
    return ModelCall(route.name, usage.prompt, usage.completion, cost_usd, seconds, is_estimated)


def _failure(error: Exception, route: Route, paid: Sequence[ModelCall]) -> ModelError:
    """Returns the error as ours: what happened, to which model, and what to do about it."""
    what, is_fatal = explained(
        error, timeout_s=route.timeout_s, has_key=route.key_env is not None or not route.is_direct
    )
    for secret in route.secrets():
        what = what.replace(secret, "[redacted]")
    return ModelError(
        f"{route.where}: {what}",
        is_fatal=is_fatal,
        model=route.name,
        retry_after_s=retry_after_s(error),
        calls=paid,
    )


def _pause_s(error: Exception, attempt: int, rng: np.random.Generator) -> float | None:
    """Returns how long to wait before the next attempt, or None if that is not for one call to wait for."""
    asked_s = retry_after_s(error)
    if asked_s is not None:
        return asked_s if asked_s <= PATIENCE_S else None
    return min(PATIENCE_S, 0.5 * 2.0**attempt) * float(rng.uniform(0.5, 1.0))


def _estimated_prompt(messages: Sequence[Mapping[str, Any]]) -> int:
    return sum(estimate_tokens(str(message.get("content", ""))) for message in messages)
