from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from discovery.core.types import Context, Individual, ModelCall, OperatorError, ProposeJob, Reply
from discovery.families.alphas.persona import Persona, quality_check
from discovery.families.alphas.personas import STYLES, draw, personas
from discovery.operators.registry import OPERATORS
from discovery.prompts.question import count_message_tokens
from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, ScriptedMutator
from evaluators.contract import Evaluation, Program, Status
from problems.alphas import alpha_single
from tests.discovery.conftest import Discovery

GOLDEN = Path(__file__).parent / "golden" / "persona.txt"
SEED = Program({"program.py": alpha_single.SEED})
PARENT = Individual(
    SEED, Evaluation(Status.OK, 0.031, {"net_rank_ic": 0.031, "rank_ic": 0.045, "_ic_00": 0.1}), SEED.id
)
CONTEXT = Context(
    str(alpha_single.__doc__).split("\n\n")[0], "net_rank_ic", "maximize", SEED, best_score=0.031
)
JOB = ProposeJob("1-persona", "persona", 0, 1, (PARENT,), CONTEXT, (1, 2))

GOOD = '''Idea: lean on the close's place in the range.

<<<<<<< SEARCH
def factor(x, fast=8.0, slow=40.0, days=5.0, usual=60.0):
=======
def place(x, days=5.0):
    """Mean place of the close in the day's range: ewma((c - l) / (h - l))."""
    return op.ewma(op.divide(x["close"] - x["low"], x["high"] - x["low"]), days)


def factor(x, fast=8.0, slow=40.0, days=5.0, usual=60.0):
>>>>>>> REPLACE
'''
BARE = GOOD.replace('    """Mean place of the close in the day\'s range: ewma((c - l) / (h - l))."""\n', "")
AHEAD = GOOD.replace('op.divide(x["close"] - x["low"], x["high"] - x["low"])', 'op.delay(x["close"], -1)')


class Scripted:
    """A model that gives the replies of a list, one after the other."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.asked = list(replies), []

    def complete(self, messages, *, rng) -> Reply:
        self.asked.append([dict(message) for message in messages])
        return Reply(self.replies.pop(0), ModelCall("toy", 10, 5, 0.0, 0.1))


def propose(*replies: str, seed: int = 0):
    model = Scripted(*replies)
    return Persona().propose(JOB, np.random.default_rng(seed), model), model


def test_there_are_21_in_seven_levels_each_in_five_styles() -> None:
    found = personas()
    assert len(found) == len({persona.name for persona in found}) == 21
    assert len({persona.level for persona in found}) == 7
    texts = [text for persona in found for text in persona.guidance.values()]
    assert all(tuple(persona.guidance) == STYLES for persona in found)
    assert len(set(texts)) == 105
    assert all(40 <= len(text) <= 240 and text.endswith((".", "?")) for text in texts)


def test_every_persona_and_style_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng) for _ in range(1500)]
    assert {persona.name for persona, _ in drawn} == {persona.name for persona in personas()}
    assert {style for _, style in drawn} == set(STYLES)
    levels = [persona.level for persona, _ in drawn]
    assert all(150 < levels.count(level) < 280 for level in set(levels))


def test_the_prompt_reads_as_its_golden_file() -> None:
    _, model = propose(GOOD)
    text = "\n".join(f"[{message['role']}]\n{message['content']}\n" for message in model.asked[0])
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "if intended, set UPDATE_GOLDEN=1"
    places = [
        text.index(part) for part in ("# Problem", "# Rules", "# Current program", "# Your part", "# Task")
    ]
    assert places == sorted(places)
    assert "_ic_00" not in text
    assert count_message_tokens(model.asked[0]) < 1000


def test_persona_style_and_idea_stay_with_the_child() -> None:
    proposal, model = propose(GOOD)
    assert "def place(x" in proposal.program.text
    assert proposal.parents == (SEED.id,)
    persona, style = draw(np.random.default_rng(0))
    assert proposal.texts == {
        "persona": f"{persona.level}: {persona.name}",
        "style": style,
        "idea": "lean on the close's place in the range.",
    }
    assert persona.guidance[style] in model.asked[0][1]["content"]
    assert propose(GOOD, seed=1)[1].asked != model.asked


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (BARE, "these functions lack a docstring with idea and formula: place"),
        (AHEAD, "seems to look ahead: delay with a negative step reads later rows"),
        (GOOD.replace("return op.ewma(", "return op.ewma(("), "never closed"),
    ],
)
def test_what_the_check_finds_is_sent_back_once(wrong, reason) -> None:
    proposal, model = propose(wrong, GOOD)
    assert len(proposal.calls) == 2
    assert reason in model.asked[1][-1]["content"]
    assert '"""Mean place' in proposal.program.text


def test_a_second_failure_drops_the_child_but_suspicion_alone_does_not() -> None:
    with pytest.raises(OperatorError, match="lack a docstring") as caught:
        propose(BARE, BARE)
    assert len(caught.value.calls) == 2
    proposal, _ = propose(AHEAD, AHEAD)  # the exam decides
    assert "-1" in proposal.program.text


def test_what_the_parent_had_is_not_held_against_the_child() -> None:
    old = SEED.with_text(SEED.text.replace("    volume = ", "    last = x['close'][-1]\n    volume = "))
    new = old.with_text(old.text.replace("BUSY = 0.5", "BUSY = 0.6"))
    assert quality_check(SEED, old)(new) is None
    assert "reads the last days" in str(quality_check(SEED, SEED)(new))


def test_it_needs_a_model_and_is_registered() -> None:
    assert OPERATORS["persona"].needs_model
    with pytest.raises(OperatorError, match="needs a model"):
        Persona().propose(replace(JOB), np.random.default_rng(0), None)


def test_a_run_with_personas_keeps_who_proposed_what(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        done = discovery(
            "run", toy, "--seed", 2, "--out", out, "--model", "scripted", "--api-base", endpoint.api_base,
            "--operators", "persona", "--evals", 8, OPENAI_API_KEY="sk-none",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    entries = [entry for entry in read_entries(out / "journal.jsonl") if entry["type"] == "evaluated"]
    texts = [entry["record"]["texts"] for entry in entries[1:]]
    assert len({text["persona"] for text in texts}) > 2
    assert {text["style"] for text in texts} <= set(STYLES)
    assert all(entry["record"]["operator"] == "persona" for entry in entries[1:])
