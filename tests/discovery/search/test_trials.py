"""Programs that operators have judged while they work: metered, journalled before they are judged, answered once, owed after a kill."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from discovery.core.events import Answer, Evaluate, Evaluated, Finish, Noted, Propose, Proposed, Save, Tried
from discovery.core.types import ModelCall, Note, Proposal
from discovery.learning.tuning import Tuner
from discovery.operators.registry import JOBS
from discovery.programs.fingerprint import fingerprint
from discovery.search.coordinator import Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.agents import AgentConfig
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

SEED = Program({"program.py": "def answer():\n    return 0.5\n"})
CALL = ModelCall("m", 10, 5, 0.01, 1.0)


def program(score: float) -> Program:
    return SEED.with_text(SEED.text.replace("0.5", str(score)))


def judged(one: Program) -> Evaluation:
    score = float(one.text.split()[-1])
    return Evaluation(Status.OK, score, {"score": score}, (0.5,))


class World:
    """A coordinator with one agent at work, whose evaluators answer when they are told to."""

    def __init__(
        self, journal: list[str] | None = None, *, evals: int | None = None, allowed: int = 2
    ) -> None:
        self.journal = journal or []
        state = RunState(
            Statement("toy", "Large.", "", Objective(), SEED),
            lambda: Archipelago(IslandsConfig(islands=1), [Axis("x", 0.0, 1.0, 4)]),
            Tuner(TuningConfig(), seed=1),
        )
        settings = SearchSettings(
            1, 1, 1, {"agent": 1.0}, Budget(evaluations=evals), agents=AgentConfig(evaluations=allowed)
        )
        self.coordinator = Coordinator(settings, state, JOBS)
        for line in list(self.journal):
            self.coordinator.replay(json.loads(line))
        self.evaluating: list[Evaluate] = []
        self.asked: list[Propose] = []
        self.answers: list[Answer] = []
        self.finish: Finish | None = None
        self.take(self.coordinator.start())

    def take(self, instructions) -> None:
        for one in instructions:
            if isinstance(one, Save):
                entry = dict(one.entry)
                if entry["type"] == "evaluated":
                    entry["record"] = entry["record"].to_json()
                self.journal.append(json.dumps(entry))
            elif isinstance(one, Evaluate):
                self.evaluating.append(one)
            elif isinstance(one, Propose):
                self.asked.append(one)
            elif isinstance(one, Answer):
                self.answers.append(one)
            elif isinstance(one, Finish):
                self.finish = one

    def handle(self, event) -> None:
        self.take(self.coordinator.handle(event))
        self.coordinator.validate()

    def judge(self) -> None:
        while self.evaluating:
            job = self.evaluating.pop(0).job
            self.handle(Evaluated(job.job_id, judged(job.program), 1.0))

    def attempt(self, number: int, score: float, refusal: str = "") -> None:
        one = program(score)
        self.handle(
            Tried(self.asked[-1].job.job_id, number, one, fingerprint(one), refusal, f"idea {number}")
        )

    def records(self) -> list[dict]:
        return [e["record"] for e in map(json.loads, self.journal) if e["type"] == "evaluated"]


@pytest.fixture
def world() -> World:
    world = World()
    world.judge()
    assert [one.job.operator for one in world.asked] == ["agent"]
    return world


def test_a_trial_is_journalled_then_judged_then_answered_and_has_its_lineage(world: World) -> None:
    world.attempt(0, 0.6)
    assert json.loads(world.journal[-1])["type"] == "proposed"
    assert not world.answers
    world.judge()
    world.attempt(1, 0.7)
    world.judge()
    assert [one.verdict.evaluation.score for one in world.answers] == [0.6, 0.7]
    assert [one.verdict.left for one in world.answers] == [1, 0]
    seed, first, second = world.records()
    assert first["parents"] == [seed["program_id"]]
    assert second["parents"] == [first["program_id"]]
    assert second["texts"] == {"idea": "idea 1"}


def test_no_more_are_judged_than_a_job_may_have(world: World) -> None:
    for number in range(5):
        world.attempt(number, 0.6 + number / 100)
    world.judge()
    assert sum(one.verdict.evaluation is not None for one in world.answers) == 2
    assert {one.verdict.refusal for one in world.answers} == {"", "all evaluations of this job are used up"}
    assert sorted(one.verdict.number for one in world.answers) == [0, 1, 2, 3, 4]
    assert len(world.records()) == 3


def test_what_is_known_or_refused_costs_nothing(world: World) -> None:
    world.attempt(0, 0.5)  # the seed
    world.attempt(1, 0.9, refusal="the frozen part was changed")
    first, second = (one.verdict for one in world.answers)
    assert (first.is_known, first.evaluation.score, first.left) == (True, 0.5, 2)
    assert (second.refusal, second.left) == ("the frozen part was changed", 2)
    assert len(world.records()) == 1


def test_a_limit_of_evaluations_holds_whatever_agents_ask_for() -> None:
    world = World(evals=3, allowed=10)
    world.judge()
    assert world.asked[-1].job.allowance.evaluations == 1  # of three: the seed, one trial, the child
    for number in range(4):
        world.attempt(number, 0.6 + number / 100)
    world.judge()
    assert len(world.records()) <= 3
    assert len(world.answers) == 4


def test_the_job_ends_with_a_note_where_its_child_was_judged_already(world: World) -> None:
    world.attempt(0, 0.6)
    world.judge()
    world.handle(
        Noted(world.asked[-1].job.job_id, Note({"program": program(0.6).id, "agent": "done"}, (CALL, CALL)))
    )
    entry = json.loads(world.journal[-1])
    assert (entry["type"], entry["kind"], entry["program_id"]) == ("noted", "experiment", program(0.6).id)
    assert world.coordinator.state.ledger.calls == 2
    assert len(world.asked) == 2  # it goes on


def test_a_child_that_was_not_judged_is_judged_last(world: World) -> None:
    one = program(0.8)
    proposal = Proposal(one, (SEED.id,), (CALL,))
    world.handle(Proposed(world.asked[-1].job.job_id, proposal, fingerprint(one)))
    world.judge()
    assert world.records()[-1]["program_id"] == one.id
    assert world.coordinator.state.ledger.calls == 1


def test_wherever_a_journal_is_cut_every_trial_that_was_asked_for_is_judged_once(world: World) -> None:
    world.attempt(0, 0.6)
    world.attempt(1, 0.7)
    world.judge()
    for cut in range(1, len(world.journal) + 1):
        again = World(world.journal[:cut])
        owed = {e["decision"] for e in map(json.loads, world.journal[:cut]) if e["type"] == "proposed"}
        again.judge()
        decisions = [record["decision"] for record in again.records()]
        assert owed <= set(decisions)
        assert len(decisions) == len(set(decisions))
        assert not again.answers  # nobody is left to hear of them


def test_a_trial_of_a_job_that_is_gone_changes_nothing(world: World) -> None:
    before = list(world.journal)
    world.handle(replace(Tried("99-agent", 0, program(0.6), fingerprint(program(0.6)))))
    assert world.journal == before
    assert not world.answers
