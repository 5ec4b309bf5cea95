"""Rearrangements of loops in C, C++ and CUDA (`interchange` also in Rust).

They are the first steps of every compiler's loop nest, and of every tuner of kernels.
Each returns what to write where, or None; whether the loop may be rearranged like that is for the judge to find out.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from discovery.programs.languages.statements import Source, Statement

Edit = tuple[int, int, str]
"""Characters [start, end) of a file, and what stands there instead."""

PRAGMAS = ("#pragma GCC ivdep", "#pragma GCC unroll 4", "#pragma GCC unroll 8")
STRIPS = (16, 64, 256)
_COUNTED = re.compile(r"((?:\w+\s+)*(\w+))\s*=([^;]+);\s*(\w+)\s*<([^;]+);\s*(?:\+\+\s*(\w+)|(\w+)\s*\+\+)")


def interchange(source: Source, rng: np.random.Generator) -> Edit | None:
    """Exchanges the heads of two loops of which the inner is all that the outer does."""
    pairs = [
        (outer, inner)
        for outer in _loops(source)
        if (inner := _only_loop(outer)) is not None and _has_head(inner)
    ]
    if not pairs:
        return None
    outer, inner = pairs[rng.integers(len(pairs))]
    first, second = source.between(*outer.head), source.between(*inner.head)
    start, end = source.tokens[outer.head[0]].start, source.tokens[inner.head[1] - 1].end
    between = source.text[source.tokens[outer.head[1] - 1].end : source.tokens[inner.head[0]].start]
    return start, end, second + between + first


def fuse(source: Source, rng: np.random.Generator) -> Edit | None:
    """Makes one loop of two neighbours with the same head."""
    pairs = [
        (one, other)
        for one, other in _neighbours(source)
        if one.kind == other.kind == "for"
        and source.between(*one.head).split() == source.between(*other.head).split()
        and one.parts
        and other.parts
    ]
    if not pairs:
        return None
    one, other = pairs[rng.integers(len(pairs))]
    start, end = source.extent(one)[0], source.extent(other)[1]
    body = f"{_inner(source, one.parts[0])}\n{_inner(source, other.parts[0])}"
    return start, end, f"for ({source.between(*one.head)}) {{\n{body}\n}}"


def split(source: Source, rng: np.random.Generator) -> Edit | None:
    """Makes two loops of one, at a place in its body after which no name is used that is declared before."""
    places = []
    for loop in _loops(source):
        body = loop.parts[0].parts if loop.parts and loop.parts[0].kind == "block" else ()
        for index in range(1, len(body)):
            declared: set[str] = set().union(*(source.declared(one) for one in body[:index]))
            if not declared & source.names(body[index].first, body[-1].last):
                places.append((loop, body, index))
    if not places:
        return None
    loop, body, index = places[rng.integers(len(places))]
    head = f"for ({source.between(*loop.head)}) "
    first = source.between(body[0].first, body[index - 1].last)
    second = source.between(body[index].first, body[-1].last)
    start, end = source.extent(loop)
    return start, end, f"{head}{{\n{first}\n}}\n{head}{{\n{second}\n}}"


def strip(source: Source, rng: np.random.Generator) -> Edit | None:
    """Cuts a counted loop into strips of a length that can be tuned."""
    loops = [(loop, match) for loop in _loops(source) if (match := _counted(source, loop)) is not None]
    if not loops:
        return None
    loop, match = loops[rng.integers(len(loops))]
    declared, name, low, high = match[1], match[2], match[3].strip(), match[5].strip()
    kind = declared.removesuffix(name).strip() or "long"
    outer, length = f"{name}{name}", int(STRIPS[rng.integers(len(STRIPS))])
    if outer in source.names(0, len(source.tokens)):
        return None
    start, end = source.extent(loop)
    limit = f"({outer} + {length} < {high} ? {outer} + {length} : {high})"
    return (
        start,
        end,
        f"for ({kind} {outer} = {low}; {outer} < {high}; {outer} += {length})\n"
        f"for ({declared} = {outer}; {name} < {limit}; {name}++) {source.segment(loop.parts[0])}",
    )


def pragma(source: Source, rng: np.random.Generator) -> Edit | None:
    """Puts a pragma in front of a loop, or another in place of the one there, or none."""
    loops = _loops(source)
    if not loops:
        return None
    loop = loops[rng.integers(len(loops))]
    chosen = PRAGMAS[rng.integers(len(PRAGMAS))]
    start = source.tokens[loop.first].start
    before = source.tokens[loop.first - 1] if loop.first else None
    if before is not None and before.kind == "directive" and before.text.startswith("#pragma GCC"):
        others = ["", *(one for one in PRAGMAS if one != before.text)]
        return before.start, before.end, others[rng.integers(len(others))]
    line_start = source.text.rfind("\n", 0, start) + 1
    indent = source.text[line_start:start]
    return start, start, f"{chosen}\n{indent}" if not indent.strip() else f"\n{chosen}\n"


def _loops(source: Source) -> list[Statement]:
    return [one for one in source.statements if one.kind == "for" and one.parts and _has_head(one)]


def _has_head(loop: Statement) -> bool:
    return loop.head[0] < loop.head[1]


def _only_loop(outer: Statement) -> Statement | None:
    """Returns the loop that is all of another's body, braces and pragmas aside."""
    body = outer.parts[0]
    while body.kind == "block":
        inner = [one for one in body.parts if one.kind != "directive"]
        if len(inner) != 1:
            return None
        body = inner[0]
    return body if body.kind == "for" and body.parts else None


def _neighbours(source: Source) -> list[tuple[Statement, Statement]]:
    groups = [one.parts for one in source.statements if one.kind in ("block", "function")]
    return [pair for group in groups for pair in pairwise(group)]


def _inner(source: Source, body: Statement) -> str:
    """Returns a body's text without its braces."""
    return source.between(body.first + 1, body.last - 1) if body.kind == "block" else source.segment(body)


def _counted(source: Source, loop: Statement) -> re.Match[str] | None:
    """Returns the parts of a head like `int i = low; i < high; i++`."""
    match = _COUNTED.fullmatch(source.between(*loop.head).strip())
    is_one = match is not None and match[2] == match[4] == (match[6] or match[7])
    return match if is_one else None
