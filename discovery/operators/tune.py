"""`tune`: a parent with other numbers in place of its constants; `discovery.learning.tuning` chooses them."""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.programs import constants


class Tune:
    """Puts the job's values in place of the first parent's constants; draws nothing, asks no model."""

    name = "tune"
    needs_model = False
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child; its values stand in the order of `constants.find` of the parent.

        Raises:
            OperatorError: the parent has no tunable constants, or the job's values do not fit them.
        """
        del rng, model
        parent = job.parents[0]
        template = constants.template(parent.program)
        if not template.constants:
            raise OperatorError(f"program {parent.program_id} has no constants that can be tuned")
        try:
            child = template.fill(job.values)
        except constants.ConstantError as error:
            raise OperatorError(f"program {parent.program_id}: {error}") from error
        return Proposal(child, (parent.program_id,))
