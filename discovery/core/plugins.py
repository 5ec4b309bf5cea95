"""Operators, languages, report pages, verdicts, commands and stop rules by name, of any package: found as entry points.

A package registers what it adds in its pyproject.toml; what ships is registered the same way:

    [project.entry-points."discovery.operators"]
    graft = "my_package.graft:Graft"        # a class without arguments, see discovery.core.types.Operator
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, TypeAlias

from discovery.core.errors import ConfigError

Group: TypeAlias = Literal[
    "discovery.operators",
    "discovery.languages",
    "discovery.report_pages",
    "discovery.verdicts",
    "discovery.commands",
    "discovery.stoppers",
]


def names(group: Group) -> tuple[str, ...]:
    """Returns the names that are registered in a group, sorted; nothing is imported."""
    return tuple(_found(group))


@cache
def load(group: Group) -> Mapping[str, Any]:
    """Returns what is registered in a group by name, imported.

    Raises:
        ConfigError: a package registers what cannot be imported; it names the package.
    """
    loaded: dict[str, Any] = {}
    for name, entry in _found(group).items():
        try:
            loaded[name] = entry.load()
        except (ImportError, AttributeError) as error:
            package = entry.dist.name if entry.dist else entry.value
            raise ConfigError(
                f"the package {package} registers {name!r} under {group}, which cannot be loaded: {error}; "
                "mend or remove the package"
            ) from error
    return loaded


@cache
def _found(group: Group) -> Mapping[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=group), key=lambda one: one.name):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise ConfigError(
                f"two packages register {entry.name!r} under {group}: {other.value} and {entry.value}; remove one"
            )
    return found
