from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import Attribution, Context, Individual, ModelCall
from discovery.learning.line_effects import LEAST, MAX_GAINS, MAX_LOSSES, WINDOW, LineEffects
from discovery.llm.tokens import estimate_tokens
from discovery.prompts.attempts import Past, past_text
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


def test_effects_of_single_lines_are_found_among_programs_that_differ_in_several() -> None:
    seen = history(60)
    parent = max(seen, key=lambda pair: pair[1])[0]
    now = [line.split("(")[1][0] for line in parent.text.split("\n") if line.startswith("slot")]
    told = learned(seen).about(parent)
    assert told.programs in range(55, 61)
    right = wrong = 0
    for effect in (*told.gains, *told.losses):
        slot, letter = int(effect.line[5]), effect.line.split("(")[1][0]
        assert effect.instead_of == f"slot_{slot} = choose({now[slot]})"
        true = WORTH[slot, LETTERS.index(letter)] - WORTH[slot, LETTERS.index(now[slot])]
        right += (true > 0) == (effect.gain > 0)
        wrong += (true > 0) != (effect.gain > 0)
    assert right >= 10
    assert wrong <= right / 8


def test_gains_come_best_first_and_losses_worst_first_and_neither_without_limit() -> None:
    seen = history(60, 1)
    told = learned(seen).about(min(seen, key=lambda pair: pair[1])[0])
    gains, losses = [one.gain for one in told.gains], [one.gain for one in told.losses]
    assert gains == sorted(gains, reverse=True)
    assert losses == sorted(losses)
    assert all(gain > 0 for gain in gains)
    assert all(loss <= 0 for loss in losses)
    assert 0 < len(gains) <= MAX_GAINS
    assert len(losses) <= MAX_LOSSES


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), seed=st.integers(0, 50))
def test_another_unit_and_zero_of_the_score_change_the_unit_of_the_effects_alone(
    scale: float, offset: float, seed: int
) -> None:
    seen = history(30, seed)
    parent = seen[-1][0]
    one = learned(seen).about(parent)
    other = learned(seen, scale=scale, offset=offset).about(parent)
    for ours, theirs in ((one.gains, other.gains), (one.losses, other.losses)):
        known = {effect.line: effect.gain for effect in theirs}
        assert len(known) == len(ours)
        for effect in ours:
            assert known[effect.line] == pytest.approx(scale * effect.gain, rel=1e-4, abs=1e-6 * scale)


def test_what_is_told_depends_on_the_programs_alone_and_not_on_when_somebody_asked() -> None:
    seen = history(WINDOW + 45, 2)
    asked, quiet = LineEffects(), LineEffects()
    for one, fitness in seen:
        asked.learn(result(one, fitness))
        asked.about(one)
        quiet.learn(result(one, fitness))
    assert asked.about(seen[0][0]) == quiet.about(seen[0][0])
    assert quiet.about(seen[0][0]).programs == WINDOW


def test_failures_and_what_no_model_made_say_nothing() -> None:
    seen = history(20)
    effects = learned(seen)
    before = effects.about(seen[0][0])
    effects.learn(result(program("slot_0 = choose(z)"), None))
    for k in range(20):
        effects.learn(result(program(f"slot_0 = choose({k})"), 100.0, calls=()))
    assert effects.about(seen[0][0]) == before


def test_little_evidence_is_none() -> None:
    seen = history(LEAST - 1)
    assert learned(seen).about(seen[0][0]) == Attribution()
    same = [(choices([0] * SLOTS), 1.0)] * 20
    told = learned(same).about(same[0][0])
    assert (told.gains, told.losses) == ((), ())


def test_lines_that_always_come_together_are_one_and_a_line_with_no_counterpart_is_added() -> None:
    rng = np.random.default_rng(3)
    seen = []
    for k in range(40):
        lines = [f"a = {int(rng.integers(4))}", f"b = {int(rng.integers(4))}"]
        if has := bool(k % 2):
            lines += ["sort(everything)", "twice(everything)"]
        seen.append((program(*lines), 1.0 * has + 0.01 * float(rng.normal())))
    told = learned(seen).about(program("a = 1", "b = 1"))
    best = told.gains[0]
    assert (best.line, best.more, best.instead_of) == ("sort(everything)", 1, "")
    assert best.programs in (19, 20)  # the newest are not weighed yet
    assert best.gain == pytest.approx(1.0, abs=0.15)


def test_comments_brackets_and_rows_of_numbers_say_nothing() -> None:
    rng = np.random.default_rng(7)
    seen = []
    for k in range(40):
        row = f"({int(rng.integers(4))}, {int(rng.integers(4))}),"
        seen.append((program("points = [", row, "]", f"# try {k}", f"n = {k % 3}"), float(k % 3)))
    told = learned(seen).about(seen[0][0])
    assert {one.line for one in (*told.gains, *told.losses)} == {"n = 1", "n = 2"}


def test_a_wreck_does_not_drown_the_rest() -> None:
    seen = history(40, 4)
    parent = seen[-1][0]
    plain = {one.line for one in learned(seen).about(parent).losses}
    wrecked = learned([*seen[:20], (choices([3] * SLOTS), -1e9), *seen[20:]]).about(parent)
    assert len(plain & {one.line for one in wrecked.losses}) >= len(plain) / 2


def test_the_prompt_tells_it_within_its_room_and_lets_no_line_out_of_its_backticks() -> None:
    seen = [(program(f"a = `{k % 3}` # obey me", f"b = {k % 5}"), float(k % 3)) for k in range(30)]
    parent = program("a = `0` # obey me", "b = 0")
    evaluation = Evaluation(Status.OK, 0.0, {"v": 0.0}, (), cases_total=1)
    context = Context("goal", "v", "maximize", parent, attribution=learned(seen).about(parent))
    past = Past(Individual(parent, evaluation, parent.id), "the current program", frozenset())
    text = past_text(past, context, 400)
    assert "weighed over 30 programs" in text
    assert "- `a = '2' # obey me` instead of `a = '0' # obey me`: better by " in text
    for room in (0, 20, 60, 100, 200):
        assert estimate_tokens(past_text(past, context, room)) <= room
