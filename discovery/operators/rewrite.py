"""The operator `rewrite`: a model changes one parent."""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, Proposal, ProposeJob
from discovery.operators.chat import propose_child


class Rewrite:
    """Writes all that may change anew; frozen text is kept."""

    name = "rewrite"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child of one job; see `propose_child`."""
        return propose_child("rewrite", job, job.parents[:1], rng, model)
