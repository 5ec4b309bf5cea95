"""Rules by which parents are drawn. The archipelago's own is the default; the others are what it is compared with."""

from __future__ import annotations

import numpy as np

from discovery.core.choices import Rule
from discovery.core.types import Individual
from discovery.search.state import RunState


def draw_parents(
    rule: Rule, state: RunState, island: int, rng: np.random.Generator, count: int
) -> tuple[Individual, ...]:
    """Returns `count` distinct parents, fewer where there are not so many.

    Args:
        rule: "boltzmann" draws as the archipelago does (docs/selection.md); "best" takes the best programs of the
            island (greedy); "uniform" draws among the island's elites; "seed" always takes the first program, so that
            n children are n independent tries.
        state: what the run knows.
        island: where to draw.
        rng: of the decision.
        count: how many, >= 1.
    """
    if rule == "seed" and state.first is not None:
        return (state.first,)
    if rule == "boltzmann":
        elites = state.archipelago.select(island, rng, count)
    else:
        elites = sorted(state.archipelago.elites(island), key=lambda elite: -elite.fitness)
        if rule == "uniform":
            drawn = rng.choice(len(elites), size=min(count, len(elites)), replace=False)
            elites = [elites[index] for index in drawn.tolist()]
    return tuple(state.individual(elite.program_id) for elite in elites[:count])
