from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.learned.learning import succeeded
from discovery.core.errors import ConfigError
from discovery.core.gains import GainMeter
from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import Individual, ModelCall
from discovery.learning.memory.items import Item, Provenance, Value, item_id_of, words_of
from discovery.learning.memory.playbook import (
    _FADE as FADE,
)
from discovery.learning.memory.playbook import (
    FOREIGN_WEIGHT,
    Contents,
    Evidence,
    Playbook,
    evidence_of,
    merged,
    taken_in,
)
from discovery.learning.memory.retrieval import Index, retrieve
from discovery.llm.tokens import estimate_tokens
from discovery.settings.learning import MemoryConfig
from evaluators.contract import Evaluation, Program, Status
from islands.archipelago import Change

HOME = Provenance("packing", "v1", "0.1", "run-1")
CONFIG = MemoryConfig(enabled=True)
CALL = ModelCall("fake", 900, 100, 0.01, 1.0)
PROGRAM = Program({"program.py": "def pack(circles):\n    return relax(circles)\n"})
IDEAS = (
    "start from a hexagonal lattice and relax it",
    "solve a linear program for the radii",
    "anneal the centres with shrinking steps",
    "Start from a hexagonal lattice, then relax it!",
)


def item(text: str, *, kind="do", shown: float = 0.0, reward: float = 0.0, **more) -> Item:
    return Item(item_id_of(kind, text), kind, text, refine=Value(shown, reward), origin=HOME, **more)


def evidence(n: int, *, reward: float = 0.0, shown=(), used=(), found=(), stage="refine") -> Evidence:
    return Evidence(
        f"{n:016x}",
        stage,
        reward,
        is_gain=reward > 0.2,
        is_loss=reward == 0,
        shown=shown,
        used=used,
        found=found,
    )


def result(
    fitness: float | None, *, n: int = 1, texts=None, parent: float | None = 0.0, reason: str = ""
) -> EvaluationResult:
    status = Status.ERROR if fitness is None else Status.OK
    record = Record(
        n, PROGRAM, f"{n:016x}", ("p",), Evaluation(status, score=fitness, reason=reason), "diff", 0, None, n,
        calls=(CALL,), texts=texts or {},
    )  # fmt: skip
    changes = () if fitness is None else (Change(0, 1, record.program_id, "old", "birth"),)
    return EvaluationResult(record, fitness, parent, 0.0, changes)


batches = st.lists(
    st.builds(
        evidence,
        st.integers(0, 30),
        reward=st.sampled_from([0.0, 0.1, 0.3, 0.7, 1.0]),
        shown=st.sampled_from([(), (item_id_of("do", IDEAS[0]),), (item_id_of("do", IDEAS[1]), "nobody00")]),
        used=st.sampled_from([(), (item_id_of("do", IDEAS[0]),)]),
        found=st.lists(st.tuples(st.sampled_from(["do", "avoid"]), st.sampled_from(IDEAS)), max_size=2).map(
            tuple
        ),
        stage=st.sampled_from(["draft", "refine"]),
    ),
    max_size=12,
)


@given(batches, st.randoms(use_true_random=False))
def test_a_batch_makes_the_same_memory_in_whatever_order_it_arrives(batch, random):
    before = merged(Contents({}), [evidence(99, found=(("do", IDEAS[0]), ("do", IDEAS[1])))], CONFIG, HOME)
    shuffled = list(batch)
    random.shuffle(shuffled)
    assert merged(before, batch, CONFIG, HOME) == merged(before, shuffled, CONFIG, HOME)


def test_findings_that_say_the_same_are_one_item_with_the_evidence_of_both():
    contents = merged(
        Contents({}), [evidence(n, found=(("do", text),)) for n, text in enumerate(IDEAS)], CONFIG, HOME
    )
    assert sorted(one.text for one in contents.items.values()) == sorted([IDEAS[1], IDEAS[2], IDEAS[3]])
    (lattice,) = [one for one in contents.items.values() if "lattice" in one.text]
    assert lattice.helpful == 2
    assert lattice.origin == replace(HOME, programs=(f"{3:016x}", f"{0:016x}"))


