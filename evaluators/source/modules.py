"""How a problem's module is imported, and which half of it may live beside a program.

Modules are imported from memory, under a private name, by a finder of our own: two problems with one file
name do not collide, nothing is added to `sys.path`, and a source that came over the wire runs without any
file. A module may import its siblings by plain name (`import geometry`), also inside functions; `importlib`
calls are not covered.

A process that forks programs must hold no scorer, case or secret, as a fork can read all of its parent's
memory: it imports `run_source(source)`, which is `run` with what it needs and nothing else.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import itertools
import symtable
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType

from evaluators.source.files import ProblemError, SourceFiles
from evaluators.source.imports import dotted_name, imported_names, strip_package
from evaluators.text import trees

TRUSTED_FUNCTIONS = ("cases", "follow", "score", "serve", "aggregate", "held_out", "vary", "exact")
_PREFIX = "_code_discovery_problem_"


def import_source(source: SourceFiles) -> ModuleType:
    """Returns the problem's module, executed under a private name; what it raises passes through.

    Needs no file: `source.files` is all there is, so a source that came over the wire runs too.
    """
    finder = _finder()
    package = f"{_PREFIX}{next(_COUNTER)}_{source.version or 'x'}"
    finder.sources[package] = source
    name = f"{package}.{dotted_name(source.module)}"
    try:
        return importlib.import_module(name)
    except BaseException:
        for loaded in [m for m in sys.modules if m == package or m.startswith(package + ".")]:
            del sys.modules[loaded]
        del finder.sources[package]
        raise


_COUNTER = itertools.count()


@dataclass(slots=True)
class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules of problems from memory, each problem as a private package."""

    sources: dict[str, SourceFiles] = field(default_factory=dict)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, inner = fullname.partition(".")
        source = self.sources.get(package)
        if source is None:
            return None
        relative, is_package = _find_module(source.files, inner)
        if relative is None:
            return None
        origin = (
            str(Path(source.folder, relative)) if source.folder else f"<problem {source.name}>/{relative}"
        )
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=origin, is_package=is_package)
        spec.loader_state = relative
        spec.has_location = True
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is None or spec.origin is None:
            raise ImportError(f"no spec for {module.__name__}")
        package = module.__name__.partition(".")[0]
        source = self.sources[package]
        text = source.files.get(str(spec.loader_state), "")
        exec(_compile(text, spec.origin, package, source), module.__dict__)

    def get_source(self, fullname: str) -> str | None:
        """Returns a module's text (for tracebacks and `inspect`)."""
        package, _, inner = fullname.partition(".")
        relative, _ = _find_module(self.sources[package].files, inner)
        return self.sources[package].files.get(relative or "")


def _finder() -> _Finder:
    for finder in sys.meta_path:
        if isinstance(finder, _Finder):
            return finder
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    return finder


def _find_module(files: Mapping[str, str], inner: str) -> tuple[str | None, bool]:
    """Returns the path of a module of a private package (None: not there), and whether it is a package."""
    path = inner.replace(".", "/")
    if not path:
        return "", True
    if f"{path}.py" in files:
        return f"{path}.py", False
    if f"{path}/__init__.py" in files:
        return f"{path}/__init__.py", True
    if any(file.startswith(path + "/") for file in files):
        return "", True
    return None, False


def _compile(text: str, origin: str, package: str, source: SourceFiles) -> CodeType:
    siblings = {dotted_name(path).partition(".")[0] for path in source.files if path.endswith(".py")}
    tree = _SiblingImports(package, siblings, source.package).visit(trees.parse(text, origin))
    return compile(ast.fix_missing_locations(tree), origin, "exec", dont_inherit=True)


