"""The numbers of a C, C++, CUDA or Rust text that mathematics may tune.

- an int of at least 3 where it is a choice: a `#define`, an enumerator, the value of a declared variable, a number in
  a pragma (`GCC unroll 8`), an operand of + - * /, a side of < <= > >=, an argument of a call. Not where it is
  structure: array sizes and subscripts, heads of loops, shifts, masks, moduli, attributes, table entries, cases,
  hexadecimal and octal patterns. It stays positive, for it is a size more often than not.
- a float between 1e-6 and 1e6, but not 0, 0.5, 1 and 2, which belong to a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from discovery.programs.languages.language import Number
from evaluators.text import grammars
from evaluators.text.grammars import Grammar, Token

SMALLEST_INT, LARGEST_INT = 3, 2**31
SMALLEST_FLOAT, LARGEST_FLOAT = 1e-6, 1e6
_FORMULA = frozenset({0.0, 0.5, 1.0, 2.0})
_DECIMAL = re.compile(r"([1-9][0-9]*)([uUlL]*|[iu](?:8|16|32|64|128|size))")
_FLOAT = re.compile(
    r"((?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)([fFlL]?|f(?:32|64))"
)
_CHOICE = frozenset({"+", "-", "*", "/", "<", "<=", ">", ">=", "=", "(", ",", "?", ":", "return", "+=", "*="})
_STRUCTURE = frozenset({"%", "<<", ">>", "&", "|", "^", "%=", "<<=", ">>=", "&=", "|=", "^=", "case"})
_STRUCTURAL_CALLS = frozenset(
    {
        "__attribute__",
        "_Alignas",
        "align",
        "alignas",
        "aligned",
        "vector_size",
        "__builtin_assume_aligned",
        "aligned_alloc",
    }
)
_TUNED_PRAGMAS = frozenset({"unroll", "simdlen"})


def find(text: str, grammar: Grammar) -> list[Number]:
    """Returns the tunable numbers of a text, in reading order."""
    tokens = grammars.read(text, grammar).code
    brackets = _enclosing(tokens)
    found: list[Number] = []
    for index, token in enumerate(tokens):
        if token.kind == "directive":
            found += _of_directive(grammars.inside(token))
            continue
        number = _number(tokens, index) if token.kind == "number" else None
        if number is not None and (not number.is_int or _is_choice(tokens, index, brackets[index])):
            found.append(number)
    return found


def _of_directive(parts: Sequence[Token]) -> Iterator[Number]:
    """Yields the numbers of `#define NAME value` and of pragmas that say how far to unroll."""
    names = {part.text for part in parts}
    is_define = len(parts) > 3 and parts[1].text == "define" and parts[2].end < parts[3].start
    is_pragma = len(parts) > 1 and parts[1].text == "pragma" and bool(names & _TUNED_PRAGMAS)
    if is_define and len(parts) > 12:
        return
    for index in range(3, len(parts)):
        if (is_define or is_pragma) and parts[index].kind == "number":
            number = _number(parts, index)
            if number is not None and not (number.is_int and parts[index - 1].text in _STRUCTURE):
                yield number


def _number(parts: Sequence[Token], index: int) -> Number | None:
    token = parts[index]
    minus = grammars.is_negated(parts, index)
    start = parts[index - 1].start if minus else token.start
    last = parts[index - 1 - minus] if index > minus else None
    before = " " if last is not None and last.end == start and last.text[-1] in "+-" else ""
    if match := _DECIMAL.fullmatch(token.text):
        value = int(match[1])
        if minus or not SMALLEST_INT <= value <= LARGEST_INT:
            return None
        return Number(start, token.end, value, True, float(max(value, 5)), before, match[2], least=1)
    if match := _FLOAT.fullmatch(token.text):
        size = float(match[1])
        if size in _FORMULA or not SMALLEST_FLOAT <= size <= LARGEST_FLOAT:
            return None
        return Number(start, token.end, -size if minus else size, False, size, before, match[2])
    return None


def _enclosing(tokens: Sequence[Token]) -> list[int]:
    """Returns for each token the index of the innermost bracket that is open around it, -1 for none."""
    closing = grammars.matches(tokens)
    found, stack = [], [-1]
    ends = {close: opening for opening, close in closing.items()}
    for index in range(len(tokens)):
        if index in ends:
            stack.pop()
        found.append(stack[-1])
        if index in closing:
            stack.append(index)
    return found


def _is_choice(tokens: Sequence[Token], index: int, bracket: int) -> bool:
    before = tokens[index - 1].text if index else ""
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if before in _STRUCTURE or after in _STRUCTURE or before not in _CHOICE:
        return False
    if bracket < 0:
        return True
    opening, head = tokens[bracket].text, tokens[bracket - 1].text if bracket else ""
    if opening == "[":
        return False
    if opening == "{":
        return not (head == "=" or (head in ("{", ",") and before in ("{", ","))) and before != ","
    if head in _STRUCTURAL_CALLS or (head == "(" and tokens[bracket - 2].text in _STRUCTURAL_CALLS):
        return False
    return head != "for"
