"""Where the requests of an agent go on: an endpoint's address and key, for those who pass requests on instead of asking themselves.

The rule of keys is that of all models (routes.py): a provider's key goes to that provider's own address, and an address that a person
named gets the key that was named for it, or none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np

from discovery.core.types import ModelError
from discovery.llm.meter import CallMeter
from discovery.llm.prices import Usage, listed_provider
from discovery.llm.routes import KEYS, Route

Format: TypeAlias = Literal["openai", "anthropic", "gemini"]

_PROVIDERS: Mapping[str, tuple[Format, str]] = {
    "openai": ("openai", "https://api.openai.com/v1"),
    "anthropic": ("anthropic", "https://api.anthropic.com/v1"),
    "gemini": ("gemini", "https://generativelanguage.googleapis.com/v1beta"),
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """One model, and how requests that others wrote reach it.

    Attributes:
        name: what the run calls it; called: what the endpoint does.
        address: where its format begins, as https://api.openai.com/v1.
        formats: those that it takes there.
        timeout_s: the longest wait for an answer.
        price: what a call of so many tokens, asked and answered, costs; None where that is unknown.
        meter: counts the calls.
        key: goes into the header of each request, and nowhere else; more: further headers.
    """

    name: str
    called: str
    address: str
    formats: tuple[Format, ...]
    timeout_s: float
    price: Callable[[int, int], float | None]
    meter: CallMeter
    key: str = field(default="", repr=False)
    more: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url(self, format: Format, path: str) -> str:
        """Returns the address of a path of a format, as "/chat/completions"."""
        if len(self.formats) == 1 or format != "gemini":
            return self.address + path
        return self.address.removesuffix("/v1") + "/v1beta" + path

    def headers(self, format: Format) -> dict[str, str]:
        """Returns the header with its key, where it has one, and its further headers."""
        if not self.key:
            return dict(self.more)
        if format == "openai":
            return {**self.more, "Authorization": f"Bearer {self.key}"}
        return {**self.more, "x-api-key" if format == "anthropic" else "x-goog-api-key": self.key}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody in a jail may read."""
        return tuple(text for text in (self.key, *self.more.values()) if len(text) >= 6)


@runtime_checkable
class Reachable(Protocol):
    """A model to which requests can be passed on that others wrote."""

    def reach(self, rng: np.random.Generator) -> Upstream:
        """Returns how; `rng` draws one where there are several.

        Raises:
            ModelError: (fatal) it is reached in a way of its own only, or its key is missing.
        """
        ...


def upstream_of(route: Route, meter: CallMeter) -> Upstream:
    """Returns how requests that others wrote reach the model of a route.

    Raises:
        ModelError: (fatal) they cannot: it has no address of its own, and is of another provider than the three; or its key is missing.
    """

    def price(asked: int, answered: int) -> float | None:
        return None if route.prices is None else route.prices.cost_usd(Usage(asked, answered))

    key, more = route.key() or "", route.headers()
    if route.address is not None and route.is_direct:
        formats: tuple[Format, ...] = ("openai", "anthropic", "gemini")
        return Upstream(
            route.name, route.called, route.address, formats, route.timeout_s, price, meter, key, more
        )
    prefix, slash, rest = route.called.partition("/")
    provider = prefix if slash else listed_provider(route.called) or ""
    if provider not in _PROVIDERS or route.address is not None:
        raise ModelError(
            f"agents reach models of openai, anthropic and gemini, and those at an address of their own in the OpenAI format, not "
            f"{route.where}",
            is_fatal=True,
            model=route.name,
        )
    key = key or next((found for name in KEYS[provider] if (found := os.environ.get(name, "").strip())), "")
    if not key:
        raise ModelError(
            f"{route.where} needs a key: set {KEYS[provider][0]} in the environment",
            is_fatal=True,
            model=route.name,
        )
    format, address = _PROVIDERS[provider]
    called = rest if slash else route.called
    return Upstream(route.name, called, address, (format,), route.timeout_s, price, meter, key, more)
