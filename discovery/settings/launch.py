"""How a run is begun: what it is called, where it lies, and what it begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.schema import STRICT, checked, setting, shown_value

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
MAX_ITEMS = 100_000


def check_name(name: object) -> str:
    """Returns a run's name.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(name, str):
        raise ConfigError(f"name must be a text, got {shown_value(name)}")
    if not NAME.fullmatch(name):
        raise ConfigError(f"a run's name must be up to 64 letters, digits, _ and -, got {shown_value(name)}")
    return name


def _named(name: str | None) -> str | None:
    return None if name is None else check_name(name)


def _certificate(value: Any) -> Any:
    if value is None or isinstance(value, str | Mapping):
        return value
    raise ConfigError(f"start must be a certificate: its file or its content, got {shown_value(value)}")


def _items(value: Any) -> Any:
    is_list = isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
    if value is None or isinstance(value, str) or (is_list and len(value) <= MAX_ITEMS):
        return value
    raise ConfigError(
        f"memory.items must be at most {MAX_ITEMS} items of a memory, or their file, got {shown_value(value)}"
    )


@checked("")
@dataclass(frozen=True, slots=True, config=STRICT)
class LaunchConfig:
    """How a run is begun; nothing of it changes what the run does later.

    `start` and `items` are paths, or what these files hold: a certificate, and items of a memory.
    """

    name: Annotated[
        str | None,
        AfterValidator(_named),
        setting("The run's name, which its folder has too; the problem's and a number by default."),
    ] = None
    out: Annotated[
        str | None,
        setting(
            "The run's folder, runs/NAME by default.",
            operator_only="a service keeps its runs in a folder of its own; give a name",
            max_length=4000,
        ),
    ] = None
    from_best: Annotated[
        float | None,
        setting(
            "Hand every program the best output so far, and so many seconds to improve on it.",
            unit="s",
            gt=0,
            le=86_400,
        ),
    ] = None
    start: Annotated[
        Any,
        AfterValidator(_certificate),
        WithJsonSchema({"type": "object"}),
        setting("The certificate whose output from_best begins with.", document=True),
    ] = None
    items: Annotated[
        Any,
        AfterValidator(_items),
        WithJsonSchema({"type": "array", "items": {"type": "object"}, "maxItems": MAX_ITEMS}),
        setting(
            "Begin with what another run learned: a file of `discovery memory export`.",
            key="memory.items",
            document=True,
        ),
    ] = None
    secret_file: Annotated[
        str | None,
        setting(
            "What the hidden cases are drawn from, made if it is not there: all that share it meet the same cases; fresh ones by "
            "default. Keep it from whoever writes programs.",
            operator_only="it is a file of the operator's",
            max_length=4000,
        ),
    ] = None
    broker: Annotated[
        str | None,
        setting(
            "A Redis whose workers do the jobs, redis://HOST:PORT/0; this machine does them by default.",
            operator_only="a service has the broker that it was started with",
            max_length=2000,
        ),
    ] = None
    json: Annotated[
        bool,
        setting("Print one JSON object as the last line.", operator_only="a service always answers in JSON"),
    ] = False

    def __post_init__(self) -> None:
        if self.name is not None and self.out is not None:
            raise ConfigError("give a run's name or its folder out, not both")
        if self.start is not None and self.from_best is None:
            raise ConfigError("start is what from_best begins with: give that too, as in --from-best 5")
