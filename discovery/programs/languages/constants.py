"""The numeric constants of a program that mathematics may tune, and how to replace them.

What counts as tunable:

- a float anywhere in the evolvable blocks, but not where it only guards or starts something: a 0 or 1 among
  the arguments of `min`, `max` and `clip`, a local variable's first 0.0, and sizes outside [1e-6, 1e6]
  (a slack, a tolerance, a stand-in for infinity), whose tuning changes nothing or everything;
- an int of at least 3 in size where it is a quantity: assigned to a name, a default or keyword argument, an
  operand of + - * / //, a side of < <= > >=, an element of a list or of an assigned tuple. Not where it is
  structure: 0, 1, -1 and 2, subscripts and slices, `range()` and other calls' positional arguments,
  exponents, shifts, masks, moduli, hexadecimal patterns, dictionary keys, keywords such as `axis`, `seed`;
- an int between the floats of a list, or of a column of a table, which then is a float itself;
- nothing inside f-strings, annotations, decorators and match patterns.

A minus sign belongs to its number. The numbers of one list, and of each column of a table, are of one kind,
so they share the scale of the largest of them: a coordinate of 0.02 moves as far as its neighbour of 0.9.

In C files other things count; see c_constants.py.
"""

from __future__ import annotations

import ast
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from discovery.programs.fingerprint import parse
from discovery.programs.languages import c_constants
from evaluators.contract import Program
from evaluators.text import c_text
from evaluators.text.blocks import BlockError, Span, editable

SMALLEST_FLOAT, LARGEST_FLOAT = 1e-6, 1e6
SMALLEST_INT, LARGEST_INT = 3, 2**53
DIGITS = 3  # decimal places that are written below the size of a step
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


class ConstantError(ValueError):
    """Values do not fit the constants of a program; the message says how."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One tunable number of a program.

    Attributes:
        path: its file; line: counted from 1; col, end_col: its characters [col, end_col), minus included.
        value: what stands there; is_int: whether it must stay an int.
        scale: > 0, the size of a step of order 1 (the magnitude of the numbers of its kind).
    """

    path: str
    line: int
    col: int
    end_col: int
    value: float
    is_int: bool
    scale: float


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a value goes: what must stand before and after it to keep the text's meaning."""

    value: float
    token: str
    is_int: bool
    is_guarded: bool  # a minus in front would bind differently: wrap it
    before: str
    after: str
    least: float = -math.inf


_Piece: TypeAlias = tuple[str, tuple[str, ...], tuple[_Slot, ...]]
"""A file, the texts between its constants, and where these go."""


