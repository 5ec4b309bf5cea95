"""`prune`: a parent with less in it: without a statement, with an `if` opened up, with half an expression.

For C, C++, CUDA and Rust see c/prune.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.operators.c import prune as c_prune
from discovery.programs import children
from discovery.programs.languages import language
from discovery.programs.languages import python_syntax as syntax
from discovery.programs.languages.python_syntax import Source, Spot
from evaluators.contract import Program

TRIES = 40

Edit = tuple[int, int, str]
"""Characters [start, end) of a file, and what stands there instead."""


class Prune:
    """Makes the first parent simpler in one random place; asks no model."""

    name = "prune"
    needs_model = False
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles, keeps the frozen part and reads no name that it has lost.

        Raises:
            OperatorError: no such child was found.
        """
        del model
        parent = job.parents[0]
        if (child := prune(parent.program, rng)) is None:
            raise OperatorError(f"program {parent.program_id} has nothing that can be left out")
        return Proposal(child, (parent.program_id,))


def prune(program: Program, rng: np.random.Generator) -> Program | None:
    """Returns a simpler program, or None if `TRIES` random attempts made none."""
    if language.sources(program):
        return c_prune.prune(program, rng, tries=TRIES)
    pieces = [(source, spot) for source in syntax.sources(program) for spot in source.spots]
    if not pieces:
        return None
    statements = [piece for piece in pieces if isinstance(piece[1].node, ast.stmt)]
    expressions = [piece for piece in pieces if any(_kept(piece[1].node))]
    for _ in range(TRIES):
        pool = statements if not expressions or (statements and rng.random() < 0.5) else expressions
        if not pool:
            return None
        source, spot = pool[rng.integers(len(pool))]
        edits = list(_edits(source, spot))
        if not edits:
            continue
        start, end, text = edits[rng.integers(len(edits))]
        child = children.replace(program, source, start, end, text)
        if children.is_child(program, child) and _keeps_names(source, child):
            return child
    return None


def prunings(program: Program) -> Iterator[Program]:
    """Yields every simpler program that is one edit away, those that leave out most first."""
    if language.sources(program):
        yield from c_prune.prunings(program)
        return
    found = [
        (end - start - len(text), source, start, end, text)
        for source in syntax.sources(program)
        for spot in source.spots
        for start, end, text in _edits(source, spot)
    ]
    for _, source, start, end, text in sorted(found, key=lambda one: -one[0]):
        child = children.replace(program, source, start, end, text)
        if children.is_child(program, child) and _keeps_names(source, child):
            yield child


def _edits(source: Source, spot: Spot) -> Iterator[Edit]:
    node = spot.node
    if isinstance(node, ast.stmt):
        yield _without(source, spot)
        yield from _opened(source, node)
    elif isinstance(node, ast.expr):
        for part in _kept(node):
            yield source.start(node), source.end(node), syntax.wrap(source.segment(part), part, spot)


def _kept(node: ast.AST) -> Iterator[ast.expr]:
    """Yields the parts of an expression that could stand for the whole."""
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
    elif isinstance(node, ast.BoolOp):
        yield from node.values
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Call):
        yield from (
            argument for argument in node.args if not isinstance(argument, ast.Starred | ast.GeneratorExp)
        )


def _without(source: Source, spot: Spot) -> Edit:
    """Returns the edit that deletes a statement: its lines if it stands alone on them, else `pass` for it."""
    node, siblings = spot.node, getattr(spot.parent, spot.field)
    start, end = source.start(node), source.end(node)
    first, last = source.line_of(start)[0], source.line_of(end)[1]
    rest = source.text[end:last].strip()
    is_alone = not source.text[first:start].strip() and (not rest or rest.startswith("#"))
    if is_alone and len(siblings) > 1 and source.is_editable(first, last):
        return first, last, ""
    return start, end, "pass"


def _opened(source: Source, node: ast.stmt) -> Iterator[Edit]:
    """Yields the edits that put a branch or a loop's body in place of the whole statement."""
    if not isinstance(node, ast.If | ast.For | ast.While | ast.With | ast.Try):
        return
    is_elif = isinstance(node, ast.If) and source.text.startswith("elif", source.start(node))
    for body in (node.body, getattr(node, "orelse", [])):
        if body and not is_elif and (text := _outdented(source, node, body)) is not None:
            yield source.start(node), source.end(node), text


def _outdented(source: Source, node: ast.stmt, body: list[ast.stmt]) -> str | None:
    """Returns a body's text, indented like `node`; None where that would change a string of several lines."""
    start, end = source.start(body[0]), source.end(body[-1])
    if source.text.startswith("elif", start):
        return source.text[start + 2 : end]
    if body[0].lineno == node.lineno:
        return source.text[start:end]
    return syntax.indented(source, body[0], node.col_offset - body[0].col_offset, end=end)


def _keeps_names(source: Source, child: Program) -> bool:
    """Returns whether every name that the child's file reads is still bound in it, if it was before."""
    tree = syntax.parse(child.files[source.path])
    return tree is not None and syntax.names_unbound(tree) <= source.unbound
