"""Python programs as trees over their text: find pieces in the evolvable blocks, replace their characters.

An edit changes source segments and nothing else, so diffs and blame stay readable and frozen text as it is.
"""

from __future__ import annotations

import ast
import builtins
import io
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from evaluators.contract import Program
from evaluators.text import trees
from evaluators.text.blocks import BlockError, Span, editable

MAX_DEPTH = 200  # of a tree that is taken apart here; programs are not written that deep
_BUILTINS = frozenset(dir(builtins))
_ATOMS = (
    ast.Name,
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.List,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.DictComp,
    ast.SetComp,
)
_BINDING = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Attribute,
    ast.Subscript,
    ast.Starred,
    ast.Await,
    ast.comprehension,
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A node of a file and where it hangs.

    Attributes:
        node: the node; parent: what it hangs on; field: the name of the parent's field.
        functions: the functions around it, outermost first.
    """

    node: ast.AST
    parent: ast.AST
    field: str
    functions: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]


class Source:
    """One Python file of a program: text, tree and what of it may change."""

    def __init__(self, path: str, text: str, tree: ast.Module, spans: Sequence[Span]) -> None:
        """Takes the file apart; `spans` are its editable stretches."""
        self.path, self.text, self.tree, self.spans = path, text, tree, tuple(spans)
        self._lines = io.StringIO(text, newline="").readlines()
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self.spots = tuple(self._walk())

    @cached_property
    def unbound(self) -> frozenset[str]:
        """Returns the names that the file reads and binds nowhere."""
        return frozenset(names_unbound(self.tree))

    def start(self, node: ast.AST) -> int:
        """Returns where a statement or expression begins, decorators included."""
        decorators: list[ast.expr] = getattr(node, "decorator_list", [])
        if decorators:
            return self.text.rindex("@", 0, self.start(decorators[0]))
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def end(self, node: ast.AST) -> int:
        """Returns where a statement or expression ends."""
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def segment(self, node: ast.AST) -> str:
        """Returns the text of a statement or expression."""
        return self.text[self.start(node) : self.end(node)]

    def is_editable(self, start: int, end: int) -> bool:
        """Returns whether the characters [start, end) all stand in one editable stretch."""
        return any(span.start <= start and end <= span.end for span in self.spans)

    def line_of(self, offset: int) -> tuple[int, int]:
        """Returns where the line of a character begins and ends, its line end included."""
        start = max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1
        number = self._starts.index(start)
        return start, self._starts[number + 1]

    def _offset(self, line: int, column: int) -> int:
        text = self._lines[line - 1]
        return self._starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))

    def _walk(self) -> Iterator[Spot]:
        stack: list[tuple[ast.AST, tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...], int]] = [
            (self.tree, (), 0)
        ]
        while stack:
            node, functions, depth = stack.pop()
            if isinstance(node, ast.JoinedStr | ast.pattern) or depth > MAX_DEPTH:
                continue
            inner = (
                (*functions, node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else functions
            )
            for field, value in ast.iter_fields(node):
                if field in ("annotation", "returns", "ctx", "type_comment"):
                    continue
                for child in value if isinstance(value, list) else (value,):
                    if not isinstance(child, ast.AST):
                        continue
                    stack.append((child, inner, depth + 1))
                    is_piece = isinstance(child, ast.stmt) or (
                        isinstance(child, ast.expr) and _is_value(child)
                    )
                    if is_piece and self.is_editable(self.start(child), self.end(child)):
                        yield Spot(child, node, field, inner)


def parse(text: str) -> ast.Module | None:
    """Returns the syntax tree of a Python text, or None where it has none."""
    try:
        return trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def sources(program: Program) -> tuple[Source, ...]:
    """Returns the program's Python files that parse and may change, by path."""
    return _cached_sources(tuple(program.files.items()), program.entry)


@lru_cache(maxsize=64)
def _cached_sources(files: tuple[tuple[str, str], ...], entry: str) -> tuple[Source, ...]:
    program = Program(dict(files), entry)
    try:
        spans = editable(program)
    except BlockError:
        return ()
    found = []
    for path in sorted(spans):
        if path.endswith(".py") and (tree := parse(program.files[path])) is not None:
            found.append(Source(path, program.files[path], tree, spans[path]))
    return tuple(found)


def indented(source: Source, node: ast.AST, shift: int, *, end: int | None = None) -> str | None:
    """Returns the text from a statement to `end` (its own end by default), `shift` characters further right.

    The first line is left as it is. None where a string of several lines would change with it.
    """
    start, end = source.start(node), source.end(node) if end is None else end
    text = source.text[start:end]
    if shift == 0 or len(text.splitlines()) == 1:
        return text
    if '"""' in text or "'''" in text or "\\\n" in text:
        return None
    first, *lines = text.splitlines(keepends=True)
    if shift > 0:
        return first + "".join(line if line.isspace() else " " * shift + line for line in lines)
    return first + "".join(line[-shift:] if line[:-shift].isspace() else line.lstrip(" \t") for line in lines)


def wrap(text: str, node: ast.expr, spot: Spot) -> str:
    """Returns an expression's text as it may stand at `spot`: in brackets, unless it needs none there."""
    if isinstance(node, ast.Constant):
        needs_brackets = isinstance(spot.parent, ast.Attribute)
    elif isinstance(node, ast.Tuple | ast.GeneratorExp):
        needs_brackets = not text.startswith("(")
    elif isinstance(node, _ATOMS):
        needs_brackets = False
    else:
        is_loose = isinstance(node, ast.NamedExpr | ast.Yield | ast.YieldFrom) or "\n" in text
        needs_brackets = is_loose or isinstance(spot.parent, _BINDING) or spot.field in ("func", "iter")
    return f"({text})" if needs_brackets else text


def names_read(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns the names that the nodes read, without those they bind themselves."""
    read: set[str] = set()
    bound: set[str] = set()
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                read.add(node.id)
            bound |= _binds(node)
    return read - bound


def names_bound(nodes: Iterable[ast.AST]) -> set[str]:
    """Returns the names that the nodes bind in the scope they stand in."""
    bound: set[str] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        bound |= _binds(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            stack += ast.iter_child_nodes(node)
    return bound


def names_unbound(tree: ast.Module) -> set[str]:
    """Returns the names that a file reads and binds nowhere."""
    return names_read([tree]) - _BUILTINS


def names_visible(source: Source, functions: Sequence[ast.FunctionDef | ast.AsyncFunctionDef]) -> set[str]:
    """Returns the names that code inside these functions can read: builtins, the module's and theirs."""
    visible = set(_BUILTINS) | names_bound(source.tree.body)
    for function in functions:
        arguments = function.args
        every = [
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ]
        visible |= {one.arg for one in every if one is not None} | names_bound(function.body)
    return visible


def _binds(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.ExceptHandler):
        return {node.name} if node.name else set()
    if isinstance(node, ast.arg):
        return {node.arg}
    return set()


def _is_value(node: ast.expr) -> bool:
    """Returns whether an expression has a value of its own (and so could stand elsewhere)."""
    is_target = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    return not is_target and not isinstance(node, ast.Slice | ast.Starred | ast.FormattedValue)


def compile_fault(text: str) -> str | None:
    """Returns in one line why a Python text does not compile, or is certain to fail when it is run, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # 0.5(x) or 3[i]: certain to fail when it is run
            warnings.filterwarnings("error", ".*perhaps you missed a comma", SyntaxWarning)
            compile(text, "<program>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"it does not compile: line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"it does not compile: {error}"
    return None
