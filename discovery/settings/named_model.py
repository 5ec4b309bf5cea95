"""One model: its name and what is its own, as people write it in a table (`[[models]]`) or in a line (`--model`)."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact
from discovery.settings.schema import (
    LISTS,
    STRICT,
    about,
    checked,
    fields_of,
    nearest,
    setting,
    shown_value,
)

MAX_WEIGHT = 1e6
Degrees = Annotated[float, Field(ge=0, le=2)]
_Dollars = Annotated[float, Field(ge=0, le=1e6)]
_Text = Annotated[str, Field(min_length=1, max_length=4000)]
_PRICES = ("in", "cached", "out")
_SECRET_HEADER = re.compile(r"(?i)auth|key|token|secret|cookie")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def _price(value: Any) -> Any:
    """Returns (in, cached, out) of a table of these names, or of a list of two or three numbers."""
    if isinstance(value, Mapping):
        if unknown := [name for name in value if name not in _PRICES]:
            raise ValueError(f"price must have {', '.join(_PRICES)}, got {shown_value(unknown[0])}")
        if missing := [name for name in ("in", "out") if name not in value]:
            raise ValueError(f"price must have {missing[0]} as well, in USD per million tokens")
        return value["in"], value.get("cached", value["in"]), value["out"]
    if isinstance(value, list | tuple) and len(value) == 2:
        return value[0], value[0], value[1]
    return tuple(value) if isinstance(value, list) else value


def _range(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value, value) if is_number else tuple(value) if isinstance(value, list) else value


def _tags(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def check_address(address: str | None, what: str = "api_base") -> None:
    """Checks that an address is one.

    Raises:
        ConfigError: it is none.
    """
    if address is not None and not re.match(r"https?://[^\s/]", address):
        raise ConfigError(f"{what} must begin with http:// or https://, got {redact(address)!r:.80}")


def check_variable(name: str | None, what: str = "api_key_env") -> None:
    """Checks that a name may be that of an environment variable, and is not the key itself.

    Raises:
        ConfigError: it is none.
    """
    if name is not None and not _VARIABLE.fullmatch(name):
        raise ConfigError(f"{what} must be the name of an environment variable, not the key itself")


@checked("model")
@dataclass(frozen=True, slots=True, config=STRICT)
class NamedModel:
    """One model; what is None is as for all models of the run."""

    name: Annotated[
        str,
        setting(
            "As litellm reads it (gpt-5, anthropic/claude-sonnet-4-5), or as the endpoint at `api_base` calls it.",
            min_length=1,
            max_length=200,
        ),
    ]
    weight: Annotated[
        float, setting("Its share of the calls, beside the weights of the others.", gt=0, le=MAX_WEIGHT)
    ] = 1.0
    model: Annotated[
        str | None,
        setting("What its endpoint calls it, where that is not its name here.", min_length=1, max_length=200),
    ] = None
    api_base: Annotated[
        str | None,
        setting(
            "Its own address, as http://HOST:8000/v1. No key goes there but that of `api_key_env`.",
            operator_only="a key would be sent there",
            max_length=2000,
        ),
    ] = None
    api_key_env: Annotated[
        str | None,
        setting(
            "The environment variable that holds its key; its provider's usual one at its provider's own address, none at others.",
            operator_only="any variable of the service could be sent away",
            max_length=200,
        ),
    ] = None
    temperature: Annotated[
        tuple[Degrees, Degrees] | None,
        BeforeValidator(_range),
        setting("A number, or a range that each call draws from."),
    ] = None
    top_p: Annotated[float | None, setting("Share of the likeliest tokens to draw from.", gt=0, le=1)] = None
    max_tokens: Annotated[
        int | None, setting("Longest reply, reasoning included.", unit="tokens", ge=1, le=1_000_000)
    ] = None
    reasoning_effort: Annotated[
        str | None,
        setting(
            "How hard it thinks, in its provider's words (low, medium, high).", min_length=1, max_length=40
        ),
    ] = None
    timeout_s: Annotated[
        float | None, setting("Longest wait for an answer, of one attempt.", unit="s", gt=0, le=3600)
    ] = None
    retries: Annotated[int | None, setting("Further attempts of one call.", ge=0, le=20)] = None
    extra_body: Annotated[
        Mapping[str, Any],
        setting(
            "Further fields of the request, as they are.", operator_only="the bill could be made a larger one"
        ),
    ] = dataclasses.field(default_factory=dict)
    extra_headers: Annotated[
        Mapping[str, _Text],
        setting(
            "Further headers; $NAME stands for the environment variable NAME, and secrets must be given so.",
            operator_only="any variable of the service could be sent away",
        ),
    ] = dataclasses.field(default_factory=dict)
    price: Annotated[
        tuple[_Dollars, _Dollars, _Dollars] | None,
        BeforeValidator(_price),
        setting(
            "What tokens cost: a table of `in`, `cached` and `out`; by litellm's list if left out.",
            unit="USD per million",
            operator_only="the money budget counts by it",
        ),
    ] = None
    tags: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=40)], ...],
        BeforeValidator(_tags),
        LISTS,
        setting(
            'What routing may go by: "strong" is one of the bandit\'s strong models, as if named there.',
            max_length=16,
        ),
    ] = ()

    def __post_init__(self) -> None:
        check_address(self.api_base)
        check_variable(self.api_key_env)
        if self.temperature is not None and not self.temperature[0] <= self.temperature[1]:
            raise ConfigError(f"temperature of model {self.name} must be low <= high, got {self.temperature}")
        for name, value in self.extra_headers.items():
            if _SECRET_HEADER.search(name) and not value.startswith("$"):
                raise ConfigError(
                    f"header {name} of model {self.name} may be a secret, and settings are kept in the run's folder; put it in the "
                    "environment and give its variable, as $NAME"
                )
            check_variable(value[1:] if value.startswith("$") else None, f"header {name}")


FIELDS: Mapping[str, Any] = fields_of(NamedModel)
"""The settings of a model by name, as pydantic has them."""
_OWN = [name for name in FIELDS if name != "name"]


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text) from None
        return number


def _span(text: str) -> Any:
    return [float(part) for part in text.split(":")] if ":" in text else _number(text)


_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("weight", "top_p", "max_tokens", "timeout_s", "retries"), _number),
    **dict.fromkeys(("extra_body", "extra_headers"), json.loads),
    "temperature": _span,
    "price": _span,
    "tags": lambda text: text.split(":"),
}


def parse_models(texts: str | Iterable[str]) -> tuple[NamedModel, ...]:
    """Returns the models of "gpt-5=2,anthropic/claude-x", or of a list of such texts.

    Each part is NAME or NAME=WEIGHT, or SETTING=VALUE of the model before it: "local,api_base=http://h:1/v1,temperature=0.2:0.8".

    Raises:
        ConfigError: a weight that is no positive number, an empty name, a name given twice, a setting that is none.
    """
    tables: list[dict[str, Any]] = []
    for text in [texts] if isinstance(texts, str) else texts:
        inside = False  # a setting belongs to a model of the same text
        for part in filter(None, (part.strip() for part in _parts(text))):
            name, sign, value = (piece.strip() for piece in part.partition("="))
            if sign and inside and name in _OWN:
                tables[-1][name] = _value(name, value)
                continue
            inside = True
            tables.append({"name": name, **({"weight": _weight(value, part)} if sign else {})})
            if not name:
                raise ConfigError(f"a model must have a name, got {part!r:.80}")
    return models_of(tables)


def models_of(values: Iterable[Any]) -> tuple[NamedModel, ...]:
    """Returns the models of a list of texts, tables, (name, weight) pairs, or models.

    Raises:
        ConfigError: one is none, or a name is given twice.
    """
    found: dict[str, NamedModel] = {}
    for value in values:
        for model in parse_models(value) if isinstance(value, str) else (_model(value),):
            if model.name in found:
                raise ConfigError(
                    f"model {model.name!r} is given twice; give it one weight, or another name here and its own under `model`"
                )
            found[model.name] = model
    return tuple(found.values())


def _model(value: Any) -> NamedModel:
    if isinstance(value, NamedModel):
        return value
    if isinstance(value, Mapping):
        if unknown := [key for key in value if key not in FIELDS]:
            raise ConfigError(
                f"a model has no setting {shown_value(unknown[0])}{nearest(str(unknown[0]), FIELDS)}; there are: {', '.join(FIELDS)}"
            )
        if "name" not in value:
            raise ConfigError(f"a model must have a name, got {shown_value(value)}")
        return NamedModel(**value)
    if isinstance(value, list | tuple) and len(value) == 2:
        return NamedModel(*value)
    raise ConfigError(f"model must be NAME, NAME=WEIGHT, or a table with a name, got {shown_value(value)}")


def _weight(text: str, part: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= MAX_WEIGHT:
        name = part.partition("=")[0]
        raise ConfigError(
            f"a model must be NAME or NAME=WEIGHT with 0 < WEIGHT <= {MAX_WEIGHT:g}, got {redact(part)!r:.80}"
            f"{nearest(name, _OWN)}; the settings of a model come after its name, and are: {', '.join(_OWN)}"
        )
    return weight


def _value(name: str, text: str) -> Any:
    try:
        return _FROM_TEXT.get(name, str)(text)
    except ValueError:
        raise ConfigError(f"{name} of a model cannot be read from {shown_value(text)}") from None


def _parts(text: str) -> Iterable[str]:
    """Yields what stands between commas that are not within braces, brackets or quotes."""
    depth, quoted, begun = 0, False, 0
    for place, sign in enumerate(text):
        if sign == '"' and text[place - 1 : place] != "\\":
            quoted = depth > 0 and not quoted
        elif not quoted and sign in "{[":
            depth += 1
        elif not quoted and sign in "}]":
            depth = max(0, depth - 1)
        elif sign == "," and depth == 0:
            yield text[begun:place]
            begun = place + 1
    yield text[begun:]


def check_remote(models: Iterable[NamedModel]) -> None:
    """Checks that models have no setting that only who operates the machine may set.

    Raises:
        ConfigError: one has.
    """
    for model in models:
        for name, field in FIELDS.items():
            why = about(field, "operator-only")
            if why and getattr(model, name) not in (None, {}):
                raise ConfigError(
                    f"{name} of model {model.name} may only be set by who operates the service: {why}"
                )


def remote_schema() -> dict[str, Any]:
    """Returns the JSON schema of a model as a service takes it from everybody."""
    whole = TypeAdapter(NamedModel).json_schema()["properties"]
    shown = {name: whole[name] for name, field in FIELDS.items() if not about(field, "operator-only")}
    return {"type": "object", "additionalProperties": False, "required": ["name"], "properties": shown}
