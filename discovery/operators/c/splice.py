"""How `splice` puts a piece of a program in C (or C++, CUDA, Rust) into another: a function, a macro, a loop, a statement."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from discovery.programs import children
from discovery.programs.languages import language
from discovery.programs.languages.statements import Kind, Source, Statement
from evaluators.contract import Program
from evaluators.text import grammars

_EXCHANGED: tuple[Kind, ...] = ("for", "while", "do", "if", "declaration", "other", "block")
_OTHER_NAMES = frozenset(
    {"return", "break", "continue", "sizeof", "for", "while", "do", "if", "else", "switch", "loop", "match"}
)


def splice(first: Program, second: Program, rng: np.random.Generator, *, tries: int) -> Program | None:
    """Returns `first` with a piece of `second` that only uses names known to `first`, or None."""
    ours, theirs = language.sources(first), language.sources(second)
    pairs = [pair for one in ours for other in theirs for pair in _pairs(one, other)]
    if not pairs:
        return None
    by_kind = [found for kind in range(3) if (found := [pair for pair in pairs if pair[0] == kind])]
    for _ in range(tries):
        group = by_kind[rng.integers(len(by_kind))]
        _, source, piece, text = group[rng.integers(len(group))]
        start, end = source.extent(piece)
        child = children.replace(first, source, start, end, text)
        if children.is_child(first, child) and child.files != second.files:
            return child
    return None


def _pairs(source: Source, origin: Source) -> Iterator[tuple[int, Source, Statement, str]]:
    """Yields (kind of exchange, file, what goes, text that comes)."""
    for piece in source.statements:
        for other in origin.statements:
            text = origin.segment(other)
            if piece.kind != other.kind or source.segment(piece) == text:
                continue
            declared = source.declared(piece)
            if piece.kind == "function" and source.function_name(piece) == origin.function_name(other):
                yield 0, source, piece, text
            elif piece.kind == "directive" and declared & origin.declared(other):
                yield 1, source, piece, text
            elif piece.kind in _EXCHANGED and piece.depth and other.depth:
                is_same = piece.kind != "declaration" or declared == origin.declared(other)
                if is_same and _fits(source, piece, origin, other):
                    yield 2, source, piece, text


def _fits(source: Source, piece: Statement, origin: Source, other: Statement) -> bool:
    """Returns whether all names that `other` uses are known where `piece` stands."""
    around = next(one for one in source.top if one.first <= piece.first < one.last)
    known = source.names(around.first, piece.last) | source.type_words | _OTHER_NAMES
    for token in source.tokens:
        if token.kind == "directive":
            known |= {part.text for part in grammars.inside(token)}
    known |= _functions(source) | (_called(origin, other) - _functions(origin))
    stack = [other]
    while stack:
        one = stack.pop()
        known |= origin.declared(one)
        stack += one.parts
    return origin.names(other.first, other.last) <= known


def _functions(source: Source) -> set[str]:
    return {source.function_name(one) for one in source.top if one.kind == "function"}


def _called(source: Source, piece: Statement) -> set[str]:
    tokens = source.tokens[piece.first : piece.last]
    return {one.text for one, after in pairwise(tokens) if one.kind == "name" and after.text == "("}
