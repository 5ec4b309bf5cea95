"""What the operators that ask a model share: one question, at most one correction, every call on the bill."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from discovery.core.texts import one_line, printable
from discovery.core.types import (
    Context,
    Individual,
    Model,
    ModelCall,
    ModelError,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.programs.languages import language
from discovery.programs.replies import answer_text
from discovery.programs.rewrites import apply_rewrite, restore_frozen
from discovery.programs.search_replace import EditError, apply_edits, has_edits, parse_edits
from discovery.programs.unified_diff import has_hunks, parse_hunks
from discovery.prompts.question import Kind, compose, correction, count_message_tokens, message
from evaluators.contract import Program

MAX_IDEA_CHARS = 240
_IDEA = re.compile(r"^[ \t#>*_-]*idea[\s*_]*:[\s*_]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_USED = re.compile(r"^[ \t#>*_-]*used[\s*_]*:[\s*_]*(\S.*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A child and how it was got: all calls, the text of the last reply, and the whole conversation."""

    child: Program
    calls: tuple[ModelCall, ...]
    text: str
    turns: tuple[Mapping[str, str], ...]


def propose_child(
    kind: Kind, job: ProposeJob, parents: Sequence[Individual], rng: np.random.Generator, model: Model | None
) -> Proposal:
    """Returns the child that a model makes of `parents`, of which the first is the one that is changed.

    A reply that cannot be applied is sent back once, with the reason.

    Raises:
        OperatorError: no child came out; carries the calls that were paid.
        ModelError: the first question was not answered.
    """
    if model is None:
        raise OperatorError(f"operator {kind} needs a model; name one with --model")
    first = restored(job.context.seed, parents[0])
    messages = compose(kind, (first, *parents[1:]), job.context, job.variant)
    answer = ask_for_child(kind, first.program, messages, rng, model, token_budget=job.context.token_budget)
    idea = find_idea(answer.text) or find_idea(answer.turns[len(messages)]["content"])
    texts = ({"idea": idea} if idea else {}) | advice_texts(job.context, answer.text)
    return Proposal(answer.child, tuple(parent.program_id for parent in parents), answer.calls, texts)


def restored(seed: Program, parent: Individual) -> Individual:
    """Returns a parent with the frozen text of the seed.

    Raises:
        OperatorError: it cannot be told where that belongs.
    """
    try:
        base = restore_frozen(seed, parent.program)
    except EditError as error:
        raise OperatorError(f"the parent cannot be edited: {error}") from error
    return Individual(base, parent.evaluation, parent.program_id, parent.texts)


def ask_for_child(
    kind: Kind,
    base: Program,
    messages: Sequence[Mapping[str, str]],
    rng: np.random.Generator,
    model: Model,
    *,
    token_budget: int,
    fault: Callable[[Program], str | None] = lambda child: None,
) -> Answer:
    """Returns the child that a model answers with; a reply that makes none is sent back once, with the reason.

    Args:
        kind: the form of the reply that the messages ask for.
        base: the program that is changed.
        messages: the question.
        rng: picks model and heat.
        model: who is asked.
        token_budget: no correction is asked for beyond it.
        fault: returns why a child cannot succeed, if that is known without running it.

    Raises:
        OperatorError: no child came out; carries the calls that were paid.
        ModelError: the first question was not answered.
    """
    reply = model.complete(messages, rng=rng)
    calls = [reply.call]
    turns = (*messages, message("assistant", printable(reply.text)))
    try:
        return Answer(_checked(read_child(kind, base, reply.text), fault), tuple(calls), reply.text, turns)
    except EditError as error:
        again = correction(messages, reply.text, str(error)) if error.may_correct else ()
        if not again or count_message_tokens(again) > token_budget:
            raise OperatorError(one_line(str(error)), calls) from error
    try:
        reply = model.complete(again, rng=rng)
    except ModelError as error:
        raise OperatorError(f"no second answer: {error}", calls) from error
    calls.append(reply.call)
    try:
        child = _checked(read_child(kind, base, reply.text), fault)
    except EditError as error:
        raise OperatorError(f"{one_line(str(error))} (after one correction)", calls) from error
    return Answer(child, tuple(calls), reply.text, (*again, message("assistant", printable(reply.text))))


def advice_texts(context: Context, reply: str) -> dict[str, str]:
    """Returns which items of what was learned a question showed, and which of them the reply says it used."""
    if not context.advice:
        return {}
    shown = [item.item_id for item in context.advice]
    found = _USED.search(reply[:8000])
    used = [
        item_id for item_id in shown if found and re.search(rf"(?<!\w){re.escape(item_id)}(?!\w)", found[1])
    ]
    return {"advice": ", ".join(shown)} | ({"used": ", ".join(used)} if used else {})


def _checked(child: Program, fault: Callable[[Program], str | None]) -> Program:
    if (reason := fault(child)) is not None:
        raise EditError(reason)
    return child


def read_child(kind: Kind, base: Program, reply: str) -> Program:
    """Returns the child that a reply describes; what no reader of replies foresaw is a refused reply, too.

    Raises:
        EditError: see `apply_edits` and `apply_rewrite`.
    """
    try:
        return _read_child(kind, base, reply)
    except EditError:
        raise
    except Exception as error:
        raise EditError(
            f"the reply cannot be read: {one_line(f'{type(error).__name__}: {error}', 200)}"
        ) from error


def _read_child(kind: Kind, base: Program, reply: str) -> Program:
    """Returns the child that a reply describes: by SEARCH/REPLACE blocks or a diff if it has any, else as a whole text.

    Where blocks were asked for, a whole text counts only if no function or class is lost (else it is a
    fragment).

    Raises:
        EditError: see `apply_edits` and `apply_rewrite`.
    """
    answer = answer_text(reply)
    if has_edits(answer):
        return apply_edits(base, parse_edits(answer))
    if has_hunks(answer):
        return apply_edits(base, parse_hunks(answer))
    child = apply_rewrite(base, answer)
    if kind in ("diff", "repair") and (lost := _defined(base) - _defined(child)):
        raise EditError(
            f"the reply has no SEARCH/REPLACE block, and its code lacks `{min(lost)}`; send blocks, "
            "or the whole text"
        )
    return child


def _defined(program: Program) -> set[str]:
    """Returns the functions and types that a program's entry file defines."""
    found = language.of(program.entry).definitions(program.text)
    return {one.name for one in found if one.kind != "value"}


def find_idea(reply: str) -> str:
    """Returns the one-line summary that a reply begins with, or ""."""
    found = _IDEA.search(reply[:4000])
    return one_line(found[1].strip(" *_`"), MAX_IDEA_CHARS) if found else ""
