"""The past in a prompt: the ledger of what was tried and what came of it; within the tokens there are.

Every line states what the record says of a program: its score, its gain over the program it was made from, how it failed.
Nothing is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from discovery.core.types import Chapter, Context, Individual, Trace
from discovery.llm.tokens import estimate_tokens
from discovery.programs.languages import language
from discovery.prompts.quoting import (
    MAX_IDEA_CHARS,
    change_text,
    fence,
    gain_text,
    idea_text,
    outcome_text,
    quoted,
    score_text,
)
from evaluators.text.blocks import editable_text

PROGRAMS_SHARE = 0.6
"""At most this share of the room goes to other programs; the rest is for words on the past."""
_HEADING_TOKENS = 16
PITFALLS_SHARE = 0.25
"""At most this share of the room goes to reasons for which programs failed."""
MAX_SUMMARY_CHARS = 480
MAX_GUIDANCE_CHARS = 240
MAX_EARLIER_IDEA_CHARS = 160
MAX_UNDER_WAY = 8
"""Ideas tried on ancestors are cut to so many characters; those tried on the program itself are told whole."""


UNDER_WAY = "Changes of this or of other programs that are being evaluated; their results are not known yet:"


@dataclass(frozen=True, slots=True)
class Past:
    """Whose past is told.

    Attributes:
        parent: the program that is changed; subject: what the prompt calls it.
        known: ids of programs that the prompt shows anyway.
        with_plans: whether ancestors are told one by one with their plans, and how the islands stand.
    """

    parent: Individual
    subject: str
    known: frozenset[str]
    with_plans: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    """The pieces of a history, in the order in which they are given up where headings leave no room."""

    programs: list[str]
    changes: list[str]
    pitfalls: list[str]
    descent: list[str]
    ledger: list[str]
    under_way: list[str]

    def drop(self) -> bool:
        """Gives up one piece; returns whether there was any."""
        if pieces := self.programs or self.changes or self.pitfalls or self.descent:
            pieces.pop()
            return True
        if self.ledger:
            self.ledger.pop(0)  # the oldest page
            while self.ledger and self.ledger[0].startswith("- "):
                self.ledger.pop(0)
            return True
        if self.under_way:
            self.under_way.pop()
            return True
        return False


def past_text(past: Past, context: Context, room: int) -> str:
    """Returns what was tried, within `room` tokens; "" if there is nothing to tell.

    The ledger comes first: one line for each attempt. What room it leaves goes to other programs, the best first (they are
    shown worst first), and to the changes themselves that were tried on the parent, the newest first.
    """
    told = set(past.known)
    share = 1.0 if context.is_full else PROGRAMS_SHARE
    ledger = ledger_lines(context.ledger, past.subject, room - _HEADING_TOKENS)
    under_way = [f"- {quoted(idea, MAX_EARLIER_IDEA_CHARS)}" for idea in context.under_way[-MAX_UNDER_WAY:]]
    left = room - _tokens(ledger) - _tokens(under_way)
    pitfalls = _pitfalls(context, min(left, int(PITFALLS_SHARE * room)))
    left -= _tokens(pitfalls)
    descent = _kept(filter(None, _ancestors(context, told)), left) if past.with_plans else []
    left -= _tokens(descent)
    programs = _programs(past, context, told, int(share * left))
    changes = _changes(past, context, told, left - _tokens(programs))
    pieces = _Told(programs, changes, pitfalls, descent, ledger, under_way)
    while estimate_tokens(text := _assembled(past, context, pieces)) > room and pieces.drop():
        pass
    return text


def ledger_lines(ledger: Sequence[Chapter], subject: str, room: int) -> list[str]:
    """Returns one line for each attempt, oldest first, under one for the program that it changed.

    Where `room` tokens do not hold all, the oldest pages shrink to one line that counts them; the last page is always whole.
    """
    pages = [
        _page(page, subject, is_last=at == len(ledger) - 1, is_first=at == 0)
        for at, page in enumerate(ledger)
    ]
    sizes = [_tokens(page) for page in pages]
    hidden, rest = 0, sum(sizes)
    while hidden < len(pages) - 1 and rest > room:
        rest -= sizes[hidden]
        hidden += 1
    lines = [line for page in pages[hidden:] for line in page]
    if attempts := [one for page in ledger[:hidden] for one in page.attempts]:
        better = sum((one.gain or 0.0) > 0 for one in attempts)
        failed = sum(one.score is None for one in attempts)
        lines.insert(
            0,
            f"Before these, {len(attempts)} attempts on {hidden} earlier programs of this line: {better} better, {failed} failed.",
        )
    return lines


def _page(page: Chapter, subject: str, *, is_first: bool, is_last: bool) -> list[str]:
    if not page.attempts:
        return []
    where = subject if is_last else "the program that this line began with" if is_first else "an ancestor"
    score = "" if page.base.score is None or is_last else f" (score {score_text(page.base.score)})"
    lines: dict[str, int] = {}
    for one in page.attempts:
        mark = "; kept: what follows builds on it" if one.program_id == page.kept else ""
        line = outcome_line(one, MAX_IDEA_CHARS if is_last else MAX_EARLIER_IDEA_CHARS) + mark
        lines[line] = lines.get(line, 0) + 1
    return [
        f"Tried on {where}{score}:",
        *(line + (f", {n} times" if n > 1 else "") for line, n in lines.items()),
    ]


def _changes(past: Past, context: Context, told: set[str], room: int) -> list[str]:
    """Returns the changes of the parent that were tried, as diffs, as many as fit, the newest first."""
    found: list[str] = []
    for one in reversed(context.tried):
        if one.program_id in told:
            continue
        text = f"{outcome_text(one)}" + (f", {idea}" if (idea := idea_text(one)) else "")
        text += f":\n{change_text(past.parent.program, one.program)}"
        if (tokens := estimate_tokens(text)) <= room:
            room -= tokens
            found.append(text)
            told.add(one.program_id)
    return found


def _assembled(past: Past, context: Context, told: _Told) -> str:
    parts: list[str] = []
    if told.programs:
        parts.append("Other programs, worst first:\n" + "\n".join(reversed(told.programs)))
    if told.pitfalls:
        parts.append("Why other programs failed:\n" + "\n".join(told.pitfalls))
    if told.descent:
        parts.append("Its line of descent, oldest first:\n" + "\n".join(told.descent))
    if told.ledger:
        parts.append("\n".join(told.ledger))
    if told.changes:
        parts.append(
            f"Some of these as changes of {past.subject}, oldest first:\n" + "\n".join(reversed(told.changes))
        )
    if told.under_way:
        parts.append("\n".join([UNDER_WAY, *told.under_way]))
    if parts and past.with_plans and len(context.standing) > 1:
        parts.append(f"Best score of each island: {', '.join(map(score_text, context.standing))}.")
    return "# Earlier attempts\n" + "\n\n".join(parts) if parts else ""


def advice_text(context: Context) -> str:
    """Returns the section on what was learned earlier; "" if nothing was."""
    if not context.advice:
        return ""
    lines = [f"- [{item.item_id}] {quoted(item.text, 400)}" for item in context.advice]
    return (
        "# What was learned before\n"
        + "\n".join(lines)
        + "\nWhere you use one of these, add a line `Used: ...` to the reply, with what stands in its brackets."
    )


def _ancestors(context: Context, told: set[str]) -> list[str]:
    """Returns one line per ancestor: its outcome, plan, summary and advice."""
    lines: list[str] = []
    for step in context.ancestors:
        said = [("Plan", "plan", MAX_SUMMARY_CHARS), ("Summary", "summary", MAX_SUMMARY_CHARS)]
        said += [("Advice", "guidance", MAX_GUIDANCE_CHARS)]
        found = [
            f"{head}: {quoted(step.texts[name], limit)}."
            for head, name, limit in said
            if step.texts.get(name)
        ]
        if step.program_id not in told and "plan" not in step.texts and (idea := idea_text(step)):
            found.insert(0, f"Idea: {idea}.")
        lines.append(" ".join([f"- {trace_outcome(step).capitalize()}.", *found]))
        told.add(step.program_id)
    return lines


def outcome_line(trace: Trace, idea_chars: int = MAX_IDEA_CHARS) -> str:
    """Returns one line on a step: its idea, its outcome, and what it gained."""
    idea = idea_text(trace, idea_chars)
    return f"- {idea}: {trace_outcome(trace)}" if idea else f"- {trace_outcome(trace)}"


def trace_outcome(trace: Trace) -> str:
    """Returns a step's score and what it gained, or how it failed."""
    if trace.score is None:
        return _fault(trace.fault)
    return f"score {score_text(trace.score)}" + (
        f", {gain_text(trace.gain)}" if trace.gain is not None else ""
    )


