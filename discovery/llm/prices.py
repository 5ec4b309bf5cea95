"""What tokens cost and how many a model takes, by litellm's list: its file, read once, without loading litellm."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.settings.named_model import NamedModel

_LIST = "model_prices_and_context_window_backup.json"
_PROVIDERS = "provider_endpoints_support_backup.json"
_ABOVE = re.compile(r"_above_(\d+)k_tokens$")


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a call.

    Attributes:
        prompt: of the question, those of `cached` included.
        completion: of the reply, those of `reasoning` included.
    """

    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per token; `steps` are (prompt tokens, prices) above which others hold, the largest first."""

    prompt: float
    cached: float
    completion: float
    reasoning: float
    steps: tuple[tuple[int, Prices], ...] = ()

    def cost_usd(self, usage: Usage) -> float:
        """Returns what a call costs."""
        for above, prices in self.steps:
            if usage.prompt > above:
                return prices.cost_usd(usage)
        plain = (usage.prompt - usage.cached) * self.prompt + usage.cached * self.cached
        return (
            plain + (usage.completion - usage.reasoning) * self.completion + usage.reasoning * self.reasoning
        )


def prices_of(model: NamedModel, *names: str) -> Prices | None:
    """Returns the prices of a model: its own, or those of the first of `names` in the list; None where unknown.

    A price of zero in the list is taken for an unknown one.
    """
    if model.price is not None:
        asked, cached, answered = (dollars / 1e6 for dollars in model.price)
        return Prices(asked, cached, answered, answered)
    entry = _entry(names)
    prices = _prices(entry, "")
    if prices is None or not (prices.prompt or prices.completion):
        return None
    steps = {int(found[1]): found[0] for key in entry if (found := _ABOVE.search(key))}
    above = tuple(
        (1000 * size, _prices(entry, steps[size]) or prices) for size in sorted(steps, reverse=True)
    )
    return Prices(prices.prompt, prices.cached, prices.completion, prices.reasoning, above)


def reply_limit(*names: str) -> int | None:
    """Returns the longest reply of the first of `names` in the list, in tokens; None where unknown."""
    limit = _entry(names).get("max_output_tokens")
    return limit if isinstance(limit, int) and limit > 0 else None


def context_limit(*names: str) -> int | None:
    """Returns the longest question of the first of `names` in the list, in tokens; None where unknown."""
    limit = _entry(names).get("max_input_tokens")
    return limit if isinstance(limit, int) and limit > 0 else None


def listed_provider(name: str) -> str | None:
    """Returns the provider of a name that stands in the list as it is; None where it does not."""
    provider = _table().get(name, {}).get("litellm_provider")
    return provider if isinstance(provider, str) else None


@functools.cache
def providers() -> frozenset[str]:
    """Returns the providers that litellm knows, by the prefixes of their models' names."""
    known = _read(_PROVIDERS).get("providers", {})
    listed = {str(entry.get("litellm_provider", "")) for entry in _table().values()}
    return frozenset({*known, *listed, "vertex_ai_beta", "custom_openai", "openai_like"} - {""})


def _prices(entry: Mapping[str, Any], suffix: str) -> Prices | None:
    def found(name: str, otherwise: float | None) -> float | None:
        value = entry.get(name + suffix)
        return float(value) if isinstance(value, int | float) else otherwise

    asked, answered = found("input_cost_per_token", None), found("output_cost_per_token", None)
    if asked is None or answered is None:
        return None
    cached = found("cache_read_input_token_cost", asked)
    reasoning = found("output_cost_per_reasoning_token", answered)
    return Prices(asked, cached or 0.0, answered, reasoning or 0.0)


def _entry(names: tuple[str, ...]) -> Mapping[str, Any]:
    table = _table()
    found: Mapping[str, Any] = next((table[name] for name in names if name in table), {})
    return found


@functools.cache
def _table() -> Mapping[str, Any]:
    return {name: entry for name, entry in _read(_LIST).items() if isinstance(entry, dict)}


def _read(name: str) -> Mapping[str, Any]:
    """Returns what a file of litellm's package holds; nothing where there is none, or no JSON."""
    spec = importlib.util.find_spec("litellm")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            data = json.loads((Path(folder) / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            return data
    return {}
