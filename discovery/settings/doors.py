"""Every setting of a run as people give it: on the command line, in a TOML file, in the body of a request.

All doors take the same settings by the same names; `SETTINGS` is made from the classes, and what the doors need of one
(an option, a JSON schema, a row of a table) is made from it. A setting that only who operates the machine may set says why.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from discovery.core import plugins
from discovery.core.errors import ConfigError
from discovery.settings.budget import read_limits
from discovery.settings.config import GROUPS, RunConfig, check_keys, make_group, parse_operators
from discovery.settings.launch import LaunchConfig
from discovery.settings.models import read_models
from discovery.settings.named_model import FIELDS, NamedModel, check_remote
from discovery.settings.schema import about, fields_of, nearest, rule_of, shown_value

T = TypeVar("T")

DEFAULT_MINUTES = 5.0
_DRAWN = {"workers": None}
"""What is not left to the class, but found out when a run begins."""
LAUNCH = "launch"
"""What the group of a `LaunchConfig` is called here; its settings, like those of `budget`, stand in no table."""

MODEL = "a model"
"""What the group of a `NamedModel` is called here; its settings stand in no table of a run, but in those of its models."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        key: what all doors call it: "evals", "bandit.floor" (a table and a name in TOML and JSON).
        group: a part of the run's settings, "" for the run's own, or `LAUNCH`.
        name: its field.
        field: as pydantic has it.
    """

    key: str
    group: str
    name: str
    field: Any

    @property
    def operator_only(self) -> str:
        """Why only who operates the machine may set it; "" for a setting of everybody."""
        return about(self.field, "operator-only")

    @property
    def is_document(self) -> bool:
        """Whether it is a file here, whose content is sent to a service."""
        return bool(about(self.field, "document"))

    @property
    def has_default(self) -> bool:
        """Whether leaving it out is like giving a value."""
        return not (self.field.is_required() or self.field.default_factory or self.default in (None, ()))

    @property
    def default(self) -> Any:
        """What it is when left out."""
        return _DRAWN.get(self.key, self.field.default)

    @property
    def range(self) -> str:
        """Its range and unit, as in "1..1024 tokens"; "" where all values of its type are fine."""
        rule = rule_of(self.field).removeprefix("in ")
        return " ".join(filter(None, (rule, about(self.field, "unit"))))

    @property
    def shown_default(self) -> str:
        """Its default as people write it; "" for none."""
        if not self.has_default:
            return ""
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        if isinstance(self.default, tuple):
            return " ".join(f"{value:g}" for value in self.default)
        return str(self.default)

    @property
    def kind(self) -> str:
        """What values it takes, in a word or as the list of them."""
        schema = self.schema()
        options = [one.get("type", "") for one in schema.get("anyOf", [schema])]
        return ", ".join(map(str, schema.get("enum", ()))) or " or ".join(options)

    @property
    def help(self) -> str:
        """What it does."""
        return str(self.field.description)

    def schema(self) -> dict[str, Any]:
        """Returns its JSON schema."""
        return _schemas(self.group)[self.name]


@cache
def _schemas(group: str) -> dict[str, dict[str, Any]]:
    whole = TypeAdapter(_class_of(group)).json_schema()["properties"]
    return {name: _plain(schema) for name, schema in whole.items()}


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema without null, which is what leaving a setting out means, and without what is ours alone."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "x-key", "x-remedy")}
    if "default" in rest and rest["default"] is None:
        del rest["default"]
    options = rest.get("anyOf", [])
    kept = [option for option in options if option != {"type": "null"}]
    if options and len(kept) == 1:
        del rest["anyOf"]
        return {**kept[0], **rest}
    return rest


def _class_of(group: str) -> type:
    if group == MODEL:
        return NamedModel
    return LaunchConfig if group == LAUNCH else GROUPS.get(group, RunConfig)


def _all() -> Iterable[Setting]:
    for group in ("", LAUNCH, *GROUPS):
        for name, field in fields_of(_class_of(group)).items():
            if group or name not in GROUPS:
                plain = name if group in ("", LAUNCH, "budget") else f"{group}.{name}"
                yield Setting(about(field, "key") or plain, group, name, field)


SETTINGS: tuple[Setting, ...] = tuple(_all())
OF_A_MODEL: tuple[Setting, ...] = tuple(Setting(name, MODEL, name, field) for name, field in FIELDS.items())
LIMITS: tuple[Setting, ...] = tuple(setting for setting in SETTINGS if setting.group == "budget")
RESUMED: tuple[Setting, ...] = (
    *LIMITS,
    *(setting for setting in SETTINGS if setting.key in ("target", "workers", "grace")),
)
"""What may change when a run goes on."""
REMOTE: tuple[Setting, ...] = tuple(setting for setting in SETTINGS if not setting.operator_only)
"""What a service takes from everybody."""
BY_KEY: Mapping[str, Setting] = {setting.key: setting for setting in SETTINGS}
TABLES: Mapping[str, Mapping[str, Setting]] = {
    table: {
        **{setting.name: setting for setting in SETTINGS if setting.group == table},
        **{s.key.partition(".")[2]: s for s in SETTINGS if s.key.startswith(f"{table}.")},
    }
    for table in GROUPS
    if table != "budget"
}
"""The settings of each table by the names that they have there."""
NAMES: tuple[str, ...] = tuple(dict.fromkeys([key for key in BY_KEY if "." not in key] + list(TABLES)))
"""What may stand at the top of a TOML file and of a body."""
_SHORT = {"memory": BY_KEY["memory.items"]}
"""A value in the place of a table stands for this one of its settings; so do those whose key is a table's name."""


