"""What a run learned is a fold of its journal: a replay knows what the live run knew, and a kill loses nothing of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from discovery.core.gains import GainMeter
from discovery.core.types import ModelCall, OperatorError, Proposal
from discovery.learning.bandit import Bandit
from discovery.learning.memory.items import Provenance
from discovery.learning.memory.playbook import Playbook
from discovery.learning.near_duplicates import NearDuplicates
from discovery.learning.tuning import Tuner
from discovery.search.coordinator import Coordinator
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import BanditConfig, DuplicatesConfig, MemoryConfig, TuningConfig
from evaluators.contract import Objective, Program
from islands.archipelago import Archipelago, IslandsConfig
from tests.discovery.search.test_coordinator import AXES, SEED, Jitter, World

IDEAS = (
    "move towards the upper end slowly",
    "jump far away from the parent",
    "halve the distance to the goal",
)


class Thoughtful(Jitter):
    """Asks the model it is told to, says why, and cites what it was shown."""

    def propose(self, job, rng, model) -> Proposal:
        call = ModelCall(job.model, 90, 10, 0.001 if job.model == "cheap" else 0.02, 1.0)
        number = int(rng.integers(self.kinds))
        if number % 7 == 3:
            raise OperatorError("nothing came to mind", (call,))
        program = Program({"program.py": f"x = {number / self.kinds!r}\n"})
        shown = ", ".join(item.item_id for item in job.context.advice)
        texts = {"idea": IDEAS[number % 3]} | ({"advice": shown, "used": shown} if shown else {})
        return Proposal(program, tuple(parent.program_id for parent in job.parents), (call,), texts)


class Learning(World):
    """A world whose coordinator has every part that learns."""

    def make(self) -> Coordinator:
        meter = GainMeter()
        self.bandit = Bandit(
            BanditConfig(enabled=True, stall=5),
            weights=self.plan.weights,
            models=(("cheap", 2.0), ("dear", 1.0)),
            needs_model={name: operator.needs_model for name, operator in self.operators.items()},
            meter=meter,
        )
        config = MemoryConfig(enabled=True, batch=3, least_gain=0.01, starts=True)
        self.memory = Playbook(config, Provenance("toy", "1", "0", "world"), meter)
        near = NearDuplicates(DuplicatesConfig(enabled=True, threshold=1.0))
        state = RunState(
            Statement("toy", "Find 0.7.", "", Objective(), SEED),
            lambda: Archipelago(IslandsConfig(islands=2, opening_interval=10), AXES),
            Tuner(TuningConfig(), seed=self.plan.seed),
            learners=(meter, self.bandit, self.memory, near),
        )
        return Coordinator(self.plan, state, self.operators, self.bandit, self.memory, near)


def world(order: int = 0) -> Learning:
    operators = {
        "diff": Thoughtful("diff", needs_model=True),
        "rewrite": Thoughtful("rewrite", needs_model=True),
    }
    return Learning({**operators, "splice": Jitter()}, order=order, budget=Budget(evaluations=80))


def liked(one: Learning) -> list[str]:
    """Returns the programs that can be parents, the one that is worth the most as a start first."""
    ready = one.coordinator.state.scored()
    chosen = one.memory.parents(lambda count: ready, len(ready), np.random.default_rng(1))
    return [parent.program_id for parent in chosen]


def test_a_replay_knows_what_the_live_run_knew() -> None:
    live = world().run()
    again = world()
    for line in live.journal:
        again.coordinator.replay(json.loads(line))
    assert again.bandit.rates() == live.bandit.rates()
    assert len({arm.model for arm in live.bandit.rates()}) == 3
    assert again.memory.contents == live.memory.contents
    assert liked(again) == liked(live)
    assert liked(live) != [one.program_id for one in live.coordinator.state.scored()]
    assert live.memory.contents.advised.shown > 5
    assert live.memory.contents.control.shown > 5


@pytest.mark.parametrize("kept", [1, 9, 40, 75])
def test_a_run_that_was_killed_goes_on_learning(kept: int) -> None:
    one = world(order=kept)
    one.act(one.coordinator.start())
    while len(one.journal) < kept and one.finish is None:
        one.step()
    known = world(order=kept)
    for line in one.journal[:kept]:
        known.coordinator.replay(json.loads(line))
    one.restart(kept)
    assert one.bandit.rates() == known.bandit.rates()
    assert one.memory.contents == known.memory.contents
    assert liked(one) == liked(known)
    one.run()
    assert one.finish is not None
    assert one.finish.reason == "evaluations"
    again = world()
    for line in one.journal:
        again.coordinator.replay(json.loads(line))
    assert again.bandit.rates() == one.bandit.rates()
    assert again.memory.contents == one.memory.contents