@dataclass(frozen=True, slots=True)
class Template:
    """A program taken apart at its constants, so that children with other values cost microseconds.

    Attributes:
        program: the program; constants: its constants, in order of path, line and column.
    """

    program: Program
    constants: tuple[Constant, ...]
    _pieces: tuple[_Piece, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """Returns the values that stand in the program."""
        return tuple(constant.value for constant in self.constants)

    @property
    def scales(self) -> tuple[float, ...]:
        """Returns the constants' scales."""
        return tuple(constant.scale for constant in self.constants)

    def fill(self, values: Sequence[float]) -> Program:
        """Returns the program with `values` in place of its constants; all other characters stay.

        Args:
            values: finite, one per constant, in the order of `constants`. Ints are rounded.

        Raises:
            ConstantError: the number of values is wrong, or one is not finite.
        """
        if len(values) != len(self.constants):
            raise ConstantError(f"values must be {len(self.constants)} numbers, got {len(values)}")
        files = dict(self.program.files)
        start = 0
        for path, texts, slots in self._pieces:
            parts = [texts[0]]
            for slot, value, text in zip(slots, values[start:], texts[1:], strict=False):
                parts.append(slot.token if value == slot.value else _write(slot, value))
                parts.append(text)
            files[path] = "".join(parts)
            start += len(slots)
        return Program(files, self.program.entry)


def template(program: Program) -> Template:
    """Returns the program's template; that of a recent program costs nothing."""
    return _cached_template(tuple(program.files.items()), program.entry)


def find(program: Program) -> tuple[Constant, ...]:
    """Returns the tunable constants in the program's evolvable blocks (see the module), in reading order."""
    return template(program).constants


def replace(program: Program, values: Sequence[float]) -> Program:
    """Returns the program with other values in place of its constants, see `Template.fill`.

    Raises:
        ConstantError: the number of values is wrong, or one is not finite.
    """
    return template(program).fill(values)


def shorten(value: float, width: float) -> float:
    """Returns `value` to `DIGITS` decimal places below the size of `width`: programs stay readable."""
    return round(value, DIGITS - math.floor(math.log10(width))) if 0 < width < math.inf else value


def _write(slot: _Slot, value: float) -> str:
    value = float(value)
    if not math.isfinite(value):
        raise ConstantError(f"values must be finite, got {value}")
    value = max(value, slot.least)
    text = str(round(min(max(value, -LARGEST_INT), LARGEST_INT))) if slot.is_int else repr(value)
    if slot.is_guarded and text[0] == "-":
        return f"({text})"
    return f"{slot.before}{text}{slot.after}"


@lru_cache(maxsize=256)
def _cached_template(files: tuple[tuple[str, str], ...], entry: str) -> Template:
    program = Program(dict(files), entry)
    try:
        spans = editable(program)
    except BlockError:
        spans = {}
    constants: list[Constant] = []
    pieces: list[_Piece] = []
    for path in sorted(spans):
        text = program.files[path]
        if c_text.is_c(path):
            pieces += _c_piece(path, text, spans[path], constants)
            continue
        if not path.endswith(".py") or (tree := parse(text)) is None:
            continue
        starts = _line_starts(text)
        texts, slots, last = [], [], 0
        for found in _candidates(tree, text):
            start = starts[found.line - 1] + found.col
            end = starts[found.line - 1] + found.end_col
            if not any(span.start <= start and end <= span.end for span in spans[path]):
                continue
            if found.is_int and not text[start:end].lstrip("- ").replace("_", "").isdigit():
                continue  # 0xFF is a pattern
            constants.append(
                Constant(path, found.line, found.col, found.end_col, found.value, found.is_int, found.scale)
            )
            texts.append(text[last:start])
            slots.append(_slot(found, text, start, end))
            last = end
        if slots:
            pieces.append((path, (*texts, text[last:]), tuple(slots)))
    return Template(program, tuple(constants), tuple(pieces))


def _c_piece(path: str, text: str, spans: Sequence[Span], constants: list[Constant]) -> Iterator[_Piece]:
    """Yields the piece of a C file if it has constants, and adds these to `constants`."""
    texts, slots, last = [], [], 0
    for number in c_constants.find(text):
        if not any(span.start <= number.start and number.end <= span.end for span in spans):
            continue
        line_start = text.rfind("\n", 0, number.start) + 1
        line = text.count("\n", 0, number.start) + 1
        col, end_col = number.start - line_start, number.end - line_start
        constants.append(Constant(path, line, col, end_col, number.value, number.is_int, number.scale))
        texts.append(text[last : number.start])
        before = text[number.start - 1 : number.start]
        slots.append(
            _Slot(
                value=number.value,
                token=text[number.start : number.end],
                is_int=number.is_int,
                is_guarded=False,
                before=" " if before in ("-", "+") else "",
                after=number.suffix,
                least=1 if number.is_int else -math.inf,
            )
        )
        last = number.end
    if slots:
        yield path, (*texts, text[last:]), tuple(slots)


@dataclass(frozen=True, slots=True)
class _Found:
    """A tunable number by its place in a file; columns count characters."""

    line: int
    col: int
    end_col: int
    value: float
    is_int: bool
    scale: float
    is_guarded: bool


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


def _candidates(tree: ast.Module, text: str) -> list[_Found]:
    lines = None if text.isascii() else _lines(text)
    kinds: dict[int, _Kind] = {}
    found = []
    stack: list[tuple[ast.AST, _Place]] = [(tree, _Place(tree, ""))]
    while stack:
        node, place = stack.pop()
        if (value := _number(node)) is not None:
            assert isinstance(node, ast.expr)
            if (
                choice := _judge(value, place, kinds.get(id(node)))
            ) is not None and node.end_lineno == node.lineno:
                is_int, scale = choice
                col, end_col = node.col_offset, node.end_col_offset or 0
                if lines is not None:
                    line = lines[node.lineno - 1].encode()
                    col, end_col = len(line[:col].decode()), len(line[:end_col].decode())
                found.append(_Found(node.lineno, col, end_col, value, is_int, scale, _binds_tightly(place)))
            continue
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            _note_kinds(node, place, kinds)
        stack += _children(node, place)
    return sorted(found, key=lambda one: (one.line, one.col))


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
    if isinstance(place.parent, ast.Call) and _name(place.parent.func) in ("min", "max", "clip"):
        return size in (0, 1)
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


def _slot(found: _Found, text: str, start: int, end: int) -> _Slot:
    before, after = text[start - 1 : start], text[end : end + 1]
    return _Slot(
        value=found.value,
        token=text[start:end],
        is_int=found.is_int,
        is_guarded=found.is_guarded,
        before=" " if before.isalnum() or before == "_" else "",
        after=" " if after.isalnum() or after == "_" else "",
    )


def _line_starts(text: str) -> list[int]:
    starts = [0]
    for line in _lines(text):
        starts.append(starts[-1] + len(line))
    return starts


def _lines(text: str) -> list[str]:
    """Returns the lines with their ends as Python counts them (form feeds end none)."""
    return io.StringIO(text, newline="").readlines()
