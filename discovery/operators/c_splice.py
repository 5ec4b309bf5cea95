"""How `splice` puts a piece of one C program into another: a function, a macro, a loop, a statement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from discovery.operators import c_syntax
from discovery.operators.c_syntax import CSource, Kind, Statement
from evaluators import c_text
from evaluators.contract import Program

_EXCHANGED: tuple[Kind, ...] = ("for", "while", "do", "if", "declaration", "other", "block")
_OTHER_NAMES = frozenset(
    {"return", "break", "continue", "sizeof", "for", "while", "do", "if", "else", "switch"}
)


def splice(first: Program, second: Program, rng: np.random.Generator, *, tries: int) -> Program | None:
    """Returns `first` with a piece of `second` that only uses names known to `first`, or None."""
    ours, theirs = c_syntax.sources(first), c_syntax.sources(second)
    pairs = [pair for one in ours for other in theirs for pair in _pairs(one, other)]
    if not pairs:
        return None
    by_kind = [found for kind in range(3) if (found := [pair for pair in pairs if pair[0] == kind])]
    for _ in range(tries):
        group = by_kind[rng.integers(len(by_kind))]
        _, source, piece, text = group[rng.integers(len(group))]
        start, end = source.extent(piece)
        child = c_syntax.replace(first, source, start, end, text)
        if c_syntax.is_child(first, child) and child.files != second.files:
            return child
    return None


def _pairs(source: CSource, origin: CSource) -> Iterator[tuple[int, CSource, Statement, str]]:
    """Yields (kind of exchange, file, what goes, text that comes)."""
    known = _known(source)
    for piece in source.statements:
        for other in origin.statements:
            text = origin.segment(other)
            if piece.kind != other.kind or source.segment(piece) == text:
                continue
            if piece.kind == "function" and source.function_name(piece) == origin.function_name(other):
                yield 0, source, piece, text
            elif piece.kind == "directive" and source.declared(piece) & origin.declared(other):
                yield 1, source, piece, text
            elif piece.kind in _EXCHANGED and piece.depth and other.depth and _fits(origin, other, known):
                yield 2, source, piece, text


def _known(source: CSource) -> set[str]:
    names = source.names(0, len(source.tokens))
    for token in source.tokens:
        if token.kind == "directive":
            names |= {part.text for part in c_text.inside(token)}
    return names | c_syntax.TYPE_WORDS | _OTHER_NAMES


def _fits(origin: CSource, piece: Statement, known: set[str]) -> bool:
    own: set[str] = set()
    stack = [piece]
    while stack:
        one = stack.pop()
        own |= origin.declared(one)
        stack += one.parts
    return origin.names(piece.first, piece.last) - own <= known
