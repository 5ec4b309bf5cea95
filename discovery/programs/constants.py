"""The numeric constants of a program that mathematics may tune, and how to replace them.

Which numbers these are is the language's to say: `python_numbers.py`, `statement_numbers.py`. Only those in the evolvable
blocks count.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from discovery.programs.languages import language
from discovery.programs.languages.language import Number
from discovery.programs.languages.python_numbers import LARGEST_INT, line_starts
from evaluators.contract import Program
from evaluators.text.blocks import BlockError, editable

DIGITS = 3  # decimal places that are written below the size of a step


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


_Piece: TypeAlias = tuple[str, tuple[str, ...], tuple[Number, ...]]
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
                same = value == slot.value
                parts.append(self.program.files[path][slot.start : slot.end] if same else _write(slot, value))
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


def _write(number: Number, value: float) -> str:
    value = float(value)
    if not math.isfinite(value):
        raise ConstantError(f"values must be finite, got {value}")
    value = max(value, number.least)
    text = str(round(min(max(value, -LARGEST_INT), LARGEST_INT))) if number.is_int else repr(value)
    if number.is_guarded and text[0] == "-":
        return f"({text})"
    return f"{number.before}{text}{number.after}"


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
        text, texts, slots, last = program.files[path], [], [], 0
        starts = line_starts(text)
        for number in language.of(path).numbers(text):
            if not any(span.start <= number.start and number.end <= span.end for span in spans[path]):
                continue
            line = bisect_right(starts, number.start)
            col, end_col = number.start - starts[line - 1], number.end - starts[line - 1]
            constants.append(Constant(path, line, col, end_col, number.value, number.is_int, number.scale))
            texts.append(text[last : number.start])
            slots.append(number)
            last = number.end
        if slots:
            pieces.append((path, (*texts, text[last:]), tuple(slots)))
    return Template(program, tuple(constants), tuple(pieces))
