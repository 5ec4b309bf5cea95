"""The text of a function that runs the same elsewhere: with the functions, the imports and the constants that it uses."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from discovery.core.errors import ConfigError


def text_of(function: Callable[..., Any]) -> str:
    """Returns a module's text that defines a function as it is here.

    What it uses must travel with it: modules, what can be imported from one, constants that can be written down, and
    functions of its own module for which the same holds.

    Raises:
        ConfigError: it is no plain function, its source is not known, or it uses something that cannot travel.
    """
    parts: dict[str, str] = {}
    _collect(function, parts, getattr(function, "__name__", repr(function)))
    imports = sorted(text for text in parts.values() if text.startswith(("import ", "from ")))
    others = [text for text in parts.values() if not text.startswith(("import ", "from "))]
    return "\n\n\n".join(["\n".join(imports), *others] if imports else others) + "\n"


def _collect(function: Any, parts: dict[str, str], name: str) -> None:
    """Puts what a function uses, then the function itself, into `parts` by name."""
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise ConfigError(
            f"score function {name} must be defined with def, to go to the judge as a file of its own; got {function!r:.80}"
        )
    if function.__closure__:
        free = ", ".join(function.__code__.co_freevars)
        raise ConfigError(
            f"score function {name} uses {free} of the function round it, which cannot go to the judge; "
            "make it a constant of the module"
        )
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise ConfigError(
            f"the source of score function {name} is not known ({error}); define it in a file or in a notebook"
        ) from error
    parts[name] = ""  # it may use itself
    for used in sorted(set(_names(function.__code__))):
        if used in function.__globals__ and used not in parts:
            _take(used, function.__globals__[used], parts, function)
    parts[name] = parts.pop(name) + source.strip()  # after what it uses


def _take(name: str, value: Any, parts: dict[str, str], user: FunctionType) -> None:
    home = user.__module__
    if isinstance(value, ModuleType):
        parts[name] = f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    elif isinstance(value, FunctionType) and value.__module__ == home:
        _collect(value, parts, name)
    elif (origin := getattr(value, "__module__", home)) != home and hasattr(value, "__qualname__"):
        same = "" if value.__qualname__ == name else f" as {name}"
        parts[name] = f"from {origin} import {value.__qualname__}{same}"
    else:
        parts[name] = f"{name} = {_literal(name, value, user.__name__)}"


def _literal(name: str, value: Any, user: str) -> str:
    text = repr(value)
    try:
        if ast.literal_eval(text) == value:
            return text
    except (ValueError, SyntaxError):
        pass
    raise ConfigError(
        f"score function {user} uses {name}, a {type(value).__name__} that cannot be written down; "
        "compute it in the function, or write the problem as a module (docs/problems.md)"
    )


def _names(code: CodeType) -> Iterator[str]:
    """Yields the global names that a function, and what is defined in it, may use."""
    yield from (name for name in code.co_names if not hasattr(builtins, name))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
