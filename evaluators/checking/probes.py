"""Programs and outputs that a sound problem must not reward: what `check` tries on it.

`trivial_programs` hollows out the functions that `run` calls; `perturbed_programs` moves the seed's numbers;
`junk_outputs` and `damaged_outputs` are plain data that a scorer will meet sooner or later.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evaluators.contract import PlainData, Program
from evaluators.text import blocks

_RETURNS: Mapping[str, str] = {
    "returns None": "None",
    "returns 0": "0",
    "returns 1.0": "1.0",
    "returns []": "[]",
    "returns {}": "{}",
    "returns ''": "''",
    "returns True": "True",
}
_MAX_FUNCTIONS = 4


def called_functions(run_text: str) -> tuple[str, ...]:
    """Returns the names that `run` reads from the program (`program.pack(...)`), in order."""
    tree = ast.parse(run_text)
    run = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"), None)
    found = [
        node.attr
        for node in ast.walk(run or ast.Module([], []))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "program"
    ]
    return tuple(dict.fromkeys(found))


def trivial_programs(seed: Program, called: tuple[str, ...]) -> Iterator[tuple[str, Program]]:
    """Yields (what it does, program): the seed with one function hollowed out, or with its blocks emptied.

    Only programs that keep the frozen part are made; only Python has functions here. The functions are those that `run` calls, or, where
    these are frozen, those that may change.
    """
    functions = _functions(seed.text) if seed.entry.endswith(".py") else []
    chosen = [node for node in functions if node.name in called and _is_editable(seed, node)]
    chosen = chosen or [node for node in functions if _is_editable(seed, node)]
    for node in chosen[:_MAX_FUNCTIONS]:
        for what, value in (*_RETURNS.items(), *_first_argument(node)):
            child = seed.with_text(_hollow(seed.text, node, value))
            if blocks.check_frozen(seed, child) is None:
                yield f"{node.name}() {what}", child
    if blocks.has_blocks(seed):
        texts = ["" for _ in blocks.spans(seed.text)]
        yield "the blocks are empty", seed.with_text(blocks.replace_block_texts(seed.text, texts))
    else:
        yield "the program is empty", seed.with_text("\n")


def perturbed_programs(seed: Program, rng: np.random.Generator, count: int) -> Iterator[Program]:
    """Yields `count` seeds whose editable floats are each multiplied by a random factor in [0.8, 1.25]."""
    spans = blocks.editable(seed).get(seed.entry, ())
    places = [
        place
        for place in (_float_constants(seed.text) if seed.entry.endswith(".py") else ())
        if any(span.start <= place[0] and place[1] <= span.end for span in spans)
    ]
    for _ in range(count if places else 0):
        text = seed.text
        for start, end, value in reversed(places):
            text = text[:start] + repr(value * 2 ** rng.uniform(-0.32, 0.32)) + text[end:]
        yield seed.with_text(text)


def _functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]


def _is_editable(program: Program, node: ast.FunctionDef) -> bool:
    start, end = (
        _offsets(program.text, node.body[0].lineno, 0),
        _offsets(program.text, node.end_lineno or 0, 0),
    )
    return any(
        span.start <= start and end <= span.end for span in blocks.editable(program).get(program.entry, ())
    )


def _first_argument(node: ast.FunctionDef) -> tuple[tuple[str, str], ...]:
    arguments = [*node.args.posonlyargs, *node.args.args]
    return (("returns its first argument", arguments[0].arg),) if arguments else ()


def _hollow(text: str, node: ast.FunctionDef, value: str) -> str:
    """Returns `text` with a function's body replaced by a return."""
    lines = text.splitlines(keepends=True)
    first, last = node.body[0].lineno, node.end_lineno or node.body[0].lineno
    if first == node.lineno:  # def f(): return 1
        return text
    indent = " " * node.body[0].col_offset
    return "".join([*lines[: first - 1], f"{indent}return {value}\n", *lines[last:]])


