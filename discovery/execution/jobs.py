"""The two things a worker does, as plain functions of plain data; executors decide where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from discovery.core.events import Noted, NotProposed, Proposed
from discovery.core.experiments import Bench, Experimenter
from discovery.core.texts import one_line
from discovery.core.types import Model, ModelError, Note, Operator, OperatorError, ProposeJob
from discovery.llm.meter import CallMeter
from discovery.programs.fingerprint import fingerprint
from evaluators.text.blocks import check_frozen
from islands.chance import keyed


@runtime_checkable
class Askable(Protocol):
    """A model behind which there are several, by name, and that counts its calls. Others answer for whatever is asked for."""

    def for_job(self, name: str | None, avoid: Sequence[str], meter: CallMeter) -> Model:
        """Returns the one of a name, or any but those to avoid; its calls are counted by `meter`.

        Raises:
            ModelError: there is none.
        """
        ...


def propose(
    job: ProposeJob,
    operator: Operator,
    model: Model | None,
    meter: CallMeter | None = None,
    bench: Bench | None = None,
) -> Proposed | Noted | NotProposed:
    """Returns what one operator made of its job: a child or a note, or why there is none; with all calls, if any.

    Args:
        job: what is asked for.
        operator: who makes it.
        model: what it may ask.
        meter: counts its calls.
        bench: has programs judged while it works, for an operator that experiments.
    """
    meter = meter or CallMeter()
    try:
        door: object = model
        asked = door.for_job(job.model, job.avoid, meter) if isinstance(door, Askable) else model
        rng = keyed(job.rng_key)
        if isinstance(operator, Experimenter) and bench is not None:
            proposal = operator.experiment(job, rng, asked, bench)
        else:
            proposal = operator.propose(job, rng, asked)
    except OperatorError as error:
        return NotProposed(job.job_id, str(error), meter.calls or error.calls)
    except ModelError as error:
        return NotProposed(
            job.job_id,
            str(error),
            meter.calls or error.calls,
            is_endpoint=not error.is_stop,
            is_fatal=error.is_fatal,
            is_stop=error.is_stop,
            model=error.model,
            retry_after_s=error.retry_after_s,
        )
    calls = meter.calls or proposal.calls
    if isinstance(proposal, Note):
        return Noted(job.job_id, replace(proposal, calls=calls))
    try:
        refusal = check_frozen(job.context.seed, proposal.program)
        print_ = fingerprint(proposal.program)
    except Exception as error:  # noqa: BLE001 - a child is foreign text: nothing in it may end a run
        reason = one_line(f"the program cannot be read: {type(error).__name__}: {error}", 200)
        return NotProposed(job.job_id, reason, calls)
    return Proposed(job.job_id, replace(proposal, calls=calls), print_, refusal or "")
