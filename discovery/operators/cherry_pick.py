"""`cherry_pick`: a program with changes that made others better, as `git cherry-pick` would carry them over.

Programs that are proposed side by side, on the same parent, find different things; one becomes the next parent, and what
the others found would have to be found, or paid for, again. A change is what a program did to its own parent. It is
carried over line by line, where all the lines that it takes out still stand as they were. No model is asked.
"""

from __future__ import annotations

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.programs.carry_over import carry_over


class CherryPick:
    """Carries changes over into the first parent.

    The others stand in pairs: a program, and the parent that it was made from.
    """

    name = "cherry_pick"
    needs_model = False
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a child that compiles and keeps the frozen part.

        Raises:
            OperatorError: there is nothing to carry over, or it does not fit.
        """
        del rng, model
        first, *others = job.parents
        donors, bases = others[::2], others[1::2]
        child = first.program
        for donor, base in zip(donors, bases, strict=True):
            changed = carry_over(child, base.program, donor.program)
            if changed is None:
                raise OperatorError(f"what {donor.program_id} changed does not fit into {first.program_id}")
            child = changed
        if not donors:
            raise OperatorError("there is no change to carry over")
        return Proposal(child, (first.program_id, *(donor.program_id for donor in donors)))
