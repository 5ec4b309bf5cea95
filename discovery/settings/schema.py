"""How a setting is declared: type, range, unit and help beside its default; and what pydantic says of a wrong one, in our words.

A group of settings is a frozen dataclass whose fields are annotated with `setting(...)`. Everything that a person sees of
a setting, at every door, is made from that annotation (doors.py).
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from discovery.core.errors import ConfigError
from discovery.core.redaction import redact

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""No unknown key; "5" is no integer, true is no number, and neither is infinity."""
_SHOWN_CHARS = 80
_KINDS: Mapping[str, str] = {
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "mapping_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "finite_number": "a finite number",
    "missing": "given",
}

T = TypeVar("T")


def setting(
    help: str,
    *,
    key: str = "",
    unit: str = "",
    operator_only: str = "",
    remedy: str = "",
    document: bool = False,
    **limits: Any,
) -> Any:
    """Returns the annotation that makes a field a setting.

    Args:
        help: one sentence for people, without the range, the unit and the default: these are added.
        key: what every door calls it where that is not its field's name after its group's ("bandit.floor").
        unit: of the number.
        operator_only: why only who operates the machine may set it; such settings are refused over HTTP.
        remedy: what to do about a wrong value, for the end of the message.
        document: whether it names a file here, whose content is sent over HTTP.
        limits: ge, gt, le, lt, min_length, max_length, as pydantic has them.
    """
    extra = {
        "x-key": key,
        "x-unit": unit,
        "x-operator-only": operator_only,
        "x-remedy": remedy,
        "x-document": "the content, not a path" if document else "",
    }
    extra = {name: text for name, text in extra.items() if text}
    return Field(description=help, json_schema_extra=dict(extra), **limits)


def about(field: Any, name: str) -> str:
    """Returns what `setting` was told: "key", "unit", "operator-only", "remedy" or "document"; "" for nothing."""
    return str((field.json_schema_extra or {}).get(f"x-{name}", ""))


def _as_tuple(value: object) -> object:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value


LISTS = BeforeValidator(_as_tuple)
"""Reads lists, as JSON and TOML have them, as tuples."""


def checked(group: str) -> Callable[[type[T]], type[T]]:
    """Returns a decorator for the class of a group: what does not fit it raises a ConfigError that says what would."""

    def decorate(cls: type[T]) -> type[T]:
        construct: Callable[..., None] = cls.__init__

        @functools.wraps(construct)
        def init(self: T, *args: Any, **values: Any) -> None:
            try:
                construct(self, *args, **values)
            except ValidationError as error:
                raise ConfigError(explain(error, cls, group)) from error

        setattr(cls, "__init__", init)  # noqa: B010 - mypy takes no assignment to a method
        return cls

    return decorate


def fields_of(cls: type) -> Mapping[str, Any]:
    """Returns the fields of a group's class by name, as pydantic has them."""
    found: Mapping[str, Any] = getattr(cls, "__pydantic_fields__")  # noqa: B009 - no attribute that mypy knows
    return found


def explain(error: ValidationError, cls: type, group: str) -> str:
    """Returns what was expected and what came, for each field of a group that is wrong."""
    return "; ".join(_explained(one, cls, group) for one in error.errors(include_url=False))


def nearest(name: str, names: Iterable[str]) -> str:
    """Returns a hint at the name that was meant, "" for none."""
    close = difflib.get_close_matches(name[:_SHOWN_CHARS], list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def rule_of(field: Any) -> str:
    """Returns the range of a field, "" for none: "in 1..1024", "in [0, 1]", "in (0, 1]", "> 0"."""
    low, high = _bound(field, "ge", "gt"), _bound(field, "le", "lt")
    if low is None or high is None:
        return ""
    is_low_in, is_high_in = _limit(field, "ge") is not None, _limit(field, "le") is not None
    if isinstance(low, int) and isinstance(high, int) and is_integer(field):
        return f"in {low + (not is_low_in)}..{high - (not is_high_in)}"
    return f"in {'[' if is_low_in else '('}{low:g}, {high:g}{']' if is_high_in else ')'}"


def is_integer(field: Any) -> bool:
    """Returns whether a field is an integer, or none."""
    return field.annotation in (int, int | None)


def _explained(one: Mapping[str, Any], cls: type, group: str) -> str:
    loc, kind = one["loc"], one["type"]
    if kind == "value_error":
        return str(one["ctx"]["error"])
    name, inner = str(loc[0]), "".join(f"[{part!r}]" for part in loc[1:])
    field = fields_of(cls).get(name)
    if field is None:
        return f"unknown key {name!r}; there are: {', '.join(fields_of(cls))}"
    label = (about(field, "key") or (f"{group}.{name}" if group else name)) + inner
    remedy = f"; {text}" if (text := about(field, "remedy")) else ""
    if kind == "missing":
        return f"{label} must be given{remedy}"
    what = f", {toml_type(one['input'])}" if kind in _KINDS else ""
    return f"{label} must be {_expected(one, field)}, got {shown_value(one['input'])}{what}{remedy}"


def _expected(one: Mapping[str, Any], field: Any) -> str:
    kind, context = one["type"], one.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in ("too_long", "string_too_long"):
        return f"at most {context['max_length']} {'entries' if kind == 'too_long' else 'characters'} long"
    if kind == "string_too_short":
        return "no empty text"
    if kind == "literal_error":
        return str(context["expected"])
    if kind.startswith(("greater_than", "less_than")):
        sign = {"greater": ">", "less": "<"}[kind.split("_")[0]] + ("=" if kind.endswith("equal") else "")
        bound = f"{sign} {next(iter(context.values())):.12g}"
        is_open = _limit(field, "gt") is not None
        return bound if is_open or len(one["loc"]) > 1 else rule_of(field) or bound
    return str(one["msg"]).replace("Input should be ", "").replace("Input should ", "such as to ")


def shown_value(value: object) -> str:
    """Returns a value as messages quote it: short, and without what may be a secret."""
    text = redact(repr(value))
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."


def toml_type(value: object) -> str:
    """Returns what TOML calls the type of a value."""
    if isinstance(value, bool):
        return "a boolean"
    names = {
        int: "an integer",
        float: "a float",
        str: "a string",
        list: "an array",
        tuple: "an array",
        dict: "a table",
    }
    return next((name for kind, name in names.items() if isinstance(value, kind)), type(value).__name__)


def _limit(field: Any, name: str) -> Any:
    return next((getattr(rule, name) for rule in field.metadata if hasattr(rule, name)), None)


def _bound(field: Any, closed: str, is_open: str) -> Any:
    found = _limit(field, closed)
    return _limit(field, is_open) if found is None else found
