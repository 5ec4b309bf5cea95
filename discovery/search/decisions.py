"""A decision under way, and the forms in which the journal keeps what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from discovery.core.records import Record
from discovery.core.results import NoteRecord, RejectedProposal
from discovery.core.types import ModelCall, Note, Proposal
from discovery.search.plan_tracker import Turns
from evaluators.contract import Evaluation, Program


@dataclass(slots=True)
class Decision:
    """A decision under way.

    Attributes:
        number: of the decision.
        operator, island, parents, model, variant: what was decided.
        session, step: the tuning session or the plan that asked for it.
        kind: "child", or the kind of note that is asked for (see `NoteRecord`).
        needs_model: whether a model is asked.
        from_best: whether its parent was the best of its island when it was decided.
        about: the program that a note is about.
        proposal, fingerprint: the child, once there is one.
        measured: how often it was measured already, where scores vary.
    """

    number: int
    operator: str
    island: int
    parents: tuple[str, ...]
    session: int | None = None
    step: int | None = None
    proposal: Proposal | None = None
    fingerprint: str = ""
    model: str | None = None
    variant: str = ""
    kind: str = "child"
    needs_model: bool = False
    from_best: bool = False
    about: str = ""
    measured: int = 0

    @property
    def job_id(self) -> str:
        """Returns the id of its evaluation."""
        return f"{self.number}-{self.operator}" + (f"~{self.measured}" if self.measured else "")

    def record(self, index: int, evaluation: Evaluation, at_s: float) -> Record:
        """Returns the record of its evaluated child, not yet in any archive; `at_s` is unix time."""
        assert self.proposal is not None
        return Record(
            index=index,
            program=self.proposal.program,
            program_id=self.proposal.program.id,
            parents=self.parents,
            evaluation=evaluation,
            operator=self.operator,
            island=self.island,
            cell=None,
            decision=self.number,
            calls=self.proposal.calls,
            texts=self.proposal.texts,
            at_s=at_s,
            fingerprint=self.fingerprint,
            session=self.session,
            step=self.step,
            model=self.model,
            variant=self.variant,
        )


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
        _calls(entry),
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
    )


def waste_to_json(
    decision: Decision, reason: str, calls: tuple[ModelCall, ...], refused: Program | None = None
) -> dict[str, Any]:
    """Returns the entry of a decision that led to no evaluation; with the program, where one was paid for and refused."""
    return {
        "type": "unproposed",
        "decision": decision.number,
        "operator": decision.operator,
        "island": decision.island,
        "reason": reason,
        "calls": [asdict(call) for call in calls],
        **({"program": refused.to_json()} if refused else {}),
        **_arm_to_json(decision),
        **_step_to_json(decision),
    }


def waste_from_json(entry: Mapping[str, Any]) -> RejectedProposal:
    """Returns what learners are told of an entry."""
    model, variant = entry.get("model"), entry.get("variant", "")
    return RejectedProposal(
        entry["operator"], model, variant, entry["island"], entry["reason"], _calls(entry)
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
        _calls(entry),
    )


def turns_of(entry: Mapping[str, Any]) -> Turns:
    """Returns what an entry adds to a conversation."""
    return tuple(dict(turn) for turn in entry.get("turns", ()))


def _calls(entry: Mapping[str, Any]) -> tuple[ModelCall, ...]:
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