def test_credit_goes_to_what_was_shown_and_counters_to_what_was_cited():
    first, second = item(IDEAS[0]), item(IDEAS[1])
    before = Contents(
        {one.item_id: one for one in (first, second)}, refine=Value(9.0, 4.75), draft=Value(9.0, 4.75)
    )
    after = merged(
        before,
        [
            evidence(1, reward=0.8, shown=(first.item_id, second.item_id), used=(first.item_id,)),
            evidence(2, reward=0.0, shown=(second.item_id,), used=(second.item_id,)),
            evidence(3, reward=1.0, stage="draft", shown=(second.item_id,)),
            evidence(4, reward=0.4),
        ],
        CONFIG,
        HOME,
    )
    # by hand: 10 questions brought 5, so the mean is 1/2 and the deviation 1/2
    assert after.items[first.item_id] == replace(first, helpful=1.0, refine=Value(1.0, pytest.approx(0.6)))
    assert after.items[second.item_id] == replace(
        second, harmful=1.0, refine=Value(2.0, pytest.approx(0.6 - 1.0)), draft=Value(1.0, pytest.approx(1.0))
    )
    assert after.control == Value(1.0, pytest.approx(-0.2))
    assert after.advised == Value(2.0, pytest.approx(0.6 - 1.0))
    assert after.refine.shown == pytest.approx(1 + FADE + FADE**2 + 9 * FADE**3)


def test_where_gains_get_rarer_what_was_shown_early_does_not_look_valuable():
    early, late = item(IDEAS[0]), item(IDEAS[1])
    contents = Contents({one.item_id: one for one in (early, late)})
    for n in range(400):
        rate = 0.5 if n < 200 else 0.05
        shown = early if n < 200 else late
        reward = float(np.random.default_rng([1, n]).random() < rate)
        contents = merged(
            contents, [evidence(n, reward=reward, shown=(shown.item_id,))], replace(CONFIG, trial=999), HOME
        )
    values = [contents.items[one.item_id].refine.mean(2.0) for one in (early, late)]
    assert abs(values[0] - values[1]) < 0.35  # by the rewards as they came, it would be 0.9


def test_what_was_tried_and_did_not_help_goes_and_the_untried_stays():
    items = [item(IDEAS[0], shown=8, reward=-4.0), item(IDEAS[1], shown=8, reward=4.0), item(IDEAS[2])]
    kept = merged(Contents({one.item_id: one for one in items}), [], CONFIG, HOME).items
    assert {one.text for one in kept.values()} == {IDEAS[1], IDEAS[2]}


def test_the_least_valuable_items_make_room():
    items = [item(f"idea number {n} about things", shown=4, reward=0.4 * n) for n in range(10)]
    kept = merged(Contents({one.item_id: one for one in items}), [], replace(CONFIG, capacity=3), HOME).items
    assert {one.text for one in kept.values()} == {f"idea number {n} about things" for n in (7, 8, 9)}


@pytest.mark.parametrize("seed", range(3))
def test_a_memory_that_does_harm_falls_silent_and_is_still_looked_at_now_and_then(seed):
    book = Playbook(CONFIG, HOME, GainMeter())
    one = item(IDEAS[0])
    good = Contents({one.item_id: one}, control=Value(50.0, -20.0), advised=Value(50.0, 20.0))
    bad = replace(good, control=good.advised, advised=good.control)
    parent = Individual(PROGRAM, Evaluation(Status.OK, score=1.0), "p")
    rng = np.random.default_rng(seed)
    shares = []
    for contents in (good, bad):
        book._set(contents)
        shares.append(np.mean([bool(book.advise(parent, rng, 400)) for _ in range(400)]))
    assert shares[0] == pytest.approx(1 - CONFIG.control, abs=0.06)
    assert shares[1] == pytest.approx(CONFIG.control, abs=0.06)


def test_retrieval_by_learned_value_beats_similarity_where_similarity_says_nothing():
    pairs = [(succeeded(seed, by_value=True), succeeded(seed, by_value=False)) for seed in range(12)]
    assert sum(a > b for a, b in pairs) >= 11
    assert np.mean([a - b for a, b in pairs]) > 20


def test_where_nothing_is_known_of_their_value_the_items_that_fit_come_first():
    items = [item(text) for text in IDEAS[:3]]
    rng = np.random.default_rng(0)
    chosen = retrieve(
        Index(items),
        words_of("anneal_centres(step)"),
        "refine",
        count=1,
        shortlist=3,
        epsilon=0.0,
        prior=2.0,
        rng=rng,
    )
    assert chosen[0].text == IDEAS[2]


def test_similarity_is_a_cosine():
    index = Index([item(text) for text in IDEAS[:3]])
    assert index.similarities(words_of(IDEAS[1])) == pytest.approx(
        [0.0, 1.0, index.similarities(words_of(IDEAS[1]))[2]]
    )
    lattice = index.similarities(words_of("a lattice that nobody relaxes"))
    assert lattice[0] > 0.3
    assert lattice[1:] == [0.0, 0.0]
    assert index.similarities([]) == [0.0, 0.0, 0.0]


