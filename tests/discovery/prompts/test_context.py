from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from discovery.core.errors import ConfigError
from discovery.core.records import Record
from discovery.core.results import NoteRecord
from discovery.core.types import Advice, ModelCall, Pitfall
from discovery.learning.tuning import Tuner
from discovery.prompts.genealogy import MAX_PITFALLS, Genealogy
from discovery.prompts.question import compose, count_message_tokens
from discovery.search.context import (
    AHEAD,
    STAGNANT,
    STALE,
    compose_context,
    plain_context,
    situation,
    summary_context,
)
from discovery.search.state import RunState, Statement
from discovery.settings.learning import TuningConfig
from discovery.settings.questions import ContextConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

CALL = ModelCall("m", 10, 5, None, 0.1)


def program(number: int, lines: int = 6) -> Program:
    body = "".join(f"    y{k} = x + {k + number}\n" for k in range(lines))
    return Program({"program.py": f"def f(x):\n{body}    return y0\n"})


class Family:
    """A run's state, grown program by program."""

    def __init__(self, direction: str = "maximize") -> None:
        objective = Objective("value", direction)
        statement = Statement("toy", "Be good.", "With care.", objective, program(0))
        islands = IslandsConfig(islands=2, opening_interval=3, migration_interval=10_000)
        self.genealogy = Genealogy(objective)
        self.state = RunState(
            statement,
            lambda: Archipelago(islands, [Axis("x", 0.0, 100.0, 100)]),
            Tuner(TuningConfig(), seed=1),
            (),
            None,
            self.genealogy,
        )
        self.ids: list[str] = []

    def add(self, score: float | None, parent: int | None = None, *, idea: str = "", reason: str = "") -> str:
        number = len(self.ids)
        if score is None:
            evaluation = Evaluation(Status.ERROR, reason=reason, cases_total=1)
        else:
            evaluation = Evaluation(Status.OK, score, {"value": score}, (float(number),), cases_total=1)
        child = program(number)
        record = Record(
            index=number,
            program=child,
            program_id=child.id,
            parents=() if parent is None else (self.ids[parent],),
            evaluation=evaluation,
            operator="seed" if parent is None else "diff" if idea else "tune",
            island=0,
            cell=None,
            decision=number,
            calls=(CALL,) if idea else (),
            texts={"idea": idea} if idea else {},
        )
        self.state.fold(record)
        self.ids.append(child.id)
        return child.id

    def summarize(self, number: int, **texts: str) -> None:
        self.state.note(NoteRecord("summary", self.ids[number], "diff", None, "", 0, texts, (CALL,)))

    def context(self, number: int, config: ContextConfig | None = None, *, seed: int = 0, memory=None):
        parent = self.state.individual(self.ids[number])
        rng = np.random.default_rng(seed)
        return compose_context(self.state, 0, (parent,), rng, config=config or ContextConfig(), memory=memory)


@pytest.fixture
def family() -> Family:
    grown = Family()
    grown.add(1.0)
    grown.add(1.5, 0, idea="first step")
    grown.add(2.0, 1, idea="second step")
    grown.add(2.1, 2)
    grown.add(1.8, 3, idea="a step back")
    grown.add(1.7, 4, idea="another step back")
    grown.add(None, 3, idea="a wrong turn", reason="ZeroDivisionError")
    grown.summarize(2, summary="adds numbers", guidance="explore products")
    return grown