class _SiblingImports(ast.NodeTransformer):
    """Turns imports of siblings by plain name into imports from the private package."""

    def __init__(self, private: str, siblings: set[str], package: str) -> None:
        self.private, self.siblings, self.package = private, siblings, package

    def _private_name(self, dotted: str) -> str | None:
        stripped = strip_package(dotted, self.package)
        return f"{self.private}.{stripped}" if stripped.partition(".")[0] in self.siblings else None

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        statements: list[ast.stmt] = []
        for alias in node.names:
            private = self._private_name(alias.name)
            if private is None:
                statements.append(ast.Import([alias]))
            elif alias.asname:
                statements.append(ast.Import([ast.alias(private, alias.asname)]))
            else:
                top = strip_package(alias.name, self.package).partition(".")[0]
                if "." in strip_package(alias.name, self.package):
                    statements.append(ast.Import([ast.alias(private, "_")]))
                statements.append(ast.ImportFrom(self.private, [ast.alias(top)], 0))
        return [ast.copy_location(statement, node) for statement in statements]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module:
            if self.package and node.module == self.package:
                if all(alias.name in self.siblings for alias in node.names):
                    node.module = self.private
            elif private := self._private_name(node.module):
                node.module = private
        return node


def run_source(source: SourceFiles) -> SourceFiles:
    """Returns what a process that forks programs may import: `run` and what it needs, nothing of the scorer.

    Raises:
        ProblemError: `run` uses a trusted function.
    """
    files = {source.module: run_half(source.files[source.module], file=source.path)}
    siblings = {dotted_name(path).partition(".")[0] for path in source.files if path.endswith(".py")}
    queue = [source.module]
    while queue:
        for name in imported_names(files[queue.pop()], source.package) & siblings:
            for path, text in source.files.items():
                if path not in files and (path == f"{name}.py" or path.startswith(f"{name}/")):
                    files[path] = text
                    queue += [path] if path.endswith(".py") else []
    return SourceFiles(source.name, source.module, files, source.folder, source.package, source.version)


def run_half(text: str, *, file: str = "") -> str:
    """Returns a module's text with only `run` and the top-level statements that it needs, line numbers kept.

    A statement is needed if it binds a name that a needed statement mentions, or if it does something (a
    loop, a call) with a needed name. The trusted functions (`TRUSTED_FUNCTIONS`) are never kept.

    Raises:
        ProblemError: `run` needs a trusted function.
        SyntaxError: the text is no Python.
    """
    tree = trees.parse(text, file)
    uses = [(statement, *_names(statement)) for statement in tree.body]
    needed: set[str] = {"run"}
    kept: set[int] = set()
    count = -1
    while count < len(kept):
        count = len(kept)
        for index, (statement, bound, mentioned) in enumerate(uses):
            if index in kept or not _is_needed(statement, bound, mentioned, needed):
                continue
            if trusted := bound & set(TRUSTED_FUNCTIONS):
                raise ProblemError(
                    f"run() uses the trusted function {min(trusted)}(), which never enters the sandbox",
                    remedy="move the shared part into a function of its own",
                    file=file,
                    line=statement.lineno,
                )
            kept.add(index)
            needed |= mentioned | bound
    keep = [statement for index, statement in enumerate(tree.body) if index in kept]
    drop = [statement for index, statement in enumerate(tree.body) if index not in kept]
    kept_lines = {line for statement in keep for line in _lines(statement)}
    if kept_lines & {line for statement in drop for line in _lines(statement)}:
        return ast.unparse(ast.Module(keep, []))  # two statements on one line: line numbers are lost
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line if n in kept_lines else "" for n, line in enumerate(lines, 1)).rstrip("\n") + "\n"


def _is_needed(statement: ast.stmt, bound: set[str], mentioned: set[str], needed: set[str]) -> bool:
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return True
    if isinstance(statement, _ONLY_BIND) or (isinstance(statement, (ast.Assign, ast.AnnAssign)) and bound):
        return bool(bound & needed)
    return bool((bound | mentioned) & needed)  # it may change what it mentions


_ONLY_BIND = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """Returns the module's names that a top-level statement binds, and those that it mentions."""
    table = symtable.symtable(ast.unparse(statement), "", "exec")
    bound = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    mentioned = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    inner = list(table.get_children())
    while inner:
        table = inner.pop()
        inner += table.get_children()
        mentioned |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return bound, mentioned


def _lines(statement: ast.stmt) -> range:
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (statement.end_lineno or first) + 1)
