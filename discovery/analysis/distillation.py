"""Distillation: the smallest program that still does what a good one does.

Evolved programs carry what once helped, what never hurt, and constants of sixteen digits. `distil` leaves out parts and
shortens constants as long as the program stays within epsilon, on the run's cases and on held-out ones. It is greedy, one
edit at a time, the largest first, as in the minimising variant of delta debugging (A. Zeller and R. Hildebrandt,
"Simplifying and isolating failure-inducing input", IEEE TSE 28, 2002), and ends at a program from which nothing more can
be left out, or when the evaluations are used up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from discovery.operators.prune import prunings
from discovery.programs import constants
from discovery.programs.fingerprint import fingerprint
from evaluators.contract import Evaluation, Objective, Program
from evaluators.text.blocks import check_frozen
from evaluators.text.measures import measure_program

DIGITS = (1, 2, 3, 6)
"""Significant digits to which a constant is shortened, the fewest that do."""
NEUTRAL = (0.0, 1.0)
"""Values that take a constant out of a sum or a product."""

Evaluate = Callable[[Program], Evaluation]


@dataclass(frozen=True, slots=True)
class Distilled:
    """What came of it.

    Attributes:
        program: the smallest found; evaluation: how it did.
        before: how the program did that was distilled, judged again.
        nodes: size before and after, in nodes of the syntax tree (tokens of C).
        evaluations: how many were made.
        is_minimal: whether no single edit can be left out any more (False where the evaluations ran out).
    """

    program: Program
    evaluation: Evaluation
    before: Evaluation
    nodes: tuple[int, int]
    evaluations: int
    is_minimal: bool


class CannotDistilError(Exception):
    """The program to distil has no score to keep."""


def distil(
    program: Program,
    seed: Program,
    objective: Objective,
    evaluate: Evaluate,
    *,
    epsilon: float,
    evaluations: int,
) -> Distilled:
    """Returns the smallest program found within `epsilon` of a good one.

    Args:
        program: the good one.
        seed: the problem's seed, whose frozen part must stay.
        objective: what is optimised.
        evaluate: judges a program, on held-out cases too where there are any.
        epsilon: by how much the score, and the objective on held-out cases, may be worse, >= 0, in their units.
        evaluations: how many there may be, the first of `program` itself included, >= 1.

    Raises:
        CannotDistilError: `program` fails.
    """
    before = evaluate(program)
    if before.score is None:
        raise CannotDistilError(f"the program fails now ({before.status}: {before.reason})")
    floor, held_floor = _levels(before, objective)
    best, found, done = program, before, 1
    seen = {fingerprint(program)}
    pending = _smaller(best)
    while (child := next(pending, None)) is not None:
        mark = fingerprint(child)
        if mark in seen or _nodes(child) > _nodes(best) or check_frozen(seed, child):
            continue
        seen.add(mark)
        if done >= evaluations:
            return Distilled(best, found, before, (_nodes(program), _nodes(best)), done, is_minimal=False)
        done += 1
        tried = evaluate(child)
        if tried.score is None:
            continue
        level, held = _levels(tried, objective)
        if level >= floor - epsilon and (
            held_floor is None or (held is not None and held >= held_floor - epsilon)
        ):
            best, found = child, tried
            pending = _smaller(best)
    return Distilled(best, found, before, (_nodes(program), _nodes(best)), done, is_minimal=True)


def _levels(evaluation: Evaluation, objective: Objective) -> tuple[float, float | None]:
    """Returns the fitness, and that on held-out cases where there is one."""
    held = (evaluation.held_out or {}).get(objective.name)
    return objective.fitness(evaluation.score or 0.0), None if held is None else objective.fitness(held)


def _nodes(program: Program) -> int:
    return int(measure_program(program, ("ast_nodes",))["ast_nodes"])


def _smaller(program: Program) -> Iterator[Program]:
    """Yields programs that are simpler in one place: a part left out, a constant neutral, a constant shorter."""
    yield from prunings(program)
    values = [constant.value for constant in constants.find(program)]
    for index, value in enumerate(values):
        for simple in (*NEUTRAL, *(float(f"{value:.{digits}g}") for digits in DIGITS)):
            if simple == value:
                break  # it is as short as this already
            changed = [*values[:index], simple, *values[index + 1 :]]
            try:
                yield constants.replace(program, changed)
            except constants.ConstantError:
                continue
