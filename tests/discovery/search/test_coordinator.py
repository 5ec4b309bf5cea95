from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from discovery.core.events import (
    Broken,
    Evaluate,
    Evaluated,
    Event,
    Finish,
    GivenUp,
    NotProposed,
    Propose,
    Save,
    SlotsChanged,
    StopAsked,
    Ticked,
)
from discovery.core.records import Record
from discovery.core.types import ModelCall, ModelError, OperatorError, Proposal
from discovery.core.verdicts import sources
from discovery.execution.jobs import propose
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import fingerprint
from discovery.search.coordinator import Coordinator
from discovery.search.model_health import WASTE_LIMIT
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

AXES = [Axis("x", 0.0, 1.0, 8)]
CALL = ModelCall("fake", 90, 10, 0.01, 0.5)
SEED = Program({"program.py": "x = 0.5\n"})


class Jitter:
    """Changes the number; makes the same child again now and then, and sometimes none."""

    needs_model = False
    parents_needed = 1

    def __init__(self, name: str = "splice", *, needs_model: bool = False, kinds: int = 400) -> None:
        self.name, self.needs_model, self.kinds = name, needs_model, kinds

    def propose(self, job, rng, model) -> Proposal:
        calls = (CALL,) if self.needs_model else ()
        number = int(rng.integers(self.kinds))
        if number % 17 == 3:
            raise OperatorError("nothing came to mind", calls)
        parents = tuple(parent.program_id for parent in job.parents)
        return Proposal(
            Program({"program.py": f"x = {number / self.kinds!r}\n"}), parents, calls, {"idea": "jitter"}
        )


class DeadModel(Jitter):
    def __init__(self, *, is_fatal: bool = False) -> None:
        super().__init__("diff", needs_model=True)
        self.is_fatal = is_fatal

    def propose(self, job, rng, model) -> Proposal:
        raise ModelError("connection refused; is the endpoint up?", is_fatal=self.is_fatal)


def judge(program: Program) -> Evaluation:
    x = float(program.text.split("=")[1])
    if int(x * 1000) % 5 == 4:
        return Evaluation(Status.ERROR, reason="ValueError: unlucky number", cases_total=1)
    return Evaluation(
        Status.OK, score=1 - abs(x - 0.7), metrics={"x": x}, measures=(x,), cases_done=1, cases_total=1
    )


class World:
    """A coordinator with an executor in which jobs end in an order drawn at random."""

    def __init__(
        self, operators: Mapping[str, Jitter], *, order: int = 0, target: float | None = None, **plan
    ) -> None:
        weights = plan.pop("weights", dict.fromkeys(operators, 1.0))
        settings = {"seed": 5, "slots": 2, "model_slots": 3, "budget": Budget(evaluations=60)} | plan
        self.plan = SearchSettings(weights=weights, target=target, **settings)
        self.operators = operators
        self.journal: list[str] = []
        self.order = np.random.default_rng(order)
        self.evaluated: list[str] = []
        self.finish: Finish | None = None
        self.inbox: list[Event] = []
        self.coordinator = self.make()

    def make(self) -> Coordinator:
        statement = Statement("toy", "Find 0.7.", "", Objective(), SEED)
        config = IslandsConfig(islands=3, opening_interval=10, migration_interval=7, stagnation=15)
        state = RunState(
            statement,
            lambda: Archipelago(config, AXES),
            Tuner(TuningConfig(), seed=self.plan.seed),
            verdicts=sources(),
        )
        return Coordinator(self.plan, state, self.operators)

    def act(self, instructions) -> None:
        for one in instructions:
            if isinstance(one, Save):
                entry = dict(one.entry)
                if entry["type"] == "evaluated":
                    entry["record"] = entry["record"].to_json()
                self.journal.append(json.dumps(entry))
            elif isinstance(one, Propose):
                self.inbox.append(propose(one.job, self.operators[one.job.operator], None))
            elif isinstance(one, Evaluate):
                self.evaluated.append(one.job.program.id)
                self.inbox.append(Evaluated(one.job.job_id, judge(one.job.program), 1.0))
            elif isinstance(one, Finish):
                assert self.finish is None, "finished twice"
                self.finish = one

    def step(self) -> None:
        event = self.inbox.pop(int(self.order.integers(len(self.inbox))))
        self.act(self.coordinator.handle(event))
        self.coordinator.validate()

    def run(self, limit: int = 100_000) -> World:
        self.act(self.coordinator.start())
        while self.finish is None and limit:
            limit -= 1
            self.step()
        return self

    def restart(self, kept: int) -> None:
        """A kill after `kept` journal lines: what was in flight is gone, the journal is replayed."""
        self.journal = self.journal[:kept]
        self.inbox, self.evaluated, self.finish = [], [], None
        self.coordinator = self.make()
        for line in self.journal:
            self.coordinator.replay(json.loads(line))

    @property
    def records(self) -> list[dict]:
        entries = [json.loads(line) for line in self.journal]
        return [entry["record"] for entry in entries if entry["type"] == "evaluated"]


