"""Python, by its own `ast`; see `Language`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from discovery.programs.languages import python_numbers
from discovery.programs.languages.language import Definition, Number
from discovery.programs.languages.python_syntax import compile_fault, parse
from discovery.programs.languages.statements import Source
from evaluators.text.blocks import Span

_IGNORED = frozenset({"ctx", "annotation", "returns", "type_comment", "type_ignores", "kind", "simple"})
_FIELDS: dict[type, tuple[str, ...]] = {
    node: tuple(name for name in node._fields if name not in _IGNORED)
    for node in vars(ast).values()
    if isinstance(node, type) and issubclass(node, ast.AST)
}
_BLANK = "0"  # what stands for every constant in the skeleton
_DEFINED = re.compile(r"^(?:async def|def|class) (\w+)", re.MULTILINE)


class Python:
    """A text that does not parse counts by its words, and is certain to fail."""

    name = "Python"
    endings: tuple[str, ...] = (".py",)
    fences: tuple[str, ...] = ("python", "py", "python3")
    comment = "#"

    def tokens(self, text: str, *, is_skeleton: bool = False) -> list[str]:
        """Returns the tree without comments, docstrings, `pass` and annotations; those in a class body stay."""
        tree = parse(text)
        try:
            return ["text", *text.split()] if tree is None else _tokens(tree, is_skeleton=is_skeleton)
        except RecursionError:  # a constant that lies deeper than can be written out
            return ["text", *text.split()]

    def numbers(self, text: str) -> Sequence[Number]:
        """Returns the numbers that are quantities; see `python_numbers`."""
        tree = parse(text)
        return () if tree is None else python_numbers.find(tree, text)

    def definitions(self, text: str) -> Sequence[Definition]:
        """Returns the functions, classes and names at the top; of broken text, what lines begin to define."""
        tree = parse(text)
        if tree is None:
            return [Definition(found[1], found[1], found.start()) for found in _DEFINED.finditer(text)]
        starts = python_numbers.line_starts(text)
        return [one for node in tree.body for one in _definitions(node, starts[node.lineno - 1])]

    def fault(self, text: str) -> str | None:
        """Returns why the text does not compile, or calls a number."""
        return compile_fault(text)

    def source(self, path: str, text: str, spans: Sequence[Span]) -> Source | None:
        """Returns None: the operators know Python by its own tree."""
        del path, text, spans
        return None


PYTHON = Python()


def _definitions(node: ast.stmt, start: int) -> Iterator[Definition]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        signature = f"{node.name}({ast.unparse(node.args)})"
        yield Definition(node.name, signature, start, "function", not node.name.startswith("_"))
    elif isinstance(node, ast.ClassDef):
        yield Definition(node.name, f"{node.name}(...)", start, "type", not node.name.startswith("_"))
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield Definition(target.id, target.id, start, "value", not target.id.startswith("_"))


def _tokens(tree: ast.Module, *, is_skeleton: bool) -> list[str]:
    """Returns the tree as a flat list: each node before its parts, lists with their lengths."""
    found: list[str] = []
    add = found.append
    stack: list[Any] = [tree]
    pop, push = stack.pop, stack.append
    fields = _FIELDS
    while stack:
        node = pop()
        kind = type(node)
        if kind is ast.Name:
            add(f"${node.id}")
        elif kind is ast.Constant or (kind is ast.UnaryOp and is_skeleton and _is_negative_number(node)):
            is_number = kind is ast.UnaryOp or type(node.value) in (int, float)
            add(_BLANK if is_skeleton and is_number else f"={node.value!r}")
        elif kind is list:
            parts = (
                [one for one in node if not _is_idle(one)] if node and isinstance(node[0], ast.stmt) else node
            )
            add(f"[{len(parts)}")
            stack += parts
        elif kind is ast.AnnAssign and node.value is not None:
            add("Assign")
            push([node.target])
            push(node.value)
        elif kind in fields:
            add(kind.__name__)
            if kind is ast.ClassDef:
                found += [ast.dump(one.annotation) for one in node.body if isinstance(one, ast.AnnAssign)]
            values = node.__dict__
            for name in fields[kind]:
                push(values.get(name))
        else:
            add(str(node))
    return found


def _is_idle(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _is_negative_number(node: ast.UnaryOp) -> bool:
    return (
        isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and type(node.operand.value) in (int, float)
    )
