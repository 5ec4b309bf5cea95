"""The operator `plan` in its three steps, plan, execute and summarize (LoongFlow, arXiv:2512.24077), and `instruct`.

Each step is a job of its own, so that every reply is in the journal before the next question is asked. What decides
between them is in `discovery.search.plan_tracker`.
"""

from __future__ import annotations

import re

import numpy as np

from discovery.core.texts import one_line, printable
from discovery.core.types import Model, Note, OperatorError, Proposal, ProposeJob
from discovery.operators.chat import advice_texts, ask_for_child, find_idea, restored
from discovery.programs.static_checks import static_fault
from discovery.prompts.plan_questions import (
    execute_messages,
    form_of,
    instruct_messages,
    plan_messages,
    summary_messages,
)
from discovery.prompts.question import MAX_INSTRUCTION_CHARS, message

MAX_PLAN_CHARS = 6000
MAX_OUTLINES_CHARS = 4000
MAX_LINE_CHARS = 600
_PLAN = re.compile(
    r"^[ \t#>*_]*plan[\s*_]*:[\s*_]*$|^[ \t#>*_]*plan[\s*_]*:[\s*_]*(?=\S)", re.IGNORECASE | re.MULTILINE
)
_OUTLINES = re.compile(r"^[ \t#>*_]*outlines[\s*_]*:", re.IGNORECASE | re.MULTILINE)
_LINES = {"summary": "summary", "fault": "fault", "next": "guidance"}


class Plan:
    """Asks for three outlines, the most robust of them expanded; leaves a note."""

    name = "plan"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Note:
        """Returns the plan, and the outlines that it was chosen among.

        Raises:
            OperatorError: the reply holds no plan; carries the call that was paid.
            ModelError: the question was not answered.
        """
        messages = plan_messages(job)
        reply = _needed(model).complete(messages, rng=rng)
        found = list(_PLAN.finditer(reply.text))
        plan = reply.text[found[-1].end() :] if found else ""
        if not plan.strip():
            raise OperatorError("the reply holds no plan under a line `Plan:`", [reply.call])
        opened = _OUTLINES.search(reply.text)
        outlines = reply.text[opened.end() if opened else 0 : found[-1].start()]
        texts = {"plan": _clipped(plan, MAX_PLAN_CHARS), "outlines": _clipped(outlines, MAX_OUTLINES_CHARS)}
        texts |= advice_texts(job.context, reply.text)
        return Note(texts, (reply.call,), (*messages, message("assistant", printable(reply.text))))


class Execute:
    """Writes the program that a plan describes."""

    name = "execute"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Proposal:
        """Returns a candidate; a reply that cannot be applied, or cannot succeed, is sent back once.

        Raises:
            OperatorError: no child came out; carries the calls that were paid.
            ModelError: the first question was not answered.
        """
        parent = restored(job.context.seed, job.parents[0])
        messages = execute_messages(job, parent.program)
        answer = ask_for_child(
            form_of(parent.program),
            parent.program,
            messages,
            rng,
            _needed(model),
            token_budget=job.context.token_budget,
            fault=lambda child: static_fault(job.context.seed, child),
        )
        idea = find_idea(answer.text) or one_line(job.plan, MAX_LINE_CHARS // 2)
        return Proposal(
            answer.child,
            (parent.program_id,),
            answer.calls,
            {"idea": idea, "plan": job.plan},
            answer.turns[len(job.turns) :] if job.turns == answer.turns[: len(job.turns) or 1] else (),
        )


class Summarize:
    """Says of an evaluated program what it amounts to, where its plan or execution fell short, and what next."""

    name = "summarize"
    needs_model = True
    parents_needed = 1

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Note:
        """Returns the summary, the fault and the guidance.

        Raises:
            OperatorError: the reply holds no summary; carries the call that was paid.
            ModelError: the question was not answered.
        """
        messages = summary_messages(job)
        reply = _needed(model).complete(messages, rng=rng)
        texts = {name: text for key, name in _LINES.items() if (text := _line(reply.text, key))}
        if "summary" not in texts:
            raise OperatorError("the reply holds no line `Summary: ...`", [reply.call])
        return Note(texts, (reply.call,))


class Instruct:
    """Writes one more sentence on where to look, for the questions to come."""

    name = "instruct"
    needs_model = True
    parents_needed = 0

    def propose(self, job: ProposeJob, rng: np.random.Generator, model: Model | None) -> Note:
        """Returns the instruction.

        Raises:
            OperatorError: the reply holds none; carries the call that was paid.
            ModelError: the question was not answered.
        """
        reply = _needed(model).complete(instruct_messages(job), rng=rng)
        if not (text := _line(reply.text, "instruction")):
            raise OperatorError("the reply holds no line `Instruction: ...`", [reply.call])
        return Note({"instruction": one_line(text, MAX_INSTRUCTION_CHARS)}, (reply.call,))


def _needed(model: Model | None) -> Model:
    if model is None:
        raise OperatorError("operator plan needs a model; name one with --model")
    return model


def _line(reply: str, key: str) -> str:
    found = re.search(rf"^[ \t#>*_-]*{key}[\s*_]*:[\s*_]*(\S.*)$", reply, re.IGNORECASE | re.MULTILINE)
    return one_line(found[1].strip(" *_`"), MAX_LINE_CHARS) if found else ""


def _clipped(text: str, limit: int) -> str:
    lines = "\n".join(printable(line) for line in text.strip().split("\n"))
    return lines if len(lines) <= limit else lines[: limit - 4] + " ..."