def image(coordinator: Coordinator) -> dict:
    state = coordinator.state
    return {
        "best": state.best.program_id if state.best else None,
        "counts": state.counts,
        "evaluations": state.ledger.evaluations,
        "tokens": state.ledger.tokens,
        "next": state.next_index,
        "elites": [
            [(e.program_id, e.fitness, e.cell) for e in state.archipelago.elites(k)]
            for k in range(len(state.archipelago))
        ],
        "heat": [state.archipelago.temperature(k) for k in range(len(state.archipelago))],
    }


MIXED = {"splice": Jitter(), "diff": Jitter("diff", needs_model=True)}
relaxed = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(
    order=st.integers(0, 2**31),
    slots=st.integers(1, 9),
    model_slots=st.integers(1, 9),
    evals=st.integers(1, 70),
)
def test_any_order_of_events_gives_exactly_the_asked_number_of_evaluations(
    order: int, slots: int, model_slots: int, evals: int
) -> None:
    world = World(
        MIXED, order=order, slots=slots, model_slots=model_slots, budget=Budget(evaluations=evals)
    ).run()
    assert world.finish is not None
    assert world.finish.reason == "evaluations"
    assert world.finish.is_success
    assert [record["index"] for record in world.records] == list(range(evals))
    assert len(set(world.evaluated)) == len(world.evaluated) == evals


@relaxed
@given(order=st.integers(0, 2**31), slots=st.integers(1, 5))
def test_a_replay_gives_the_state_that_the_live_run_had(order: int, slots: int) -> None:
    world = World(MIXED, order=order, slots=slots).run()
    live = image(world.coordinator)
    world.restart(len(world.journal))
    assert image(world.coordinator) == live


@relaxed
@given(order=st.integers(0, 2**31), slots=st.integers(1, 5), cut=st.floats(0, 1))
def test_a_kill_anywhere_loses_and_doubles_nothing(order: int, slots: int, cut: float) -> None:
    world = World(MIXED, order=order, slots=slots).run()
    kept = int(cut * len(world.journal))
    world.restart(kept)
    before = {record["program_id"] for record in world.records}
    world.run()
    assert world.finish is not None
    assert world.finish.reason == "evaluations"
    ids = [record["program_id"] for record in world.records]
    assert len(ids) == len(set(ids)) == 60
    assert not before & set(world.evaluated)
    assert [record["index"] for record in world.records] == list(range(60))


@relaxed
@given(cut=st.floats(0, 1))
def test_a_reply_that_was_paid_for_is_evaluated_after_a_kill_and_not_asked_for_again(cut: float) -> None:
    world = World({"diff": Jitter("diff", needs_model=True)}).run()
    kept = int(cut * len(world.journal))
    world.restart(kept)
    paid = {
        json.loads(line)["fingerprint"] for line in world.journal if json.loads(line)["type"] == "proposed"
    }
    done = {record["fingerprint"] for record in world.records}
    world.act(world.coordinator.start())
    waiting = {job.fingerprint for job in world.coordinator._decisions.expected()}
    assert waiting == (paid - done if world.records else {fingerprint(SEED)})


@relaxed
@given(cut=st.floats(0, 1))
def test_on_one_slot_without_a_model_a_resumed_run_is_the_uninterrupted_run(cut: float) -> None:
    whole = World({"splice": Jitter()}, slots=1).run()
    broken = World({"splice": Jitter()}, slots=1).run()
    broken.restart(int(cut * len(broken.journal)))
    broken.run()
    assert [r["program_id"] for r in broken.records] == [r["program_id"] for r in whole.records]


def test_the_order_of_events_cannot_change_a_run_on_one_slot() -> None:
    runs = [World({"splice": Jitter()}, slots=1, order=order).run().records for order in range(3)]
    assert (
        [r["program_id"] for r in runs[0]]
        == [r["program_id"] for r in runs[1]]
        == [r["program_id"] for r in runs[2]]
    )


def test_duplicates_are_never_evaluated_and_an_exhausted_search_says_so() -> None:
    world = World({"splice": Jitter(kinds=5)}).run()
    assert world.finish is not None
    assert world.finish.reason == "exhausted"
    assert not world.finish.is_success
    assert "--model" in world.finish.message
    assert len(world.evaluated) == len(set(world.evaluated)) <= 6
    assert world.coordinator.duplicates > 100


