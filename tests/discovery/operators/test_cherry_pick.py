"""Changes that made programs better are carried over into others, line by line, once, and only where they fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import Context, Individual, ModelCall, OperatorError, ProposeJob
from discovery.learning.patches import HOPELESS, MOST, RECENT, Patches
from discovery.operators.cherry_pick import CherryPick
from discovery.programs.carry_over import MAX_LINES, apply_change, carry_over
from discovery.programs.fingerprint import fingerprint
from evaluators.contract import Evaluation, Program, Status

CALL = ModelCall("fake", 900, 100, 0.01, 1.0)
BASE = "a = 1\nb = 2\nc = 3\nd = 4\n"


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("a = 1\nb = 9\nc = 3\nd = 4\n", "a = 1\nb = 2\nc = 7\nd = 4\n", "a = 1\nb = 9\nc = 7\nd = 4\n"),
        ("a = 1\nc = 3\nd = 4\n", "a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n", "a = 1\nc = 3\nd = 4\ne = 5\n"),
        ("z = 0\n" + BASE, "a = 1\nd = 4\n", "z = 0\na = 1\nd = 4\n"),
        ("a = 1\nb = 2\nc = 3\nd = 0\n", "y = 8\n" + BASE, "y = 8\na = 1\nb = 2\nc = 3\nd = 0\n"),
    ],
    ids=["a change beside another", "an added line", "lines left out", "a line at the top"],
)
def test_a_change_is_carried_over_beside_others(text, after, expected):
    assert apply_change(text, BASE, after) == expected


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a = 1\nb = 9\nc = 3\nd = 4\n", "a = 1\nb = 7\nc = 3\nd = 4\n"),
        ("a = 1\nb = 2\nx = 0\nc = 3\nd = 4\n", "a = 1\nb, c = 5, 6\nd = 4\n"),
        (BASE + "e = 5\n", BASE + "e = 5\n"),
        ("0\n" * (MAX_LINES + 1) + BASE, BASE + "e = 5\n"),
    ],
    ids=["the same line changed", "lines torn apart", "there already", "too long"],
)
def test_what_does_not_fit_is_left(text, after):
    assert apply_change(text, BASE, after) is None


lines = st.lists(st.sampled_from(["a", "b", "c", "d = 1", "  e", ""]), max_size=8)


@given(lines, lines)
def test_a_program_with_its_own_childs_change_is_the_child(old, new):
    before, after = ("".join(f"{line}\n" for line in one) for one in (old, new))
    assert apply_change(before, before, after) == after


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.permutations(range(6)), st.integers(1, 5))
def test_changes_of_different_lines_come_to_the_same_in_either_order(start, order, cut):
    def text(values):
        return "".join(f"slot_{k} = {value}\n" for k, value in enumerate(values))

    one = [value + 4 if k in order[:cut] else value for k, value in enumerate(start)]
    two = [value + 8 if k in order[cut:] else value for k, value in enumerate(start)]
    both = [max(pair) for pair in zip(one, two, strict=True)]
    assert apply_change(text(two), text(start), text(one)) == text(both)
    assert apply_change(text(one), text(start), text(two)) == text(both)


def python(*body: str) -> Program:
    inner = "\n".join(("# EVOLVE-BLOCK-START", *body, "# EVOLVE-BLOCK-END"))
    return Program({"program.py": f"import math\n{inner}\n\n\ndef frozen():\n    return 1\n"})


def test_the_child_must_compile_and_keep_the_frozen_part():
    base, donor = python("def f():", "    return 1"), python("def f():", "    x = 2", "    return 1")
    assert carry_over(python("def f():", "    y = 3", "    return 1"), base, donor) is not None
    assert carry_over(python("def f(): return (", "    1)"), base, python("def f():", "    return 2")) is None
    frozen = Program(
        {"program.py": base.text.replace("return 1\n# EVOLVE", "return 1\n# EVOLVE")[:-2] + "2\n"}
    )
    assert carry_over(base, base, frozen) is None


def test_programs_in_c_too():
    def c(one: str, two: str) -> Program:
        text = f"// EVOLVE-BLOCK-START\nint f(void) {{\n    int a = {one};\n    int b = {two};\n    return a + b;\n}}\n"
        return Program({"kernel.c": text + "// EVOLVE-BLOCK-END\n"}, "kernel.c")

    found = carry_over(c("7", "1"), c("0", "1"), c("0", "8"))
    assert found == c("7", "8")


def individual(program: Program, score: float = 0.0) -> Individual:
    return Individual(program, Evaluation(Status.OK, score, {"v": score}, (), cases_total=1), program.id)


def job(*parents: Individual) -> ProposeJob:
    context = Context("goal", "v", "maximize", parents[0].program)
    return ProposeJob("1-cherry_pick", "cherry_pick", 0, 1, parents, context, (1,))


def slots(*values: int) -> Program:
    return python(*(f"slot_{k} = {value}" for k, value in enumerate(values)))


def test_the_operator_carries_over_all_it_is_given_and_names_whose_it_is():
    target, base = individual(slots(5, 0, 0)), individual(slots(0, 0, 0))
    donors = individual(slots(0, 6, 0)), individual(slots(0, 0, 7))
    proposal = CherryPick().propose(
        job(target, donors[0], base, donors[1], base), np.random.default_rng(0), None
    )
    assert proposal.program == slots(5, 6, 7)
    assert proposal.parents == (target.program_id, *(donor.program_id for donor in donors))
    assert not proposal.calls


@pytest.mark.parametrize("others", [(), ((0, 0, 9), (0, 0, 7))], ids=["nothing", "what does not fit"])
def test_the_operator_says_why_there_is_no_child(others):
    parents = [individual(slots(5, 0, 0)), *(individual(slots(*one)) for one in others)]
    with pytest.raises(OperatorError, match="no change to carry over" if not others else "does not fit"):
        CherryPick().propose(job(*parents), np.random.default_rng(0), None)


class Run:
    """The ledger with the programs it was told of."""

    def __init__(self):
        self.patches, self.programs = Patches(), {}

    def add(self, program, fitness, *parents, level=0.0, operator="diff"):
        failed = Evaluation(Status.ERROR, reason="x", cases_total=1)
        evaluation = failed if fitness is None else individual(program, fitness).evaluation
        ids = tuple(parent.program_id for parent in parents)
        calls = (CALL,) if operator == "diff" else ()
        record = Record(0, program, program.id, ids, evaluation, operator, 0, None, 0, calls=calls)
        self.patches.learn(EvaluationResult(record, fitness, level if parents else None, None, ()))
        self.programs[program.id] = Individual(program, evaluation, program.id)
        return self.programs[program.id]

    def choose(self, target):
        known = {fingerprint(one.program) for one in self.programs.values()}
        return self.patches.choose(target, self.programs.get, known.__contains__)


@pytest.fixture
def run():
    return Run()


def test_what_siblings_found_is_carried_over_the_largest_gain_first(run):
    base = run.add(slots(0, 0, 0, 0, 0), 0.0)
    best = run.add(slots(9, 0, 0, 0, 0), 9.0, base)
    small, large = run.add(slots(0, 1, 0, 0, 0), 1.0, base), run.add(slots(0, 0, 2, 0, 0), 2.0, base)
    run.add(slots(0, 0, 0, 3, 0), -3.0, base)
    run.add(slots(0, 0, 0, 0, 4), None, base)
    assert run.choose(best) == (large, base, small, base)
    assert run.choose(large) == (best, base, small, base)


def test_what_no_model_changed_is_left(run):
    base = run.add(slots(0, 0), 0.0)
    run.add(slots(0, 1), 1.0, base, operator="tune")
    assert run.choose(run.add(slots(2, 0), 2.0, base)) == ()


def test_not_more_than_some_at_once(run):
    base = run.add(slots(*[0] * 8), 0.0)
    for k in range(1, 8):
        run.add(slots(*(int(k == at) for at in range(8))), float(k), base)
    assert len(run.choose(run.add(slots(9, *[0] * 7), 9.0, base))) == 2 * MOST


def test_what_a_program_has_already_is_not_carried_over(run):
    base = run.add(slots(0, 0), 0.0)
    child = run.add(python("slot_0 = 0", "slot_1 = 0", "more = 1"), 1.0, base)
    grandchild = run.add(python("slot_0 = 5", "slot_1 = 0", "more = 1"), 2.0, child, level=1.0)
    assert run.choose(grandchild) == ()
    assert run.choose(child) == ()


def test_a_program_that_is_known_is_not_made_again(run):
    base = run.add(slots(0, 0), 0.0)
    one, two = run.add(slots(1, 0), 1.0, base), run.add(slots(0, 2), 2.0, base)
    run.add(slots(1, 2), 0.5, one, two, level=1.0, operator="cherry_pick")
    assert run.choose(one) == () == run.choose(two)


def test_a_change_that_never_helps_is_given_up_and_one_that_did_is_not(run):
    base = run.add(slots(0, 0, 0), 0.0)
    donor = run.add(slots(0, 1, 0), 1.0, base)
    for k in range(1, HOPELESS + 1):
        target = run.add(slots(k, 0, 0), 2.0, base)
        assert donor in run.choose(target)
        run.add(slots(k, 1, 0), 1.5 if k > 1 else None, target, donor, level=2.0, operator="cherry_pick")
    target = run.add(slots(7, 0, 0), 2.0, base)
    assert donor not in run.choose(target)
    run.add(slots(8, 1, 0), 3.0, target, donor, level=2.0, operator="cherry_pick")
    assert donor in run.choose(target)


def test_the_oldest_changes_and_forgotten_programs_are_passed_over(run):
    base = run.add(slots(0, 0, 0), 0.0)
    first = run.add(slots(0, 1, 0), 50.0, base)
    target = run.add(slots(0, 0, 1), 9.0, base)
    assert run.choose(target)[0] == first
    for k in range(RECENT):
        run.add(slots(k + 2, 0, 0), 1.0, base)
    assert first not in run.choose(target)
    assert run.patches.choose(target, {}.get, lambda _: False) == ()
