"""The past in a prompt: what was tried, what came of it, which way to go; within the tokens there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from discovery.core.types import Context, Individual, Trace, Trajectory
from discovery.llm.tokens import estimate_tokens
from discovery.prompts.quoting import (
    change_text,
    code,
    fault_text,
    fence,
    gain_text,
    idea_text,
    outcome_text,
    quoted,
    score_text,
)
from evaluators.text import c_text
from evaluators.text.blocks import editable_text

PROGRAMS_SHARE = 0.6
"""At most this share of the room goes to other programs; the rest is for words on the past."""
ATTRIBUTION_SHARE = 0.75
"""At most this share of the room goes to what many programs say of single lines."""
PITFALLS_SHARE = 0.25
"""At most this share of the room goes to reasons for which programs failed."""
MAX_SUMMARY_CHARS = 480
MAX_GUIDANCE_CHARS = 240
_WORSE = "- tried and worse: "


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
    descent: list[str]
    direction: list[str]
    tried: list[str]
    pitfalls: list[str]
    attributed: list[str]

    def drop(self) -> bool:
        """Gives up one piece; returns whether there was any."""
        if pieces := (
            self.programs or self.descent or self.direction or self.tried or self.pitfalls or self.attributed
        ):
            pieces.pop()
            return True
        return False


def past_text(past: Past, context: Context, room: int) -> str:
    """Returns what was tried and which way to go, within `room` tokens; "" if there is nothing to tell.

    What many programs say of single lines has the first say. Other programs come next, the best first, and are shown
    worst first; then outcomes of changes of the same program, what its line of descent amounts to, and a direction.
    What was told once is not told again.
    """
    told = set(past.known)
    attributed = _attributed(context, int(ATTRIBUTION_SHARE * room))
    room_left = room - _tokens(attributed)
    pitfalls = _pitfalls(context, int(PITFALLS_SHARE * room))
    room_left -= _tokens(pitfalls)
    share = 1.0 if context.is_full else PROGRAMS_SHARE
    programs = _programs(past, context, told, int(share * room_left))
    room_left -= _tokens(programs)
    tried = _kept(_tried(past, context, told), room_left)
    room_left -= _tokens(tried)
    lines = _ancestors(context, told) if past.with_plans else [descent_text(past, context, told)]
    descent = _kept(filter(None, lines), room_left)
    room_left -= _tokens(descent)
    direction = _kept(filter(None, (_direction(context.trajectories, told),)), room_left)
    pieces = _Told(programs, descent, direction, tried, pitfalls, attributed)
    while estimate_tokens(text := _assembled(past, context, pieces)) > room and pieces.drop():
        pass
    return text


def _assembled(past: Past, context: Context, told: _Told) -> str:
    parts: list[str] = []
    if told.programs:
        parts.append("Other programs, worst first:\n" + "\n".join(reversed(told.programs)))
    if told.tried:
        parts.append(f"Changes of {past.subject} that were tried:\n" + "\n".join(told.tried))
    if told.pitfalls:
        parts.append("Why other programs failed:\n" + "\n".join(told.pitfalls))
    if told.descent and past.with_plans:
        parts.append("Its line of descent, oldest first:\n" + "\n".join(told.descent))
    else:
        parts += told.descent
    if told.attributed:
        head = (
            f"Lines that {past.subject} does not have, weighed over {context.attribution.programs} programs (what "
            "went along with the score, which need not be its cause):\n"
        )
        parts.append(head + "\n".join(told.attributed))
    if parts and past.with_plans and len(context.standing) > 1:
        parts.append(f"Best score of each island: {', '.join(map(score_text, context.standing))}.")
    attempts = "# Earlier attempts\n" + "\n\n".join(parts) if parts else ""
    return "\n\n".join(filter(None, (attempts, *(f"# Direction\n{text}" for text in told.direction))))


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


def descent_text(past: Past, context: Context, told: set[str]) -> str:
    """Returns what the line of descent amounts to: the last summary on it, and the steps since; "" without any."""
    steps = [step for step in context.ancestors if step.program_id != past.parent.program_id]
    last = next((step for step in reversed(context.ancestors) if step.texts.get("summary")), None)
    parts: list[str] = []
    if last is not None:
        whose = (
            past.subject if last.program_id == past.parent.program_id else f"an ancestor of {past.subject}"
        )
        summary = quoted(last.texts["summary"], MAX_SUMMARY_CHARS)
        parts.append(f"{whose[0].upper()}{whose[1:]} in short: {summary}.")
        at = [step.program_id for step in context.ancestors].index(last.program_id)
        later = {step.program_id for step in context.ancestors[at + 1 :]}
        steps = [step for step in steps if step.program_id in later]
    ideas = [_step(step) for step in steps if step.texts.get("idea")]
    if ideas:
        head = "Since then: " if parts else f"Steps that led to {past.subject}: "
        parts.append(head + ", then ".join(ideas) + ".")
    told.update(step.program_id for step in steps)
    if last is not None and last.texts.get("guidance"):
        parts.append(f"Advice for what comes next: {quoted(last.texts['guidance'], MAX_GUIDANCE_CHARS)}.")
    return " ".join(parts)


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


def outcome_line(trace: Trace) -> str:
    """Returns one line on a step: its idea, its outcome, and what it gained."""
    idea = idea_text(trace)
    return f"- {idea}: {trace_outcome(trace)}" if idea else f"- {trace_outcome(trace)}"


def trace_outcome(trace: Trace) -> str:
    """Returns a step's score and what it gained, or how it failed."""
    if trace.score is None:
        return _fault(trace.fault)
    return f"score {score_text(trace.score)}" + (
        f", {gain_text(trace.gain)}" if trace.gain is not None else ""
    )


