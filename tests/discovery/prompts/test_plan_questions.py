from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.results import NoteRecord, RejectedProposal
from discovery.core.types import Individual, ModelCall, OperatorError, ProposeJob, Reply, Trace
from discovery.learning.instructions import Instructions
from discovery.operators.plan import Execute, Instruct, Plan, Summarize
from discovery.prompts.plan_questions import (
    attempts_text,
    execute_messages,
    form_of,
    instruct_messages,
    plan_messages,
    summary_messages,
)
from discovery.prompts.question import compose, count_message_tokens
from evaluators.contract import Program
from tests.discovery.prompts.test_question import (
    BROKEN,
    CONTEXT,
    HIGH,
    LOW,
    PARENT,
    RICH,
    SEED,
    TRACES,
    check_golden,
    text_of,
)

PLAN = """1. Sort the centres by their room, the largest first.
2. Give each circle what the circles before it and the walls leave.
3. Last step: shrink every radius by 1e-9, so that the exact check passes."""
CALL = ModelCall("m", 100, 20, 0.01, 0.5)
PLANNED = replace(HIGH, texts={"idea": "grow the circles one after the other", "plan": PLAN})
SUMMED = replace(PARENT, texts={**PARENT.texts, "summary": TRACES["parent"].texts["summary"]})
OWN = Trace(HIGH.program_id, 1.4, 0.28, texts=PLANNED.texts)


