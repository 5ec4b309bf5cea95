"""What an operator is told of the search: the problem, where it stands, and what of the past is worth its tokens.

The parts, each of which can be switched off (`ContextConfig`), after ContextEvolve (arXiv:2602.02597) where its name
stands: the ledger of all that was tried on the parent and on those it descends from, and what came of it; the inherited
summary of the parent (its state abstracts), for plans; other programs chosen by what they add to the parent rather than by
score alone (its sampler); and what was learned earlier. All are drawn with the
decision's generator, so that a replay of the decision would tell the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np

from discovery.core.types import Advice, Context, Individual, Trace
from discovery.search.decisions import UnderWay
from discovery.search.state import RunState
from discovery.settings.questions import SAMPLED, ContextConfig
from evaluators.contract import Evaluation
from evaluators.text.blocks import editable_text

SHOWN_TRIED = 8
"""So many of the newest changes of a program are handed to its question with their text."""
SHOWN_SIBLINGS = 6
SHOWN_ANCESTORS = 4
SHOWN_PITFALLS = 16
STALE = 20
"""So many evaluations without a new best, and level islands count as stuck: before that they are level because elites
migrate."""
STAGNANT = 3
"""So many children without a gain, and a wholly different algorithm is asked for."""
AHEAD = 0.1
"""Islands whose bests lie within this share of all that was gained are level (LoongFlow takes it of the score itself,
which depends on where the score's zero is)."""


class Memory(Protocol):
    """What was learned earlier, for questions to models. Contract: a function of what it learned and of `rng`; quick.

    The ids that a question showed come back as `texts["advice"]` of the record, those that the reply says it used as
    `texts["used"]` (both "id, id"; absent where there are none), so that a `Learner` can give credit.
    """

    def advise(self, parent: Individual, rng: np.random.Generator, room_tokens: int) -> Sequence[Advice]:
        """Returns the items to show with `parent`, the most valuable first, of `room_tokens` tokens at most."""
        ...


def bare_context(state: RunState) -> Context:
    """Returns the context of operators that ask no model: the statement alone."""
    statement = state.statement
    return Context(statement.goal, statement.objective.name, statement.objective.direction, statement.seed)


def plain_context(state: RunState, *, config: ContextConfig) -> Context:
    """Returns the context of a question that needs nothing of the past."""
    return replace(
        bare_context(state),
        notes=state.statement.notes,
        limits=state.statement.limits,
        best_score=state.best.evaluation.score if state.best else None,
        token_budget=config.token_budget,
        hints=tuple(state.hints),
    )


def summary_context(state: RunState, parent_id: str | None, *, config: ContextConfig) -> Context:
    """Returns the context of a summary: the program's ancestors and siblings beside the statement."""
    plain = plain_context(state, config=config)
    if state.genealogy is None or parent_id is None:
        return plain
    return replace(
        plain,
        ancestors=state.genealogy.ancestors(parent_id, SHOWN_ANCESTORS),
        siblings=state.genealogy.siblings(parent_id, SHOWN_SIBLINGS),
    )


def compose_context(
    state: RunState,
    island: int,
    parents: Sequence[Individual],
    rng: np.random.Generator,
    *,
    config: ContextConfig,
    memory: Memory | None = None,
    under_way: UnderWay | None = None,
) -> Context:
    """Returns the context of one question to a model.

    Args:
        state: what the run knows.
        island: where other programs are drawn.
        parents: the programs to be changed; of the past of the first is told.
        rng: of the decision.
        config: which parts there are.
        memory: what was learned earlier.
        under_way: what has no result yet.
    """
    plain = plain_context(state, config=config)
    if config.history == "none":
        return plain
    if config.history == "full":
        known = sorted(state.scored(), key=lambda one: _fitness(state, one))
        return replace(plain, inspirations=tuple(known), is_full=True)
    first = parents[0]
    context = replace(
        plain,
        inspirations=_exemplars(state, island, parents, rng, config),
    )
    if memory is not None and config.memory:
        context = replace(context, advice=tuple(memory.advise(first, rng, config.memory_tokens)))
    if (family := state.genealogy) is None:
        return context
    if under_way is not None:
        asked = tuple(variant for parent, variant in under_way.asked if parent == first.program_id)
        context = replace(context, under_way=tuple(filter(None, under_way.ideas)), asked=asked)
    bests = [best for best in _island_bests(state) if best is not None]
    pages = family.ledger(first.program_id) if config.ledger else ()
    return replace(
        context,
        ancestors=family.ancestors(first.program_id, SHOWN_ANCESTORS) if config.summaries else (),
        ledger=pages,
        tried=_held(state, pages[-1].attempts) if pages else (),
        pitfalls=family.pitfalls(SHOWN_PITFALLS) if config.pitfalls else (),
        compared=_compared(state, first),
        standing=tuple(state.statement.objective.fitness(best) for best in bests),
        situation=situation(
            bests,
            state.first_fitness,
            stagnant=family.stagnant(first.program_id),
            since_best=state.next_index - 1 - state.best_index,
        ),
    )


def situation(bests: Sequence[float], start: float | None, *, stagnant: int, since_best: int) -> str:
    """Returns what the islands' standing calls for, after LoongFlow (its planner's rules), or "".

    Args:
        bests: best fitness of each open island.
        start: fitness of the seed.
        stagnant: children of the parent, none of them better.
        since_best: evaluations since the last new best.

    Returns:
        "stagnant": another algorithm, for this parent's children bring nothing. "fuse": one island is ahead of the
        next by more than `AHEAD` of all that was gained: carry over what it found. "stuck": none is, and nothing
        was gained of late: another algorithm.
    """
    if stagnant >= STAGNANT:
        return "stagnant"
    if start is None or len(bests) < 2:
        return ""
    first, second = sorted(bests, reverse=True)[:2]
    gained = first - start
    if gained <= 0:
        return ""
    if first - second > AHEAD * gained:
        return "fuse"
    return "stuck" if since_best >= STALE else ""


def _compared(state: RunState, first: Individual) -> tuple[tuple[str, Evaluation], ...]:
    """Returns what the results of a program are held against: its parent and the best, where they are known and others."""
    family, best = state.genealogy, state.best
    parent_id = None if family is None else family.parent_of(first.program_id)
    parent = None if parent_id is None else state.find(parent_id)
    found = [("its parent", parent), ("the best", best)]
    return tuple(
        (label, one.evaluation)
        for label, one in found
        if one is not None
        and one.program_id != first.program_id
        and (label != "the best" or one.program_id != parent_id)
    )


def _held(state: RunState, attempts: Sequence[Trace]) -> tuple[Individual, ...]:
    """Returns those of the attempts whose programs are still known, the newest, oldest first."""
    found = (state.find(one.program_id) or state.find_failed(one.program_id) for one in reversed(attempts))
    return tuple(islice((one for one in found if one is not None), SHOWN_TRIED))[::-1]


def _exemplars(
    state: RunState,
    island: int,
    parents: Sequence[Individual],
    rng: np.random.Generator,
    config: ContextConfig,
) -> tuple[Individual, ...]:
    """Returns other programs to show, worst first."""
    if not config.exemplars:
        return ()
    chosen = {parent.program_id for parent in parents}
    sampled = SAMPLED if config.choice == "informative" else config.exemplars + len(parents)
    others = [
        state.individual(elite.program_id)
        for elite in state.archipelago.select(island, rng, sampled)
        if elite.program_id not in chosen
    ]
    others.sort(key=lambda one: _fitness(state, one))
    if config.choice == "best":
        return tuple(others[-config.exemplars :])
    shown = [_lines(parent) for parent in parents]
    found: list[Individual] = []
    while others and len(found) < config.exemplars:
        texts = [_lines(other) for other in others]
        values = [
            (place + 1) / len(others) + min(_distance(text, seen) for seen in shown)
            for place, text in enumerate(texts)
        ]
        best = max(range(len(others)), key=values.__getitem__)
        found.append(others.pop(best))
        shown.append(texts[best])
    return tuple(sorted(found, key=lambda one: _fitness(state, one)))


def _lines(individual: Individual) -> frozenset[str]:
    return frozenset(line.strip() for line in editable_text(individual.program).split("\n"))


def _distance(one: frozenset[str], other: frozenset[str]) -> float:
    """Returns the share of lines that only one of two programs has (1 less their Jaccard index)."""
    return 1 - len(one & other) / max(1, len(one | other))


def _fitness(state: RunState, individual: Individual) -> float:
    return state.statement.objective.fitness(individual.evaluation.score or 0.0)


def _island_bests(state: RunState) -> list[float | None]:
    population = state.archipelago
    found = [population.archive(k).best for k in range(population.open_islands(state.next_decision))]
    return [None if best is None else best.fitness for best in found]
