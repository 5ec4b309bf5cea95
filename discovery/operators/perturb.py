"""`perturb`: a parent with a small random change: some numbers, an operator, the order of two statements.

For C, C++, CUDA and Rust see c/perturb.py and c/loops.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.operators.c import perturb as c_perturb
from discovery.programs import children, constants
from discovery.programs.languages import language
from discovery.programs.languages import python_syntax as syntax
from discovery.programs.languages.python_syntax import Source, Spot
from evaluators.contract import Program

TRIES = 40
STEP = 0.03
"""Typical change of a number in units of its scale; Cauchy, so that one in thirty is ten times as large."""
C_NUMBERS = 0.2
"""Share of the children of a program in C, C++, CUDA or Rust that have other numbers: `tune` is there for these."""

_ARITHMETIC = ("+", "-", "*", "/", "//", "%", "**")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_TWINS = {
    "min": "max",
    "max": "min",
    "sin": "cos",
    "cos": "sin",
    "floor": "ceil",
    "ceil": "floor",
    "any": "all",
    "all": "any",
}
_GAP = re.compile(r"\*\*|//|<=|>=|==|!=|[-+*/%<>]|\band\b|\bor\b")

Edit = tuple[Source, int, int, str]
"""A file, characters [start, end) of it, and what stands there instead."""
Mode = Callable[[Sequence[Source], np.random.Generator], Edit | None]


class Perturb:
    """Changes the first parent a little in one random way; asks no model."""

    name = "perturb"
    needs_model = False
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles and keeps the frozen part.

        Raises:
            OperatorError: there is nothing to change.
        """
        del model
        parent = job.parents[0]
        if (child := perturb(parent.program, rng)) is None:
            raise OperatorError(f"program {parent.program_id} has nothing that can be perturbed")
        return Proposal(child, (parent.program_id,))


def perturb(program: Program, rng: np.random.Generator) -> Program | None:
    """Returns a slightly different program, or None if `TRIES` random attempts made none.

    Half of the children have one to three other constants, the others another operator, function, whole
    number or order of statements.
    """
    has_statements = bool(language.sources(program))
    files = () if has_statements else syntax.sources(program)
    template = constants.template(program)
    if not (files or has_statements or template.constants):
        return None
    child: Program | None
    for _ in range(TRIES):
        if template.constants and rng.random() < (C_NUMBERS if has_statements else 0.5):
            child = template.fill(_moved(template, rng))
        elif has_statements:
            child = c_perturb.perturb(program, rng)
        else:
            edit = _MODES[rng.integers(len(_MODES))](files, rng) if files else None
            child = None if edit is None else children.replace(program, *edit)
        if child is not None and children.is_child(program, child):
            return child
    return None


def _moved(template: constants.Template, rng: np.random.Generator) -> list[float]:
    """Returns the constants with one to three of them changed."""
    values = list(template.values)
    count = min(len(values), int(rng.integers(1, 4)))
    for place in rng.choice(len(values), count, replace=False):
        constant = template.constants[place]
        step = STEP * constant.scale * float(np.clip(rng.standard_cauchy(), -100, 100))
        if constant.is_int:
            step += float(np.copysign(1.0, step))
        values[place] = constants.shorten(values[place] + step, STEP * constant.scale)
    return values


def _arithmetic(files: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    found = _pick(files, (ast.BinOp,), rng)
    if found is None:
        return None
    source, spot = found
    node = spot.node
    assert isinstance(node, ast.BinOp)
    return _other_token(source, source.end(node.left), source.start(node.right), _ARITHMETIC, rng)


def _comparison(files: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    found = _pick(files, (ast.Compare, ast.BoolOp), rng)
    if found is None:
        return None
    source, spot = found
    node = spot.node
    if isinstance(node, ast.Compare):
        return _other_token(
            source, source.end(node.left), source.start(node.comparators[0]), _COMPARISONS, rng
        )
    assert isinstance(node, ast.BoolOp)
    return _other_token(source, source.end(node.values[0]), source.start(node.values[1]), ("and", "or"), rng)


def _twin(files: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Calls another function of the same kind."""
    calls = [
        (source, spot.node.func)
        for source in files
        for spot in source.spots
        if isinstance(spot.node, ast.Call) and _called(spot.node.func) in _TWINS
    ]
    if not calls:
        return None
    source, function = calls[rng.integers(len(calls))]
    name, end = _called(function), source.end(function)
    return source, end - len(name), end, _TWINS[name]


def _whole_number(files: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Moves any int, structural ones too."""
    found = _pick(files, (ast.Constant,), rng, lambda node: type(getattr(node, "value", None)) is int)
    if found is None:
        return None
    source, spot = found
    value = int(getattr(spot.node, "value", 0))
    text = str(max(0, value + (1 if rng.random() < 0.5 else -1)))
    return source, source.start(spot.node), source.end(spot.node), text


def _order(files: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges two neighbouring statements."""
    pairs = [
        (source, first, second)
        for source in files
        for spot in source.spots
        if isinstance(spot.node, ast.stmt)
        for siblings in (getattr(spot.parent, spot.field),)
        for first, second in pairwise(siblings)
        if first is spot.node and source.is_editable(source.start(first), source.end(second))
    ]
    if not pairs:
        return None
    source, first, second = pairs[rng.integers(len(pairs))]
    between = source.text[source.end(first) : source.start(second)]
    text = source.segment(second) + between + source.segment(first)
    return source, source.start(first), source.end(second), text


_MODES: tuple[Mode, ...] = (_arithmetic, _comparison, _twin, _whole_number, _order)


def _pick(
    files: Sequence[Source],
    kinds: tuple[type[ast.AST], ...],
    rng: np.random.Generator,
    holds: Callable[[ast.AST], bool] = lambda node: True,
) -> tuple[Source, Spot] | None:
    found = [
        (source, spot)
        for source in files
        for spot in source.spots
        if isinstance(spot.node, kinds) and holds(spot.node)
    ]
    return found[rng.integers(len(found))] if found else None


def _other_token(
    source: Source, start: int, end: int, tokens: Sequence[str], rng: np.random.Generator
) -> Edit | None:
    """Returns the edit that puts another of `tokens` where one of them stands between two operands."""
    match = _GAP.search(source.text, start, end)
    if match is None or match[0] not in tokens:
        return None
    others = [token for token in tokens if token != match[0]]
    return source, match.start(), match.end(), others[rng.integers(len(others))]


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
