"""The options of a command, made from the settings: the same names, help, ranges and defaults as at every other door."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from discovery.settings.doors import Setting, Source
from discovery.settings.schema import is_integer

_PREFIX = "setting_"
_ARGUMENT = "problem"
_SHORT = {"memory.items": "--memory", "json": "--json"}
_FORMER = {"unsafe": "--unsafe/--safe"}


class Finite(click.FloatRange):
    """A number of a command that is no setting: in a range, and never infinite or NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the number; what is none fails with a message."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


def settings_options(settings: Iterable[Setting]) -> Callable[[Any], Any]:
    """Returns a decorator that gives a command an option for each of the settings; `given` collects them again."""

    def decorate(command: Any) -> Any:
        for setting in reversed(tuple(settings)):
            if setting.key != _ARGUMENT:
                command = _option(setting)(command)
        return command

    return decorate


def given(options: dict[str, Any]) -> Source:
    """Takes the settings out of a command's options, and returns those that were given."""
    names = [name for name in options if name.startswith(_PREFIX)]
    values = {_key_of(name): options.pop(name) for name in names}
    return Source({k: v for k, v in values.items() if v not in (None, ())}, "the command line")


class Sections(click.Command):
    """A command whose help lists the settings of each part of a run under its name."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, in sections."""
        sections: dict[str, list[tuple[str, str]]] = {"": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                table = _key_of(parameter.name or "").rpartition(".")[0]
                sections.setdefault(table, []).append(record)
        for table, rows in sections.items():
            with formatter.section(f"Options of {table}" if table else "Options"):
                formatter.write_dl(rows)


def _key_of(name: str) -> str:
    return name.removeprefix(_PREFIX).replace("__", ".")


def flag_of(setting: Setting) -> str:
    """Returns the option of a setting, as a person writes it."""
    return _SHORT.get(setting.key) or "--" + setting.key.replace("_", "-")


def _option(setting: Setting) -> Callable[[Any], Any]:
    hint = setting.field.annotation
    name, flag = _PREFIX + setting.key.replace(".", "__"), flag_of(setting)
    more: dict[str, Any] = {"help": _help(setting), "default": None}
    if setting.key in _SHORT and hint is bool:
        return click.option(flag, name, is_flag=True, **more)
    if hint is bool:
        return click.option(_FORMER.get(setting.key, _switch(setting, flag)), name, **more)
    if get_origin(hint) is Literal:
        more["type"] = click.Choice(get_args(hint))
    elif get_origin(hint) is tuple:
        inner = get_args(hint)
        if inner[-1] is Ellipsis:
            more |= {"multiple": True, "default": ()}
        else:
            more |= {"nargs": len(inner), "type": float}
    elif is_integer(setting.field):
        more["type"] = int
    elif hint in (float, float | None):
        more["type"] = float
    if setting.is_document or setting.key == "out":
        more["metavar"] = "FILE" if setting.is_document else "FOLDER"
    return click.option(flag, name, **more)


def _switch(setting: Setting, flag: str) -> str:
    table, _, name = setting.key.rpartition(".")
    negative = f"--{table + '.' if table else ''}no-{name}".replace("_", "-")
    return f"{flag}/{negative}"


def _help(setting: Setting) -> str:
    facts = [setting.range] if setting.range else []
    if setting.shown_default not in ("", "off"):
        facts.append(f"default: {setting.shown_default}")
    return setting.help + (f"  [{'; '.join(facts)}]" if facts else "")


secret_file = click.option(
    "--secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What the hidden cases are drawn from, made if it is not there: all that share it meet the same cases. "
    "Keep it from whoever writes programs.  [default: fresh ones]",
)
