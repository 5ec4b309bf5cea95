"""Jobs and events as JSON, for workers in other processes. What is read back equals what was written.

One reader and one writer serve every frozen dataclass: the fields and their types are those of the class, so a field
that is added to it travels without a line here. Only the events that a worker can cause have a form; the others never
leave the coordinator.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

from discovery.core.events import Broken, Evaluated, Noted, NotProposed, Proposed

FORMAT = 5
"""Raised whenever a form changes; a worker refuses jobs of another format."""

Done: TypeAlias = Proposed | Noted | NotProposed | Evaluated | Broken
"""The events that a worker can cause."""
_EVENTS: Mapping[str, type[Done]] = {cls.__name__: cls for cls in typing.get_args(Done)}

T = TypeVar("T")


def content_id(*parts: object) -> str:
    """Returns 32 hex digits that derive from the JSON form of `parts` alone."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def to_plain(value: Any) -> Any:
    """Returns the JSON form of a frozen dataclass, or of what may stand in one."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: to_plain(one) for key, one in value.items()}
    return [to_plain(one) for one in value] if isinstance(value, list | tuple) else value


def from_plain(cls: type[T], data: Any) -> T:
    """Returns the value of a type whose JSON form is given.

    Args:
        cls: a dataclass of which every field has a type that can be read: dataclasses, enumerations, tuples, mappings,
            one of these or None, and what JSON knows by itself.
        data: what `to_plain` made of it.

    Raises:
        ValueError, TypeError: it has other fields, or one is of another kind.
    """
    return typing.cast(T, _read(cls, data))


def event_to_json(event: Done) -> dict[str, Any]:
    """Returns the JSON form, with the event's name under "event"."""
    return {"event": type(event).__name__, **to_plain(event)}


def event_from_json(data: Mapping[str, Any]) -> Done:
    """Returns the event of a JSON form.

    Raises:
        ValueError, TypeError: there is no event of that name, or its fields are not these.
    """
    rest = dict(data)
    name = rest.pop("event", None)
    if name not in _EVENTS:
        raise ValueError(f"event must be one of {', '.join(_EVENTS)}, got {name!r}")
    return from_plain(_EVENTS[name], rest)


@functools.cache
def _types_of(cls: Any) -> Mapping[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _read(kind: Any, data: Any) -> Any:
    if is_dataclass(kind):
        known = _types_of(typing.cast(Any, kind))
        if not isinstance(data, Mapping) or data.keys() != known.keys():
            raise ValueError(f"{getattr(kind, '__name__', kind)} must have the fields {', '.join(known)}")
        return typing.cast(Any, kind)(**{name: _read(known[name], one) for name, one in data.items()})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        others = [one for one in inner if one is not types.NoneType]
        return None if data is None or len(others) != 1 else _read(others[0], data)
    if origin is tuple:
        kinds = [inner[0]] * len(data) if inner[-1] is Ellipsis else inner
        return tuple(_read(one, item) for one, item in zip(kinds, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        return {key: _read(inner[1], one) for key, one in data.items()}
    return kind(data) if isinstance(kind, type) and issubclass(kind, enum.Enum) else data