def test_an_improving_child_teaches_its_idea_and_a_failing_one_its_fault():
    gained = evidence_of(result(1.0, texts={"idea": IDEAS[0]}), 0.9, 0.2)
    assert gained.found == (("do", IDEAS[0]),)
    assert (gained.is_gain, gained.is_loss, gained.reward) == (True, False, 0.9)
    failed = evidence_of(result(None, texts={"idea": IDEAS[1]}, reason="ValueError: unbounded"), 0.0, 0.2)
    assert failed.found == (("avoid", f"{IDEAS[1]}: ValueError: unbounded"),)
    assert failed.is_loss
    flat = evidence_of(result(0.5, texts={"idea": IDEAS[1]}), 0.05, 0.2)
    assert flat.found == ()
    repaired = evidence_of(result(0.5, parent=None), 0.0, 0.2)
    assert (repaired.stage, repaired.reward) == ("draft", 1.0)


def test_foreign_text_becomes_one_bounded_printable_line_without_keys():
    wild = "Use\nrelaxation \x1b[31m` with key sk-abcdefghijklmnop123456 " + "very " * 100
    (found,) = evidence_of(result(1.0, texts={"idea": wild}), 0.9, 0.2).found
    assert len(found[1]) <= 260
    assert "\n" not in found[1]
    assert "`" not in found[1]
    assert found[1].isprintable()
    assert "abcdefghijklmnop" not in found[1]


def told(book: Playbook, n: int, gain: float, **texts: str) -> None:
    book._meter.last = gain
    book.learn(result(gain, n=n, texts=texts))


def test_a_playbook_changes_only_at_the_end_of_a_batch_and_resumes_by_being_told_again():
    def taught(count: int) -> Playbook:
        book = Playbook(replace(CONFIG, batch=4), HOME, GainMeter())
        for n in range(count):
            told(book, n, 0.9 if n % 2 else 0.0, idea=IDEAS[n % 3])
        return book

    assert not taught(3).contents.items
    assert taught(4).contents.items
    assert taught(4).contents == taught(7).contents != taught(8).contents
    assert taught(9).contents == taught(9).contents


def test_programs_of_no_model_teach_nothing_and_cost_nothing():
    book = Playbook(replace(CONFIG, batch=1), HOME, GainMeter())
    one = result(1.0, texts={"idea": IDEAS[0]})
    book.learn(replace(one, record=replace(one.record, calls=())))
    assert not book.contents.items


def test_advice_fits_its_room_and_names_its_items():
    book = Playbook(replace(CONFIG, control=0.0, count=10, epsilon=0.0), HOME, GainMeter())
    book.take_in([item(f"{text} and so on, part {n}") for n in range(6) for text in IDEAS[:3]])
    parent = Individual(PROGRAM, Evaluation(Status.OK, score=1.0), "p", {"idea": "relax"})
    rng = np.random.default_rng(1)
    for room in (0, 40, 100, 1000):
        advice = book.advise(parent, rng, room)
        assert sum(estimate_tokens(one.text) for one in advice) <= room
        assert all(one.item_id in book.contents.items for one in advice)
    assert len(advice) == 10


def test_items_of_another_problem_count_less_and_those_of_this_one_count_whole():
    other = replace(item(IDEAS[0], shown=8, reward=4), origin=replace(HOME, version="v2"), helpful=4.0)
    after = taken_in(Contents({}), [other], CONFIG, HOME).items[other.item_id]
    assert after.refine == Value(8 * FOREIGN_WEIGHT, 4 * FOREIGN_WEIGHT)
    assert after.helpful == 4 * FOREIGN_WEIGHT
    assert after.origin.version == "v2"
    mine = item(IDEAS[0], shown=8, reward=4)
    assert taken_in(Contents({}), [mine], CONFIG, HOME).items[mine.item_id] == mine
    both = taken_in(Contents({mine.item_id: mine}), [mine], CONFIG, HOME).items[mine.item_id]
    assert both.refine == Value(16, 8)


@settings(max_examples=30)
@given(st.permutations([item(text, shown=3, reward=n) for n, text in enumerate(IDEAS[:3])]))
def test_an_import_does_not_depend_on_the_order_of_the_file(items):
    assert taken_in(Contents({}), items, CONFIG, HOME) == taken_in(
        Contents({}), sorted(items, key=lambda one: one.text), CONFIG, HOME
    )


@pytest.mark.parametrize(
    ("name", "value"), [("capacity", 0), ("epsilon", 2.0), ("control", 1.0), ("prior", 0.0), ("batch", 0)]
)
def test_settings_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=name):
        replace(CONFIG, **{name: value})