@dataclass(frozen=True, slots=True)
class Source:
    """Settings as one door gave them.

    Attributes:
        data: by name, tables within; names with a dot are of a table.
        where: what to call the door in a message.
        line_of: the line of a table and a name ("" for the top), for messages; None if unknown.
    """

    data: Mapping[str, Any]
    where: str
    line_of: Callable[[str, str], int | None] = lambda _table, _name: None

    def place(self, table: str, name: str) -> str:
        """Returns what to call the place of a setting."""
        line = self.line_of(table, name)
        return self.where if line is None else f"{self.where}, line {line}"


def read(sources: Sequence[Source], *, remote: bool = False) -> tuple[RunConfig, LaunchConfig]:
    """Returns a run's settings, and how it is begun; a later source wins over an earlier one, setting by setting.

    Args:
        sources: what the doors gave.
        remote: whether they came from someone who does not operate this machine.

    Raises:
        ConfigError: an unknown name, a value of another kind or out of range, or one that is not theirs to set.
    """
    found: dict[Setting, tuple[Any, str]] = {}
    for source in sources:
        given = _flat(source, remote=remote)
        found |= {setting: (value, place) for setting, value, place in given if value is not None}
    places = {(setting.group, setting.name): place for setting, (_, place) in found.items()}
    values: dict[str, dict[str, Any]] = {group: {} for group in (*GROUPS, LAUNCH, "")}
    for setting, (value, _) in found.items():
        values[setting.group][setting.name] = value
    values["budget"] = values["budget"] or {"minutes": DEFAULT_MINUTES}
    if values[LAUNCH].get("items") is not None:
        values["memory"]["enabled"] = True
    _complete(values[""])

    def made(group: str, make: Callable[[], T]) -> T:
        try:
            return make()
        except ConfigError as error:
            raise ConfigError(f"{_blamed(error, group, places, sources)}: {error}") from error

    own = values[""]
    if "operators" in own:
        names = plugins.names("discovery.operators")
        own["operators"] = made("", lambda: parse_operators(own["operators"], names))
    parts = {group: made(group, partial(make_group, group, values[group])) for group in GROUPS}
    launch = made(LAUNCH, lambda: LaunchConfig(**values[LAUNCH]))
    return made("", lambda: RunConfig(**own, **parts)), launch


def _blamed(
    error: ConfigError, group: str, places: Mapping[tuple[str, str], str], sources: Sequence[Source]
) -> str:
    """Returns the place of the setting that is wrong, as far as it is known."""
    errors: list[Any] = getattr(error.__cause__, "errors", list)()
    name = str(errors[0]["loc"][0]) if errors and errors[0]["loc"] else ""
    if (group, name) in places:
        return places[group, name]
    if not group and "operator" in str(error) and ("", "operators") in places:
        return places["", "operators"]
    own = {place for (of, _), place in places.items() if of == group}
    return own.pop() if len(own) == 1 else " and ".join(source.where for source in sources)


def _complete(values: dict[str, Any]) -> None:
    """Fills in what a run must have and a person may leave out."""
    if values.get("problem") in (None, ""):
        raise ConfigError("no problem is named; try: discovery run circle_packing")
    if isinstance(problem := values["problem"], str):
        path = Path(problem).expanduser()
        values["problem"] = str(path.absolute()) if _exists(path) else problem
    values.setdefault("seed", secrets.randbits(48))
    values.setdefault("workers", default_workers())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a null character: no path
        return False