@pytest.mark.parametrize("is_fatal", [True, False])
def test_a_dead_endpoint_ends_the_run_with_its_reason(is_fatal: bool) -> None:
    world = World({"diff": DeadModel(is_fatal=is_fatal)}, slots=1, model_slots=3, outage_s=100.0)
    world.act(world.coordinator.start())
    seconds = 0.0
    while world.finish is None and seconds < 200:
        while world.inbox and world.finish is None:
            world.step()
        seconds += 0.25
        world.act(world.coordinator.handle(Ticked(seconds)))
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("endpoint", False)
    assert "is the endpoint up?" in world.finish.message
    assert seconds < 1 if is_fatal else 20 <= seconds < 60  # it never answered: a fifth of the patience
    assert world.coordinator._next_decision < 12, "after the first failures one call at a time asks again"


def test_a_model_that_is_paid_for_nothing_ends_the_run_before_it_costs_much() -> None:
    class Lying(Jitter):
        def propose(self, job, rng, model) -> Proposal:
            raise OperatorError("the reply has no code", (CALL,))

    world = World({"diff": Lying("diff", needs_model=True)}, slots=1, model_slots=2).run()
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("endpoint", False)
    assert "the reply has no code" in world.finish.message
    paid = [json.loads(line) for line in world.journal if json.loads(line)["type"] == "unproposed"]
    assert WASTE_LIMIT <= len(paid) <= WASTE_LIMIT + 2
    assert world.coordinator.state.ledger.tokens == 100 * len(paid)


def test_a_seed_that_fails_ends_the_run_and_points_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(MIXED)
    world.act(world.coordinator.start())
    failed = Evaluation(Status.TIMEOUT, reason="took longer than 2 s")
    world.act(world.coordinator.handle(Evaluated("0-seed", failed, 1.0)))
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("seed", False)
    assert "took longer than 2 s" in world.finish.message
    assert "discovery check" in world.finish.message
    assert len(world.records) == 1


def test_a_seed_that_is_held_back_is_not_said_to_fail() -> None:
    world = World(MIXED)
    world.act(world.coordinator.start())
    withheld = Evaluation(Status.REJECTED, reason="there is no GPU; run this on a machine with one")
    world.act(world.coordinator.handle(Evaluated("0-seed", withheld, 1.0)))
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("seed", False)
    assert "has no score" in world.finish.message
    assert "run this on a machine with one" in world.finish.message
    assert "fails" not in world.finish.message


def test_a_target_ends_the_run_and_what_is_in_flight_is_still_recorded() -> None:
    world = World(MIXED, slots=4, target=0.99, budget=Budget(evaluations=10_000)).run()
    assert world.finish is not None
    assert world.finish.reason == "target"
    assert world.finish.is_success
    assert len(world.records) == len(world.evaluated)
    assert max(record["evaluation"].get("score", 0) for record in world.records) >= 0.99


@pytest.mark.parametrize(
    ("budget", "reason"),
    [(Budget(tokens=1000), "tokens"), (Budget(cost_usd=0.1), "cost"), (Budget(minutes=1), "minutes")],
)
def test_other_budgets_end_the_run(budget: Budget, reason: str) -> None:
    world = World({"diff": Jitter("diff", needs_model=True)}, budget=budget, slots=2, model_slots=2)
    world.act(world.coordinator.start())
    for count in range(1000):
        if world.finish is not None:
            break
        world.act(world.coordinator.handle(Ticked(float(count))))
        world.coordinator.validate()
        if world.inbox:
            world.step()
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == (reason, True)
    ledger = world.coordinator.state.ledger
    assert ledger.tokens <= (budget.tokens or 10**9) + CALL.prompt_tokens
    assert ledger.cost_usd <= (budget.cost_usd or 10**9) + 0.01


def test_a_money_budget_with_an_unknown_price_stops_and_says_why() -> None:
    class Unpriced(Jitter):
        def propose(self, job, rng, model) -> Proposal:
            child = super().propose(job, rng, model)
            return replace(child, calls=(replace(CALL, cost_usd=None),))

    world = World({"diff": Unpriced("diff", needs_model=True)}, budget=Budget(cost_usd=1.0), order=3).run()
    assert world.finish is not None
    assert not world.finish.is_success
    assert "price is unknown" in world.finish.message


def test_a_stop_lets_what_runs_be_recorded_and_begins_nothing_new() -> None:
    world = World(MIXED, slots=4)
    world.act(world.coordinator.start())
    for _ in range(20):
        world.step()
    begun = len(world.evaluated)
    world.act(world.coordinator.handle(StopAsked("interrupted", "SIGINT received")))
    while world.inbox:
        world.step()
    assert len(world.evaluated) == begun == len(world.records)
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("interrupted", False)


def test_a_broken_system_ends_the_run_with_its_reason_and_waits_only_for_what_is_paid() -> None:
    world = World(MIXED, slots=4)
    world.act(world.coordinator.start())
    for _ in range(20):
        world.step()
    open_calls = {job_id: (CALL,) for job_id, _ in world.coordinator._decisions.asking()}
    world.act(world.coordinator.handle(Broken("score() raised KeyError in line 12")))
    assert (world.finish is None) == bool(open_calls)
    world.act(world.coordinator.handle(GivenUp("too slow", open_calls)))
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("broken", False)


