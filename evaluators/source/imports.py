"""What a module of a problem imports, and how its siblings are named."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath

from evaluators.text import trees


def imported_names(text: str, package: str) -> set[str]:
    """Returns the top names that a module's imports may find beside it."""
    names = set()
    for node in ast.walk(_parse_or_empty(text)):
        if isinstance(node, ast.Import):
            names |= {strip_package(alias.name, package).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level <= 1:
            module = node.module or ""
            if (not module and node.level) or (module == package and not node.level):
                names |= {alias.name for alias in node.names}
            else:
                names.add(strip_package(module, package).partition(".")[0])
    return names


def strip_package(dotted: str, package: str) -> str:
    """Returns a dotted name as seen from inside `package`."""
    return dotted.removeprefix(package + ".") if package else dotted


def _parse_or_empty(text: str) -> ast.Module:
    try:
        return trees.parse(text, "")
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def dotted_name(relative: str) -> str:
    """Returns the dotted name of a module by its path within a problem."""
    return ".".join(PurePosixPath(relative).with_suffix("").parts)
