"""The operator `repair`: a model mends a program that failed."""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.operators.chat import propose_child


class Repair:
    """Mends the first parent, which failed, told how it failed and what it printed."""

    name = "repair"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child of one job.

        Raises:
            OperatorError: the first parent did not fail; see also `propose_child`.
        """
        if job.parents[0].evaluation.is_ok:
            raise OperatorError(f"repair needs a failed program; {job.parents[0].program_id} has a score")
        return propose_child("repair", job, job.parents[:1], rng, model)
