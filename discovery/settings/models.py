"""Which models to ask, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact
from discovery.settings.schema import LISTS, STRICT, checked, setting

MAX_WEIGHT = 1e6


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
            if not name or not 0 < weight <= MAX_WEIGHT:
                raise ConfigError(
                    f"a model must be NAME or NAME=WEIGHT with 0 < WEIGHT <= {MAX_WEIGHT:g}, got {part!r:.80}"
                )
            if name in weights:
                raise ConfigError(f"model {name!r} is given twice; give it one weight")
            weights[name] = weight
    return tuple(weights.items())


def _read_models(value: Any) -> Any:
    """Returns the pairs of whatever names models: texts, a table of weights, or pairs."""
    if isinstance(value, Mapping):
        return tuple(value.items())
    if isinstance(value, str):
        return parse_models(value)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"model must be NAME or NAME=WEIGHT, or a list of these, got {value!r:.80}")
    return parse_models(value) if all(isinstance(one, str) for one in value) else value


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Weight = Annotated[float, Field(gt=0, le=MAX_WEIGHT)]
_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "maxItems": 64},
        {"type": "object", "additionalProperties": {"type": "number"}},
    ]
}
_Degrees = Annotated[float, Field(ge=0, le=2)]


@checked("models")
@dataclass(frozen=True, slots=True, config=STRICT)
class ModelConfig:
    """Which models to ask, and how; `models` are (name, weight) pairs, each call draws one by the weights."""

    models: Annotated[
        tuple[tuple[_Name, _Weight], ...],
        LISTS,
        BeforeValidator(_read_models),
        WithJsonSchema(_SCHEMA),
        setting(
            "A model's name as litellm reads it (gpt-5, anthropic/claude-sonnet-4-5, ollama/llama3), NAME or NAME=WEIGHT; "
            "may be repeated: each call draws one by the weights.",
            key="model",
            max_length=64,
        ),
    ] = ()
    api_base: Annotated[
        str | None,
        setting(
            "Base URL of an OpenAI-compatible endpoint, as http://HOST:8000/v1; names without a provider that litellm knows are "
            "asked there.",
            key="api_base",
            operator_only="keys would be sent there",
            max_length=2000,
        ),
    ] = None
    temperature: Annotated[
        tuple[_Degrees, _Degrees],
        LISTS,
        setting("Range that each call draws its temperature from; left out for models that do not take it."),
    ] = (0.7, 1.0)
    max_tokens: Annotated[
        int,
        setting(
            "Longest reply, reasoning included; lowered to what the model can give, where that is known.",
            unit="tokens",
            ge=1,
            le=1_000_000,
        ),
    ] = 16_000
    timeout_s: Annotated[
        float, setting("Longest wait for an answer, of one attempt.", unit="s", gt=0, le=3600)
    ] = 180.0
    retries: Annotated[
        int,
        setting(
            "Further attempts after rate limits, time-outs and server errors, some seconds apart.",
            ge=0,
            le=20,
        ),
    ] = 4
    outage_s: Annotated[
        float,
        setting(
            "How long a model may be away, in spite of them, before it is asked no more; a fifth of it where it has never "
            "answered in the run.",
            unit="s",
            gt=0,
            le=86_400,
        ),
    ] = 600.0

    def __post_init__(self) -> None:
        low, high = self.temperature
        if not low <= high:
            raise ConfigError(
                f"models.temperature must be two numbers 0 <= low <= high <= 2, got {low} and {high}"
            )
        if self.api_base is not None and not re.match(r"https?://[^\s/]", self.api_base):
            raise ConfigError(
                f"api_base must begin with http:// or https://, got {redact(self.api_base)!r:.80}"
            )
