"""The two things a worker does, as plain functions of plain data; executors decide where they run."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from discovery.core.events import Noted, NotProposed, Proposed
from discovery.core.texts import one_line
from discovery.core.types import Model, ModelError, Note, Operator, OperatorError, ProposeJob
from discovery.programs.fingerprint import fingerprint
from evaluators.text.blocks import check_frozen


@runtime_checkable
class Choosable(Protocol):
    """A model behind which there are several, by name. Those that are not answer for whatever is asked for."""

    def only(self, name: str) -> Model:
        """Returns the one of that name; raises `ModelError` where there is none."""
        ...


def propose(job: ProposeJob, operator: Operator, model: Model | None) -> Proposed | Noted | NotProposed:
    """Returns what one operator made of its job: a child or a note, or why there is none."""
    try:
        asked = _named(model, job.model)
        proposal = operator.propose(job, np.random.default_rng(job.rng_key), asked)
    except OperatorError as error:
        return NotProposed(job.job_id, str(error), error.calls)
    except ModelError as error:
        return NotProposed(job.job_id, str(error), is_endpoint=True, is_fatal=error.is_fatal)
    if isinstance(proposal, Note):
        return Noted(job.job_id, proposal)
    try:
        refusal = check_frozen(job.context.seed, proposal.program)
        return Proposed(job.job_id, proposal, fingerprint(proposal.program), refusal or "")
    except Exception as error:  # noqa: BLE001 - a child is foreign text: nothing in it may end a run
        reason = one_line(f"the program cannot be read: {type(error).__name__}: {error}", 200)
        return NotProposed(job.job_id, reason, proposal.calls)


def _named(model: Model | None, name: str | None) -> Model | None:
    chooser: object = model
    return chooser.only(name) if name is not None and isinstance(chooser, Choosable) else model
