"""`splice`: a parent with a piece of another in it: numbers, part of a list, a function, a statement.

For C, C++, CUDA and Rust see c/splice.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.operators.c import splice as c_splice
from discovery.programs import children, constants
from discovery.programs.fingerprint import skeleton
from discovery.programs.languages import language
from discovery.programs.languages import python_syntax as syntax
from discovery.programs.languages.python_syntax import Source, Spot
from evaluators.contract import Program

TRIES = 40
_NUMERIC = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.IfExp)
_LOGICAL = (ast.Compare, ast.BoolOp)
_ARRAYS = (ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.Set)

Edit = tuple[Source, int, int, str]
"""A file of the first parent, characters [start, end) of it, and what stands there instead."""
Mode = Callable[[Sequence[Source], Sequence[Source], np.random.Generator], Edit | None]


class Splice:
    """Puts a random piece of the second parent into the first where it fits; asks no model."""

    name = "splice"
    needs_model = False
    parents_needed = 2

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles, keeps the frozen part and differs from both parents.

        Raises:
            OperatorError: there is only one parent, or no piece of the second fits the first.
        """
        del model
        first, *others = job.parents
        other = next((one for one in others if one.program_id != first.program_id), None)
        if other is None:
            raise OperatorError("splice needs two different programs, and there is only one so far")
        if (child := splice(first.program, other.program, rng)) is None:
            raise OperatorError(f"no piece of {other.program_id} fits into {first.program_id}")
        return Proposal(child, (first.program_id, other.program_id))


def splice(first: Program, second: Program, rng: np.random.Generator) -> Program | None:
    """Returns `first` with a piece of `second`, or None if `TRIES` random attempts made no new program.

    Programs that differ only in their numbers exchange a run of them. Others exchange part of a list, a
    function, an assigned value, a statement or an expression, each with one of its own kind.
    """
    if skeleton(first) == skeleton(second):
        return _mixed(first, second, rng)
    if language.sources(first):
        return c_splice.splice(first, second, rng, tries=TRIES)
    ours, theirs = syntax.sources(first), syntax.sources(second)
    for _ in range(TRIES):
        mode = _MODES[rng.integers(len(_MODES))]
        if (edit := mode(ours, theirs, rng)) is None:
            continue
        child = children.replace(first, *edit)
        if children.is_child(first, child) and child.files != second.files:
            return child
    return None


def _mixed(first: Program, second: Program, rng: np.random.Generator) -> Program | None:
    """Returns `first` with a run of the other's numbers: some, never all of those in which they differ."""
    template, values = constants.template(first), list(constants.template(first).values)
    others = constants.template(second).values
    different = [i for i, pair in enumerate(zip(values, others, strict=False)) if pair[0] != pair[1]]
    if len(different) < 2 or len(values) != len(others):
        return None
    count = int(rng.integers(1, len(different)))
    start = int(rng.integers(len(different)))
    for i in range(start, start + count):
        place = different[i % len(different)]
        values[place] = others[place]
    child = template.fill(values)
    return child if children.is_child(first, child) else None


