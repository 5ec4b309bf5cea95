from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.core.errors import ConfigError
from discovery.core.events import Evaluate, Evaluated, Propose, Proposed
from discovery.core.types import Proposal
from discovery.learning.near_duplicates import NearDuplicates
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import fingerprint, tokens
from discovery.programs.near_duplicates import GRAM, similarity, sketch
from discovery.search.coordinator import Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import DuplicatesConfig, TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig


def program(lines: int = 40, *, changed: int | None = None, name: str = "program.py") -> Program:
    rows = [f"    v{n} = f{n}(v{max(n - 1, 0)}, w{n})" for n in range(lines)]
    if changed is not None:
        rows[changed] = "    other = something_else(3)"
    return Program({name: "def run(v0):\n" + "\n".join(rows) + "\n    return v1\n"}, name)


def jaccard(one: Program, other: Program) -> float:
    grams = [
        {tuple(words[n : n + GRAM]) for n in range(len(words) - GRAM + 1)}
        for words in map(tokens, (one, other))
    ]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_comments_and_layout_make_no_difference_and_other_code_does():
    text = program().text
    noted = Program({"program.py": '"""What it does."""\n' + text.replace("    v3", "    # note\n    v3")})
    assert similarity(sketch(program()), sketch(noted)) == 1.0
    assert (
        similarity(sketch(program()), sketch(Program({"program.py": "import math\nx = math.pi ** 2\n"})))
        < 0.05
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(5, 60), st.integers(0, 4), st.integers(0, 4))
def test_the_estimate_is_the_jaccard_index_of_the_ngrams(lines, first, second):
    one, other = program(lines, changed=first), program(lines, changed=second)
    exact = jaccard(one, other)
    assert similarity(sketch(one), sketch(other)) == pytest.approx(exact, abs=0.15)
    assert (exact == 1) == bool(similarity(sketch(one), sketch(other)) == 1)


def test_c_is_compared_by_its_tokens():
    one = Program({"k.c": "int f(int a) { return a * 2; /* twice */ }\n"}, "k.c")
    other = Program({"k.c": "int f(int a)\n{\n  return a*2; // doubled\n}\n"}, "k.c")
    assert similarity(sketch(one), sketch(other)) == 1.0


class Proposer:
    name, needs_model, parents_needed = "splice", False, 1

    def propose(self, job, rng, model):
        raise AssertionError("proposals are made by the test")


def refused(child: Program, *, operator: str = "splice", **config) -> str:
    """Returns why a coordinator refuses a child of the seed; "" if it has it evaluated."""
    seed = program()
    near = NearDuplicates(DuplicatesConfig(enabled=True, **config))
    state = RunState(
        Statement("toy", "", "", Objective(), seed),
        lambda: Archipelago(IslandsConfig(islands=1), []),
        Tuner(TuningConfig(), seed=1),
        learners=(near,),
    )
    worker = Proposer()
    worker.name = operator
    plan = SearchSettings(1, 1, 0, {operator: 1.0}, Budget(evaluations=5))
    coordinator = Coordinator(plan, state, {operator: worker}, near=near)
    (first,) = coordinator.start()
    assert isinstance(first, Evaluate)
    done = Evaluation(Status.OK, score=1.0, measures=())
    (asked,) = [
        one for one in coordinator.handle(Evaluated(first.job.job_id, done, 0.0)) if isinstance(one, Propose)
    ]
    proposal = Proposal(child, (seed.id,))
    after = coordinator.handle(Proposed(asked.job.job_id, proposal, fingerprint(child), ""))
    is_evaluated = any(isinstance(one, Evaluate) for one in after)
    assert is_evaluated == (coordinator.duplicates == 0)
    return "" if is_evaluated else "refused"


def test_a_child_that_is_almost_the_same_as_an_elite_is_not_evaluated():
    assert refused(program(changed=39), threshold=0.9)
    assert not refused(program(changed=39), threshold=0.99)
    other = Program({"program.py": "def run(v0):\n    return [v0] * 3\n"})
    assert not refused(other, threshold=0.5)


def test_children_that_differ_by_numbers_on_purpose_are_evaluated():
    numbers = Program({"program.py": program().text.replace("return v1", "return v1 * 1.0001")})
    assert similarity(sketch(numbers), sketch(program())) > 0.97
    assert refused(numbers)
    for operator in ("tune", "perturb"):
        near = NearDuplicates(DuplicatesConfig(enabled=True))
        assert near.like(operator, 0, numbers, state=None) == ""


def test_only_the_latest_programs_are_compared_with():
    assert refused(program(changed=39), threshold=0.9, elites=0)
    assert not refused(program(changed=39), threshold=0.9, elites=0, recent=0)


def test_a_sketch_is_the_same_in_every_process():
    text = Program({"a.txt": "one two three four five six"}, "a.txt")
    assert sketch(text)[:3].tolist() == [255041664, 742384238, 124275516]


@pytest.mark.parametrize(
    ("name", "value"), [("threshold", 0.0), ("threshold", 1.1), ("recent", -1), ("elites", -1)]
)
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        replace(DuplicatesConfig(), **{name: value})


def test_a_sketch_of_any_text_exists():
    for text in ("", "def (", "x", "\ud800", "a b c d e"):
        assert sketch(Program({"program.py": text})).dtype == np.uint32