def _pitfalls(context: Context, room: int) -> list[str]:
    """Returns one line per reason for which programs failed, but for those that the parent's children tell."""
    told = {_fault(one.fault) for page in context.ledger for one in page.attempts}
    lines: list[str] = []
    for one in context.pitfalls:
        fault = _fault(one.fault)
        line = f"- {fault}" + (f", {one.times} times" if one.times > 1 else "")
        if fault not in told and (tokens := estimate_tokens(line)) <= room:
            room -= tokens
            lines.append(line)
    return lines


def _fault(fault: str) -> str:
    status, _, reason = fault.partition(": ")
    return status + (f" ({quoted(reason, 200)})" if reason else "")


def _programs(past: Past, context: Context, told: set[str], room: int) -> list[str]:
    """Returns the other programs that fit, the best first."""
    programs: list[str] = []
    for other in reversed(context.inspirations):
        if other.program_id not in told and room > 0:
            text = _program(past, other, is_whole=context.is_full)
            if (tokens := estimate_tokens(text)) <= room:
                room -= tokens
                programs.append(text)
                told.add(other.program_id)
    return programs


def _program(past: Past, other: Individual, *, is_whole: bool) -> str:
    """Returns a program of the search in the shorter of two forms: whole, or as a change of the parent."""
    idea = idea_text(other)
    head = outcome_text(other) + (f", {idea}" if idea else "")
    whole = fence(editable_text(other.program), language.of(other.program.entry).fences[0])
    if not is_whole:
        change = change_text(past.parent.program, other.program)
        if estimate_tokens(change) < estimate_tokens(whole):
            return f"{head}, as a change of {past.subject}:\n{change}"
    return f"{head}:\n{whole}"


def _kept(lines: Iterable[str], room: int) -> list[str]:
    """Returns the lines that fit, the last ones first in line."""
    kept: list[str] = []
    for line in reversed(list(lines)):
        if (tokens := estimate_tokens(line)) <= room:
            room -= tokens
            kept.append(line)
    return kept[::-1]


def _tokens(lines: Iterable[str]) -> int:
    return sum(map(estimate_tokens, lines))
