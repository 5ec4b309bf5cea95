"""The light agent: what its actions do, what it may use, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from discovery.core.types import Allowance, ModelCall, ModelError, Note, OperatorError, Proposal, Reply
from discovery.operators.agent.react import React
from discovery.programs.search_replace import diff_edits, format_edits
from discovery.prompts.question import count_message_tokens
from tests.discovery.operators.test_agent import SEED, Judge, job

CALL = ModelCall("m", 100, 20, 0.01, 0.1)


class Script:
    """A model that gives these replies in order, and keeps the questions."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[Sequence[Mapping[str, Any]]] = []

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        self.asked.append(messages)
        if not self.replies:
            raise ModelError("away")
        return Reply(self.replies.pop(0), CALL)

    @property
    def said(self) -> str:
        """The last thing it was told."""
        return str(self.asked[-1][-1]["content"])


def change(old: float, new: float, action: str = "") -> str:
    before = SEED.text.replace("0.5", str(old))
    return f"{format_edits(diff_edits(before, before.replace(str(old), str(new))))}\n{action}"


def worked(script: Script, bench: Judge, **changes: Any) -> Proposal | Note:
    return React().experiment(job(**changes), np.random.default_rng(0), script, bench)


def test_it_changes_evaluates_and_ends_at_the_first_gain() -> None:
    script = Script(
        change(0.5, 0.25, "Action: evaluate smaller"),
        change(0.25, 0.75, "**Action**: evaluate larger"),
        "never asked",
    )
    bench = Judge()
    found = worked(script, bench)
    assert isinstance(found, Note)
    assert found.texts["program"] == bench.judged[-1]
    assert len(bench.judged) == len(script.asked) == 2
    assert "worse by 0.25" in script.said
    assert "better by 0.25" in bench.transcript


def test_what_was_changed_and_not_judged_is_the_child() -> None:
    found = worked(Script(change(0.5, 0.75, "Action: check"), "Action: finish"), Judge())
    assert isinstance(found, Proposal)
    assert found.program.text == SEED.text.replace("0.5", "0.75")
    assert found.parents == (SEED.id,)


def test_each_action_is_answered() -> None:
    script = Script(
        "Action: read",
        "Action: read /etc/passwd",
        "no action at all",
        "<<<<<<< SEARCH\nB = 1\n=======\nB = 2\n>>>>>>> REPLACE\nAction: evaluate it",
        change(0.5, "(", "Action: check"),
        "Action: undo",
        "Action: finish",
    )
    with pytest.raises(OperatorError, match="left the program as it was") as raised:
        worked(script, Judge())
    assert len(raised.value.calls) == 7
    told = [str(messages[-1]["content"]) for messages in script.asked[1:]]
    expected = ("A = 0.5", "no such file", "End the reply", "not made", "cannot work", "at its best")
    assert all(part in text for part, text in zip(expected, told, strict=True)), told


def test_it_may_use_no_more_than_its_allowance() -> None:
    for allowance, calls in (
        (Allowance(9, calls=2), 2),
        (Allowance(9, tokens=200), 2),
        (Allowance(9, cost_usd=0.015), 2),
        (Allowance(1), 6),
    ):
        script = Script(*["Action: read"] * 20)
        with pytest.raises(OperatorError):
            worked(script, Judge(), allowance=allowance)
        assert len(script.asked) == calls, allowance
    script = Script(
        *(change(0.5 - k / 10, round(0.5 - (k + 1) / 10, 1), "Action: evaluate it") for k in range(3)),
        "Action: finish",
    )
    bench = Judge(allowed=2)
    worked(script, bench)
    assert len(bench.judged) == 2
    assert "used up" in script.said


def test_a_model_that_fails_at_first_is_an_endpoint_s_failure_and_later_the_end() -> None:
    with pytest.raises(ModelError, match="away"):
        worked(Script(), Judge())
    assert isinstance(worked(Script(change(0.5, 0.25, "Action: evaluate it")), Judge()), Note)


def test_a_long_conversation_keeps_to_the_token_budget_and_shows_the_program() -> None:
    script = Script(
        change(0.5, 0.625, "Action: check"), *["word " * 700 + "\nAction: check"] * 12, "Action: finish"
    )
    short = job(allowance=Allowance(9))
    short = replace(short, context=replace(short.context, token_budget=4000))
    found = React().experiment(short, np.random.default_rng(0), script, Judge())
    assert isinstance(found, Proposal)
    assert max(map(count_message_tokens, script.asked)) < 5500
    assert any(
        "By now the program is" in str(one["content"]) and "0.625" in str(one["content"])
        for one in script.asked[-1]
    )
    roles = [one["role"] for one in script.asked[-1]]
    assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
