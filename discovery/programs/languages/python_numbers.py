"""The numbers of a Python text that mathematics may tune.

- a float anywhere, but not where it only guards or starts something: a 0 or 1 among
  the arguments of `min`, `max` and `clip`, a local variable's first 0.0, and sizes outside [1e-6, 1e6]
  (a slack, a tolerance, a stand-in for infinity), whose tuning changes nothing or everything; nor the 1 of
  `1.0 - p` (the rest of a probability) and of `count += 1.0`, which hold a formula together;
- an int of at least 3 in size where it is a quantity: assigned to a name, a default or keyword argument, an
  operand of + - * / //, a side of < <= > >=, an element of a list or of an assigned tuple. Not where it is
  structure: 0, 1, -1 and 2, subscripts and slices, `range()` and other calls' positional arguments,
  exponents, shifts, masks, moduli, hexadecimal patterns, dictionary keys, keywords such as `axis`, `seed`;
- an int between the floats of a list, or of a column of a table, which then is a float itself;
- nothing inside f-strings, annotations, decorators and match patterns.

A minus sign belongs to its number. The numbers of one list, and of each column of a table, are of one kind,
so they share the scale of the largest of them: a coordinate of 0.02 moves as far as its neighbour of 0.9.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from discovery.programs.languages.language import Number

SMALLEST_FLOAT, LARGEST_FLOAT = 1e-6, 1e6
SMALLEST_INT, LARGEST_INT = 3, 2**53
SMALLEST_INT_SCALE = 5.0  # so that the first steps of a small int do not all round back to it
_STRUCTURAL_KEYWORDS = frozenset(
    {
        "axis",
        "base",
        "digits",
        "dtype",
        "indent",
        "maxlen",
        "ndigits",
        "ndim",
        "random_state",
        "seed",
        "shape",
        "size",
    }
)
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the numbers of one list or column have in common."""

    scale: float
    is_float: bool
    has_ints: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands."""

    parent: ast.AST
    field: str
    is_index: bool = False  # below a subscript, a range() or bit arithmetic
    is_local: bool = False  # in a function's body


def find(tree: ast.Module, text: str) -> list[Number]:
    """Returns the tunable numbers of a text with this tree, in reading order."""
    starts, lines = line_starts(text), None if text.isascii() else _lines(text)
    kinds: dict[int, _Kind] = {}
    found = []
    stack: list[tuple[ast.AST, _Place]] = [(tree, _Place(tree, ""))]
    while stack:
        node, place = stack.pop()
        if (value := _number(node)) is not None:
            assert isinstance(node, ast.expr)
            choice = _judge(value, place, kinds.get(id(node)))
            if choice is not None and node.end_lineno == node.lineno:
                col, end_col = node.col_offset, node.end_col_offset or 0
                if lines is not None:
                    line = lines[node.lineno - 1].encode("utf-8", "surrogatepass")
                    col, end_col = (len(line[:at].decode("utf-8", "surrogatepass")) for at in (col, end_col))
                start = starts[node.lineno - 1]
                found.append(_slot(text, start + col, start + end_col, value, choice, _binds_tightly(place)))
            continue
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            _note_kinds(node, place, kinds)
        stack += _children(node, place)
    decimal = (one for one in found if not one.is_int or _is_decimal(text[one.start : one.end]))
    return sorted(decimal, key=lambda one: one.start)


def line_starts(text: str) -> list[int]:
    """Returns where each line begins, and the end of the text."""
    starts = [0]
    for line in _lines(text):
        starts.append(starts[-1] + len(line))
    return starts


def _is_decimal(token: str) -> bool:
    return token.lstrip("- ").replace("_", "").isdigit()  # 0xFF is a pattern


def _number(node: ast.AST) -> float | None:
    """Returns the value of a plain number, a minus in front included; an int stays an int."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand) if isinstance(node.operand, ast.Constant) else None
        return None if inner is None else -inner
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    value = node.value
    assert isinstance(value, int | float)
    return value if abs(value) <= LARGEST_INT else None


def _children(node: ast.AST, place: _Place) -> Iterator[tuple[ast.AST, _Place]]:
    if isinstance(node, ast.JoinedStr | ast.pattern):
        return
    is_local = place.is_local or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or (
            field == "keys" and isinstance(node, ast.Dict)
        ):
            continue
        is_index = place.is_index or _opens_index(node, field)
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, ast.AST):
                yield child, _Place(node, field, is_index, is_local)


