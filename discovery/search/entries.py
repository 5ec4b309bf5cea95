"""The forms in which the journal keeps what came of a decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from discovery.core.results import NoteRecord, RejectedProposal
from discovery.core.types import ModelCall, Note, Proposal
from discovery.search.decisions import Decision, Stage
from discovery.search.plan_tracker import Turns
from evaluators.contract import Evaluation, Program


def child_to_json(decision: Decision) -> dict[str, Any]:
    """Returns the entry of a child that was paid for."""
    assert decision.proposal is not None
    return {
        "type": "proposed",
        "decision": decision.number,
        "operator": decision.operator,
        "island": decision.island,
        "parents": list(decision.parents),
        "fingerprint": decision.fingerprint,
        "program": decision.proposal.program.to_json(),
        "calls": [asdict(call) for call in decision.proposal.calls],
        "texts": dict(decision.proposal.texts),
        **_arm_to_json(decision),
        **_step_to_json(decision),
        **_turns_to_json(decision.proposal.turns),
    }


def child_from_json(entry: Mapping[str, Any]) -> Decision:
    """Returns the decision of an entry."""
    proposal = Proposal(
        Program.from_json(entry["program"]),
        tuple(entry["parents"]),
        calls_of(entry),
        entry["texts"],
        turns_of(entry),
    )
    return Decision(
        entry["decision"],
        entry["operator"],
        entry["island"],
        proposal.parents,
        entry.get("session"),
        entry.get("step"),
        proposal=proposal,
        fingerprint=entry["fingerprint"],
        model=entry.get("model"),
        variant=entry.get("variant", ""),
        is_saved=True,
        stage=Stage.PROPOSED,
    )


def measured_to_json(decision: Decision, evaluation: Evaluation) -> dict[str, Any]:
    """Returns the entry of one measurement of a program that is to be measured again."""
    return {"type": "measured", "decision": decision.number, "evaluation": evaluation.to_json()}


def waste_to_json(
    decision: Decision, reason: str, calls: tuple[ModelCall, ...], refused: Program | None = None
) -> dict[str, Any]:
    """Returns the entry of a decision that led to no evaluation; with the program, where one was paid for and refused."""
    return {
        **given_up_to_json(decision, reason, calls),
        "parents": list(decision.parents),
        **({"program": refused.to_json()} if refused else {}),
        **_step_to_json(decision),
    }


def given_up_to_json(decision: Decision, reason: str, calls: tuple[ModelCall, ...]) -> dict[str, Any]:
    """Returns the entry of a decision that was paid for and never answered: what called for it is still owed."""
    return {
        "type": "unproposed",
        "decision": decision.number,
        "operator": decision.operator,
        "island": decision.island,
        "reason": reason,
        "calls": [asdict(call) for call in calls],
        **_arm_to_json(decision),
    }


def spent_to_json(number: int, reason: str, calls: tuple[ModelCall, ...]) -> dict[str, Any]:
    """Returns the entry of calls of an earlier session of which nothing else is known than the decision's number."""
    return {"type": "spent", "decision": number, "reason": reason, "calls": [asdict(call) for call in calls]}


def waste_from_json(entry: Mapping[str, Any]) -> RejectedProposal:
    """Returns what learners are told of an entry."""
    model, variant = entry.get("model"), entry.get("variant", "")
    return RejectedProposal(
        entry["operator"], model, variant, entry["island"], entry["reason"], calls_of(entry)
    )


def note_to_json(decision: Decision, note: Note, reason: str = "") -> dict[str, Any]:
    """Returns the entry of a note; one without texts says why in `reason`."""
    return {
        "type": "noted",
        "kind": decision.kind,
        "decision": decision.number,
        "operator": decision.operator,
        "island": decision.island,
        "program_id": decision.about,
        "texts": dict(note.texts),
        "calls": [asdict(call) for call in note.calls],
        **({"reason": reason} if reason else {}),
        **_arm_to_json(decision),
        **_turns_to_json(note.turns),
    }


def remark_from_json(entry: Mapping[str, Any]) -> NoteRecord:
    """Returns what learners are told of an entry."""
    return NoteRecord(
        entry["kind"],
        entry["program_id"],
        entry["operator"],
        entry.get("model"),
        entry.get("variant", ""),
        entry["island"],
        entry["texts"],
        calls_of(entry),
    )


def turns_of(entry: Mapping[str, Any]) -> Turns:
    """Returns what an entry adds to a conversation."""
    return tuple(dict(turn) for turn in entry.get("turns", ()))


def calls_of(entry: Mapping[str, Any]) -> tuple[ModelCall, ...]:
    """Returns the model calls of an entry."""
    return tuple(ModelCall(**call) for call in entry["calls"])


def _arm_to_json(decision: Decision) -> dict[str, str]:
    """Returns the model and the variant that were asked for, where any were."""
    model = {"model": decision.model} if decision.model else {}
    return model | ({"variant": decision.variant} if decision.variant else {})


def _step_to_json(decision: Decision) -> dict[str, int]:
    """Returns the plan and the candidate's number in it, where there is one (a tuning session asks no model)."""
    if decision.session is None or decision.step is None:
        return {}
    return {"session": decision.session, "step": decision.step}


def _turns_to_json(turns: Turns) -> dict[str, Any]:
    return {"turns": [dict(turn) for turn in turns]} if turns else {}
