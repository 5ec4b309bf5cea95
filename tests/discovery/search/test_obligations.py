"""What a run owes (exams, further measurements, summaries, replies that were paid for) follows from its journal alone."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from discovery.core.events import Evaluate, Evaluated, Event, Finish, Propose, Save
from discovery.execution.jobs import propose
from discovery.learning.instructions import Instructions
from discovery.learning.repeats import Measurements
from discovery.learning.tuning import Tuner
from discovery.operators.registry import JOBS
from discovery.prompts.genealogy import Genealogy
from discovery.search.coordinator import Coordinator
from discovery.search.decisions import Stage
from discovery.search.plan_tracker import PlanTracker
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from discovery.settings.questions import PlanningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis
from tests.discovery.search.test_plan_tracker import Recorder

SEED = Program({"program.py": "def answer():\n    return [0.31, 0.52, 0.7]\n"})
REPEATS, EVALS = 3, 12


class World:
    """A run with exams, repeats and summaries, of which each kill leaves a journal and nothing else."""

    def __init__(self, journal: list[str], order: int) -> None:
        self.journal = list(journal)
        self.order = np.random.default_rng(order)
        self.model = Recorder()
        self.inbox: list[Event] = []
        self.finish: Finish | None = None
        self.measured: Counter[str] = Counter()
        self.examined: Counter[str] = Counter()
        objective = Objective("closeness", repeats=REPEATS)
        measurements = Measurements(objective)
        state = RunState(
            Statement("toy", "Squares of a half.", "", objective, SEED, has_held_out=True),
            lambda: Archipelago(IslandsConfig(islands=1), [Axis("x", 0.0, 1.0, 4)]),
            Tuner(TuningConfig(), seed=3),
            (measurements,),
            PlanTracker(PlanningConfig(summaries="all")),
            Genealogy(objective),
            Instructions(0),
        )
        weights = {"plan": 1.0, "diff": 1.0, "tune": 1.0}
        plan = SearchSettings(3, 2, 3, weights, Budget(evaluations=EVALS))
        self.coordinator = Coordinator(plan, state, JOBS, measurements=measurements)
        for line in self.journal:
            self.coordinator.replay(json.loads(line))

    @property
    def entries(self) -> list[dict]:
        return [json.loads(line) for line in self.journal]

    def of(self, kind: str) -> list[dict]:
        return [entry for entry in self.entries if entry["type"] == kind]

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
                (self.examined if one.job.held_out else self.measured)[one.job.program.id] += 1
                self.inbox.append(Evaluated(one.job.job_id, self.judge(one.job.program), 1.0))
            elif isinstance(one, Finish):
                self.finish = one

    def judge(self, program: Program) -> Evaluation:
        scope: dict = {}
        exec(program.text, scope)
        numbers = scope["answer"]()
        score = -sum((x * x - 0.5) ** 2 for x in numbers) + 0.01 * float(self.order.normal())
        place = min(max(numbers[0], 0.0), 1.0)
        return Evaluation(
            Status.OK, score, {"closeness": score}, (place,), cases_total=1, held_out={"gap": 0.1}
        )

    def run(self) -> World:
        self.act(self.coordinator.start())
        while self.finish is None:
            event = self.inbox.pop(int(self.order.integers(len(self.inbox))))
            self.act(self.coordinator.handle(event))
            self.coordinator.validate()
        return self


@pytest.fixture(scope="module", params=[0, 1])
def whole(request: pytest.FixtureRequest) -> World:
    """An uninterrupted run in which all kinds of obligations came up."""
    world = World([], request.param).run()
    assert {"evaluated", "proposed", "measured", "held_out", "noted"} <= {e["type"] for e in world.entries}
    assert any(entry["kind"] == "summary" for entry in world.of("noted"))
    return world


def test_wherever_a_journal_is_cut_the_same_is_owed_and_then_done_once(whole: World) -> None:
    done = {entry["program_id"] for entry in whole.of("held_out")}
    for cut in range(len(whole.journal) + 1):
        world = World(whole.journal[:cut], order=cut)
        records = {entry["record"]["program_id"] for entry in world.of("evaluated")}
        table = world.coordinator._decisions
        settled = {entry["program_id"] for entry in world.of("held_out")}
        assert {program_id for program_id, _ in table.exams_owed()} == (records & done) - settled, cut
        before = Counter(entry["decision"] for entry in world.of("measured"))
        recorded = {entry["record"]["decision"] for entry in world.of("evaluated")}
        paid = {entry["decision"] for entry in world.of("proposed")} - recorded
        assert {job.number: job.measured for job in table.expected()} == {n: before[n] for n in paid}, cut

        world.run()
        assert world.finish is not None
        assert world.finish.reason == "evaluations"
        assert [entry["record"]["index"] for entry in world.of("evaluated")] == list(range(EVALS))
        exams = Counter(entry["program_id"] for entry in world.of("held_out"))
        elites = {e["record"]["program_id"] for e in world.of("evaluated") if e["record"]["cell"] is not None}
        assert exams == Counter(elites), cut
        for entry in world.of("evaluated"):
            record = entry["record"]
            if record["decision"] not in recorded:  # no measurement that is in the journal is made again
                count = len(record["evaluation"].get("scores", [0]))
                assert world.measured[record["program_id"]] + before[record["decision"]] == count, cut
        summed = Counter(entry["program_id"] for entry in world.of("noted") if entry["kind"] == "summary")
        assert max(summed.values(), default=0) <= 1
        calls = [call for e in world.entries if e["type"] != "evaluated" for call in e.get("calls", ())]
        assert world.coordinator.state.ledger.calls == len(calls), cut
        assert not [stage for job in table.expected() if (stage := job.stage) is not Stage.WAITING]


def test_a_summary_is_owed_until_its_note_is_in_the_journal(whole: World) -> None:
    for cut in range(len(whole.journal) + 1):
        world = World(whole.journal[:cut], order=cut)
        made = {e["record"]["program_id"] for e in world.of("evaluated") if e["record"].get("calls")}
        said = {entry["program_id"] for entry in world.of("noted") if entry["kind"] == "summary"}
        assert set(world.coordinator.state.plans._awaited) == made - said, cut
