"""Which models to ask, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Which models to ask, and how.

    Attributes:
        models: (name, weight) pairs; names as litellm reads them: "gpt-5", "anthropic/claude-sonnet-4-5",
            "ollama/llama3". Each call draws one in proportion to the weights.
        api_base: address of an OpenAI-compatible endpoint, as in "http://host:8000/v1"; names without a
            provider that litellm knows are asked there.
        temperature: range that each call draws from, within 0..2; left out for models that do not take it.
        max_tokens: longest reply, reasoning included; lowered to what the model can give, where that is
        known. timeout_s: longest wait for an answer, of one attempt.
        retries: further attempts after rate limits, time-outs and server errors.
    """

    models: tuple[tuple[str, float], ...] = ()
    api_base: str | None = None
    temperature: tuple[float, float] = (0.7, 1.0)
    max_tokens: int = 16_000
    timeout_s: float = 180.0
    retries: int = 4

    def __post_init__(self) -> None:
        for name, weight in self.models:
            if not name or not (0 < weight < math.inf):
                raise ConfigError(f"models must be names with weights > 0, got {name!r} with {weight}")
        low, high = self.temperature
        if not 0 <= low <= high <= 2:
            raise ConfigError(f"temperature must be two numbers 0 <= low <= high <= 2, got {low} and {high}")
        if not 1 <= self.max_tokens <= 1_000_000:
            raise ConfigError(f"max_tokens must be in 1..1000000, got {self.max_tokens}")
        if not 0 < self.timeout_s <= 3600:
            raise ConfigError(f"timeout_s must be in (0, 3600], got {self.timeout_s}")
        if not 0 <= self.retries <= 20:
            raise ConfigError(f"retries must be in 0..20, got {self.retries}")
        if self.api_base is not None and not re.match(r"https?://[^\s/]", self.api_base):
            raise ConfigError(f"api_base must begin with http:// or https://, got {redact(self.api_base)!r}")


def parse_models(texts: str | Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Returns the (name, weight) pairs of "gpt-5=2,anthropic/claude-x" or a list of such (a name alone is 1).

    Raises:
        ConfigError: a weight that is no positive number, an empty name, a name given twice.
    """
    weights: dict[str, float] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, given, number = (piece.strip() for piece in part.partition("="))
            try:
                weight = float(number) if given else 1.0
            except ValueError:
                weight = math.nan
            if not name or not 0 < weight < math.inf:
                raise ConfigError(f"a model must be NAME or NAME=WEIGHT with WEIGHT > 0, got {part!r}")
            if name in weights:
                raise ConfigError(f"model {name!r} is given twice; give it one weight")
            weights[name] = weight
    return tuple(weights.items())
