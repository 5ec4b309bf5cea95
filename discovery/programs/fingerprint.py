"""The fingerprint of a program: equal for programs that differ only in how they are written down.

A Python file counts by its syntax tree without comments, formatting, docstrings, `pass` and annotations
(those in a class body stay: dataclasses read them); names are kept. A C file counts by its tokens without
comments. Any other file, and one that does not parse, counts by its words.
"""

from __future__ import annotations

import ast
import hashlib
from typing import Any

from evaluators.contract import Program
from evaluators.text import c_text, trees

_IGNORED = frozenset({"ctx", "annotation", "returns", "type_comment", "type_ignores", "kind", "simple"})
_FIELDS: dict[type, tuple[str, ...]] = {
    node: tuple(name for name in node._fields if name not in _IGNORED)
    for node in vars(ast).values()
    if isinstance(node, type) and issubclass(node, ast.AST)
}
_BLANK = "0"  # what stands for every constant in the skeleton


def fingerprint(program: Program) -> str:
    """Returns 32 hex digits that are equal for programs of equal normalised code (see the module)."""
    return _digest(program, is_skeleton=False)


def skeleton(program: Program) -> str:
    """Returns 32 hex digits that are equal for programs which differ only in their numbers (and as above)."""
    return _digest(program, is_skeleton=True)


def parse(text: str) -> ast.Module | None:
    """Returns the syntax tree of a Python text, or None where it has none."""
    try:
        return trees.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def tokens(program: Program, *, is_skeleton: bool = False) -> list[str]:
    """Returns a program's normalised code as a flat list, file by file; in a skeleton, all numbers are equal."""
    parts: list[str] = []
    for path in sorted(program.files):
        text = program.files[path]
        parts.append(path)
        if c_text.is_c(path):
            parts += ["c", *c_text.words(text, number=_BLANK if is_skeleton else None)]
        elif path.endswith(".py") and (words := _python_tokens(text, is_skeleton=is_skeleton)) is not None:
            parts += words
        else:
            parts += ["text", *text.split()]
    return parts


def _python_tokens(text: str, *, is_skeleton: bool) -> list[str] | None:
    """Returns the normalised code of a Python text, None where it has no tree, or one too deep to be gone through."""
    tree = parse(text)
    try:
        return None if tree is None else _tokens(tree, is_skeleton=is_skeleton)
    except RecursionError:
        return None


def _digest(program: Program, *, is_skeleton: bool) -> str:
    data = "\0".join([program.entry, *tokens(program, is_skeleton=is_skeleton)]).encode(
        "utf-8", "surrogatepass"
    )
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _tokens(tree: ast.Module, *, is_skeleton: bool) -> list[str]:
    """Returns the tree as a flat list: each node before its parts, lists with their lengths."""
    tokens: list[str] = []
    add = tokens.append
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
                tokens += [ast.dump(one.annotation) for one in node.body if isinstance(one, ast.AnnAssign)]
            values = node.__dict__
            for name in fields[kind]:
                push(values.get(name))
        else:
            add(str(node))
    return tokens


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
