"""The questions of plan-execute-summarize (LoongFlow, arXiv:2512.24077), each alone or as turns of one conversation.

Alone, a question shows no more than it needs: the planner sees the past, who executes sees program and plan, who sums
up sees what changed and what came of it. As one conversation every question follows all that was said before, so that
an endpoint that caches prefixes reads them once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from discovery.core.types import Context, Individual, ProposeJob
from discovery.llm.tokens import estimate_tokens
from discovery.prompts.attempts import Past, outcome_line, past_text
from discovery.prompts.question import (
    Message,
    count_message_tokens,
    fill,
    message,
    question,
    reply_rule,
    sentences,
)
from discovery.prompts.quoting import (
    change_text,
    failure_text,
    fence,
    gain_text,
    idea_text,
    metrics_text,
    outcome_text,
    quoted,
    show_program,
    standing_text,
)
from evaluators.contract import Program
from evaluators.text.blocks import editable_text

Form = Literal["diff", "rewrite"]

REWRITE_TOKENS = 1500
"""Up to this size of what may change, a plan is carried out as a whole text, beyond it in blocks."""
PLAN_HISTORY_TOKENS = 1200
"""What a plan may be told of the past: it is read once and serves several questions."""
SHOWN_ATTEMPTS = 3
SHOWN_SIBLINGS = 6
MAX_SUMMARY_CHARS = 480


def plan_messages(job: ProposeJob) -> tuple[Message, ...]:
    """Returns the question for a plan.

    Raises:
        OperatorError: the program does not fit the token budget.
    """
    parent, context = job.parents[0], job.context
    past = Past(parent, "the current program", frozenset({parent.program_id}), with_plans=True)
    situation = sentences("situations").get(context.situation, "")
    return question(
        "plan",
        context,
        lambda is_cut: {
            "standing": standing_text(parent, context),
            "program": show_program(parent.program, is_cut=is_cut),
            "situation": f"{situation} " if situation else "",
        },
        lambda room: past_text(past, context, room),
        most_tokens=PLAN_HISTORY_TOKENS,
    )


def execute_messages(job: ProposeJob, base: Program) -> tuple[Message, ...]:
    """Returns the question for a program by a plan; it goes on with the job's conversation where there is one.

    Raises:
        OperatorError: the program does not fit the token budget.
    """
    parent, context = job.parents[0], job.context
    form = form_of(base)
    if job.turns:
        slots = {
            "history": attempts_text(base, job.attempts, context.token_budget),
            "again": " again, in another way" if job.attempts else "",
            "reply": reply_rule(form, base),
        }
        messages = (*_chat(job.turns), message("user", fill("execute_next", slots)))
        if count_message_tokens(messages) <= context.token_budget:
            return messages
    return question(
        "execute",
        context,
        lambda is_cut: {
            "standing": standing_text(parent, context),
            "program": show_program(base, is_cut=is_cut),
            "plan": fence(job.plan),
            "reply": reply_rule(form, base),
        },
        lambda room: attempts_text(base, job.attempts, room),
        most_tokens=context.token_budget,
    )


def form_of(base: Program) -> Form:
    """Returns in which form a program is to be changed."""
    return "rewrite" if estimate_tokens(editable_text(base)) <= REWRITE_TOKENS else "diff"


def attempts_text(base: Program, attempts: Sequence[Individual], room: int) -> str:
    """Returns what came of earlier attempts at the same plan, the newest that fit `room` tokens; "" without any."""
    parts: list[str] = []
    for attempt in attempts[-SHOWN_ATTEMPTS:]:
        outcome = f"{outcome_text(attempt)}." if attempt.evaluation.is_ok else failure_text(attempt)
        parts.append(f"{outcome.removesuffix('The program:').rstrip()}\n{change_text(base, attempt.program)}")
    head = "# Earlier attempts at this plan\nNone was better than the current program; each is shown as a change of it."
    while parts and estimate_tokens(text := "\n\n".join([head, *parts])) > room:
        parts.pop(0)
    return text if parts else ""


def summary_messages(job: ProposeJob) -> tuple[Message, ...]:
    """Returns the question for a summary; it goes on with the job's conversation where there is one.

    Raises:
        OperatorError: the program does not fit the token budget.
    """
    program, context = job.parents[0], job.context
    parent = job.parents[1] if len(job.parents) > 1 else None
    ask = fill("reply_summary", {})
    outcome = _outcome(program, context)
    if job.turns:
        messages = (
            *_chat(job.turns),
            message("user", fill("summarize_next", {"outcome": outcome, "ask": ask})),
        )
        if count_message_tokens(messages) <= context.token_budget:
            return messages
    return question(
        "summarize",
        context,
        lambda is_cut: {
            "parent": _parent(parent, context),
            "plan": fence(job.plan) if job.plan else f"{idea_text(program) or 'None was given'}.",
            "program": _shown(program, parent, is_cut=is_cut),
            "outcome": outcome,
            "ask": ask,
        },
        lambda room: "",
    )


def instruct_messages(job: ProposeJob) -> tuple[Message, ...]:
    """Returns the question for one more instruction; what each so far brought stands in the context's siblings.

    Raises:
        OperatorError: it does not fit the token budget.
    """
    told = "\n".join(
        f"- {idea_text(one)}: "
        + (
            "not tried yet"
            if one.score is None
            else f"{one.score:.0%} of its programs were better than their parent"
        )
        for one in job.context.siblings
    )
    return question("instruct", job.context, lambda is_cut: {"standing": told}, lambda room: "")


def _chat(turns: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    return tuple(dict(turn) for turn in turns)


def _outcome(program: Individual, context: Context) -> str:
    """Returns how a program did, against its parent and among its siblings."""
    evaluation = program.evaluation
    own = next((one for one in context.siblings if one.program_id == program.program_id), None)
    others = [one for one in context.siblings if one.program_id != program.program_id]
    if evaluation.is_ok:
        text = f"{outcome_text(program)}."
        if own is not None and own.gain is not None:
            text = f"{outcome_text(program)}: {gain_text(own.gain)} than its parent."
            ranked = sorted((one.gain for one in others if one.gain is not None), reverse=True)
            rank = 1 + sum(gain > own.gain for gain in ranked)
            text += f" Rank {rank} of {len(ranked) + 1} among the children of that parent with a score."
        if metrics := metrics_text(program, context):
            text += f" Its other metrics: {metrics}."
    else:
        text = failure_text(program).removesuffix("The program:").rstrip()
    lines = [outcome_line(one) for one in others[-SHOWN_SIBLINGS:]]
    return text + ("\nOther children of the same parent:\n" + "\n".join(lines) if lines else "")


def _parent(parent: Individual | None, context: Context) -> str:
    if parent is None:
        return "It is not known any more."
    text = standing_text(parent, context)
    last = next((one for one in reversed(context.ancestors) if one.texts.get("summary")), None)
    if last is not None:
        whose = "It" if last.program_id == parent.program_id else "An ancestor"
        text += f" {whose} was summed up so: {quoted(last.texts['summary'], MAX_SUMMARY_CHARS)}."
    return text


def _shown(program: Individual, parent: Individual | None, *, is_cut: bool) -> str:
    """Returns the program whole, or, where its parent's summary tells the rest, as a change of the parent."""
    whole = show_program(program.program, is_cut=is_cut)
    if parent is None or not parent.texts.get("summary"):
        return whole
    change = change_text(parent.program, program.program)
    if estimate_tokens(change) >= estimate_tokens(whole):
        return whole
    return f"It differs from its parent in this:\n{change}"
