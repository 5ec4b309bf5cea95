"""Whole searches in a scripted world, in simulated time."""

from __future__ import annotations

import pytest

from benchmarks.learned import screening
from benchmarks.learned.ablation import ARMS, ONE_MODEL, settings_of
from benchmarks.worlds.landscapes import World
from benchmarks.worlds.simulation import simulate
from discovery.core.events import Save
from discovery.operators.cherry_pick import CherryPick
from discovery.programs.carry_over import carry_over
from discovery.search.assembly import assemble
from discovery.search.coordinator import Coordinator


@pytest.fixture(params=["default"])
def journal(request, monkeypatch):
    """The journal of a search with default settings, or those of another arm."""
    entries = []
    handle = Coordinator.handle

    def noted(self, event):
        instructions = handle(self, event)
        entries.extend(one.entry for one in instructions if isinstance(one, Save))
        return instructions

    monkeypatch.setattr(Coordinator, "handle", noted)
    simulate(World("lessons", 2), config(request.param), ONE_MODEL)
    return entries


def config(name="default"):
    (arm,) = (arm for arm in ARMS if arm.name == name)
    return settings_of(arm, "lessons", 2, 80)


without_rebase = pytest.mark.parametrize("journal", ["default without rebase"], indirect=True)
"""There is more left to carry over then."""


def as_json(entry):
    if entry["type"] != "evaluated":
        return entry
    record = entry["record"]
    return {**entry, "record": record if isinstance(record, dict) else record.to_json()}


@without_rebase
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


@without_rebase
def test_a_replay_would_carry_over_the_same(journal):
    states = []
    for _ in range(2):
        coordinator, _parts = assemble(World("lessons", 2).problem, config("default without rebase"), "again")
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


def test_children_that_were_promised_little_were_seldom_better_than_their_parent():
    seen = [one for seed in (1, 2, 3) for one in screening.watch(("lessons", seed, 80))[0]]
    low = [is_better for promised, is_better, _ in seen if promised < 0.2]
    high = [is_better for promised, is_better, _ in seen if promised > 0.4]
    assert min(len(low), len(high)) > 20
    assert sum(low) / len(low) < 0.1 < 0.2 < sum(high) / len(high)
    assert len(screening.rows(seen)) > 5


def test_late_changes_of_the_best_are_made_in_the_new_best(journal):
    records = {e["record"].program_id: e["record"] for e in journal if e["type"] == "evaluated"}
    late = [one for one in records.values() if one.operator in ("diff", "rewrite") and len(one.parents) == 2]
    assert len(late) >= 3
    for record in late:
        new, old = (records[name] for name in record.parents)
        assert new.evaluation.score > old.evaluation.score


def test_what_is_screened_out_is_paid_for_and_not_evaluated(journal):
    refused = [e for e in journal if e["type"] == "unproposed" and e["reason"].startswith("screened out")]
    assert len(refused) >= 3
    assert all(e["calls"] for e in refused)
    evaluated = {e["record"].decision for e in journal if e["type"] == "evaluated"}
    assert not evaluated & {e["decision"] for e in refused}
