"""What can be told of a program's fate without running it, so that no evaluation is spent on it.

The checks say only what is certain or nearly so: frozen text that was changed, text that fails the smoke check of its
language where the first program's passes (C, C++, CUDA, Rust: brackets pair), and in Python text that does not compile, names that
the problem needs and that are gone, modules that do not exist here, and names that nothing defines. A program that
passes may still fail; to know more it must run, and that is an evaluation: its first case ends a program that fails.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import symtable
import sys
import warnings
from collections.abc import Iterable, Iterator

from discovery.programs.languages import language
from discovery.programs.languages.python import PYTHON
from evaluators.contract import Program
from evaluators.text import trees
from evaluators.text.blocks import check_frozen

MAX_LISTED = 4
_ALWAYS_THERE = frozenset(dir(builtins)) | {
    "__file__",
    "__path__",
    "__builtins__",
    "__spec__",
    "__loader__",
    "__class__",
}


def static_fault(seed: Program, child: Program) -> str | None:
    """Returns in one line why `child` cannot succeed, or None where that cannot be told.

    Args:
        seed: the problem's first program, with the frozen text and the names that are needed.
        child: the program.
    """
    if (fault := check_frozen(seed, child)) is not None:
        return fault
    for path in sorted(child.files):
        if (fault := _file_fault(seed, child, path)) is not None:
            return f"{path}: {fault}" if len(child.files) > 1 else fault
    gone = (
        sorted(_callables(seed.text) - set(_defined(child.text)))
        if language.of(child.entry) is PYTHON
        else []
    )
    if gone:
        return f"it no longer defines {_listed(gone)}, which the first program offers"
    return None


def _file_fault(seed: Program, program: Program, path: str) -> str | None:
    text, known = program.files[path], language.of(path)
    if known is not PYTHON:
        is_sound = known.fault(seed.files.get(path, "")) is None
        return known.fault(text) if is_sound else None
    try:
        tree = trees.parse(text, path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(tree, path, "exec", dont_inherit=True)
            table = symtable.symtable(text, path, "exec")
    except SyntaxError as error:
        return f"it does not compile: line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it does not compile: {error}"
    if missing := sorted(_missing_modules(tree, program)):
        return f"it imports {_listed(missing)}, which is not installed here"
    if unknown := _unknown_names(tree, table):
        return f"it uses {_listed(unknown)}, which nothing defines"
    return None


def _missing_modules(tree: ast.Module, program: Program) -> Iterator[str]:
    own = {path.split("/")[0].removesuffix(".py") for path in program.files}
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in guarded:  # whoever catches what an import raises has thought of it
            continue
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            top = name.split(".")[0]
            if (
                top not in own
                and top not in sys.stdlib_module_names
                and importlib.util.find_spec(top) is None
            ):
                yield f"`{top}`"


def _unknown_names(tree: ast.Module, table: symtable.SymbolTable) -> list[str]:
    """Returns names that are read as globals and bound nowhere, in order; none where that is past telling."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return []
        if isinstance(node, ast.Name) and node.id in ("exec", "eval", "globals", "vars", "setattr"):
            return []
    bound = set(_ALWAYS_THERE)
    read: dict[str, None] = {}
    tables = [table]
    while tables:
        at = tables.pop()
        tables += at.get_children()
        for symbol in at.get_symbols():
            is_module = at.get_type() == "module"
            if symbol.is_global() or is_module:
                if (
                    symbol.is_assigned()
                    or symbol.is_imported()
                    or symbol.is_namespace()
                    or symbol.is_parameter()
                ):
                    bound.add(symbol.get_name())
                if symbol.is_referenced():
                    read[symbol.get_name()] = None
    return [f"`{name}`" for name in sorted(read) if name not in bound]


def _callables(text: str) -> set[str]:
    """Returns the functions and classes that a text offers at the top."""
    try:
        tree = trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in tree.body if isinstance(node, kinds)}
    if len(names) > 1:  # only what nothing else in the text uses is there for the problem
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names -= used
    return {name for name in names if not name.startswith("_")}


def _defined(text: str) -> Iterator[str]:
    for node in ast.walk(trees.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def _listed(names: Iterable[str]) -> str:
    found = [name if name.startswith("`") else f"`{name}`" for name in names]
    return ", ".join(found[:MAX_LISTED]) + (" and more" if len(found) > MAX_LISTED else "")