class Says:
    """A model that gives its replies in order and keeps the questions."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.asked = list(replies), []

    def complete(self, messages, *, rng) -> Reply:
        self.asked.append(list(messages))
        return Reply(self.replies.pop(0), CALL)


def job(operator: str, parents: tuple[Individual, ...], context=RICH, **more) -> ProposeJob:
    return ProposeJob("j", operator, 0, 7, parents, context, (1, 7), **more)


def run(operator, model, **more):
    parents = {"summarize": (PLANNED, SUMMED)}.get(operator.name, (PARENT,))
    return operator.propose(job(operator.name, parents, **more), np.random.default_rng(1), model)


EXECUTE = job("execute", (PARENT,), CONTEXT, plan=PLAN, attempts=(LOW, BROKEN))
SUMMARIZE = job("summarize", (PLANNED, SUMMED), replace(RICH, siblings=(TRACES["sibling"], OWN)), plan=PLAN)


class TestGolden:
    def test_plan(self) -> None:
        check_golden("plan", text_of(plan_messages(job("plan", (PARENT,)))))

    def test_execute(self) -> None:
        check_golden("execute", text_of(execute_messages(EXECUTE, PARENT.program)))

    def test_summarize(self) -> None:
        check_golden("summarize", text_of(summary_messages(SUMMARIZE)))

    def test_instruct(self) -> None:
        pool = Instructions(2)
        pool.learn_note(
            NoteRecord("instruction", "", "instruct", None, "", 0, {"instruction": "Look at the walls."}, ())
        )
        pool.learn_rejected(RejectedProposal("diff", None, "method", 0, "no code", ()))
        context = replace(CONTEXT, siblings=(pool.ask()[0], *pool.ask()[-3:]))
        check_golden("instruct", text_of(instruct_messages(job("instruct", (PARENT,), context))))

    def test_one_conversation(self) -> None:
        asked = plan_messages(job("plan", (PARENT,), CONTEXT))
        turns = (*asked, {"role": "assistant", "content": "Outlines:\n1. ...\nPlan:\n" + PLAN})
        executed = execute_messages(replace(EXECUTE, turns=turns, attempts=()), PARENT.program)
        assert executed[: len(turns)] == turns
        answered = (*executed, {"role": "assistant", "content": "Idea: grow.\n```python\n...\n```"})
        summed = summary_messages(replace(SUMMARIZE, turns=answered))
        assert summed[: len(answered)] == answered
        check_golden("conversation", text_of(summed[2:]))


@pytest.mark.parametrize(
    "messages",
    [
        plan_messages(job("plan", (PARENT,))),
        execute_messages(EXECUTE, PARENT.program),
        summary_messages(SUMMARIZE),
    ],
    ids=["plan", "execute", "summarize"],
)
def test_nothing_stands_in_a_question_twice_and_the_order_is_kept(messages) -> None:
    text = text_of(messages)
    lines = [line for line in text.split("\n") if len(line) > 40 and not line.startswith(("-", "+", " "))]
    assert len(lines) == len(set(lines))
    places = [text.find(heading) for heading in ("# Problem", "# Rules", "=== user ===", "# Task")]
    assert places == sorted(places)
    assert -1 not in places


@given(budget=st.integers(1, 2000))
def test_no_question_exceeds_its_budget(budget: int) -> None:
    tight = replace(RICH, token_budget=budget)
    jobs = (
        lambda: plan_messages(job("plan", (PARENT,), tight)),
        lambda: execute_messages(replace(EXECUTE, context=tight), PARENT.program),
        lambda: summary_messages(replace(SUMMARIZE, context=tight)),
    )
    for ask in jobs:
        with contextlib.suppress(OperatorError):
            assert count_message_tokens(ask()) <= budget


def test_a_conversation_too_long_for_the_budget_gives_way_to_a_question_of_its_own() -> None:
    turns = ({"role": "system", "content": "x " * 9000}, {"role": "assistant", "content": "Plan:"})
    messages = execute_messages(replace(EXECUTE, turns=turns), PARENT.program)
    assert [message["role"] for message in messages] == ["system", "user"]


def test_long_programs_are_changed_in_blocks() -> None:
    assert form_of(PARENT.program) == "rewrite"
    assert (
        form_of(Program({"program.py": SEED.replace("result = []", "result = []\n" + "    x = 1\n" * 2000)}))
        == "diff"
    )


def test_attempts_are_shown_as_changes_with_what_came_of_them() -> None:
    text = attempts_text(PARENT.program, (LOW, BROKEN), 5000)
    assert "Score 1.05." in text
    assert "Failed: error." in text
    assert "-    result = []" in text
    assert "The program:" not in text
    assert "Score 1.05." not in attempts_text(PARENT.program, (LOW, BROKEN), 190)
    assert attempts_text(PARENT.program, (LOW, BROKEN), 20) == ""


class TestPlan:
    REPLY = f"Outlines:\n1. a\n2. b\n3. c\n**Plan:**\n{PLAN}\nUsed: m2"

    def test_leaves_a_note_with_plan_and_outlines_and_what_was_shown(self) -> None:
        note = run(Plan(), Says(self.REPLY))
        assert note.texts["plan"].startswith("1. Sort the centres")
        assert note.texts["outlines"] == "1. a\n2. b\n3. c"
        assert (note.texts["advice"], note.texts["used"]) == ("k7, m2", "m2")
        assert [turn["role"] for turn in note.turns] == ["system", "user", "assistant"]
        assert note.calls == (CALL,)

    @pytest.mark.parametrize("reply", ["", "I shall think about it.", "Outlines:\n1. a\nPlan:\n\n"])
    def test_a_reply_without_a_plan_is_paid_for(self, reply: str) -> None:
        with pytest.raises(OperatorError, match="no plan") as caught:
            run(Plan(), Says(reply))
        assert caught.value.calls == (CALL,)


class TestExecute:
    GOOD = "```python\nCENTRES = [(0.5, 0.5)]\n\n\ndef radii(centres):\n    return [0.5]\n```"

    def test_makes_a_child_that_carries_its_plan(self) -> None:
        child = run(Execute(), Says(f"Idea: one circle.\n{self.GOOD}"), plan=PLAN)
        assert child.texts == {"idea": "one circle.", "plan": PLAN}
        assert "return [0.5]" in child.program.text
        assert child.turns == ()

    @pytest.mark.parametrize(
        ("bad", "told"),
        [
            (GOOD.replace("[0.5]\n", "[0.5\n"), "does not compile"),
            (GOOD.replace("return [0.5]", "return [size]"), "`size`, which nothing defines"),
            (
                GOOD.replace("    return [0.5]", "    import pandsa\n    return [0.5]"),
                "`pandsa`, which is not installed",
            ),
            (GOOD.replace("def radii", "def sizes"), "`radii`"),
        ],
    )
    def test_what_cannot_succeed_is_sent_back_once(self, bad: str, told: str) -> None:
        model = Says(bad, self.GOOD)
        child = run(Execute(), model, plan=PLAN)
        assert len(child.calls) == 2
        assert told in model.asked[1][-1]["content"]
        with pytest.raises(OperatorError, match="after one correction") as caught:
            run(Execute(), Says(bad, bad), plan=PLAN)
        assert len(caught.value.calls) == 2

    def test_goes_on_with_a_conversation(self) -> None:
        turns = (
            {"role": "system", "content": "s"},
            {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"},
        )
        child = run(Execute(), Says(self.GOOD), plan=PLAN, turns=turns)
        assert [turn["role"] for turn in child.turns] == ["user", "assistant"]
        assert child.turns[1]["content"] == self.GOOD


class TestInstruct:
    def test_leaves_one_sentence(self) -> None:
        note = run(Instruct(), Says("**Instruction:** Look for wasted room.\nThat is all."))
        assert note.texts == {"instruction": "Look for wasted room."}
        with pytest.raises(OperatorError, match="no line"):
            run(Instruct(), Says("No."))

    def test_it_stands_where_the_usual_sentence_stands(self) -> None:
        context = replace(CONTEXT, instruction="Look for wasted room.")
        text = compose("diff", (PARENT,), context, "written-1")[1]["content"]
        assert "# Task\nLook for wasted room. Reply with" in text
        named = compose("diff", (PARENT,), CONTEXT, "weakness")[1]["content"]
        assert "Remove a weakness" in named


class TestSummarize:
    def test_reads_three_lines(self) -> None:
        reply = "**Summary:** grows circles.\nFault: execution, it was slow\n- Next: strip the sort"
        note = run(Summarize(), Says(reply), plan=PLAN)
        assert note.texts == {
            "summary": "grows circles.",
            "fault": "execution, it was slow",
            "guidance": "strip the sort",
        }

    def test_a_reply_without_a_summary_is_paid_for(self) -> None:
        with pytest.raises(OperatorError, match="no line") as caught:
            run(Summarize(), Says("Next: nothing"), plan=PLAN)
        assert caught.value.calls == (CALL,)
