"""The operator `ask`: its children come from outside, from whoever drives a study by ask and tell."""

from __future__ import annotations

import numpy as np

from discovery.core.choices import ASK_OPERATOR
from discovery.core.types import Model, OperatorError, Proposal, ProposeJob


class Ask:
    """Stands for a person, a script or a model outside: the study's executor offers its jobs and takes the children."""

    name = ASK_OPERATOR
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Makes no child.

        Raises:
            OperatorError: always; nobody is there to be asked.
        """
        raise OperatorError(
            "operator ask is answered from outside: go on with discovery.study(RUN) in Python"
        )
