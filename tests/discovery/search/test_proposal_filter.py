"""Replies that come late: a change of what was the best program is made in what is the best by now."""

from __future__ import annotations

import pytest

from discovery.core.choices import Rule
from discovery.core.events import Evaluate, Evaluated, Instruction, Propose, Proposed, Save
from discovery.core.types import ModelCall, Proposal, ProposeJob
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import fingerprint
from discovery.search.coordinator import Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

CALL = ModelCall("fake", 900, 100, 0.01, 1.0)


def program(a: int, b: int, c: int) -> Program:
    """Returns a program whose value is the sum of its numbers."""
    lines = [f"a = {a}", f"b = {b}", f"c = {c}"]
    return Program({"program.py": "\n".join(["# EVOLVE-BLOCK-START", *lines, "# EVOLVE-BLOCK-END", ""])})


SEED = program(1, 1, 1)


class RequestReceived:
    needs_model = True

    def __init__(self, name: str, parents_needed: int = 1) -> None:
        self.name = name
        self.parents_needed = parents_needed

    def propose(self, job, rng, model):
        raise AssertionError("the test answers for the model")


class Run:
    """A run with three questions at once, of which the test answers each when it likes."""

    def __init__(
        self, *, rebase: bool = True, parents: Rule = "best", operator: RequestReceived | None = None
    ) -> None:
        operator = operator or RequestReceived("diff")
        state = RunState(
            Statement("toy", "", "", Objective(), SEED),
            lambda: Archipelago(IslandsConfig(islands=1), [Axis("c", 0, 10, 10)]),
            Tuner(TuningConfig(), seed=1),
        )
        plan = SearchSettings(
            1, 2, 3, {operator.name: 1.0}, Budget(evaluations=50), parents=parents, rebase=rebase
        )
        self.coordinator = Coordinator(plan, state, {operator.name: operator})
        self.questions: list[ProposeJob] = []
        self.proposed: list[dict] = []
        self.evaluated: list[Program] = []
        self.act(self.coordinator.start())

    def act(self, instructions: list[Instruction]) -> None:
        for one in instructions:
            if isinstance(one, Propose):
                self.questions.append(one.job)
            elif isinstance(one, Save) and one.entry["type"] == "proposed":
                self.proposed.append(dict(one.entry))
            elif isinstance(one, Evaluate):
                self.evaluated.append(one.job.program)
                values = [int(line[4:]) for line in one.job.program.text.split("\n")[1:4]]
                done = Evaluation(Status.OK, float(sum(values)), {}, (float(values[2]),), cases_total=1)
                self.act(self.coordinator.handle(Evaluated(one.job.job_id, done, 0.0)))

    def answer(self, job: ProposeJob, child: Program, refusal: str = "") -> None:
        proposal = Proposal(
            child, tuple(one.program_id for one in job.parents), (CALL,), {"idea": "raise it"}
        )
        self.act(self.coordinator.handle(Proposed(job.job_id, proposal, fingerprint(child), refusal)))


def test_a_late_change_of_the_best_is_made_in_the_new_best() -> None:
    run = Run()
    first, second, _ = run.questions
    assert {one.parents[0].program_id for one in (first, second)} == {SEED.id}
    run.answer(first, program(5, 1, 1))
    run.answer(second, program(1, 7, 1))
    merged = program(5, 7, 1)
    assert run.evaluated == [SEED, program(5, 1, 1), merged]
    entry = run.proposed[-1]
    assert entry["parents"] == [program(5, 1, 1).id, SEED.id]
    assert entry["fingerprint"] == fingerprint(merged)
    assert entry["texts"] == {"idea": "raise it"}
    assert run.coordinator.state.best.program_id == merged.id
    assert run.coordinator.state.ledger.calls == 2


@pytest.mark.parametrize(
    ("late", "evaluated"),
    [
        (program(7, 1, 1), program(7, 1, 1)),
        (program(1, 0, 1), program(5, 0, 1)),
    ],
    ids=["the same line: as it came", "for worse, too"],
)
def test_what_does_not_fit_is_evaluated_as_it_came(late: Program, evaluated: Program) -> None:
    run = Run()
    first, second, _ = run.questions
    run.answer(first, program(5, 1, 1))
    run.answer(second, late)
    assert run.evaluated[-1] == evaluated


def test_what_would_be_known_already_is_evaluated_as_it_came() -> None:
    run = Run()
    first, second, third = run.questions
    run.answer(first, program(1, 7, 1))
    run.answer(second, program(5, 1, 1))
    assert run.evaluated[-1] == program(5, 7, 1)
    run.answer(third, program(5, 1, 1))
    assert run.evaluated[-1] == program(5, 1, 1)


@pytest.mark.parametrize(
    "settings", [{"rebase": False}, {"operator": RequestReceived("plan")}], ids=["switched off", "a plan"]
)
def test_where_it_is_not_asked_for_or_a_plan_goes_by_the_parent_nothing_is_carried_over(settings) -> None:
    run = Run(**settings)
    first, second, _ = run.questions
    run.answer(first, program(5, 1, 1))
    run.answer(second, program(1, 7, 1))
    assert run.evaluated[-1] == program(1, 7, 1)


def test_a_change_of_another_program_than_the_best_is_left_to_it() -> None:
    run = Run(parents="seed")
    first, second, third = run.questions
    run.answer(first, program(1, 1, 5))
    run.answer(second, program(1, 1, 6))
    asked_later = run.questions[-1]
    assert asked_later.parents[0].program_id == SEED.id
    run.answer(third, program(9, 1, 7))
    run.answer(asked_later, program(1, 7, 1))
    assert run.evaluated[-1] == program(1, 7, 1)


def test_a_change_of_two_parents_is_left_to_them() -> None:
    run = Run(operator=RequestReceived("crossover", 2))
    first, second, third = run.questions
    run.answer(first, program(1, 1, 5))
    run.answer(second, program(1, 1, 7))
    of_two = run.questions[-1]
    assert {one.program_id for one in of_two.parents} == {program(1, 1, 5).id, program(1, 1, 7).id}
    run.answer(third, program(1, 1, 9))
    run.answer(of_two, program(1, 7, 5))
    assert run.evaluated[-1] == program(1, 7, 5)


def test_a_child_that_must_not_run_is_refused_as_before() -> None:
    run = Run()
    first, second, _ = run.questions
    run.answer(first, program(5, 1, 1))
    run.answer(second, program(1, 7, 1), refusal="the frozen part is changed")
    assert run.evaluated == [SEED, program(5, 1, 1)]
