"""How `prune` makes a program in C (or C++, CUDA, Rust) smaller: a statement, a branch, a call, a cast or an operand less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from discovery.programs import children
from discovery.programs.languages import language, statements
from discovery.programs.languages.statements import Source, Statement
from evaluators.contract import Program
from evaluators.text import grammars

Edit = tuple[Source, int, int, str]
"""A file, characters [start, end) of it, and what stands there instead."""

_OPERATORS = frozenset({"+", "-", "*", "/", "&&", "||"})
_UNARY = frozenset({"-", "+", "!", "~", "*", "&"})
_WORDS = frozenset({"volatile", "static", "register"})


def prune(program: Program, rng: np.random.Generator, *, tries: int) -> Program | None:
    """Returns a simpler program whose brackets pair and whose names are still declared, or None."""
    files = language.sources(program)
    pools = [pool for pool in (list(_all(files, find)) for find in (_statements, _expressions)) if pool]
    if not pools:
        return None
    for _ in range(tries):
        pool = pools[rng.integers(len(pools))]
        source, start, end, text = pool[rng.integers(len(pool))]
        child = children.replace(program, source, start, end, text)
        if children.is_child(program, child):
            return child
    return None


def prunings(program: Program) -> Iterator[Program]:
    """Yields every simpler program that is one edit away, those that leave out most first."""
    files = language.sources(program)
    found = [*_all(files, _statements), *_all(files, _expressions)]
    for source, start, end, text in sorted(found, key=lambda edit: edit[1] - edit[2] + len(edit[3])):
        child = children.replace(program, source, start, end, text)
        if children.is_child(program, child):
            yield child


def _all(files: Sequence[Source], find: Callable[[Source], Iterator[Edit]]) -> Iterator[Edit]:
    for source in files:
        for edit in find(source):
            if source.is_editable(edit[1], edit[2]):
                yield edit


def _statements(source: Source) -> Iterator[Edit]:
    """Yields the edits that leave out a statement, or put its body or a branch in its place."""
    bodies = {part.first for one in source.statements if one.kind in statements.HEADED for part in one.parts}
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


def _is_needed(source: Source, piece: Statement) -> bool:
    """Returns whether something that stays uses what a statement declares."""
    declared = source.declared(piece)
    if piece.kind not in ("declaration", "directive", "function"):
        return False
    outside = source.names(0, piece.first) | source.names(piece.last, len(source.tokens))
    for token in source.tokens:
        if token.kind == "directive" and token is not source.tokens[piece.first]:
            outside |= {part.text for part in grammars.inside(token)}
    if piece.kind == "function":
        name = source.function_name(piece)
        return not name or name in outside
    return bool(declared & outside)


def _whole_lines(source: Source, start: int, end: int) -> tuple[int, int]:
    """Returns the lines of a statement that stands alone on them, else the statement."""
    first = source.text.rfind("\n", 0, start) + 1
    last = source.text.find("\n", end) + 1 or len(source.text)
    is_alone = not source.text[first:start].strip() and not source.text[end:last].strip()
    return (first, last) if is_alone and source.is_editable(first, last) else (start, end)


def _expressions(source: Source) -> Iterator[Edit]:
    """Yields the edits that drop an operand, a cast, a call around its one argument, or a word."""
    tokens, closing = source.tokens, source.closing
    for index in range(1, len(tokens) - 1):
        token, before, after = tokens[index], tokens[index - 1], tokens[index + 1]
        if token.text in _WORDS:
            yield source, token.start, after.start, ""
        if (
            token.text in _OPERATORS
            and _ends_operand(source, before)
            and (end := _operand_end(source, index + 1, closing))
        ):
            yield source, before.end, tokens[end - 1].end, ""
        if token.text != "(" or index not in closing:
            continue
        close = closing[index]
        inner = {part.text for part in tokens[index + 1 : close]}
        if (
            inner
            and inner <= source.type_words
            and not _ends_operand(source, before)
            and before.text != "sizeof"
        ):
            yield source, token.start, tokens[close].end, ""
        is_call = (
            before.kind == "name"
            and before.text not in statements.HEADED
            and before.text not in source.type_words
        )
        if is_call and "," not in inner and inner and tokens[index - 2].kind == "mark":
            yield source, before.start, token.start, ""


def _ends_operand(source: Source, token: grammars.Token) -> bool:
    if token.kind == "name":
        return token.text not in source.type_words and token.text != "return"
    return token.kind in ("number", "char") or token.text in (")", "]")


def _operand_end(source: Source, at: int, closing: dict[int, int]) -> int:
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