def _list_part(ours: Sequence[Source], theirs: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges a run of the elements of two lists of equal length that are assigned to the same name."""
    pairs = [
        pair
        for pair in _values_of_same_name(ours, theirs)
        if isinstance(a := pair[1].node, ast.List | ast.Tuple)
        and isinstance(b := pair[3], ast.List | ast.Tuple)
        and len(a.elts) == len(b.elts) >= 2
    ]
    if not pairs:
        return None
    source, spot, origin, value = pairs[rng.integers(len(pairs))]
    ours_elements, their_elements = spot.node.elts, value.elts  # type: ignore[attr-defined]
    start = int(rng.integers(len(ours_elements)))
    stop = int(rng.integers(start + 1, len(ours_elements) + 1))
    text = origin.text[origin.start(their_elements[start]) : origin.end(their_elements[stop - 1])]
    return source, source.start(ours_elements[start]), source.end(ours_elements[stop - 1]), text


def _function(ours: Sequence[Source], theirs: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges functions of the same name."""
    found = [
        (source, spot, origin, other)
        for source, spot in _spots(ours, ast.FunctionDef)
        for origin, other in _spots(theirs, ast.FunctionDef)
        if spot.node.name == other.node.name  # type: ignore[attr-defined]
        and spot.node.col_offset == other.node.col_offset  # type: ignore[attr-defined]
        and origin.segment(other.node) != source.segment(spot.node)
    ]
    if not found:
        return None
    source, spot, origin, other = found[rng.integers(len(found))]
    return _exchange(source, spot, origin, other.node)


def _value(ours: Sequence[Source], theirs: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges the values that are assigned to the same name."""
    pairs = [
        (source, spot, origin, value)
        for source, spot, origin, value in _values_of_same_name(ours, theirs)
        if source.segment(spot.node) != origin.segment(value)
    ]
    if not pairs:
        return None
    source, spot, origin, value = pairs[rng.integers(len(pairs))]
    return _exchange(source, spot, origin, value)


def _statement(ours: Sequence[Source], theirs: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges statements of the same kind, one within functions against one within functions."""
    mine = [(source, spot) for source, spot in _spots(ours, ast.stmt) if spot.functions]
    if not mine:
        return None
    source, spot = mine[rng.integers(len(mine))]
    kind = type(spot.node)
    others = [(origin, other) for origin, other in _spots(theirs, kind) if other.functions]
    if not others:
        return None
    origin, other = others[rng.integers(len(others))]
    return _exchange(source, spot, origin, other.node)


def _expression(ours: Sequence[Source], theirs: Sequence[Source], rng: np.random.Generator) -> Edit | None:
    """Exchanges expressions of one kind: numbers, truth values, or displays."""
    mine = [(source, spot) for source, spot in _spots(ours, ast.expr) if _family(spot.node)]
    if not mine:
        return None
    source, spot = mine[rng.integers(len(mine))]
    family = _family(spot.node)
    others = [(origin, other) for origin, other in _spots(theirs, ast.expr) if _family(other.node) == family]
    if not others:
        return None
    origin, other = others[rng.integers(len(others))]
    return _exchange(source, spot, origin, other.node)


_MODES: tuple[Mode, ...] = (_list_part, _function, _value, _statement, _expression)


def _exchange(source: Source, spot: Spot, origin: Source, node: ast.AST) -> Edit | None:
    """Returns the edit that puts `node` in place of `spot`, if every name that it reads can be read there."""
    if syntax.names_read([node]) - syntax.names_visible(source, spot.functions):
        return None
    text: str | None = origin.segment(node)
    if isinstance(node, ast.expr):
        text = syntax.wrap(origin.segment(node), node, spot)
    elif isinstance(node, ast.stmt):
        text = syntax.indented(origin, node, spot.node.col_offset - node.col_offset)  # type: ignore[attr-defined]
    return None if text is None else (source, source.start(spot.node), source.end(spot.node), text)


def _values_of_same_name(
    ours: Sequence[Source], theirs: Sequence[Source]
) -> Iterator[tuple[Source, Spot, Source, ast.expr]]:
    """Yields every assigned value of ours with every value that theirs assign to the same name."""
    values: dict[str, list[tuple[Source, ast.expr]]] = {}
    for origin, spot in _spots(theirs, ast.expr):
        if name := _assigned_name(spot):
            assert isinstance(spot.node, ast.expr)
            values.setdefault(name, []).append((origin, spot.node))
    for source, spot in _spots(ours, ast.expr):
        for origin, value in values.get(_assigned_name(spot), ()):
            yield source, spot, origin, value


def _assigned_name(spot: Spot) -> str:
    """Returns the name to which this expression is assigned, "" if it is no assigned value."""
    if spot.field != "value" or not isinstance(spot.parent, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return ""
    targets = spot.parent.targets if isinstance(spot.parent, ast.Assign) else [spot.parent.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _family(node: ast.AST) -> str:
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return ""
    if isinstance(node, ast.Constant):
        return "number" if type(node.value) in (int, float) else type(node.value).__name__
    if isinstance(node, _NUMERIC):
        return "number"
    if isinstance(node, _LOGICAL):
        return "truth"
    return "display" if isinstance(node, _ARRAYS) else ""


def _spots(sources: Sequence[Source], kind: type[ast.AST]) -> Iterator[tuple[Source, Spot]]:
    return ((source, spot) for source in sources for spot in source.spots if isinstance(spot.node, kind))
