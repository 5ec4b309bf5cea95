"""The operator `crossover`: a model makes one program of two."""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.operators.chat import propose_child


class Crossover:
    """Writes a child of two parents; the frozen text is that of the first."""

    name = "crossover"
    needs_model = True
    parents_needed = 2

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child of one job; the best other program stands in where there is no second parent.

        Raises:
            OperatorError: there are no two different programs; see also `propose_child`.
        """
        first = job.parents[0]
        others = [*job.parents[1:], *reversed(job.context.inspirations)]
        other = next((other for other in others if other.program_id != first.program_id), None)
        if other is None:
            raise OperatorError("crossover needs two different programs, and there is only one so far")
        return propose_child("crossover", job, (first, other), rng, model)
