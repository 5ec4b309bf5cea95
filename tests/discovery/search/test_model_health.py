from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from discovery.core.events import Finish, NotProposed, Propose, Save, Tell, Ticked
from discovery.core.types import ModelCall
from discovery.execution.jobs import propose
from discovery.search.model_health import WASTE_LIMIT, Asking, ModelHealth
from discovery.settings.budget import Budget
from tests.discovery.search.test_coordinator import CALL, Jitter, World

OUTAGE_S = 600.0


def health(*names: str) -> ModelHealth:
    made = ModelHealth(names, outage_s=OUTAGE_S, slots=2)
    made.heard([replace(CALL, model=name) for name in names])
    return made


def failure(name: str = "a", **more: object) -> NotProposed:
    return NotProposed("5-diff", f"model {name}: away", is_endpoint=True, model=name, **more)


def test_one_call_at_a_time_asks_again_after_growing_pauses() -> None:
    models = health("a")
    asked_at, now_s = [], 0.0
    while now_s < 400:
        asking = models.asking(now_s)
        if asking is not None:
            asked_at.append(now_s)
            models.begin("5-diff", asking)
            assert asking == (Asking() if len(asked_at) == 1 else Asking("a", ()))
            if len(asked_at) > 1:
                assert models.asking(now_s) is None, "while one asks, no other does"
            models.failed(failure(), now_s)
        now_s += 0.25
    gaps = [after - before for before, after in itertools.pairwise(asked_at)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60][: len(gaps)]


@pytest.mark.parametrize(
    ("outage_s", "survives"), [(34.0, True), (180.0, True), (599.0, True), (660.0, False)]
)
def test_an_outage_is_survived_in_minutes(outage_s: float, survives: bool) -> None:
    models, now_s = health("a"), 0.0
    while now_s < outage_s:
        if (asking := models.asking(now_s)) is not None:
            models.begin("5-diff", asking)
            models.failed(failure(), now_s)
        now_s += 0.25
    assert models.is_hopeless == (not survives)
    if survives:
        told = models.answered("6-diff", [replace(CALL, model="a")], now_s)
        assert f"answers again, after {outage_s:.0f} s" in told[0].message
        assert models.asking(now_s) == Asking()


@pytest.mark.parametrize("wait_s", [61.0, 3600.0])
def test_what_an_endpoint_asks_for_is_obeyed_told_and_no_outage(wait_s: float) -> None:
    models = health("a")
    (told,) = models.failed(failure(retry_after_s=wait_s), 10.0)
    assert isinstance(told, Tell)
    assert f"asked again in {wait_s:.0f} s" in told.message
    assert models.asking(10.0 + wait_s - 0.1) is None
    asking = models.asking(10.0 + wait_s)
    assert asking == Asking("a", ())
    models.begin("6-diff", asking)
    models.failed(replace(failure(), job_id="6-diff"), 10.0 + wait_s)
    assert not models.retired


def test_a_model_that_never_answered_is_given_up_sooner() -> None:
    models = ModelHealth(["a"], outage_s=OUTAGE_S, slots=2)
    models.failed(failure(), 0.0)
    models.failed(failure(), 0.2 * OUTAGE_S + 1)
    assert models.is_hopeless


def test_one_of_two_is_retired_with_its_reason_and_the_other_is_asked() -> None:
    models = health("a", "b")
    save, told = models.failed(failure(is_fatal=True), 3.0)
    assert save == Save({"type": "retired", "model": "a", "reason": "model a: away"})
    assert "goes on with b" in told.message
    assert models.asking(3.0) == Asking(None, ("a",))
    assert models.failed(failure(is_fatal=True), 3.0) == [], "once"
    models.failed(failure("b", is_fatal=True), 4.0)
    assert models.is_hopeless


def test_a_model_whose_replies_are_of_no_use_is_retired_and_the_other_goes_on() -> None:
    models = health("a", "b")
    for count in range(WASTE_LIMIT):
        models.useful([replace(CALL, model="b")])
        found = models.wasted([replace(CALL, model="a")], "no code")
        assert bool(found) == (count == WASTE_LIMIT - 1)
    assert set(models.retired) == {"a"}


class TwoModels(Jitter):
    """Asks the model that is named, or the first that may be asked; "sick" is refused."""

    def __init__(self) -> None:
        super().__init__("diff", needs_model=True, kinds=4000)
        self.asked: list[str] = []

    def ask(self, job) -> object:
        name = job.model or next(one for one in ("sick", "sound") if one not in job.avoid)
        self.asked.append(name)
        if name == "sick":
            return NotProposed(job.job_id, "the key was refused", is_endpoint=True, is_fatal=True, model=name)
        event = propose(job, self, None)
        call: ModelCall = replace(CALL, model="sound")
        if isinstance(event, NotProposed):
            return replace(event, calls=(call,))
        return replace(event, proposal=replace(event.proposal, calls=(call,)))


def test_a_run_goes_on_with_the_model_that_is_left() -> None:
    operator = TwoModels()
    world = World({"diff": operator}, models=("sick", "sound"), budget=Budget(evaluations=30))
    told: list[str] = []

    def act(instructions) -> None:
        for one in instructions:
            if isinstance(one, Propose):
                world.inbox.append(operator.ask(one.job))
            elif isinstance(one, Tell):
                told.append(one.message)
            else:
                world.act([one])

    act(world.coordinator.start())
    seconds = 0.0
    while world.finish is None:
        seconds += 0.25
        act(world.coordinator.handle(Ticked(seconds)))
        if world.inbox:
            act(world.coordinator.handle(world.inbox.pop(0)))
    assert isinstance(world.finish, Finish)
    assert world.finish.reason == "evaluations"
    assert operator.asked.count("sick") <= 3, "those under way when the first was refused"
    assert sum('"retired"' in line for line in world.journal) == 1
    assert any("sick is asked no more" in one for one in told)