def _offsets(text: str, line: int, column: int) -> int:
    return sum(len(part) for part in text.splitlines(keepends=True)[: line - 1]) + column


def _float_constants(text: str) -> list[tuple[int, int, float]]:
    """Returns (start, end, value) of every float written in ASCII lines of a text."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = [
        (
            starts[node.lineno - 1] + node.col_offset,
            starts[node.end_lineno - 1] + node.end_col_offset,
            node.value,
        )
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and node.end_lineno == node.lineno
        and node.end_col_offset is not None
        and text[starts[node.lineno - 1] : starts[node.lineno]].isascii()
    ]
    return sorted(found)


def junk_outputs() -> Iterator[tuple[str, PlainData]]:
    """Yields (what it is, value): plain data that is no sensible output of anything."""
    yield from {
        "None": None,
        "True": True,
        "0": 0,
        "-1": -1,
        "1e308": 1e308,
        "NaN": math.nan,
        "inf": math.inf,
        "-inf": -math.inf,
        "10**300": 10**300,
        "an empty text": "",
        "a long text": "nan" * 10_000,
        "[]": [],
        "[[]]": [[]],
        "{}": {},
        "a dict": {"score": 1e9, "0": [1.0]},
        "[None]": [None],
        "[True] * 3": [True] * 3,
        "[NaN]": [math.nan],
        "[[inf, inf]]": [[math.inf, math.inf]],
        "['a', 1]": ["a", 1],
        "[[1], [1, 2]]": [[1], [1, 2]],
        "100,000 zeros": [0.0] * 100_000,
        "lists 50 deep": _nested(50),
        "an empty array": np.empty((0,)),
        "a 3 x 3 array": np.ones((3, 3)),
        "an array of NaN": np.full((26, 3), np.nan),
        "an array without dimensions": np.array(1.0),
        "an array of bools": np.ones(8, dtype=bool),
        "an array of int8": np.full(8, -128, dtype=np.int8),
    }.items()


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def damaged_outputs(output: PlainData) -> Iterator[tuple[str, PlainData, bool]]:
    """Yields (what was done, value, whether it must be wrong): an honest output with one thing changed.

    A number that is none must be wrong; one entry more or less may be another honest output.
    """
    yield "wrapped in a list", [output], True
    if isinstance(output, np.ndarray):
        yield from _damaged_array(output)
    elif isinstance(output, list) and output:
        yield "without its last entry", output[:-1], False
        yield "with its last entry twice", [*output, output[-1]], False
        yield "many times as long", output * (1 + 100_000 // len(output)), False
        for what, value in _NO_NUMBERS.items():
            yield f"with {what} as its first entry", [value, *output[1:]], True
        if isinstance(output[0], list):
            for what, row, is_wrong in damaged_outputs(output[0]):
                yield f"first entry {what}", [row, *output[1:]], is_wrong
    elif isinstance(output, dict) and output:
        key = next(iter(output))
        yield f"without {key!r:.40}", {k: v for k, v in output.items() if k != key}, True
        yield "with an unknown key", {**output, "unknown": 1}, False
        for what, value in _NO_NUMBERS.items():
            yield f"with {what} for {key!r:.40}", {**output, key: value}, True
    elif isinstance(output, (int, float)):
        yield "as a text", str(output), True
        yield "as an array", np.array([output]), True


_NO_NUMBERS: Mapping[str, Any] = {"None": None, "NaN": math.nan, "a text": "1", "True": True, "1e300": 1e300}


def _damaged_array(output: np.ndarray[Any, Any]) -> Iterator[tuple[str, PlainData, bool]]:
    yield "flattened", output.ravel(), False
    yield "with one dimension more", output[None], True
    yield "as bools", output.astype(bool), True
    if output.ndim:
        yield "without its last row", output[:-1], False
        yield "with its last row twice", np.concatenate([output, output[-1:]]), False
    if output.dtype.kind == "f" and output.size:
        for value in (math.nan, math.inf):
            damaged = output.copy()
            damaged.flat[0] = value
            yield f"with {value} as its first number", damaged, True