class TestGenealogy:
    def test_ancestors_are_told_oldest_first_and_what_no_model_made_is_passed_over(
        self, family: Family
    ) -> None:
        told = family.genealogy.ancestors(family.ids[5], 10)
        assert [trace.texts["idea"] for trace in told] == [
            "first step",
            "second step",
            "a step back",
            "another step back",
        ]
        assert [trace.gain for trace in told] == pytest.approx([0.5, 0.5, -0.3, -0.1])
        assert told[1].texts["summary"] == "adds numbers"
        assert len(family.genealogy.ancestors(family.ids[5], 2)) == 2

    def test_siblings_are_children_that_models_made_failures_too(self, family: Family) -> None:
        told = family.genealogy.siblings(family.ids[3], 10)
        assert [trace.texts["idea"] for trace in told] == ["a step back", "a wrong turn"]
        assert told[1].score is None
        assert told[1].fault == "error: ZeroDivisionError"
        assert family.genealogy.siblings(family.ids[0], 10)[0].texts["idea"] == "first step"
        assert family.genealogy.siblings("unknown", 10) == ()

    def test_a_parent_is_barren_by_its_children_without_gain(self, family: Family) -> None:
        assert family.genealogy.stagnant(family.ids[3]) == 2
        assert family.genealogy.stagnant(family.ids[1]) == 0
        assert family.genealogy.stagnant(family.ids[5]) == 0

    def test_the_ledger_holds_every_attempt_on_the_line_of_descent_and_marks_what_was_kept(
        self, family: Family
    ) -> None:
        pages = family.genealogy.ledger(family.ids[5])
        assert [page.base.program_id for page in pages] == [family.ids[k] for k in (0, 1, 3, 4, 5)]
        told = [one.texts["idea"] for page in pages for one in page.attempts]
        assert told == ["first step", "second step", "a step back", "a wrong turn", "another step back"]
        kept = [family.ids[1], family.ids[2], family.ids[4], family.ids[5], ""]
        assert [page.kept for page in pages] == kept
        assert family.genealogy.ledger("unknown") == ()

    def test_gains_point_in_the_objectives_direction(self) -> None:
        grown = Family("minimize")
        grown.add(5.0)
        grown.add(4.0, 0, idea="less")
        assert grown.genealogy.ancestors(grown.ids[1], 1)[0].gain == pytest.approx(1.0)

    def test_reasons_of_failures_are_counted_and_measured_numbers_make_no_other_reason(
        self, family: Family
    ) -> None:
        for reason in ("off by 0.25 at 3", "off by 1.5e-3 at 3", "off by 0.25 at 4", "", "ZeroDivisionError"):
            family.add(None, 3, idea=reason, reason=reason)
        assert family.genealogy.pitfalls(10) == (
            Pitfall("error: ZeroDivisionError", 2),
            Pitfall("error: off by 1.5e-3 at 3", 2),
            Pitfall("error: off by 0.25 at 4", 1),
        )
        assert len(family.genealogy.pitfalls(2)) == 2

    def test_no_more_than_some_reasons_are_remembered(self, family: Family) -> None:
        for number in range(MAX_PITFALLS):
            family.add(None, 3, idea="x", reason=f"reason {number}")
        found = family.genealogy.pitfalls(2 * MAX_PITFALLS)
        assert len(found) == MAX_PITFALLS
        assert found[0].fault == f"error: reason {MAX_PITFALLS - 1}"

    def test_summaries_are_listed(self, family: Family) -> None:
        assert [program_id for program_id, _ in family.genealogy.summaries()] == [family.ids[2]]
        assert family.state.individual(family.ids[2]).texts["guidance"] == "explore products"