def _flat(source: Source, *, remote: bool) -> Iterable[tuple[Setting, Any, str]]:
    """Yields the settings of a source, their values and places."""
    for key, value in source.data.items():
        table, _, name = str(key).replace("-", "_").rpartition(".")
        if not table and name in TABLES and isinstance(value, Mapping):
            for inner, one in value.items():
                plain = str(inner).replace("-", "_")
                place = source.place(name, str(inner))
                check_keys([plain], list(TABLES[name]), where=f"{place}: {name}")
                yield _allowed(TABLES[name][plain], one, place, remote=remote)
            continue
        place = source.place(table, str(key))
        if table and name in TABLES.get(table, {}):
            yield _allowed(TABLES[table][name], value, place, remote=remote)
        elif (found := BY_KEY.get(name) or _SHORT.get(name)) and not table:
            yield _allowed(found, value, place, remote=remote)
        elif name == "models" and not table and isinstance(value, list):  # [[models]] in a file
            yield _allowed(BY_KEY["model"], value, place, remote=remote)
        elif name in TABLES and not table:
            raise ConfigError(f"{place}: {name} must be a table, got {shown_value(value)}")
        else:
            names = ", ".join(NAMES)
            raise ConfigError(
                f"{place}: unknown key {shown_value(key)}{nearest(str(key), NAMES)}; there are: {names}"
            )


def _allowed(setting: Setting, value: Any, place: str, *, remote: bool) -> tuple[Setting, Any, str]:
    if remote and (why := setting.operator_only):
        raise ConfigError(f"{place}: {setting.key} may only be set by who operates the service: {why}")
    if remote and setting.key == "model":
        try:
            check_remote(read_models(value))
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from error
    if remote and setting.is_document and isinstance(value, str):
        raise ConfigError(f"{place}: {setting.key} must be the content, not a path, got {shown_value(value)}")
    return setting, value, place


def make_config(settings: Mapping[str, Any], where: str) -> RunConfig:
    """Returns a run's settings from one source; see `read`."""
    return read([Source(settings, where)])[0]


def with_endpoint(config: RunConfig, api_base: str | None, api_key_env: str | None = None) -> RunConfig:
    """Returns the settings with the endpoint that a service's operator chose, if any, and the variable of its key."""
    if api_base is None:
        return config
    return replace(config, models=replace(config.models, api_base=api_base, api_key_env=api_key_env))


def read_changes(source: Source) -> dict[str, Any]:
    """Returns what is to change when a run goes on: "budget" (limits by field), "target" and "workers", those given.

    Raises:
        ConfigError: something else, or a value out of range.
    """
    check_keys(source.data, [setting.key for setting in RESUMED], where=source.where)
    limits: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for setting in RESUMED:
        if setting.key in source.data:
            of = limits if setting.group == "budget" else changes
            of[setting.name] = source.data[setting.key]
    try:
        changes |= {"budget": read_limits(limits)} if limits else {}
        RunConfig("none", 0, **{name: value for name, value in changes.items() if name != "budget"})
    except ConfigError as error:
        raise ConfigError(f"{source.where}: {error}") from error
    return changes


def with_changes(config: RunConfig, changes: Mapping[str, Any]) -> RunConfig:
    """Returns the settings of a run that goes on; see `read_changes`."""
    budget = replace(config.budget, **changes.get("budget", {}))
    return replace(config, **{**changes, "budget": budget})


def default_workers() -> int:
    """Returns how many evaluations this machine can run at once."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def body_schema(settings: Iterable[Setting] = SETTINGS, *, required: Sequence[str] = ()) -> dict[str, Any]:
    """Returns the JSON schema of a body with these settings; those that only an operator may set are left out."""
    top: dict[str, Any] = {}
    for setting in settings:
        if setting.operator_only:
            continue
        table, _, name = setting.key.rpartition(".")
        if not table and setting.group == setting.key:  # islands: a number, or a table that has it
            table, name = setting.group, setting.name
        if table:
            empty = {"type": "object", "additionalProperties": False, "properties": {}}
            top.setdefault(table, empty)["properties"][name] = setting.schema()
        else:
            top[name] = setting.schema()
    for setting in settings:
        if setting.key in TABLES and setting.key in top:
            top[setting.key] = {"anyOf": [setting.schema(), top[setting.key]]}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": top,
        **({"required": list(required)} if required else {}),
    }
