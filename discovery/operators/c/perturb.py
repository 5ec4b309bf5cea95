"""How `perturb` changes a program in C (or C++, CUDA, Rust) a little: its loops, the width of its numbers, an operator, an order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from discovery.operators.c import loops as c_loops
from discovery.programs import children
from discovery.programs.languages import language
from discovery.programs.languages.statements import Source
from evaluators.contract import Program

Edit = c_loops.Edit
Mode = Callable[[Source, np.random.Generator], Edit | None]

_GROUPS = (
    ("+", "-", "*", "/"),
    ("<", "<=", ">", ">=", "==", "!="),
    ("&&", "||"),
    ("float", "double"),
    ("int", "long", "int64_t", "int32_t"),
    ("uint32_t", "uint64_t", "uint16_t", "uint8_t"),
    ("f32", "f64"),
    ("i32", "i64", "isize"),
    ("u32", "u64", "usize", "u16", "u8"),
)
_FUNCTIONS = ("exp", "sqrt", "fabs", "fmax", "fmin", "log", "pow", "tanh", "floor", "fma")
_TWINS = {name: f"{name}f" for name in _FUNCTIONS} | {f"{name}f": name for name in _FUNCTIONS}
_LARGEST = 1 << 20


def perturb(program: Program, rng: np.random.Generator) -> Program | None:
    """Returns the program after one random change, or None where this draw found nothing to change."""
    files = language.sources(program)
    if not files:
        return None
    source = files[rng.integers(len(files))]
    modes = _RUST_MODES if source.is_rust else _MODES
    edit = modes[rng.integers(len(modes))](source, rng)
    if edit is None or not source.is_editable(edit[0], edit[1]):
        return None
    return children.replace(program, source, *edit)


def _pick(source: Source, rng: np.random.Generator, holds: Callable[[int], bool]) -> int | None:
    tokens = source.tokens
    places = [
        i for i in range(len(tokens)) if source.is_editable(tokens[i].start, tokens[i].end) and holds(i)
    ]
    return places[rng.integers(len(places))] if places else None


def _word(source: Source, rng: np.random.Generator) -> Edit | None:
    """Puts another word or operator of the same kind."""
    groups: dict[str, Sequence[str]] = {word: group for group in _GROUPS for word in group}
    return _one_of(source, rng, groups)


def _width(source: Source, rng: np.random.Generator) -> Edit | None:
    """Computes something in single or in double precision."""
    groups: dict[str, Sequence[str]] = {"float": ("double",), "double": ("float",)}
    return _one_of(source, rng, groups | {name: (twin,) for name, twin in _TWINS.items()})


def _one_of(source: Source, rng: np.random.Generator, groups: dict[str, Sequence[str]]) -> Edit | None:
    place = _pick(
        source, rng, lambda index: source.tokens[index].text in groups and not _is_pointer(source, index)
    )
    if place is None:
        return None
    token = source.tokens[place]
    others = [word for word in groups[token.text] if word != token.text]
    return token.start, token.end, others[rng.integers(len(others))]


def _is_pointer(source: Source, index: int) -> bool:
    """Returns whether a star belongs to a type."""
    before = source.tokens[index - 1].text if index else ""
    return source.tokens[index].text == "*" and before in source.type_words


def _all_wide(source: Source, rng: np.random.Generator) -> Edit | None:
    """Computes everything in one function in single precision (or all in double)."""
    functions = [one for one in source.statements if one.kind in ("function", "for")]
    if not functions:
        return None
    piece = functions[rng.integers(len(functions))]
    narrow = {"double": "float"} | {name: f"{name}f" for name in _FUNCTIONS}
    words = narrow if rng.random() < 0.75 else {short: long for long, short in narrow.items()}
    start, end = source.extent(piece)
    parts, at = [], start
    low = piece.head[1] if piece.kind == "function" else piece.first
    for token in source.tokens[low : piece.last]:
        if token.text in words:
            parts += [source.text[at : token.start], words[token.text]]
            at = token.end
        elif token.kind == "number" and words is narrow and "." in token.text and token.text[-1].isdigit():
            parts += [source.text[at : token.end], "f"]
            at = token.end
    return (start, end, "".join(parts) + source.text[at:end]) if parts else None


def _suffix(source: Source, rng: np.random.Generator) -> Edit | None:
    """Writes a float constant in single or in double precision."""
    place = _pick(source, rng, lambda i: source.tokens[i].kind == "number" and "." in source.tokens[i].text)
    if place is None:
        return None
    token = source.tokens[place]
    text = token.text[:-1] if token.text[-1] in "fF" else f"{token.text}f"
    return token.start, token.end, text


def _whole_number(source: Source, rng: np.random.Generator) -> Edit | None:
    """Moves any whole number by one, or doubles or halves it."""
    place = _pick(
        source, rng, lambda i: source.tokens[i].kind == "number" and source.tokens[i].text.isdigit()
    )
    if place is None:
        return None
    token = source.tokens[place]
    value = int(token.text)
    choices = [value + 1, max(0, value - 1), min(2 * value, _LARGEST), value // 2]
    return token.start, token.end, str(choices[rng.integers(len(choices))])


def _order(source: Source, rng: np.random.Generator) -> Edit | None:
    """Exchanges two neighbouring statements of which the second needs no name from the first."""
    groups = [one.parts for one in source.statements if one.kind in ("block", "function")]
    pairs = [
        (first, second)
        for group in groups
        for first, second in pairwise(group)
        if first.kind != "declaration" or not source.declared(first) & source.names(second.first, second.last)
    ]
    if not pairs:
        return None
    first, second = pairs[rng.integers(len(pairs))]
    (start, middle), (rest, end) = source.extent(first), source.extent(second)
    return start, end, source.segment(second) + source.text[middle:rest] + source.segment(first)


_MODES: tuple[Mode, ...] = (
    _word,
    _width,
    _all_wide,
    _suffix,
    _whole_number,
    _order,
    c_loops.interchange,
    c_loops.fuse,
    c_loops.split,
    c_loops.strip,
    c_loops.pragma,
    c_loops.pragma,
)
_RUST_MODES: tuple[Mode, ...] = (_word, _whole_number, _order, c_loops.interchange)
