"""What an operator is told of the search: the problem, where it stands, and which other programs are worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from discovery.operators.base import Advice, Context, Individual
from discovery.state import RunState


class Memory(Protocol):
    """What was learned earlier, for questions to models. Contract: a function of what it learned and of `rng`; quick.

    The ids that a question showed come back as `texts["advice"]` of the record, those that the reply says it used as
    `texts["used"]` (both "id, id"; absent where there are none), so that a `Learner` can give credit.
    """

    def advise(self, parent: Individual, rng: np.random.Generator, room_tokens: int) -> Sequence[Advice]:
        """Returns the items to show with `parent`, the most valuable first, of `room_tokens` tokens at most."""
        ...


INSPIRATIONS = 2
SHOWN_FAILURES = 2


def bare_context(state: RunState) -> Context:
    """Returns the context of operators that ask no model: the statement alone."""
    statement = state.statement
    return Context(statement.goal, statement.objective.name, statement.objective.direction, statement.seed)


def compose_context(
    state: RunState,
    island: int,
    parents: Sequence[Individual],
    rng: np.random.Generator,
    *,
    token_budget: int,
) -> Context:
    """Returns the context of one question to a model.

    Args:
        state: what the run knows.
        island: where inspirations are drawn.
        parents: the programs to be changed; the recent failures of the first are told.
        rng: of the decision.
        token_budget: upper bound of the prompt's tokens.
    """
    statement, objective = state.statement, state.statement.objective
    chosen = {parent.program_id for parent in parents}
    others = [
        state.individual(elite.program_id)
        for elite in state.archipelago.select(island, rng, INSPIRATIONS + len(parents))
        if elite.program_id not in chosen
    ]
    others.sort(key=lambda one: objective.fitness(one.evaluation.score or 0.0))
    return replace(
        bare_context(state),
        notes=statement.notes,
        best_score=state.best.evaluation.score if state.best else None,
        inspirations=tuple(others[-INSPIRATIONS:]),
        failures=state.failures_of(parents[0].program_id, SHOWN_FAILURES),
        token_budget=token_budget,
        hints=tuple(state.hints),
    )
