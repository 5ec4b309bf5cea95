from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import ModelCall
from discovery.learning.line_effects import LEAST_FOR_PROMISE, WINDOW, LineEffects
from evaluators.contract import Evaluation, Program, Status

CALL = ModelCall("fake", 900, 100, 0.01, 1.0)
SLOTS, LETTERS = 8, "abcd"
WORTH = np.random.default_rng(5).normal(size=(SLOTS, len(LETTERS)))


def program(*lines: str) -> Program:
    body = "\n".join(("# EVOLVE-BLOCK-START", *lines, "# EVOLVE-BLOCK-END"))
    return Program({"program.py": f"import math\n{body}\n\ndef frozen():\n    return 1\n"})


def choices(letters) -> Program:
    return program(*(f"slot_{k} = choose({LETTERS[letter]})" for k, letter in enumerate(letters)))


def result(one: Program, fitness: float | None, *, calls=(CALL,), parents=("p",)) -> EvaluationResult:
    evaluation = (
        Evaluation(Status.ERROR, reason="x", cases_total=1)
        if fitness is None
        else Evaluation(Status.OK, fitness, {"v": fitness}, (), cases_total=1)
    )
    record = Record(
        index=0,
        program=one,
        program_id=one.id,
        parents=parents,
        evaluation=evaluation,
        operator="diff",
        island=0,
        cell=None,
        decision=0,
        calls=calls,
    )
    return EvaluationResult(record, fitness, None, None, ())


def learned(pairs, *, scale: float = 1.0, offset: float = 0.0) -> LineEffects:
    effects = LineEffects()
    for one, fitness in pairs:
        effects.learn(result(one, None if fitness is None else scale * fitness + offset))
    return effects


def history(n: int, seed: int = 0) -> list[tuple[Program, float]]:
    """A hill climber's programs: each is the best so far with two slots changed."""
    rng = np.random.default_rng(seed)
    best = rng.integers(len(LETTERS), size=SLOTS)
    found = []
    for _ in range(n):
        child = best.copy()
        child[rng.choice(SLOTS, 2, replace=False)] = rng.integers(len(LETTERS), size=2)
        value = float(WORTH[np.arange(SLOTS), child].sum())
        found.append((choices(child), value))
        if value > WORTH[np.arange(SLOTS), best].sum():
            best = child
    return found


def worth(one: Program) -> float:
    letters = [line.split("(")[1][0] for line in one.text.split("\n") if line.startswith("slot")]
    return float(sum(WORTH[slot, LETTERS.index(letter)] for slot, letter in enumerate(letters)))


def neighbours(one: Program, count: int, seed: int) -> list[Program]:
    """Programs that differ in one slot."""
    rng = np.random.default_rng(seed)
    letters = [
        LETTERS.index(line.split("(")[1][0]) for line in one.text.split("\n") if line.startswith("slot")
    ]
    found = []
    for _ in range(count):
        child = list(letters)
        child[int(rng.integers(SLOTS))] = int(rng.integers(len(LETTERS)))
        found.append(choices(child))
    return [child for child in found if child.id != one.id]


def test_children_that_are_better_are_told_from_those_that_are_not() -> None:
    seen = history(80)
    effects, parent = learned(seen), max(seen, key=lambda pair: pair[1])[0]
    right = wrong = 0
    for child in neighbours(parent, 200, 1):
        promise = effects.promise(child, parent)
        if promise.unknown == 0 and abs(promise.probability - 0.5) > 0.3:
            right += (promise.probability > 0.5) == (worth(child) > worth(parent))
            wrong += (promise.probability > 0.5) != (worth(child) > worth(parent))
    assert right >= 30
    assert wrong <= right / 8


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 50))
def test_another_unit_and_zero_of_the_score_change_nothing(scale: float, offset: float, seed: int) -> None:
    seen = history(30, seed)
    parent = seen[-1][0]
    one, other = learned(seen), learned(seen, scale=scale, offset=offset)
    for child in neighbours(parent, 10, seed):
        assert other.promise(child, parent).probability == pytest.approx(
            one.promise(child, parent).probability, abs=1e-4
        )


def test_what_is_told_depends_on_the_programs_alone_and_not_on_when_somebody_asked() -> None:
    seen = history(WINDOW + 45, 2)
    asked, quiet = LineEffects(), LineEffects()
    for one, fitness in seen:
        asked.learn(result(one, fitness))
        asked.promise(one, seen[0][0])
        quiet.learn(result(one, fitness))
    for child in neighbours(seen[0][0], 10, 3):
        assert asked.promise(child, seen[0][0]) == quiet.promise(child, seen[0][0])


def test_failures_and_what_no_model_made_say_nothing() -> None:
    seen = history(20)
    effects, (child, *_) = learned(seen), neighbours(seen[0][0], 5, 0)
    before = effects.promise(child, seen[0][0])
    effects.learn(result(program("slot_0 = choose(z)"), None))
    for k in range(20):
        effects.learn(result(program(f"slot_0 = choose({k})"), 100.0, calls=()))
    assert effects.promise(child, seen[0][0]) == before


def test_little_evidence_is_none() -> None:
    seen = history(LEAST_FOR_PROMISE - 1)
    assert learned(seen).promise(seen[0][0], seen[1][0]) is None
    same = [(choices([0] * SLOTS), 1.0)] * 20
    assert learned(same).promise(choices([1] * SLOTS), same[0][0]).probability == 0.5


def test_comments_brackets_and_rows_of_numbers_are_no_lines() -> None:
    seen = [(program("points = [", "(1, 2),", "]", f"n = {k % 3}"), float(k % 3)) for k in range(40)]
    parent = program("points = [", "(1, 2),", "]", "n = 0")
    child = program("points = [", "(9, 9),", "]", "# a remark", "n = 0", "fresh = 1")
    assert learned(seen).promise(child, parent).unknown == 1


def test_one_very_bad_program_does_not_drown_the_rest() -> None:
    seen = history(60, 4)
    parent = max(seen, key=lambda pair: pair[1])[0]
    plain, other = learned(seen), learned([*seen[:20], (choices([3] * SLOTS), -1e9), *seen[20:]])
    children = neighbours(parent, 100, 2)
    sure = [child for child in children if abs(plain.promise(child, parent).probability - 0.5) > 0.3]
    agreed = sum(
        (plain.promise(child, parent).probability > 0.5) == (other.promise(child, parent).probability > 0.5)
        for child in sure
    )
    assert agreed >= 0.9 * len(sure) > 0
