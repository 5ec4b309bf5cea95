from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.learned.learning import gained
from discovery.core.gains import GainMeter
from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import Individual, ModelCall
from discovery.learning.memory.items import Provenance
from discovery.learning.memory.playbook import Playbook
from discovery.learning.memory.starts import CANDIDATES, StartValues
from discovery.learning.tuning import Tuner
from discovery.search.scheduler import ProposalScheduler, SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import MemoryConfig, TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

PROGRAM = Program({"program.py": "x = 1\n"})
DONE = Evaluation(Status.OK, score=1.0, measures=(0.5,))
CALL = ModelCall("m", 90, 10, 0.01, 0.5)


def individual(name: str) -> Individual:
    return Individual(PROGRAM, DONE, name)


def result(parent: str, *, parent_fitness: float | None = 1.0, calls=(CALL,)) -> EvaluationResult:
    record = Record(1, PROGRAM, "child", (parent,), DONE, "diff", 0, None, 1, calls=calls)
    return EvaluationResult(record, 1.0, parent_fitness, 1.0, ())


def taught(*children: tuple[str, float], prior: float = 2.0, epsilon: float = 0.0) -> StartValues:
    values = StartValues(prior=prior, epsilon=epsilon)
    for parent, gain in children:
        values.learn(result(parent), gain)
    return values


def names(values: StartValues, drawn: str, seed: int = 0) -> str:
    ordered = values.ordered([individual(name) for name in drawn], np.random.default_rng(seed))
    return "".join(one.program_id for one in ordered)


def test_a_value_is_what_children_brought_beyond_the_usual_drawn_to_the_mean():
    assert taught().value("a") == 0.0
    fade = 0.5 ** (1 / 24)
    values = taught(("a", 0.5), ("a", 1.0), ("b", 0.0))
    usual = (1.0 + fade * 0.5) / (1 + fade)
    assert values.value("a") == pytest.approx((0.0 + 0.5) / (2 + 2))
    assert values.value("b") == pytest.approx(-usual / (1 + 2))
    assert taught(("a", 0.5), ("a", 1.0), prior=8.0).value("a") == pytest.approx(0.05)


def test_a_gain_counts_by_what_was_usual_when_it_came():
    early = [("old", 0.9), ("x", 0.9)] * 20
    late = [("x", 0.1)] * 200 + [("new", 0.4)] * 20
    values = taught(*early, *late)
    assert values.value("new") > 0.1 > values.value("old")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), max_size=40), st.permutations("abcdef"))
def test_the_most_valuable_comes_first_and_nobody_is_lost(children, drawn):
    values = taught(*children)
    order = names(values, "".join(drawn))
    assert sorted(order) == sorted(drawn)
    assert values.value(order[0]) == max(map(values.value, drawn))
    rest = [name for name in drawn if name != order[0]]
    assert list(order[1:]) == rest, "the others as they were drawn"


def test_where_nothing_is_known_the_draw_decides():
    assert names(taught(), "cab") == "cab"
    assert names(taught(("z", 1.0), ("z", 0.0)), "cab") == "cab"


def test_a_share_of_the_choices_is_as_drawn():
    values = taught(("b", 0.0), ("b", 1.0), epsilon=0.3)
    kept = sum(names(values, "ab", seed) == "ab" for seed in range(1000))
    assert 250 < kept < 350


def test_a_program_that_was_repaired_is_not_credited():
    values = StartValues(prior=2.0, epsilon=0.0)
    values.learn(result("b", parent_fitness=0.0), 0.0)
    values.learn(result("a", parent_fitness=None), 1.0)
    assert values.value("a") == 0.0


class Told(GainMeter):
    def learn(self, result: EvaluationResult) -> None:
        self.last = 1.0 if result.record.parents == ("good",) else 0.0


def playbook(**config) -> Playbook:
    meter = Told()
    memory = Playbook(MemoryConfig(enabled=True, **config), Provenance("toy", "1", "0", "run"), meter)
    for parent, calls in (("good", (CALL,)), ("bad", (CALL,)), ("good", (CALL,)), ("bad", ())):
        meter.learn(result(parent))
        memory.learn(result(parent, calls=calls))
    return memory


def test_a_memory_chooses_parents_only_where_it_is_asked_to():
    asked: list[int] = []

    def draw(count: int) -> tuple[Individual, ...]:
        asked.append(count)
        return tuple(individual(name) for name in ("bad", "new", "good", "odd")[:count])

    rng = np.random.default_rng(0)
    (parent,) = playbook().parents(draw, 1, rng)
    assert (parent.program_id, asked) == ("bad", [1])
    assert rng.random() == np.random.default_rng(0).random(), "no chance is used up where it is off"
    chosen = playbook(starts=True, epsilon=0.0).parents(draw, 2, rng)
    assert [one.program_id for one in chosen] == ["good", "bad"]
    assert asked == [1, CANDIDATES]


class Asking:
    parents_needed = 1

    def __init__(self, name: str, *, needs_model: bool) -> None:
        self.name, self.needs_model = name, needs_model


@pytest.mark.parametrize(
    ("operator", "rule", "is_valued"),
    [("diff", "boltzmann", True), ("splice", "boltzmann", False), ("diff", "uniform", False)],
)
def test_questions_to_models_begin_at_the_program_whose_children_gained(operator, rule, is_valued):
    state = RunState(
        Statement("toy", "", "", Objective(), PROGRAM),
        lambda: Archipelago(IslandsConfig(islands=1), [Axis("x", 0.0, 1.0, 4)]),
        Tuner(TuningConfig(), seed=1),
    )
    for index, name in enumerate(("bad", "new", "good", "odd")):
        done = replace(DONE, measures=((index + 0.5) / 4,))
        state.fold(Record(index, PROGRAM, name, (), done, "inject", 0, None, index))
    plan = SearchSettings(7, 1, 1, {operator: 1.0}, Budget(evaluations=9), parents=rule)
    worker = Asking(operator, needs_model=operator == "diff")
    chooser = ProposalScheduler(plan, state, {operator: worker}, None, playbook(starts=True, epsilon=0.0))
    made = [chooser.choose(n, has_model_room=True, has_free_room=True) for n in range(40)]
    first = [choice.job.parents[0].program_id for choice in made]
    assert (set(first) == {"good"}) == is_valued


def test_it_pays_where_programs_stay_fruitful_and_costs_little_where_a_gain_uses_them_up():
    stay, fade = (
        [gained(s, by_value=True, left=left) - gained(s, by_value=False, left=left) for s in range(20)]
        for left in (1.0, 2 / 3)
    )
    assert sum(more > 0 for more in stay) >= 15
    assert np.mean(stay) > 10
    assert np.mean(fade) > -6
