"""What the operators that ask a model share: one question, at most one correction, every call on the bill."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from discovery.edits import EditError, apply_edits, has_edits, parse_edits
from discovery.operators.base import (
    Individual,
    Model,
    ModelCall,
    ModelError,
    OperatorError,
    Proposal,
    ProposeJob,
)
from discovery.prompting import Kind, Message, compose, correction, count_message_tokens
from discovery.rewrites import apply_rewrite, restore_frozen
from discovery.texts import one_line
from evaluators import c_text
from evaluators.contract import Program

MAX_IDEA_CHARS = 240
_IDEA = re.compile(r"^[\s#>*_-]*idea[\s*_]*:[\s*_]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_DEFINED = re.compile(r"^(?:async def|def|class) (\w+)", re.MULTILINE)
_DEFINED_IN_C = re.compile(r"^[A-Za-z_][\w \t*]*?(\w+)\([^;{}]*\)\s*\{", re.MULTILINE)


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
    seed = job.context.seed
    try:
        base = restore_frozen(seed, parents[0].program)
    except EditError as error:
        raise OperatorError(f"the parent cannot be edited: {error}") from error
    first = Individual(base, parents[0].evaluation, parents[0].program_id, parents[0].texts)
    messages = compose(kind, (first, *parents[1:]), job.context, rng)
    reply = model.complete(messages, rng=rng)
    calls, text = [reply.call], reply.text
    try:
        child = read_child(kind, base, text)
    except EditError as error:
        again = correction(messages, text, str(error)) if error.may_correct else ()
        if not again or count_message_tokens(again) > job.context.token_budget:
            raise OperatorError(one_line(str(error)), calls) from error
        child, text = _ask_again(kind, base, again, rng, model, calls=calls)
    idea = find_idea(text) or find_idea(reply.text)
    return Proposal(
        child, tuple(parent.program_id for parent in parents), tuple(calls), {"idea": idea} if idea else {}
    )


def _ask_again(
    kind: Kind,
    base: Program,
    messages: Sequence[Message],
    rng: np.random.Generator,
    model: Model,
    *,
    calls: list[ModelCall],
) -> tuple[Program, str]:
    """Returns the child and the text of a second reply; its call joins `calls`."""
    try:
        reply = model.complete(messages, rng=rng)
    except ModelError as error:
        raise OperatorError(f"no second answer: {error}", calls) from error
    calls.append(reply.call)
    try:
        return read_child(kind, base, reply.text), reply.text
    except EditError as error:
        raise OperatorError(f"{one_line(str(error))} (after one correction)", calls) from error


def read_child(kind: Kind, base: Program, reply: str) -> Program:
    """Returns the child that a reply describes: by SEARCH/REPLACE blocks if it has any, else as a whole text.

    Where blocks were asked for, a whole text counts only if no function or class is lost (else it is a
    fragment).

    Raises:
        EditError: see `apply_edits` and `apply_rewrite`.
    """
    if has_edits(reply):
        return apply_edits(base, parse_edits(reply))
    child = apply_rewrite(base, reply)
    if kind in ("diff", "repair"):
        defined = _DEFINED_IN_C if c_text.is_c(base.entry) else _DEFINED
        lost = set(defined.findall(base.text)) - set(defined.findall(child.text))
        if lost:
            raise EditError(
                f"the reply has no SEARCH/REPLACE block, and its code lacks `{min(lost)}`; send blocks, "
                "or the whole text"
            )
    return child


def find_idea(reply: str) -> str:
    """Returns the one-line summary that a reply begins with, or ""."""
    found = _IDEA.search(reply[:4000])
    return one_line(found[1].strip(" *_`"), MAX_IDEA_CHARS) if found else ""