class TestComposer:
    def test_every_part_can_be_switched_off(self, family: Family) -> None:
        class Told:
            def advise(self, parent, rng, room_tokens):
                assert room_tokens == 300
                return [Advice("a", "b")]

        whole = family.context(3, ContextConfig(pitfalls=True), memory=Told())
        assert len(whole.ancestors) == 2
        assert [len(page.attempts) for page in whole.ledger] == [1, 1, 2]
        assert [one.evaluation.is_ok for one in whole.tried] == [True, False]
        assert whole.pitfalls == (Pitfall("error: ZeroDivisionError", 1),)
        assert len(whole.inspirations) == 2
        assert whole.advice == (Advice("a", "b"),)
        config = ContextConfig(
            exemplars=0,
            ledger=False,
            summaries=False,
            memory=False,
        )
        bare = family.context(3, config, memory=Told())
        plain = plain_context(family.state, config=config)
        assert replace(bare, standing=(), situation="", compared=()) == plain
        assert replace(family.context(3, ContextConfig(history="none")), compared=()) == plain

    def test_the_same_decision_is_told_the_same(self, family: Family) -> None:
        assert family.context(3, seed=4) == family.context(3, seed=4)

    def test_exemplars_stand_worst_first_and_differ_from_what_is_shown(self, family: Family) -> None:
        for seed in range(6):
            shown = family.context(3, seed=seed).inspirations
            scores = [one.evaluation.score for one in shown]
            assert scores == sorted(scores)
            assert family.ids[3] not in {one.program_id for one in shown}

    def test_an_informative_exemplar_is_preferred_to_a_near_copy_with_a_better_score(self) -> None:
        grown = Family()
        for score in (1.0, 1.01, 1.02, 1.03):
            grown.add(score, None if not grown.ids else 0, idea="nudge" if grown.ids else "")
        copies = [replace(grown.state.individual(name), program=program(0)) for name in grown.ids[1:3]]
        other = replace(grown.state.individual(grown.ids[3]), program=program(500))
        other = replace(other, evaluation=replace(other.evaluation, score=0.5))
        for one in (*copies, other):
            grown.state._individuals[one.program_id] = one
        config = ContextConfig(exemplars=1)
        assert [one.program_id for one in grown.context(0, config).inspirations] == [other.program_id]
        best = grown.context(0, replace(config, choice="best")).inspirations
        assert best[0].program_id != other.program_id or len(best) == 1

    def test_the_full_history_shows_every_program_whole_within_the_budget(self, family: Family) -> None:
        config = ContextConfig(history="full")
        context = family.context(3, config)
        parent = family.state.individual(family.ids[3])
        full = compose("diff", (parent,), context)
        text = full[1]["content"]
        assert text.count("def f(x)") == 6
        assert text.index("Score 1:") < text.index("Score 1.5")
        tight = compose("diff", (parent,), replace(context, token_budget=700))
        assert count_message_tokens(tight) <= 700
        assert 1 < tight[1]["content"].count("def f(x)") < 6

    def test_a_summary_is_told_of_ancestors_and_siblings(self, family: Family) -> None:
        told = summary_context(family.state, family.ids[3], config=ContextConfig())
        assert told.ancestors[-1].texts["summary"] == "adds numbers"
        assert len(told.siblings) == 2
        assert summary_context(family.state, None, config=ContextConfig()).siblings == ()

    def test_settings_out_of_range_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"exemplars must be in 0\.\.8, got 9"):
            ContextConfig(exemplars=9)
        with pytest.raises(ConfigError, match="token_budget"):
            ContextConfig(token_budget=10)


@pytest.mark.parametrize(
    ("bests", "stagnant", "since", "expected"),
    [
        ([2.0], 0, 99, ""),
        ([1.0, 1.0], 0, 99, ""),
        ([2.0, 2.0 - 0.9 * AHEAD], 0, STALE, "stuck"),
        ([2.0, 2.0 - 0.9 * AHEAD], 0, STALE - 1, ""),
        ([2.0, 2.0 - 1.1 * AHEAD], 0, 0, "fuse"),
        ([1.2, 2.0, 1.99], 0, STALE, "stuck"),
        ([2.0, 1.1], STAGNANT, 0, "stagnant"),
        ([2.0, 1.1], STAGNANT - 1, 0, "fuse"),
    ],
)
def test_what_the_islands_standing_calls_for(bests, stagnant: int, since: int, expected: str) -> None:
    assert situation(bests, 1.0, stagnant=stagnant, since_best=since) == expected
    shifted = [1000 + 10 * best for best in bests]
    assert situation(shifted, 1010.0, stagnant=stagnant, since_best=since) == expected, (
        "it depends on the scale"
    )
