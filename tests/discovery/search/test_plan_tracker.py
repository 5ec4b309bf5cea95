"""Plans: the board that decides what is due, and whole runs with kills between any two journal lines."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from discovery.core.errors import ConfigError
from discovery.core.events import (
    Evaluate,
    Evaluated,
    Event,
    Finish,
    GivenUp,
    Noted,
    NotProposed,
    Propose,
    Proposed,
    Save,
    StopAsked,
)
from discovery.core.records import Record
from discovery.core.types import Individual, ModelCall, Reply
from discovery.execution.jobs import propose
from discovery.execution.wire import content_id
from discovery.learning.instructions import Instructions
from discovery.learning.tuning import Tuner
from discovery.operators.registry import JOBS
from discovery.prompts.genealogy import Genealogy
from discovery.search.coordinator import Coordinator
from discovery.search.plan_tracker import MAX_AWAITED, PlanTracker
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from discovery.settings.questions import ContextConfig, PlanningConfig
from discovery.testing import perturb_number
from discovery.testing.mutator import scripted_reply
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

CALL = ModelCall("scripted", 90, 10, 0.001, 0.1)
SEED = Program({"program.py": "def answer():\n    return [0.31, 0.52, 0.7]\n"})
relaxed = settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking whole runs takes minutes
)


class Recorder:
    """A model whose reply depends on the chat and the caller's generator; it keeps what it was asked."""

    def __init__(self, spoil: str = "") -> None:
        self.spoil = spoil
        self.asked: list[list[dict[str, str]]] = []

    def complete(self, messages, *, rng) -> Reply:
        chat = [dict(message) for message in messages]
        self.asked.append(chat)
        seed = [int(content_id(chat), 16) % 2**32, int(rng.integers(2**32))]
        text = scripted_reply(chat, perturb_number, np.random.default_rng(seed))
        if self.spoil and self.spoil in text:
            text = "I would rather not."
        tokens = sum(len(message["content"]) for message in chat) // 4
        return Reply(text, ModelCall("scripted", tokens, len(text) // 4, 0.001, 0.1))


def judge(program: Program) -> Evaluation:
    scope: dict = {}
    exec(program.text, scope)
    numbers = scope["answer"]()
    score = -sum((x * x - 0.5) ** 2 for x in numbers)
    if int(numbers[0] * 1000) % 7 == 3:
        return Evaluation(Status.ERROR, reason="ValueError: unlucky number", cases_total=1)
    return Evaluation(
        Status.OK, score, {"closeness": score}, (min(max(numbers[0], 0.0), 1.0),), cases_total=1
    )


class World:
    """A coordinator with the real operators, in which jobs end in an order drawn at random."""

    def __init__(self, planning: PlanningConfig, *, order: int = 0, spoil: str = "", **plan) -> None:
        chosen = {
            "seed": 3,
            "slots": 2,
            "model_slots": 3,
            "weights": {"plan": 1.0},
            "budget": Budget(evaluations=14),
        }
        self.plan = SearchSettings(**(chosen | plan))
        self.planning, self.model = planning, Recorder(spoil)
        self.journal: list[str] = []
        self.order = np.random.default_rng(order)
        self.finish: Finish | None = None
        self.inbox: list[Event] = []
        self.calls_arrived = 0
        self.coordinator = self.make()

    def make(self) -> Coordinator:
        objective = Objective("closeness")
        statement = Statement("toy", "Squares of a half.", "", objective, SEED)
        config = IslandsConfig(islands=2, opening_interval=4, migration_interval=5, stagnation=30)
        self.state = RunState(
            statement,
            lambda: Archipelago(config, [Axis("x", 0.0, 1.0, 8)]),
            Tuner(TuningConfig(), seed=self.plan.seed),
            (),
            PlanTracker(self.planning),
            Genealogy(objective),
            Instructions(self.plan.context.instructions),
        )
        return Coordinator(self.plan, self.state, JOBS)

    @property
    def asides(self) -> list[str]:
        """The jobs under way that lead to a summary or an instruction."""
        return [job_id for job_id, job in self.coordinator._decisions.asking() if job.is_aside]

    def act(self, instructions) -> None:
        for one in instructions:
            if isinstance(one, Save):
                entry = dict(one.entry)
                if entry["type"] == "evaluated":
                    entry["record"] = entry["record"].to_json()
                self.journal.append(json.dumps(entry))
            elif isinstance(one, Propose):
                self.inbox.append(propose(one.job, JOBS[one.job.operator], self.model))
            elif isinstance(one, Evaluate):
                self.inbox.append(Evaluated(one.job.job_id, judge(one.job.program), 1.0))
            elif isinstance(one, Finish):
                assert self.finish is None
                self.finish = one

    def step(self) -> None:
        event = self.inbox.pop(int(self.order.integers(len(self.inbox))))
        match event:
            case Proposed():
                self.calls_arrived += len(event.proposal.calls)
            case Noted():
                self.calls_arrived += len(event.note.calls)
            case NotProposed():
                self.calls_arrived += len(event.calls)
        self.act(self.coordinator.handle(event))
        self.coordinator.validate()

    def run(self, limit: int = 5000) -> World:
        self.act(self.coordinator.start())
        while self.finish is None and limit:
            limit -= 1
            self.step()
        return self

    def restart(self, kept: int) -> World:
        """A kill after `kept` journal lines."""
        self.journal, self.inbox, self.finish = self.journal[:kept], [], None
        self.coordinator = self.make()
        for line in self.journal:
            self.coordinator.replay(json.loads(line))
        return self

    @property
    def entries(self) -> list[dict]:
        return [json.loads(line) for line in self.journal]

    @property
    def records(self) -> list[dict]:
        return [entry["record"] for entry in self.entries if entry["type"] == "evaluated"]

    @property
    def notes(self) -> list[dict]:
        return [entry for entry in self.entries if entry["type"] == "noted"]


def image(world: World) -> dict:
    state = world.state
    elites = [state.archipelago.elites(k) for k in range(len(state.archipelago))]
    return {
        "best": (state.best.program_id, dict(state.best.texts)) if state.best else None,
        "ledger": (
            state.ledger.evaluations,
            state.ledger.calls,
            state.ledger.tokens,
            round(state.ledger.cost_usd, 9),
        ),
        "elites": [[(e.program_id, e.fitness, e.cell) for e in island] for island in elites],
        "texts": {
            e.program_id: dict(state.individual(e.program_id).texts) for island in elites for e in island
        },
        "sessions": state.plans.open_sessions,
        "next": state.next_index,
    }


MODES = {
    "one shot": PlanningConfig(),
    "rounds": PlanningConfig(rounds=3),
    "no summaries": PlanningConfig(rounds=2, summaries="none"),
    "conversation": PlanningConfig(rounds=2, conversation=True),
}
each_mode = pytest.mark.parametrize("planning", MODES.values(), ids=MODES.keys())


@each_mode
def test_a_run_replays_bit_for_bit_from_its_journal(planning: PlanningConfig) -> None:
    world = World(planning).run()
    assert world.finish is not None
    assert world.finish.reason == "evaluations"
    live = image(world)
    assert image(world.restart(len(world.journal))) == live


@each_mode
def test_a_recorded_run_is_the_same_run_again(planning: PlanningConfig) -> None:
    first, second = World(planning).run(), World(planning).run()
    assert first.journal == second.journal
    assert first.model.asked == second.model.asked


@each_mode
def test_a_kill_after_any_journal_line_loses_no_reply_that_was_paid_for(planning: PlanningConfig) -> None:
    whole = World(planning).run()
    for kept in range(1, len(whole.journal) + 1):
        world = World(planning)
        world.journal = list(whole.journal)
        world.restart(kept)
        known = world.entries
        paid = sum(len(entry.get("calls", ())) for entry in known if entry["type"] != "evaluated")
        assert world.state.ledger.calls == paid, "a paid call is missing from the ledger"
        plans = {entry["decision"] for entry in known if entry.get("kind") == "plan"}
        used = {e["session"] for e in known if e["type"] in ("proposed", "unproposed") and "session" in e}
        waiting = {entry["fingerprint"] for entry in known if entry["type"] == "proposed"} - {
            record["fingerprint"] for record in world.records
        }
        before = len(known)
        world.run()
        later = world.entries[before:]
        asked_again = {entry["decision"] for entry in later if entry.get("kind") == "plan"} & plans
        assert not asked_again
        evaluated = {record["fingerprint"] for record in world.records}
        assert waiting <= evaluated, "a candidate that was paid for was never judged"
        spare = 14 - len([one for one in known if one["type"] == "evaluated"]) - len(waiting)
        now_used = {e["session"] for e in later if e["type"] in ("proposed", "unproposed") and "session" in e}
        if spare >= len(plans - used):
            assert not plans - used - now_used, "a plan that was paid for was never carried out"
        summed_up = [entry["program_id"] for entry in world.notes if entry["kind"] == "summary"]
        assert len(summed_up) == len(set(summed_up)), "a summary was paid for twice"


@relaxed
@given(
    order=st.integers(0, 2**31),
    slots=st.integers(1, 4),
    cut=st.floats(0, 1),
    name=st.sampled_from(list(MODES)),
)
def test_any_order_of_events_and_any_kill_keep_the_budget(
    order: int, slots: int, cut: float, name: str
) -> None:
    world = World(MODES[name], order=order, slots=slots).run()
    world.restart(int(cut * len(world.journal))).run()
    assert world.finish is not None
    assert world.finish.reason == "evaluations"
    assert [record["index"] for record in world.records] == list(range(14))
    ids = [record["program_id"] for record in world.records]
    assert len(ids) == len(set(ids))
    assert image(world.restart(len(world.journal)))["ledger"][0] == 14


def test_every_program_of_a_plan_has_its_plan_and_its_summary() -> None:
    world = World(PlanningConfig(), slots=1, model_slots=1).run()
    made = [record for record in world.records if record["operator"] == "plan"]
    assert made
    summaries = {entry["program_id"]: entry["texts"] for entry in world.notes if entry["kind"] == "summary"}
    for record in made:
        assert record["texts"]["plan"].startswith("Change number")
        assert len(record["calls"]) == 1
    for record in made[:-1]:
        assert set(summaries[record["program_id"]]) == {"summary", "fault", "guidance"}
    plans = [chat for chat in world.model.asked if "Outlines:\n1." in chat[-1]["content"]]
    assert any("it returns numbers, and the last change" in chat[-1]["content"] for chat in plans[3:])


def test_a_round_stops_at_the_first_gain_and_tells_the_next_round_what_failed() -> None:
    world = World(
        PlanningConfig(rounds=3, summaries="none"), slots=1, model_slots=1, budget=Budget(evaluations=40)
    ).run()
    fitness = {record["program_id"]: record["evaluation"].get("score") for record in world.records}
    sessions: dict[int, list[dict]] = {}
    for record in world.records[1:]:
        sessions.setdefault(record["session"], []).append(record)
    for records in sessions.values():
        level = fitness[records[0]["parents"][0]]
        gains = [(fitness[record["program_id"]] or -9) > level for record in records]
        assert not any(gains[:-1]) or gains.index(True) >= len(gains) - 3
    longest = max(sessions.values(), key=len)
    assert [record["step"] for record in longest] == sorted(record["step"] for record in longest)
    told = [
        chat[-1]["content"]
        for chat in world.model.asked
        if "# Earlier attempts at this plan" in chat[-1]["content"]
    ]
    assert told
    assert all("# Plan" in text and "None was better" in text for text in told)


def test_a_conversation_keeps_its_prefix_word_for_word() -> None:
    world = World(
        PlanningConfig(conversation=True), slots=1, model_slots=1, budget=Budget(evaluations=6)
    ).run()
    plans = {json.dumps(chat) for chat in world.model.asked if len(chat) == 2}
    longer = [chat for chat in world.model.asked if len(chat) > 2]
    assert {len(chat) for chat in longer} >= {4, 6}
    for chat in longer:
        assert json.dumps(chat[:2]) in plans
        assert [message["role"] for message in chat] == [
            "system",
            *["user", "assistant"] * (len(chat) // 2 - 1),
            "user",
        ]
        assert "# Current program" not in chat[-1]["content"]


def test_no_summary_is_asked_for_when_the_money_is_spent_and_paid_ones_are_saved() -> None:
    world = World(PlanningConfig(), budget=Budget(cost_usd=0.012)).run()
    assert world.finish is not None
    assert world.finish.reason == "cost"
    ledger = world.state.ledger
    assert ledger.cost_usd <= 0.012 + 3 * 0.001
    saved = sum(len(entry.get("calls", ())) for entry in world.entries if entry["type"] != "evaluated")
    assert saved == ledger.calls


def test_a_stop_waits_for_summaries_until_they_are_given_up_and_they_are_owed_still() -> None:
    world = World(PlanningConfig(), slots=1)
    world.act(world.coordinator.start())
    while not world.asides:
        world.step()
    summaries = [event for event in world.inbox if isinstance(event, Noted)]
    world.inbox = [event for event in world.inbox if isinstance(event, Evaluated)]
    world.act(world.coordinator.handle(StopAsked("interrupted")))
    while world.inbox:
        world.step()
    assert summaries
    assert world.finish is None
    open_calls = {job_id: (CALL,) for job_id, _ in world.coordinator._decisions.asking()}
    spent = world.state.ledger.calls
    world.act(world.coordinator.handle(GivenUp("too slow", open_calls)))
    assert world.finish is not None
    world.restart(len(world.journal))
    assert world.state.ledger.calls == spent + len(open_calls)
    world.act(world.coordinator.start())
    assert world.asides, "the summary that never came is asked for again"


def test_a_budget_that_is_used_up_waits_for_summaries_under_way() -> None:
    world = World(PlanningConfig(), slots=1, model_slots=2, budget=Budget(evaluations=5))
    world.act(world.coordinator.start())
    while world.finish is None:
        late = [
            event
            for event in world.inbox
            if not (isinstance(event, Noted) and event.job_id.endswith("summarize"))
        ]
        event = (late or world.inbox)[0]
        world.inbox.remove(event)
        world.act(world.coordinator.handle(event))
        if world.state.ledger.evaluations == 5 and world.finish is None:
            assert world.asides
    assert world.finish.reason == "evaluations"
    assert sum(entry["kind"] == "summary" for entry in world.notes) >= 1


def test_a_useless_summary_is_paid_for_once_and_the_run_goes_on() -> None:
    world = World(PlanningConfig(), spoil="Summary:").run()
    assert world.finish is not None
    assert world.finish.reason == "evaluations"
    empty = [entry for entry in world.notes if entry["kind"] == "summary"]
    assert empty
    assert all(entry["texts"] == {} and "no line" in entry["reason"] for entry in empty)
    ids = [entry["program_id"] for entry in empty]
    assert len(ids) == len(set(ids))
    live = image(world)
    assert image(world.restart(len(world.journal))) == live


def test_useless_plans_end_the_run_before_they_cost_much() -> None:
    world = World(PlanningConfig(), spoil="Outlines:").run()
    assert world.finish is not None
    assert (world.finish.reason, world.finish.is_success) == ("endpoint", False)
    assert "no plan" in world.finish.message


def individual(number: int) -> Individual:
    program = Program({"program.py": f"x = {number}\n"})
    return Individual(program, Evaluation(Status.OK, float(number)), program.id)


class TestBoard:
    def open(self, rounds: int) -> PlanTracker:
        board = PlanTracker(PlanningConfig(rounds=rounds))
        board.open(7, island=0, parent=individual(0), level=0.0, plan="do it")
        return board

    def steps(self, board: PlanTracker) -> list[int]:
        found = []
        while (candidate := board.next_candidate()) is not None:
            found.append(candidate.step)
        return found

    def test_round_r_has_r_candidates_once_the_round_before_is_over(self) -> None:
        board = self.open(3)
        assert self.steps(board) == [0]
        board.tell(7, 0, -1.0, individual(1))
        assert self.steps(board) == [1, 2]
        board.tell(7, 2, None)
        assert self.steps(board) == []
        board.tell(7, 1, 0.0, individual(2))
        assert self.steps(board) == [3, 4, 5]
        for step in (3, 4, 5):
            board.tell(7, step, -1.0)
        assert board.open_sessions == 0

    def test_a_gain_ends_the_plan_and_an_equal_score_does_not(self) -> None:
        board = self.open(3)
        board.tell(7, 0, 0.0)
        assert board.open_sessions == 1
        board.tell(7, 1, 0.1)
        assert board.open_sessions == 0
        board.tell(7, 2, 0.2)
        assert board.next_candidate() is None

    def test_candidates_see_the_attempts_before_them(self) -> None:
        board = self.open(2)
        board.next_candidate()
        board.tell(7, 0, -1.0, individual(4))
        candidate = board.next_candidate()
        assert candidate is not None
        assert [one.program_id for one in candidate.attempts] == [individual(4).program_id]

    def test_what_was_asked_for_in_vain_is_asked_for_again(self) -> None:
        board = self.open(1)
        assert self.steps(board) == [0]
        board.release(7, 0)
        assert self.steps(board) == [0]

    def test_summaries_that_are_owed_do_not_grow_without_bound(self) -> None:
        board = PlanTracker(PlanningConfig(summaries="all"))
        call = ModelCall("m", 1, 1, None, 0.1)
        for number in range(3 * MAX_AWAITED):
            one = individual(number)
            record = Record(
                number, one.program, one.program_id, (), one.evaluation, "diff", 0, None, number, (call,)
            )
            board.fold(record, one, 0.0)
        given = 0
        while board.next_summary() is not None:
            given += 1
        assert given == MAX_AWAITED

    def test_settings_out_of_range_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"rounds must be in 1\.\.6, got 9"):
            PlanningConfig(rounds=9)
        with pytest.raises(ConfigError, match="summaries"):
            replace(PlanningConfig(), summaries="some")


def test_instructions_are_written_credited_and_replayed() -> None:
    weights = {"diff": 1.0, "rewrite": 1.0}
    world = World(
        PlanningConfig(summaries="none"),
        weights=weights,
        budget=Budget(evaluations=75),
        context=ContextConfig(instructions=2),
    ).run()
    written = [entry for entry in world.notes if entry["kind"] == "instruction"]
    assert len(written) == 3
    assert all(entry["texts"]["instruction"].startswith("Look for numbers") for entry in written)
    variants = {record["variant"] for record in world.records[1:]}
    assert {"written-1", "written-2"} <= variants
    assert len(variants) >= 8
    texts = {entry["texts"]["instruction"] for entry in written}
    shown = [chat for chat in world.model.asked if any(text in chat[-1]["content"] for text in texts)]
    assert len(shown) > 5
    live, kept = image(world), dict(world.state.instructions._texts)
    world.restart(len(world.journal))
    assert image(world) == live
    assert world.state.instructions._texts == kept
