from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from discovery.core.types import (
    Individual,
    ModelError,
    Operator,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.llm.client import ChatModels, close_connections
from discovery.operators import chat
from discovery.operators.chat import find_idea
from discovery.operators.crossover import Crossover
from discovery.operators.diff import Diff
from discovery.operators.repair import Repair
from discovery.operators.rewrite import Rewrite
from discovery.programs.search_replace import EditError
from discovery.settings.models import ModelConfig
from discovery.testing import (
    FAULTS,
    Answer,
    ChatEndpoint,
    ChatRequest,
    Script,
    ScriptedModel,
    ScriptedMutator,
    recorded,
    unused_api_base,
)
from discovery.testing.mutator import current_program
from evaluators.contract import Evaluation, Program, Status
from evaluators.text.blocks import check_frozen
from tests.discovery.prompts.test_question import BROKEN, CONTEXT, HIGH, LOW, PARENT, SEED


@pytest.fixture(autouse=True)
def no_connections_left() -> Iterator[None]:
    yield
    close_connections()


OPERATORS: tuple[Operator, ...] = (Diff(), Rewrite(), Crossover(), Repair())
DIFF = """Idea: make the middle circle
larger.

<<<<<<< SEARCH
    return result
=======
    return [r * 0.999 for r in result]
>>>>>>> REPLACE
"""
WRONG = DIFF.replace("    return result\n", "    return results[:]\n")
BLOCK = "CENTRES = [(0.5, 0.5)]\n\n\ndef radii(centres):\n    return [0.5]\n"


def job(operator: Operator, **changes: object) -> ProposeJob:
    parents = {"repair": (BROKEN,), "crossover": (PARENT, HIGH)}.get(operator.name, (PARENT,))
    plain = ProposeJob("j1", operator.name, 0, 7, parents, CONTEXT, (1, 7))
    return replace(plain, **changes)


def propose(
    operator: Operator, script: Script, **changes: object
) -> tuple[Proposal, tuple[ChatRequest, ...]]:
    with ChatEndpoint(script) as endpoint:
        model = ChatModels(ModelConfig((("toy", 1.0),), endpoint.api_base, retries=0, timeout_s=20.0))
        proposal = operator.propose(job(operator, **changes), np.random.default_rng(3), model)
        return proposal, endpoint.requests


def fails(operator: Operator, script: Script, **changes: object) -> tuple[OperatorError, int]:
    with ChatEndpoint(script) as endpoint:
        model = ChatModels(ModelConfig((("toy", 1.0),), endpoint.api_base, retries=0, timeout_s=20.0))
        with pytest.raises(OperatorError) as caught:
            operator.propose(job(operator, **changes), np.random.default_rng(3), model)
        return caught.value, len(endpoint.requests)


def seed() -> Program:
    return Program({"program.py": SEED})


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
class TestEveryOperator:
    def test_makes_a_child_that_keeps_the_frozen_text(self, operator: Operator) -> None:
        proposal, requests = propose(operator, ScriptedMutator())
        given = job(operator).parents
        assert check_frozen(seed(), proposal.program) is None
        assert proposal.program.id not in {parent.program_id for parent in given}
        assert proposal.parents == tuple(parent.program_id for parent in given)
        assert proposal.texts == {"idea": "change a number, to see which way it helps."}
        assert len(proposal.calls) == len(requests) == 1
        assert proposal.calls[0].prompt_tokens > 100

    def test_asks_one_question_of_two_messages(self, operator: Operator) -> None:
        _, requests = propose(operator, ScriptedMutator())
        assert [message["role"] for message in requests[0].messages] == ["system", "user"]

    @pytest.mark.parametrize(
        ("fault", "calls"),
        [("empty", 1), ("null", 1), ("flood", 1), ("no_code", 2), ("wrong_diff", 2), ("unclosed", 2)],
    )
    def test_says_why_there_is_no_child_and_what_it_cost(
        self, operator: Operator, fault: str, calls: int
    ) -> None:
        error, requests = fails(operator, FAULTS[fault])
        assert len(error.calls) == requests == calls
        assert "\n" not in str(error)

    @pytest.mark.parametrize("fault", ["breaks_out", "escapes"])
    def test_a_reply_never_breaks_out_of_its_block(self, operator: Operator, fault: str) -> None:
        error, _ = fails(operator, FAULTS[fault])
        assert str(error).isprintable()

    def test_a_dead_endpoint_is_the_models_failure(self, operator: Operator) -> None:
        model = ChatModels(ModelConfig((("toy", 1.0),), unused_api_base(), retries=0))
        with pytest.raises(ModelError):
            operator.propose(job(operator), np.random.default_rng(0), model)

    def test_equal_generators_ask_equal_questions(self, operator: Operator) -> None:
        first, second = (propose(operator, ScriptedMutator())[1][0].prompt for _ in range(2))
        assert first == second

    def test_needs_a_model(self, operator: Operator) -> None:
        assert operator.needs_model
        with pytest.raises(OperatorError, match="--model"):
            operator.propose(job(operator), np.random.default_rng(0), None)

    def test_accepts_blocks_and_whole_texts_alike(self, operator: Operator) -> None:
        text = "    return result"
        one, _ = propose(operator, recorded(DIFF))
        assert one.program.text == job(operator).parents[0].program.text.replace(
            text, text[:-6] + "[r * 0.999 for r in result]"
        )
        other, _ = propose(operator, recorded(f"Idea: one.\n```python\n{BLOCK}```\n"))
        assert "\n# EVOLVE-BLOCK-START\n" + BLOCK + "# EVOLVE-BLOCK-END\n" in other.program.text


def test_a_wrong_block_is_sent_back_once_with_what_is_nearest() -> None:
    proposal, requests = propose(Diff(), recorded(WRONG, DIFF))
    assert "return [r * 0.999 for r in result]" in proposal.program.text
    assert len(proposal.calls) == 2
    assert [message["role"] for message in requests[1].messages] == ["system", "user", "assistant", "user"]
    assert requests[1].messages[:2] == requests[0].messages
    assert "block 1: its SEARCH lines are not in the program" in requests[1].prompt
    assert "    return result\n" in requests[1].prompt


def test_a_second_answer_that_fails_or_never_comes_still_has_its_bill() -> None:
    error, _ = fails(Diff(), recorded(WRONG))
    assert (len(error.calls), "after one correction" in str(error)) == (2, True)
    error, _ = fails(Diff(), recorded(WRONG, Answer("boom", status=500)))
    assert (len(error.calls), "no second answer" in str(error)) == (1, True)
    error, _ = fails(Diff(), recorded(WRONG, Answer("bad key", status=401)))
    assert len(error.calls) == 1


def test_no_correction_is_asked_beyond_the_token_budget() -> None:
    error, requests = fails(Diff(), recorded(WRONG * 40), context=replace(CONTEXT, token_budget=1000))
    assert requests == len(error.calls) == 1


def test_a_fragment_does_not_pass_for_the_whole_text() -> None:
    error, requests = fails(Diff(), recorded("Idea: x.\n```python\nresult = [1]\n```\n"))
    assert "lacks `radii`" in str(error)
    assert requests == 2


def test_a_parent_with_changed_frozen_text_is_put_right_first() -> None:
    hacked = Program({"program.py": SEED.replace("def pack():", "def pack():\n    return 1e9")})
    parent = Individual(hacked, Evaluation(Status.FROZEN, reason="frozen text was changed"), hacked.id)
    proposal, requests = propose(Repair(), recorded(DIFF), parents=(parent,))
    assert check_frozen(seed(), proposal.program) is None
    assert "1e9" not in requests[0].prompt
    assert 'Failed: frozen ("frozen text was changed").' in requests[0].prompt


def test_repair_wants_a_failed_program() -> None:
    with pytest.raises(OperatorError, match="failed program"):
        Repair().propose(job(Repair(), parents=(PARENT,)), np.random.default_rng(0), ScriptedModel())


def test_crossover_takes_the_best_other_program_where_there_is_one_parent() -> None:
    proposal, _ = propose(Crossover(), ScriptedMutator(), parents=(PARENT, PARENT))
    assert proposal.parents == (PARENT.program_id, HIGH.program_id)
    context = replace(CONTEXT, inspirations=(PARENT, LOW))
    proposal, _ = propose(Crossover(), ScriptedMutator(), parents=(PARENT,), context=context)
    assert proposal.parents == (PARENT.program_id, LOW.program_id)
    alone = replace(CONTEXT, inspirations=(PARENT,))
    with pytest.raises(OperatorError, match="two different programs"):
        Crossover().propose(
            job(Crossover(), parents=(PARENT,), context=alone), np.random.default_rng(0), ScriptedModel()
        )


def test_several_files_are_edited_where_they_are_named() -> None:
    program = Program({"program.py": "def f():\n    return 1\n", "lib/util.py": "def f():\n    return 1\n"})
    parent = Individual(program, Evaluation(Status.OK, 1.0), program.id)
    context = replace(CONTEXT, seed=program, inspirations=(), tried=())
    reply = (
        "Idea: two.\n\n`lib/util.py`\n<<<<<<< SEARCH\n    return 1\n=======\n    return 2\n>>>>>>> REPLACE\n"
    )
    proposal, requests = propose(Diff(), recorded(reply), parents=(parent,), context=context)
    assert proposal.program.files["lib/util.py"] == "def f():\n    return 2\n"
    assert proposal.program.files["program.py"] == program.files["program.py"]
    assert "Write the file's name on the line above each block." in requests[0].prompt


@pytest.mark.parametrize(
    ("reply", "idea"),
    [
        ("Idea: sort first.\n\ncode", "sort first."),
        ("**Idea:** *sort* first", "sort* first"),
        ("Well.\n# idea: sort\x1b[2J first\u202e", "sort\ufffd[2J first\ufffd"),
        ("no summary", ""),
        ("Idea: " + "x" * 500, "x" * 239 + "…"),
    ],
)
def test_the_idea_is_one_clean_line(reply: str, idea: str) -> None:
    assert find_idea(reply) == idea


def test_a_model_in_the_process_mutates_as_the_endpoint_does() -> None:
    model = ScriptedModel()
    children = {
        Diff().propose(job(Diff()), np.random.default_rng(number), model).program.id for number in range(20)
    }
    assert len(children) > 10


def test_the_mutator_reads_the_program_that_is_to_be_changed() -> None:
    _, requests = propose(Crossover(), ScriptedMutator())
    assert current_program(requests[0].prompt) == SEED.strip("\n")
    assert current_program("no program here") is None


def test_what_no_reader_of_replies_foresaw_is_a_refused_reply(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object) -> Program:
        raise OverflowError("something new\nin two lines")

    monkeypatch.setattr(chat, "apply_rewrite", fails)
    with pytest.raises(
        EditError, match="the reply cannot be read: OverflowError: something new in two lines"
    ):
        chat.read_child("rewrite", Program({"p.py": "x = 1\n"}, "p.py"), "```\nx = 2\n```")
