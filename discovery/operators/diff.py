"""The operator `diff`: a model changes one parent."""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, Proposal, ProposeJob
from discovery.operators.chat import propose_child


class Diff:
    """Changes the parent by SEARCH/REPLACE blocks (AlphaEvolve, arXiv 2506.13131, section 2.3)."""

    name = "diff"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child of one job; see `propose_child`."""
        return propose_child("diff", job, job.parents[:1], rng, model)