def test_late_and_doubled_events_change_nothing() -> None:
    world = World(MIXED, slots=2).run()
    before = image(world.coordinator)
    lines = len(world.journal)
    for event in (
        Evaluated("0-seed", judge(SEED), 9.0),
        Evaluated("7-splice", judge(SEED), 9.0),
        NotProposed("7-splice", "late", (CALL,)),
    ):
        world.act(world.coordinator.handle(event))
    assert image(world.coordinator) == before
    assert len(world.journal) == lines


def test_where_evaluations_are_limited_free_operators_keep_to_their_share() -> None:
    world = World(MIXED, weights={"splice": 1.0, "diff": 3.0}, budget=Budget(evaluations=200), order=1).run()
    by = [record["operator"] for record in world.records]
    assert 0.15 <= by.count("splice") / len(by) <= 0.35


def test_held_out_cases_are_asked_for_new_elites_only_and_noted() -> None:
    world = World({"splice": Jitter()}, slots=1)
    state = world.coordinator.state
    state.statement = replace(state.statement, has_held_out=True)
    asked: list[str] = []

    def act(instructions) -> None:
        for one in instructions:
            if isinstance(one, Evaluate) and one.job.held_out:
                asked.append(one.job.program.id)
                done = replace(judge(one.job.program), held_out={"gap": 0.25})
                world.inbox.append(Evaluated(one.job.job_id, done, 1.0))
        world.act([one for one in instructions if not (isinstance(one, Evaluate) and one.job.held_out)])

    act(world.coordinator.start())
    while world.finish is None:
        act(world.coordinator.handle(world.inbox.pop(0)))
        world.coordinator.validate()
    born = [record["program_id"] for record in world.records if record["cell"] is not None]
    assert asked == born
    assert state.best is not None
    assert state.best.evaluation.held_out == {"gap": 0.25}
    assert next(json.loads(line)["metrics"] for line in world.journal if "held_out" in line) == {"gap": 0.25}


def test_where_a_verdict_is_asked_only_what_beats_all_that_passed_is_examined() -> None:
    state = World({"splice": Jitter()}).coordinator.state
    state.statement = replace(state.statement, has_held_out=True)

    def examined(number: int, score: float, passes: bool, **metrics: float) -> bool:
        program = Program({"program.py": f"x = {number}\n"})
        evaluation = Evaluation(Status.OK, score=score, metrics=metrics, measures=(number / 10,))
        record = Record(number, program, program.id, (), evaluation, "splice", 0, None, number)
        state.fold(record)
        if is_due := state.deserves_exam(replace(record, cell=number)):
            state.note_held_out(program.id, {"gap": 0.1} if passes else {})
        return is_due

    assert examined(0, 0.5, True, _ic_00=0.1)
    assert not examined(1, 0.4, True, _ic_00=0.1)
    assert examined(2, 0.9, False, _ic_00=0.1)  # refused, so it raises no bar
    assert examined(3, 0.6, True, _ic_00=0.1)
    assert not examined(4, 0.6, True, _ic_00=0.1)
    assert examined(5, 0.1, True)  # no verdict is asked


def test_parents_are_drawn_for_as_many_asks_as_are_waited_for() -> None:
    world = World({"ask": Jitter("ask", needs_model=True)}, model_slots=0, slots=1)
    world.act(world.coordinator.start())
    world.step()
    assert not world.inbox
    drawn = world.coordinator.handle(SlotsChanged(2))
    assert [type(one) for one in drawn] == [Propose, Propose]
    assert world.coordinator.handle(SlotsChanged(2)) == []
    assert world.coordinator.handle(SlotsChanged(1)) == []
    refused = world.coordinator.handle(NotProposed(drawn[0].job.job_id, "no idea"))
    assert [one.entry["reason"] for one in refused if isinstance(one, Save)] == ["no idea"]
    assert not [one for one in refused if isinstance(one, Propose)]


def test_the_tuner_is_told_how_a_program_under_way_did_when_it_made_the_same_one() -> None:
    class Same(Jitter):
        def propose(self, job, rng, model) -> Proposal:
            return Proposal(Program({"program.py": "x = 0.6\n"}), (job.parents[0].program_id,))

    told: list[tuple[int, int, float | None]] = []
    world = World({"tune": Same("tune")}, slots=2)
    world.coordinator.state.tuner.tell = lambda *one: told.append(one)
    world.act(world.coordinator.start())
    while not world.records or len(world.records) < 2:
        world.step()
    fitness = judge(Program({"program.py": "x = 0.6\n"})).score
    assert told
    assert {one[2] for one in told} == {fitness}
