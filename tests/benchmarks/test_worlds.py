"""Whole searches in a scripted world, in simulated time."""

from __future__ import annotations

import pytest

from benchmarks.ablation import ARMS, ONE_MODEL, settings_of
from benchmarks.worlds.landscapes import World
from benchmarks.worlds.simulation import simulate
from discovery.assembly import assemble
from discovery.coordinator import Coordinator
from discovery.events import Save
from discovery.operators.cherry_pick import CherryPick, carry_over


@pytest.fixture
def journal(monkeypatch):
    """The journal of a search with default settings."""
    entries = []
    handle = Coordinator.handle

    def noted(self, event):
        instructions = handle(self, event)
        entries.extend(one.entry for one in instructions if isinstance(one, Save))
        return instructions

    monkeypatch.setattr(Coordinator, "handle", noted)
    simulate(World("lessons", 2), config(), ONE_MODEL)
    return entries


def config():
    (default,) = (arm for arm in ARMS if arm.name == "default")
    return settings_of(default, "lessons", 2, 80)


def as_json(entry):
    if entry["type"] != "evaluated":
        return entry
    record = entry["record"]
    return {**entry, "record": record if isinstance(record, dict) else record.to_json()}


def test_what_was_carried_over_is_what_its_parents_did(journal):
    records = {e["record"].program_id: e["record"] for e in journal if e["type"] == "evaluated"}
    carried = [one for one in records.values() if one.operator == CherryPick.name]
    assert len(carried) >= 3
    for record in carried:
        target, *donors = (records[name] for name in record.parents)
        child = target.program
        for donor in donors:
            child = carry_over(child, records[donor.parents[0]].program, donor.program)
            assert child is not None
        assert child == record.program
        assert not record.calls
    gained = [one.evaluation.score > records[one.parents[0]].evaluation.score for one in carried]
    assert sum(gained) > len(gained) / 2  # every letter counts for itself there


def test_a_replay_would_carry_over_the_same(journal):
    states = []
    for _ in range(2):
        coordinator, _parts = assemble(World("lessons", 2).problem, config(), "again")
        for entry in journal:
            coordinator.replay(as_json(entry))
        states.append(coordinator.state)
    one, other = states
    assert one.patches is not None
    assert other.patches is not None
    found = []
    for target in one.scored():
        chosen = one.patches.choose(target, one.find, one.is_known)
        assert chosen == other.patches.choose(target, other.find, other.is_known)
        found.append(len(chosen))
    assert max(found) > 0
