"""Which models to ask, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.named_model import (
    Degrees,
    NamedModel,
    check_address,
    check_variable,
    models_of,
    parse_models,
    remote_schema,
)
from discovery.settings.schema import LISTS, STRICT, checked, setting


def read_models(value: Any) -> tuple[NamedModel, ...]:
    """Returns the models of whatever names some: texts, a table of weights, tables, or pairs.

    Raises:
        ConfigError: it names none, or one that is none.
    """
    if isinstance(value, Mapping):
        return models_of([value] if "name" in value else value.items())
    if isinstance(value, str):
        return parse_models(value)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"model must be NAME or NAME=WEIGHT, or a list of these, got {value!r:.80}")
    return models_of(value)


_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, remote_schema()]}, "maxItems": 64},
        {"type": "object", "additionalProperties": {"type": "number"}},
    ]
}


@checked("models")
@dataclass(frozen=True, slots=True, config=STRICT)
class ModelConfig:
    """Which models to ask, and how; each call draws one by the weights."""

    models: Annotated[
        tuple[NamedModel, ...],
        LISTS,
        BeforeValidator(read_models),
        WithJsonSchema(_SCHEMA),
        setting(
            "A model's name as litellm reads it (gpt-5, anthropic/claude-sonnet-4-5, ollama/llama3), NAME or NAME=WEIGHT, and after "
            "it, with commas, its own settings (api_base=..., reasoning_effort=high); may be repeated: each call draws one by the "
            "weights.",
            key="model",
            max_length=64,
        ),
    ] = ()
    api_base: Annotated[
        str | None,
        setting(
            "Base URL of an OpenAI-compatible endpoint, as http://HOST:8000/v1, that is asked for the models whose names have no "
            "provider and that have no address of their own. No key goes there but that of `api_key_env`.",
            key="api_base",
            operator_only="keys would be sent there",
            max_length=2000,
        ),
    ] = None
    api_key_env: Annotated[
        str | None,
        setting(
            "The environment variable that holds the key of the endpoint at `api_base`; none is sent there if left out.",
            key="api_key_env",
            operator_only="any variable of the service could be sent away",
            max_length=200,
        ),
    ] = None
    temperature: Annotated[
        tuple[Degrees, Degrees],
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
        check_address(self.api_base)
        check_variable(self.api_key_env)

    @property
    def names(self) -> tuple[str, ...]:
        """What the models are called in a run."""
        return tuple(model.name for model in self.models)

    def tagged(self, tag: str) -> tuple[str, ...]:
        """Returns the names of the models that have a tag."""
        return tuple(model.name for model in self.models if tag in model.tags)
