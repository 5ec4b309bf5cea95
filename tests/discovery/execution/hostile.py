"""An operator that does in its process what a hostile reply could make a reader do; proposers of tests install it."""

from __future__ import annotations

import os

from discovery.core.types import Proposal
from discovery.operators import registry


class Hostile:
    name, needs_model, parents_needed = "diff", True, 1

    def propose(self, job, rng, model):
        call = model.complete([{"role": "user", "content": job.variant}], rng=rng).call
        while job.variant == "hang":
            pass
        if job.variant == "die":
            os._exit(9)
        return Proposal(job.parents[0].program, (job.parents[0].program_id,), (call,))


def install() -> None:
    """Puts it in the place of an operator."""
    registry.JOBS["diff"] = Hostile()
