"""The operator `persona`: a model writes one factor from one point of view, and its reply passes a quality check.

For the alpha problems. Point of view and style of guidance are drawn by the job's generator and stay with the child as texts.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import numpy as np

from discovery.core.types import Model, OperatorError, Proposal, ProposeJob
from discovery.families.alphas.personas import draw
from discovery.operators.chat import advice_texts, ask_for_child, find_idea, restored
from discovery.programs.static_checks import static_fault
from discovery.prompts.attempts import Past, past_text
from discovery.prompts.question import question, reply_rule
from discovery.prompts.quoting import show_program, standing_text
from evaluators.alphas.leaks import explain
from evaluators.contract import Program
from evaluators.text import trees

MAX_FINDINGS = 4


class Persona:
    """Changes the parent in the spirit of one of twenty-one personas (CogAlpha, arXiv 2511.18850).

    A reply that cannot run, lacks a docstring or seems to look ahead is sent back once with the lines and
    the reasons. Seeming to look ahead never refuses a program for good: whether it does is for the exam.
    """

    name = "persona"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns the child of one job.

        Raises:
            OperatorError: no child came out; carries the calls that were paid.
            ModelError: the first question was not answered.
        """
        if model is None:
            raise OperatorError("operator persona needs a model; name one with --model")
        context = job.context
        parent = restored(context.seed, job.parents[0])
        persona, style = draw(rng)
        past = Past(parent, "the current program", frozenset({parent.program_id}))
        messages = question(
            "discovery.families.alphas:persona",
            context,
            lambda is_cut: {
                "standing": standing_text(parent, context),
                "program": show_program(parent.program, is_cut=is_cut),
                "persona": persona.who,
                "guidance": persona.guidance[style],
                "reply": reply_rule("diff", parent.program),
            },
            lambda room: past_text(past, context, room),
        )
        answer = ask_for_child(
            "diff",
            parent.program,
            messages,
            rng,
            model,
            token_budget=context.token_budget,
            fault=quality_check(context.seed, parent.program),
        )
        idea = find_idea(answer.text)
        texts = {"persona": f"{persona.level}: {persona.name}", "style": style}
        texts |= ({"idea": idea} if idea else {}) | advice_texts(context, answer.text)
        return Proposal(answer.child, (parent.program_id,), answer.calls, texts)


def quality_check(seed: Program, parent: Program) -> Callable[[Program], str | None]:
    """Returns a function that says what is wrong with a child of `parent`, for the first and a second look.

    Both looks want a program that can run and docstrings in the functions that are new or changed; the first one
    also names lines that seem to look ahead and were not there before.
    """
    looks = 0

    def fault(child: Program) -> str | None:
        nonlocal looks
        looks += 1
        if (found := static_fault(seed, child)) is not None:
            return found
        if bare := sorted(_without_docstring(child.text) - _without_docstring(parent.text)):
            return f"these functions lack a docstring with idea and formula: {', '.join(bare[:MAX_FINDINGS])}"
        return "; ".join(_look_ahead(parent.text, child.text)) or None if looks == 1 else None

    return fault


def _without_docstring(text: str) -> set[str]:
    tree = trees.parse(text)
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is None
    }


def _look_ahead(before: str, after: str) -> Iterator[str]:
    """Yields the suspicions about lines that the parent does not have."""
    known = {line.strip() for line in before.splitlines()}
    lines = after.splitlines()
    fresh = [found for found in explain(after) if lines[found.line - 1].strip() not in known]
    for found in fresh[:MAX_FINDINGS]:
        yield f"line {found.line} (`{lines[found.line - 1].strip()[:80]}`) seems to look ahead: {found.what}"
