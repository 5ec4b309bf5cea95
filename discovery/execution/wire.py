"""Jobs and events as JSON, for workers in other processes. What is read back equals what was written.

Only the events that a worker can cause have a form; the others never leave the coordinator.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from discovery.core.events import Broken, Evaluated, EvaluateJob, Noted, NotProposed, Proposed
from discovery.core.types import (
    Advice,
    Attribution,
    Context,
    Individual,
    LineEffect,
    ModelCall,
    Note,
    Proposal,
    ProposeJob,
    Trace,
    Trajectory,
)
from evaluators.contract import Evaluation, Incumbent, Program

FORMAT = 3
"""Raised whenever a form changes; a worker refuses jobs of another format."""


def content_id(*parts: object) -> str:
    """Returns 32 hex digits that derive from the JSON form of `parts` alone."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def evaluate_job_to_json(job: EvaluateJob) -> dict[str, Any]:
    """Returns the JSON form."""
    data = {"job_id": job.job_id, "program": job.program.to_json(), "held_out": job.held_out}
    return data if job.start is None else {**data, "start": job.start.to_json()}


def evaluate_job_from_json(data: Mapping[str, Any]) -> EvaluateJob:
    """Returns the job of a JSON form."""
    start = Incumbent.from_json(data["start"]) if "start" in data else None
    return EvaluateJob(data["job_id"], Program.from_json(data["program"]), data["held_out"], start)


def propose_job_to_json(job: ProposeJob) -> dict[str, Any]:
    """Returns the JSON form."""
    context = job.context
    return {
        "job_id": job.job_id,
        "operator": job.operator,
        "island": job.island,
        "decision": job.decision,
        "parents": [_individual_to_json(parent) for parent in job.parents],
        "context": {
            "goal": context.goal,
            "objective": context.objective,
            "direction": context.direction,
            "seed": context.seed.to_json(),
            "notes": context.notes,
            "best_score": context.best_score,
            "inspirations": [_individual_to_json(one) for one in context.inspirations],
            "failures": [_individual_to_json(one) for one in context.failures],
            "token_budget": context.token_budget,
            "hints": list(context.hints),
            "ancestors": [asdict(trace) for trace in context.ancestors],
            "siblings": [asdict(trace) for trace in context.siblings],
            "trajectories": [asdict(trajectory) for trajectory in context.trajectories],
            "standing": list(context.standing),
            "situation": context.situation,
            "advice": [asdict(item) for item in context.advice],
            "instruction": context.instruction,
            "is_full": context.is_full,
            "attribution": asdict(context.attribution),
        },
        "rng_key": list(job.rng_key),
        "values": list(job.values),
        "session": job.session,
        "model": job.model,
        "variant": job.variant,
        "plan": job.plan,
        "attempts": [_individual_to_json(one) for one in job.attempts],
        "turns": [dict(turn) for turn in job.turns],
    }


def propose_job_from_json(data: Mapping[str, Any]) -> ProposeJob:
    """Returns the job of a JSON form."""
    context = dict(data["context"])
    context["seed"] = Program.from_json(context["seed"])
    for group in ("inspirations", "failures"):
        context[group] = tuple(_individual_from_json(one) for one in context[group])
    for group in ("hints", "standing"):
        context[group] = tuple(context[group])
    for group in ("ancestors", "siblings"):
        context[group] = tuple(Trace(**trace) for trace in context[group])
    context["trajectories"] = tuple(
        Trajectory(one["kind"], tuple(Trace(**trace) for trace in one["steps"]))
        for one in context["trajectories"]
    )
    context["advice"] = tuple(Advice(**item) for item in context["advice"])
    context["attribution"] = Attribution(
        context["attribution"]["programs"],
        *(tuple(LineEffect(**one) for one in context["attribution"][kind]) for kind in ("gains", "losses")),
    )
    values = dict(data)
    values["context"] = Context(**context)
    values["parents"] = tuple(_individual_from_json(parent) for parent in data["parents"])
    values["attempts"] = tuple(_individual_from_json(one) for one in data["attempts"])
    values["turns"] = tuple(dict(turn) for turn in data["turns"])
    values["rng_key"], values["values"] = tuple(data["rng_key"]), tuple(data["values"])
    return ProposeJob(**values)


def event_to_json(event: Proposed | Noted | NotProposed | Evaluated | Broken) -> dict[str, Any]:
    """Returns the JSON form, with the event's name under "event"."""
    match event:
        case Evaluated():
            return {
                "event": "evaluated",
                "job_id": event.job_id,
                "evaluation": event.evaluation.to_json(),
                "at_s": event.at_s,
            }
        case Proposed():
            proposal = event.proposal
            return {
                "event": "proposed",
                "job_id": event.job_id,
                "program": proposal.program.to_json(),
                "parents": list(proposal.parents),
                "calls": [asdict(call) for call in proposal.calls],
                "texts": dict(proposal.texts),
                "turns": [dict(turn) for turn in proposal.turns],
                "fingerprint": event.fingerprint,
                "refusal": event.refusal,
            }
        case Noted():
            note = event.note
            return {
                "event": "noted",
                "job_id": event.job_id,
                "texts": dict(note.texts),
                "calls": [asdict(call) for call in note.calls],
                "turns": [dict(turn) for turn in note.turns],
            }
        case NotProposed():
            return {"event": "not_proposed", **asdict(event)}
        case Broken():
            return {"event": "broken", "reason": event.reason}


def event_from_json(data: Mapping[str, Any]) -> Proposed | Noted | NotProposed | Evaluated | Broken:
    """Returns the event of a JSON form.

    Raises:
        ValueError: there is no event of that name.
    """
    match data["event"]:
        case "evaluated":
            return Evaluated(data["job_id"], Evaluation.from_json(data["evaluation"]), data["at_s"])
        case "proposed":
            proposal = Proposal(
                Program.from_json(data["program"]),
                tuple(data["parents"]),
                _calls(data),
                dict(data["texts"]),
                _turns(data),
            )
            return Proposed(data["job_id"], proposal, data["fingerprint"], data["refusal"])
        case "noted":
            return Noted(data["job_id"], Note(dict(data["texts"]), _calls(data), _turns(data)))
        case "not_proposed":
            return NotProposed(
                data["job_id"], data["reason"], _calls(data), data["is_endpoint"], data["is_fatal"]
            )
        case "broken":
            return Broken(data["reason"])
    raise ValueError(
        f"event must be evaluated, proposed, noted, not_proposed or broken, got {data['event']!r}"
    )


def _calls(data: Mapping[str, Any]) -> tuple[ModelCall, ...]:
    return tuple(ModelCall(**call) for call in data["calls"])


def _turns(data: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
    return tuple(dict(turn) for turn in data["turns"])


def _individual_to_json(individual: Individual) -> dict[str, Any]:
    return {
        "program": individual.program.to_json(),
        "evaluation": individual.evaluation.to_json(),
        "program_id": individual.program_id,
        "texts": dict(individual.texts),
    }


def _individual_from_json(data: Mapping[str, Any]) -> Individual:
    evaluation = Evaluation.from_json(data["evaluation"])
    return Individual(Program.from_json(data["program"]), evaluation, data["program_id"], dict(data["texts"]))
