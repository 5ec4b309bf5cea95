"""How `prune` makes a C program smaller: a statement, a branch, a call, a cast or an operand less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from discovery.programs.languages import c_syntax
from discovery.programs.languages.c_syntax import CSource, Statement
from evaluators.contract import Program
from evaluators.text import c_text

Edit = tuple[CSource, int, int, str]
"""A file, characters [start, end) of it, and what stands there instead."""

_OPERATORS = frozenset({"+", "-", "*", "/", "&&", "||"})
_UNARY = frozenset({"-", "+", "!", "~", "*", "&"})
_WORDS = frozenset({"volatile", "static", "register"})


def prune(program: Program, rng: np.random.Generator, *, tries: int) -> Program | None:
    """Returns a simpler program whose brackets pair and whose names are still declared, or None."""
    files = c_syntax.sources(program)
    pools = [pool for pool in (list(_all(files, find)) for find in (_statements, _expressions)) if pool]
    if not pools:
        return None
    for _ in range(tries):
        pool = pools[rng.integers(len(pools))]
        source, start, end, text = pool[rng.integers(len(pool))]
        child = c_syntax.replace(program, source, start, end, text)
        if c_syntax.is_child(program, child):
            return child
    return None


def prunings(program: Program) -> Iterator[Program]:
    """Yields every simpler program that is one edit away, those that leave out most first."""
    files = c_syntax.sources(program)
    found = [*_all(files, _statements), *_all(files, _expressions)]
    for source, start, end, text in sorted(found, key=lambda edit: edit[1] - edit[2] + len(edit[3])):
        child = c_syntax.replace(program, source, start, end, text)
        if c_syntax.is_child(program, child):
            yield child


def _all(files: Sequence[CSource], find: Callable[[CSource], Iterator[Edit]]) -> Iterator[Edit]:
    for source in files:
        for edit in find(source):
            if source.is_editable(edit[1], edit[2]):
                yield edit


def _statements(source: CSource) -> Iterator[Edit]:
    """Yields the edits that leave out a statement, or put its body or a branch in its place."""
    bodies = {part.first for one in source.statements if one.kind in c_syntax.HEADED for part in one.parts}
    for piece in source.statements:
        start, end = source.extent(piece)
        if piece.kind in ("if", "while", "do"):
            for part in piece.parts:
                yield source, start, end, source.segment(part)
        if _is_needed(source, piece):
            continue
        if piece.first in bodies:
            yield source, start, end, ";"
        else:
            yield source, *_whole_lines(source, start, end), ""


def _is_needed(source: CSource, piece: Statement) -> bool:
    """Returns whether something that stays uses what a statement declares."""
    declared = source.declared(piece)
    if piece.kind not in ("declaration", "directive", "function"):
        return False
    outside = source.names(0, piece.first) | source.names(piece.last, len(source.tokens))
    for token in source.tokens:
        if token.kind == "directive" and token is not source.tokens[piece.first]:
            outside |= {part.text for part in c_text.inside(token)}
    if piece.kind == "function":
        name = source.function_name(piece)
        return not name or name in outside
    return bool(declared & outside)


def _whole_lines(source: CSource, start: int, end: int) -> tuple[int, int]:
    """Returns the lines of a statement that stands alone on them, else the statement."""
    first = source.text.rfind("\n", 0, start) + 1
    last = source.text.find("\n", end) + 1 or len(source.text)
    is_alone = not source.text[first:start].strip() and not source.text[end:last].strip()
    return (first, last) if is_alone and source.is_editable(first, last) else (start, end)


def _expressions(source: CSource) -> Iterator[Edit]:
    """Yields the edits that drop an operand, a cast, a call around its one argument, or a word."""
    tokens, closing = source.tokens, c_text.matches(source.tokens)
    for index in range(1, len(tokens) - 1):
        token, before, after = tokens[index], tokens[index - 1], tokens[index + 1]
        if token.text in _WORDS:
            yield source, token.start, after.start, ""
        if (
            token.text in _OPERATORS
            and _ends_operand(before)
            and (end := _operand_end(source, index + 1, closing))
        ):
            yield source, before.end, tokens[end - 1].end, ""
        if token.text != "(" or index not in closing:
            continue
        close = closing[index]
        inner = {part.text for part in tokens[index + 1 : close]}
        if inner and inner <= c_syntax.TYPE_WORDS and not _ends_operand(before) and before.text != "sizeof":
            yield source, token.start, tokens[close].end, ""
        is_call = (
            before.kind == "name"
            and before.text not in c_syntax.HEADED
            and before.text not in c_syntax.TYPE_WORDS
        )
        if is_call and "," not in inner and inner and tokens[index - 2].kind == "mark":
            yield source, before.start, token.start, ""


def _ends_operand(token: c_text.Token) -> bool:
    if token.kind == "name":
        return token.text not in c_syntax.TYPE_WORDS and token.text != "return"
    return token.kind in ("number", "char") or token.text in (")", "]")


def _operand_end(source: CSource, at: int, closing: dict[int, int]) -> int:
    """Returns the token after the operand that begins at token `at`, 0 if there is none."""
    tokens = source.tokens
    while at < len(tokens) and tokens[at].text in _UNARY:
        at += 1
    if at >= len(tokens) or (tokens[at].kind not in ("name", "number") and tokens[at].text != "("):
        return 0
    at = closing.get(at, at) + 1
    while at + 1 < len(tokens) and tokens[at].text in ("(", "[", ".", "->"):
        at = closing[at] + 1 if at in closing else at + 2
    return at