def _step(step: Trace) -> str:
    return idea_text(step) + (f" ({gain_text(step.gain)})" if step.gain is not None else "")


def _tried(past: Past, context: Context, told: set[str]) -> list[str]:
    """Returns one line per different change of the parent, the latest last."""
    lines: dict[str, int] = {}
    failed = {failure.program_id for failure in context.failures}
    for trace in context.siblings:
        if trace.program_id not in told | failed:
            line = outcome_line(trace)
            lines[line] = lines.get(line, 0) + 1
    for failure in context.failures:
        if failure.program_id not in told:
            idea = idea_text(failure)
            outcome = outcome_text(failure) if failure.evaluation.is_ok else fault_text(failure)
            line = f"- {idea}: {outcome}" if idea else f"- {outcome}"
            lines[line] = lines.get(line, 0) + 1
    told.update(trace.program_id for trace in context.siblings)
    return [line + (f", {times} times" if times > 1 else "") for line, times in lines.items()]


def _pitfalls(context: Context, room: int) -> list[str]:
    """Returns one line per reason for which programs failed, but for those that the parent's children tell."""
    told = {fault_text(one) for one in context.failures} | {_fault(one.fault) for one in context.siblings}
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


def _attributed(context: Context, room: int) -> list[str]:
    """Returns what many programs say of single lines: half of the room for those that should gain, the rest for those that should not."""
    lines: list[str] = []
    left = room // 2
    for one in context.attribution.gains:
        more = f" with {one.more} more" if one.more else ""
        place = f" instead of {code(one.instead_of)}" if one.instead_of else ""
        times = f"{one.programs} program{'s' * (one.programs > 1)}"
        line = f"- {code(one.line)}{more}{place}: better by {one.gain:.3g} ({times})"
        if (tokens := estimate_tokens(line)) <= left:
            left -= tokens
            lines.append(line)
    left = room - _tokens(lines) - estimate_tokens(_WORSE)
    worse: list[str] = []
    for one in context.attribution.losses:
        text = code(one.line)
        if (tokens := estimate_tokens(text) + 1) <= left:
            left -= tokens
            worse.append(text)
    return [*lines, _WORSE + ", ".join(worse)] if worse else lines


def _direction(trajectories: Sequence[Trajectory], told: set[str]) -> str:
    """Returns a direction, deliberately loose: what has gained and what has lost lately, elsewhere too."""
    clauses: list[str] = []
    said: set[str] = set()
    for trajectory in trajectories:
        ideas: list[str] = []
        for step in trajectory.steps:
            idea = idea_text(step)
            if idea and idea not in said and step.program_id not in told:
                ideas.append(idea)
                said.add(idea)
        if ideas:
            verb = {"rising": "gained", "falling": "lost"}.get(trajectory.kind, "both gained and lost")
            clauses.append(f"steps such as {', '.join(ideas)} {verb}")
        told.update(step.program_id for step in trajectory.steps)
    if not clauses:
        return ""
    text = "; ".join(clauses)
    return f"Lately {text}. Take the direction from them, not the steps."


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
    whole = fence(editable_text(other.program), c_text.language(other.program.entry))
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
