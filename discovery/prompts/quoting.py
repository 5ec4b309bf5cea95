"""How foreign text stands in a prompt: programs, their output, ideas. Nothing in it can pass for our own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from discovery.core.texts import one_line, printable
from discovery.core.types import Context, Individual, Trace
from discovery.programs.languages import language
from discovery.programs.languages.language import Language
from discovery.programs.line_diff import hunks
from discovery.programs.search_replace import editable_lines
from evaluators.contract import Program

FROZEN_CONTEXT_LINES = 15
MAX_FEEDBACK_CHARS = 800
MAX_IDEA_CHARS = 480
MAX_LINE_CHARS = 120
MAX_REASON_CHARS = 200
MAX_METRICS = 8


def fence(text: str, info: str = "") -> str:
    """Returns foreign text in a fence that it cannot close, without control characters (tabs stay)."""
    clean = "\t".join(printable(part) for part in text.replace("\r\n", "\n").split("\t")).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{info}\n{clean}\n{mark}"


def quoted(text: str, limit: int = MAX_IDEA_CHARS) -> str:
    """Returns foreign text as one quoted line that holds no quotation mark or backtick of its own."""
    return '"' + one_line(text, limit).removesuffix(".").replace('"', "'").replace("`", "'") + '"'


def code(line: str, limit: int = MAX_LINE_CHARS) -> str:
    """Returns one foreign line of code in backticks, without any of its own."""
    return "`" + one_line(line, limit).replace("`", "'") + "`"


def score_text(value: float) -> str:
    """Returns a score in as few digits as tell programs apart."""
    return f"{value:.8g}"


def show_program(program: Program, *, is_cut: bool = False) -> str:
    """Returns the files of a program in fences; `is_cut` leaves out frozen text far from what may change."""
    ranges = editable_lines(program)
    parts: list[str] = []
    for path in sorted(program.files, key=lambda path: (path != program.entry, path)):
        text = program.files[path]
        name = f"`{one_line(path, 200)}`\n" if len(program.files) > 1 else ""
        if is_cut and path not in ranges:
            parts.append(f"{name.strip()} is frozen and not shown.")
            continue
        known = language.of(path)
        shown = _cut(text, ranges.get(path, ()), known) if is_cut else text
        parts.append(name + fence(shown, known.fences[0]))
    return "\n".join(parts)


def outcome_text(individual: Individual) -> str:
    """Returns a program's score, or how it failed."""
    evaluation = individual.evaluation
    if evaluation.score is not None:
        return f"Score {score_text(evaluation.score)}"
    return f"Failed: {fault_text(individual)}"


def fault_text(individual: Individual) -> str:
    """Returns how a program failed and why."""
    reason = individual.evaluation.reason
    return str(individual.evaluation.status) + (f" ({quoted(reason, MAX_REASON_CHARS)})" if reason else "")


def idea_text(one: Individual | Trace, limit: int = MAX_IDEA_CHARS) -> str:
    """Returns the idea that a program came from, quoted; "" if none is known."""
    idea = one.texts.get("idea", "").strip()
    return quoted(idea, limit) if idea else ""


def standing_text(individual: Individual, context: Context, *, names_best: bool = True) -> str:
    """Returns the line above a program: its score, the best one, its other metrics, the idea it came from.

    Where the problem's own evaluator runs beside the program, what it said of the first program goes before.
    """
    text = (evaluator_text(individual) if names_best else "") + outcome_text(individual)
    score, best = individual.evaluation.score, context.best_score
    if names_best and best is not None and score is not None:
        text += " (the best so far)" if score == best else f" (best so far: {score_text(best)})"
    if metrics := metrics_text(individual, context):
        text += f"; {metrics}"
    if not (idea := idea_text(individual)):
        return f"{text}."
    own = next((one for one in reversed(context.ancestors) if one.program_id == individual.program_id), None)
    gain = f" ({gain_text(own.gain)})" if own is not None and own.gain is not None else ""
    return f"{text}. Its last idea: {idea}{gain}."


def gain_text(gain: float) -> str:
    """Returns in words how much better or worse a step was than what it was made from."""
    if gain == 0:
        return "no effect: the same score"
    return f"{'better' if gain > 0 else 'worse'} by {abs(gain):.3g}"


def evaluator_text(individual: Individual) -> str:
    """Returns what the evaluator of a self-scored problem said of a program, in a fence; "" if nothing is known."""
    evaluation = individual.evaluation
    said = _end_of(evaluation.feedback) if evaluation.self_scored else ""
    return f"Its evaluator says:\n{fence(said)}\n" if said else ""


def metrics_text(individual: Individual, context: Context) -> str:
    """Returns a program's metrics beside the objective, "" if there are none."""
    metrics = [
        f"{one_line(name, 40)} {value:.5g}"
        for name, value in individual.evaluation.metrics.items()
        if name != context.objective and not name.startswith("_")
    ]
    return ", ".join(metrics[:MAX_METRICS])


def failure_text(individual: Individual) -> str:
    """Returns how a program failed, with the end of its output; the reason if that lacks it."""
    evaluation = individual.evaluation
    tail = _end_of(evaluation.feedback)
    is_told = evaluation.reason and evaluation.reason in tail
    text = f"Failed: {evaluation.status}." if is_told else f"{outcome_text(individual)}."
    if idea := idea_text(individual):
        text += f" Its idea: {idea}."
    if evaluation.cases_done:
        text += f" It passed {evaluation.cases_done} of {evaluation.cases_total} cases before that."
    return f"{text}\nIts output:\n{fence(tail)}\nThe program:" if tail else text


def _end_of(feedback: str) -> str:
    text = feedback.strip()
    return text if len(text) <= MAX_FEEDBACK_CHARS else "..." + text[-MAX_FEEDBACK_CHARS:]


def change_text(old: Program, new: Program) -> str:
    """Returns the lines that differ between two programs, as a diff without context."""
    lines: list[str] = []
    for path in sorted(set(old.files) | set(new.files)):
        before, after = old.files.get(path, "").split("\n"), new.files.get(path, "").split("\n")
        lines += [f"--- {one_line(path, 200)}"] if len(old.files) > 1 and before != after else []
        for low, high, new_low, new_high in hunks(before, after):
            lines.append(f"@@ line {low + (high > low)}")
            lines += [f"-{line}" for line in before[low:high]] + [
                f"+{line}" for line in after[new_low:new_high]
            ]
    return fence("\n".join(lines), "diff")


def _cut(text: str, ranges: Sequence[tuple[int, int]], known: Language) -> str:
    lines = text.split("\n")
    kept: list[str] = []
    at = 0
    for low, high in ranges:
        start = max(at, low - 1 - FROZEN_CONTEXT_LINES)
        kept += [f"{known.comment} ... {start - at} frozen lines ..."] * (start > at) + lines[start:high]
        at = high
    end = min(len(lines), at + 1 + FROZEN_CONTEXT_LINES)
    return "\n".join(
        kept
        + lines[at:end]
        + [f"{known.comment} ... {len(lines) - end} frozen lines ..."] * (end < len(lines))
    )
