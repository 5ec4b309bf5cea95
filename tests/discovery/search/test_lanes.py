"""When things begin: children of models first, exams last, questions when the result of the last is known, mates of no kin."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from discovery.core.events import Evaluate, Evaluated, Instruction, Propose, Proposed, Save, Ticked
from discovery.core.types import ModelCall, Proposal, ProposeJob
from discovery.learning.fillers import Fillers
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import fingerprint
from discovery.prompts.genealogy import Genealogy
from discovery.search.coordinator import EXAM_WAITS, Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

CALL_S = 20.0


@dataclass
class Op:
    name: str
    needs_model: bool
    parents_needed: int = 1


@dataclass
class Run:
    """A run driven by hand: replies and results come when the test says so."""

    slots: int = 2
    model_slots: int = 2
    wall_s: float = 2.0
    operators: tuple[Op, ...] = (Op("diff", True), Op("splice", False))
    fillers: Fillers | None = None
    held_out: bool = False
    models: tuple[str, ...] = ()
    asked: dict[str, ProposeJob] = field(default_factory=dict)
    handed_out: list[str] = field(default_factory=list)
    entries: list[dict] = field(default_factory=list)
    open: dict[str, float] = field(default_factory=dict)
    now_s: float = 0.0
    count: int = 0

    def __post_init__(self) -> None:
        statement = Statement("toy", "Be large.", "", Objective(), _program(0), self.held_out)
        state = RunState(
            statement,
            lambda: Archipelago(IslandsConfig(islands=1), [Axis("x", 0.0, 1000.0, 1000)]),
            Tuner(TuningConfig(), seed=1),
            genealogy=Genealogy(Objective()),
            fillers=self.fillers,
        )
        settings = SearchSettings(
            1,
            self.slots,
            self.model_slots,
            {op.name: 1.0 for op in self.operators},
            Budget(),
            models=self.models,
        )
        self.coordinator = Coordinator(settings, state, {op.name: op for op in self.operators})
        self.act(self.coordinator.start())
        self.result("0-seed", 1.0)

    def act(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            if isinstance(one, Save):
                self.entries.append(dict(one.entry))
            elif isinstance(one, Propose) and one.needs_model:
                self.asked[one.job.job_id] = one.job
            elif isinstance(one, Propose):
                self.count += 1
                child = _program(self.count)
                self.tell(Proposed(one.job.job_id, Proposal(child, ("p",)), fingerprint(child)))
            elif isinstance(one, Evaluate):
                self.handed_out.append(one.job.job_id)
        self.coordinator.validate()

    def tell(self, event) -> None:
        self.act(self.coordinator.handle(event))

    def passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.tell(Ticked(self.now_s))

    def reply(self, job_id: str | None = None, idea: str = "") -> str:
        """The oldest question, or one by its id, is answered."""
        job = self.asked.pop(job_id or next(iter(self.asked)))
        self.count += 1
        child = _program(self.count)
        parents = tuple(one.program_id for one in job.parents)
        proposal = Proposal(
            child, parents, (ModelCall("m", 9, 1, None, CALL_S),), {"idea": idea} if idea else {}
        )
        self.tell(Proposed(job.job_id, proposal, fingerprint(child)))
        return job.job_id

    def result(self, job_id: str, score: float | None = None) -> None:
        score = float(self.count) if score is None else score
        done = Evaluation(
            Status.OK, score, {}, (float(self.count),), wall_s=self.wall_s, held_out={"score": 1.0}
        )
        self.tell(Evaluated(job_id, done, 0.0))

    def evaluated(self, job_id: str) -> bool:
        return job_id in self.handed_out


def _program(number: int) -> Program:
    return Program({"program.py": f"def f():\n    return {number}\n"})


def _warmed(**settings) -> Run:
    """A run that knows how long calls take."""
    run = Run(**settings)
    run.passes(CALL_S)
    run.result(run.reply())
    return run


def test_a_question_waits_for_the_result_of_the_last_child_where_that_comes_sooner():
    run = _warmed(model_slots=1)
    job_id = run.reply()
    assert run.evaluated(job_id)
    assert not run.asked
    run.result(job_id)
    assert len(run.asked) == 1


def test_where_an_evaluation_takes_longer_the_next_question_says_what_is_under_way():
    run = _warmed(model_slots=1, wall_s=3 * CALL_S)
    run.reply(idea="sort first")
    (job,) = run.asked.values()
    assert job.context.under_way == ("sort first",)


def test_questions_that_go_out_side_by_side_ask_for_different_things():
    run = Run(model_slots=4)
    assert len({job.variant for job in run.asked.values()}) == 4
    assert {job.model for job in run.asked.values()} == {None}
    several = Run(model_slots=4, models=("a", "b"))
    assert [job.model for job in several.asked.values()] == [None, "b", "a", "b"]


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_while_models_are_asked_an_evaluator_is_free_for_what_they_send(slots: int):
    run = _warmed(slots=slots)
    run.passes(CALL_S)
    for job_id in [one for one in run.handed_out if "splice" in one][-slots:]:
        run.result(job_id)
    job_id = run.reply()
    assert run.evaluated(job_id)
    done = {entry["record"].decision for entry in run.entries if entry["type"] == "evaluated"}
    running = [one for one in run.handed_out if int(one.partition("-")[0]) not in done]
    assert len(running) <= slots, "nothing stands between it and an evaluator"


def test_children_of_models_go_before_what_fills_evaluators():
    run = Run(slots=1, wall_s=0.0)
    run.passes(1.0)
    first = run.reply()
    second = run.reply()
    while not (run.evaluated(first) and run.evaluated(second)):
        before = len(run.handed_out)
        run.result(run.handed_out[-1])
        assert len(run.handed_out) > before
        assert "diff" in run.handed_out[before]


def test_an_exam_waits_for_an_idle_evaluator_but_not_for_ever():
    run = Run(slots=1, model_slots=1, held_out=True, operators=(Op("diff", True),))
    assert not run.evaluated(f"held-out-{_program(0).id}"), (
        "a question is open, and how long it takes is not known"
    )
    for _ in range(EXAM_WAITS + 2):
        run.passes(CALL_S)
        run.result(run.reply())
    assert run.evaluated(f"held-out-{_program(0).id}")


def test_fillers_stop_where_they_bring_nothing():
    free, judged = (Run(slots=4, wall_s=1.0, fillers=fillers) for fillers in (None, Fillers()))
    for run in (free, judged):
        for _ in range(300):
            filled = [one for one in run.handed_out if "splice" in one]
            done = {entry["record"].decision for entry in run.entries if entry["type"] == "evaluated"}
            waiting = [one for one in filled if int(one.partition("-")[0]) not in done]
            if waiting:
                run.result(waiting[0], -1.0)
            else:
                run.passes(1.0)
    counts = [sum("splice" in one for one in run.handed_out) for run in (free, judged)]
    assert counts[1] < 60 < counts[0]


def test_mates_are_no_kin():
    run = Run(operators=(Op("diff", True), Op("crossover", True, 2)), model_slots=8)
    rng = np.random.default_rng(0)
    pairs = 0
    for _ in range(60):
        run.result(run.reply(list(run.asked)[int(rng.integers(len(run.asked)))]))
        family = run.coordinator.state.genealogy
        for job in run.asked.values():
            if job.operator == "crossover":
                one, other = job.parents
                assert not family.are_kin(one.program_id, other.program_id)
                pairs += 1
    assert pairs > 20


def test_where_nothing_but_crossover_could_go_kin_will_do():
    run = Run(operators=(Op("crossover", True, 2),), model_slots=1)
    assert [one.program_id for one in next(iter(run.asked.values())).parents] == [_program(0).id]