def _opens_index(node: ast.AST, field: str) -> bool:
    if isinstance(node, ast.Subscript):
        return field == "slice"
    if isinstance(node, ast.BinOp):
        return not isinstance(node.op, _ARITHMETIC) and not isinstance(node.op, ast.Pow)
    return isinstance(node, ast.Call) and field == "args" and _name(node.func) == "range"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _judge(value: float, place: _Place, kind: _Kind | None) -> tuple[bool, float] | None:
    """Returns (is_int, scale) of a number that may be tuned, None for the others."""
    size, is_float = abs(value), not isinstance(value, int)
    if is_float or (kind is not None and kind.is_float):
        if size and not SMALLEST_FLOAT <= size <= LARGEST_FLOAT:
            return None
        if kind is None and _only_guards(size, place):
            return None
        return False, kind.scale if kind is not None else (size or 1.0)
    if size < SMALLEST_INT or place.is_index:
        return None
    if kind.has_ints if kind is not None else _is_quantity(place):
        return True, max(kind.scale if kind is not None else size, SMALLEST_INT_SCALE)
    return None


def _only_guards(size: float, place: _Place) -> bool:
    parent = place.parent
    if isinstance(parent, ast.Call) and _name(parent.func) in ("min", "max", "clip"):
        return size in (0, 1)
    if isinstance(parent, ast.AugAssign) and isinstance(parent.op, ast.Add | ast.Sub):
        return size in (0, 1)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub):
        return size == 0 or (size == 1 and isinstance(parent.op, ast.Sub) and place.field == "left")
    is_assigned = isinstance(place.parent, ast.Assign | ast.AnnAssign)
    return size == 0 and is_assigned and place.is_local


def _is_quantity(place: _Place) -> bool:
    parent = place.parent
    if isinstance(parent, ast.keyword):
        return parent.arg not in _STRUCTURAL_KEYWORDS
    if isinstance(parent, ast.BinOp):
        return isinstance(parent.op, _ARITHMETIC)
    if isinstance(parent, ast.Compare):
        return all(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in parent.ops)
    return isinstance(
        parent,
        ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return | ast.IfExp | ast.Lambda | ast.arguments,
    )


def _note_kinds(
    display: ast.List | ast.Tuple | ast.Set | ast.Dict, place: _Place, kinds: dict[int, _Kind]
) -> None:
    """Notes what the numbers directly in a list, or in the columns of a list of rows, have in common."""
    elements: Sequence[ast.expr] = display.values if isinstance(display, ast.Dict) else display.elts
    rows = [element.elts for element in elements if isinstance(element, ast.List | ast.Tuple)]
    if len(rows) >= 2 and len(rows) == len(elements) and len({len(row) for row in rows}) == 1:
        for column in zip(*rows, strict=True):
            _note_kind(column, kinds, mixes=True, has_ints=True)
        return
    if any(id(element) in kinds for element in elements):
        return  # a row of a table that was noted as a whole
    is_argument = isinstance(place.parent, ast.Call | ast.keyword)
    _note_kind(
        elements,
        kinds,
        mixes=isinstance(display, ast.List),
        has_ints=not (isinstance(display, ast.Tuple) and is_argument),
    )


def _note_kind(nodes: Sequence[ast.expr], kinds: dict[int, _Kind], *, mixes: bool, has_ints: bool) -> None:
    numbers = {id(node): value for node in nodes if (value := _number(node)) is not None}
    if not numbers:
        return
    is_float = (
        mixes and len(numbers) == len(nodes) and any(isinstance(one, float) for one in numbers.values())
    )
    largest = max((abs(one) for one in numbers.values() if abs(one) <= LARGEST_FLOAT), default=0)
    kinds |= dict.fromkeys(numbers, _Kind(float(largest) or 1.0, is_float, has_ints))


def _binds_tightly(place: _Place) -> bool:
    if isinstance(place.parent, ast.BinOp):
        return isinstance(place.parent.op, ast.Pow) and place.field == "left"
    return isinstance(place.parent, ast.Attribute)


def _slot(
    text: str, start: int, end: int, value: float, choice: tuple[bool, float], is_guarded: bool
) -> Number:
    before, after = text[start - 1 : start], text[end : end + 1]
    return Number(
        start,
        end,
        value,
        *choice,
        before=" " if before.isalnum() or before == "_" else "",
        after=" " if after.isalnum() or after == "_" else "",
        is_guarded=is_guarded,
    )


def _lines(text: str) -> list[str]:
    """Returns the lines with their ends as Python counts them (form feeds end none)."""
    return io.StringIO(text, newline="").readlines()
