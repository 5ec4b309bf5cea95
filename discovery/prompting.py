"""Prompts: what is known of the search, in the fewest words that a model needs, within a budget of tokens.

A prompt is a system message (problem and rules: the same for every call of a run, so that endpoints can
cache it) and a user message: what was tried, the current program, what to return. The words stand in
prompts/*.txt; the one chance in them is the sentence that says where to look, drawn by the rng ("stochastic
formatting", AlphaEvolve, arXiv 2506.13131, section 2.2).

Programs, their output and earlier ideas are foreign text: they are shown in fences longer than any run of
backticks in them, or as quotations of one line, without control characters.
"""

from __future__ import annotations

import ast
import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Literal

import numpy as np

from discovery.edits import editable_lines
from discovery.operators import c_syntax
from discovery.operators.base import Context, Individual, OperatorError
from discovery.texts import one_line, printable
from discovery.tokens import estimate_tokens
from evaluators import c_text, trees
from evaluators.blocks import editable_text, has_blocks, spans
from evaluators.contract import Program

Message = dict[str, str]
Kind = Literal["diff", "rewrite", "crossover", "repair"]

LEAN_TOKENS = 960
"""Up to here, or to `HISTORY_SHARE` more than it needs without them, a prompt takes in earlier attempts."""
HISTORY_SHARE = 0.3
FROZEN_CONTEXT_LINES = 15
MAX_FEEDBACK_CHARS = 800
MAX_IDEA_CHARS = 160
MAX_REASON_CHARS = 200
MAX_METRICS = 8
MAX_HINTS = 8
MAX_HINT_CHARS = 2000
MAX_SIGNATURES = 6
MAX_SIGNATURE_CHARS = 80
MAX_C_SIGNATURE_CHARS = 240
_MESSAGE_TOKENS = 4
_HISTORY_HEAD_TOKENS = 24
_SUBJECTS = {
    "diff": "the current program",
    "rewrite": "the current program",
    "crossover": "program A",
    "repair": "the failed program",
}


def compose(
    kind: Kind, parents: Sequence[Individual], context: Context, rng: np.random.Generator
) -> tuple[Message, ...]:
    """Returns the messages that ask for a child of `parents` (two for a crossover, else the first counts).

    What does not fit `context.token_budget` is left out: earlier attempts first, the worst of them first,
    then frozen text far from what may change.

    Raises:
        OperatorError: the program alone does not fit.
    """
    system = _message("system", _system(context))
    focus = _drawn(kind, rng)
    spare = 0
    for is_cut in (False, True):
        slots = _slots(kind, parents, context, is_cut=is_cut) | {"focus": focus}
        bare = _message("user", _fill(kind, slots | {"history": ""}))
        spare = context.token_budget - count_message_tokens((system, bare))
        if spare >= 0:
            tokens = context.token_budget - spare
            room = min(spare, max(LEAN_TOKENS - tokens, int(HISTORY_SHARE * tokens)))
            history = _history(kind, parents, context, room)
            return system, _message("user", _fill(kind, slots | {"history": history}))
    raise OperatorError(
        f"the prompt needs about {context.token_budget - spare:,} tokens, over the token budget of "
        f"{context.token_budget:,}; raise the budget, or mark less of the program as evolvable"
    )


def correction(messages: Sequence[Message], reply: str, problem: str) -> tuple[Message, ...]:
    """Returns the messages that show a model its reply and what is wrong with it, and ask for another."""
    answer = _message("assistant", printable(reply))
    return (*messages, answer, _message("user", _fill("correct", {"problem": fence(problem)})))


def count_message_tokens(messages: Iterable[Message]) -> int:
    """Returns about how many tokens some messages have (see `estimate_tokens`)."""
    return sum(estimate_tokens(message["content"]) + _MESSAGE_TOKENS for message in messages)


def fence(text: str, info: str = "") -> str:
    """Returns foreign text in a fence that it cannot close, without control characters (tabs stay)."""
    clean = "\t".join(printable(part) for part in text.replace("\r\n", "\n").split("\t")).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{info}\n{clean}\n{mark}"


def quoted(text: str, limit: int = MAX_IDEA_CHARS) -> str:
    """Returns foreign text as one quoted line that holds no quotation mark or backtick of its own."""
    return '"' + one_line(text, limit).replace('"', "'").replace("`", "'") + '"'


def score_text(value: float) -> str:
    """Returns a score in as few digits as tell programs apart."""
    return f"{value:.8g}"


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


@functools.cache
def _template(name: str) -> Template:
    return Template(resources.files("discovery").joinpath("prompts", f"{name}.txt").read_text("utf-8"))


def _fill(name: str, slots: Mapping[str, str]) -> str:
    text = _template(name).substitute(slots)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n" if name == "system" else text.strip()


def _drawn(kind: Kind, rng: np.random.Generator) -> str:
    if kind in ("crossover", "repair"):
        return ""
    sentences = _template(f"focus_{kind}").template.splitlines()
    return sentences[int(rng.integers(len(sentences)))]


def _system(context: Context) -> str:
    parts = (printable(context.goal).strip(), printable(context.notes).strip(), _hints(context))
    goal = "\n\n".join(filter(None, parts))
    is_marked = has_blocks(context.seed)
    text = _fill(
        "system",
        {
            "language": _language(context.seed),
            "goal": goal,
            "direction": context.direction.capitalize(),
            "objective": one_line(context.objective, 80),
            "frozen": "Only lines between EVOLVE-BLOCK-START and EVOLVE-BLOCK-END may change."
            if is_marked
            else "Everything in the program may change.",
            "interface": _interface(context.seed),
        },
    )
    return text.replace("- \n", "")


def _hints(context: Context) -> str:
    """Returns what the person who runs the search wants considered, the newest last; "" if nothing."""
    if not context.hints:
        return ""
    return "Advice from the person who runs this search:\n" + "\n".join(
        f"- {one_line(hint, MAX_HINT_CHARS)}" for hint in context.hints[-MAX_HINTS:]
    )


def _interface(seed: Program) -> str:
    """Returns the rule on what is used from outside the evolvable text; "" if it has no names of its own."""
    names = _names(seed)
    if has_blocks(seed):
        frozen = _frozen_text(seed)
        used = [text for name, text in names.items() if re.search(rf"\b{re.escape(name)}\b", frozen)]
        if used:
            return f"The frozen code uses {_listed(used)}: keep names, parameters and kinds of result."
    callable_names = [text for text in names.values() if "(" in text]
    if len(callable_names) == 1:
        return f"Keep {callable_names[0]} callable as it is: same parameters, same kind of result."
    if callable_names:
        defined = _listed(callable_names)
        return f"Keep what the problem calls callable as it is. The first program defines {defined}."
    return ""


def _names(seed: Program) -> dict[str, str]:
    """Returns what the seed's evolvable text defines at the top, by name, as it is to be told."""
    if c_syntax.is_c(seed):
        return _c_names(seed)
    found: dict[str, str] = {}
    try:
        tree = trees.parse(seed.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return found
    ranges = editable_lines(seed).get(seed.entry, ())
    for node in tree.body:
        if not any(low < node.lineno <= high for low, high in ranges):
            continue
        if isinstance(node, ast.FunctionDef):
            found[node.name] = f"`{one_line(f'{node.name}({ast.unparse(node.args)})', MAX_SIGNATURE_CHARS)}`"
        elif isinstance(node, ast.ClassDef):
            found[node.name] = f"`{node.name}(...)`"
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            found.update({name: f"`{name}`" for name in names})
    return {name: text for name, text in found.items() if not name.startswith("_")}


def _c_names(seed: Program) -> dict[str, str]:
    """Returns the functions that the evolvable text of a C program offers to others, with their parameters."""
    found: dict[str, str] = {}
    for source in c_syntax.sources(seed):
        for piece in source.statements:
            if piece.kind == "function" and "static" not in source.names(*piece.head):
                name = source.function_name(piece)
                found[name] = f"`{one_line(source.between(*piece.head), MAX_C_SIGNATURE_CHARS)}`"
    return found


def _language(program: Program) -> str:
    """Returns the name of the language of a program's entry file as people write it."""
    return {"c": "C", "cuda": "CUDA"}.get(c_text.language(program.entry), "Python")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:MAX_SIGNATURES])


def _frozen_text(program: Program) -> str:
    parts: list[str] = []
    for text in program.files.values():
        at = 0
        for span in spans(text):
            parts.append(text[at : span.start])
            at = span.end
        parts.append(text[at:])
    return "\n".join(parts)


def _slots(kind: Kind, parents: Sequence[Individual], context: Context, *, is_cut: bool) -> dict[str, str]:
    first = parents[0]
    slots = {"program": show_program(first.program, is_cut=is_cut), "reply": _reply_rule(kind, first.program)}
    if kind == "repair":
        slots["failure"] = _failure(first)
    else:
        slots["standing"] = _standing(first, context)
    if kind == "crossover":
        other = parents[1]
        change = _change(first.program, other.program)
        whole = show_program(other.program, is_cut=True)
        slots["other"] = min(change, whole, key=estimate_tokens)
        slots["other_standing"] = _standing(other, context, names_best=False)
        if slots["other"] is change:
            slots["other_standing"] += " It differs from A in this:"
    return slots


def _reply_rule(kind: Kind, program: Program) -> str:
    has_files = len(program.files) > 1
    if kind in ("diff", "repair"):
        files = " Write the file's name on the line above each block." if has_files else ""
        return _fill("reply_diff", {"files": files})
    blocks = sum(len(spans(text)) for text in program.files.values())
    language = _language(program)
    markers = ", marker lines included" if blocks else ""
    if has_files:
        what = f"every file that changes{markers}, each in its own fenced {language} block under its name"
    elif blocks == 1:
        what = f"all lines that belong between the EVOLVE-BLOCK markers (not these) in one fenced {language} block"
    else:
        what = f"the whole program{markers}, in one fenced {language} block"
    return _fill("reply_rewrite", {"what": what})


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
        language = c_text.language(path)
        parts.append(name + fence(_cut(text, ranges.get(path, ()), language) if is_cut else text, language))
    return "\n".join(parts)


def _cut(text: str, ranges: Sequence[tuple[int, int]], language: str) -> str:
    mark = "#" if language == "python" else "//"
    lines = text.split("\n")
    kept: list[str] = []
    at = 0
    for low, high in ranges:
        start = max(at, low - 1 - FROZEN_CONTEXT_LINES)
        kept += [f"{mark} ... {start - at} frozen lines ..."] * (start > at) + lines[start:high]
        at = high
    end = min(len(lines), at + 1 + FROZEN_CONTEXT_LINES)
    return "\n".join(
        kept + lines[at:end] + [f"{mark} ... {len(lines) - end} frozen lines ..."] * (end < len(lines))
    )


def _outcome(individual: Individual) -> str:
    evaluation = individual.evaluation
    if evaluation.score is not None:
        return f"Score {score_text(evaluation.score)}"
    return f"Failed: {_fault(individual)}"


def _fault(individual: Individual) -> str:
    reason = individual.evaluation.reason
    return str(individual.evaluation.status) + (f" ({quoted(reason, MAX_REASON_CHARS)})" if reason else "")


def _idea(individual: Individual) -> str:
    idea = individual.texts.get("idea", "").strip()
    return quoted(idea) if idea else ""


def _standing(individual: Individual, context: Context, *, names_best: bool = True) -> str:
    """Returns the line above a program: its score, the best one, its other metrics, the idea it came from."""
    text = _outcome(individual)
    score, best = individual.evaluation.score, context.best_score
    if names_best and best is not None and score is not None:
        text += " (the best so far)" if score == best else f" (best so far: {score_text(best)})"
    metrics = [
        f"{one_line(name, 40)} {value:.5g}"
        for name, value in individual.evaluation.metrics.items()
        if name != context.objective
    ]
    if metrics:
        text += "; " + ", ".join(metrics[:MAX_METRICS])
    idea = _idea(individual)
    return f"{text}. Its last idea: {idea}." if idea else f"{text}."


def _failure(individual: Individual) -> str:
    """Returns how a program failed, with the end of its output; the reason if that lacks it."""
    evaluation = individual.evaluation
    feedback = evaluation.feedback.strip()
    tail = feedback if len(feedback) <= MAX_FEEDBACK_CHARS else "..." + feedback[-MAX_FEEDBACK_CHARS:]
    is_told = evaluation.reason and evaluation.reason in tail
    text = f"Failed: {evaluation.status}." if is_told else f"{_outcome(individual)}."
    if idea := _idea(individual):
        text += f" Its idea: {idea}."
    if evaluation.cases_done:
        text += f" It passed {evaluation.cases_done} of {evaluation.cases_total} cases before that."
    return f"{text}\nIts output:\n{fence(tail)}\nThe program:" if tail else text


def _history(kind: Kind, parents: Sequence[Individual], context: Context, room: int) -> str:
    """Returns what was tried, within `room` tokens: failures in short, then as many good programs as fit."""
    known = {parent.program_id for parent in (parents if kind == "crossover" else parents[:1])}
    room -= _HISTORY_HEAD_TOKENS
    failures: list[str] = []
    for line in _failures([failure for failure in context.failures if failure.program_id not in known]):
        if (tokens := estimate_tokens(line)) <= room:
            room -= tokens
            failures.append(line)
    attempts: list[str] = []
    for attempt in reversed(context.inspirations):
        if attempt.program_id not in known:
            known.add(attempt.program_id)
            text = _attempt(parents[0].program, attempt, subject=_SUBJECTS[kind])
            if (tokens := estimate_tokens(text)) <= room:
                room -= tokens
                attempts.append(text)
    parts: list[str] = []
    if attempts:
        parts.append("Other programs, worst first:\n" + "\n".join(reversed(attempts)))
    if failures:
        parts.append("Changes that failed:\n" + "\n".join(failures))
    return "# Earlier attempts\n" + "\n\n".join(parts) if parts else ""


def _failures(failures: Sequence[Individual]) -> list[str]:
    """Returns one line per different failure, the latest last."""
    lines: dict[str, int] = {}
    for failure in failures:
        idea = _idea(failure)
        outcome = _outcome(failure) if failure.evaluation.is_ok else _fault(failure)
        line = f"- {idea}: {outcome}" if idea else f"- {outcome}"
        lines[line] = lines.get(line, 0) + 1
    return [line + (f", {times} times" if times > 1 else "") for line, times in lines.items()]


def _attempt(current: Program, attempt: Individual, *, subject: str) -> str:
    """Returns a program of the search in the shorter of two forms: whole, or as a change of `current`."""
    idea = _idea(attempt)
    head = _outcome(attempt) + (f", {idea}" if idea else "")
    change = _change(current, attempt.program)
    whole = fence(editable_text(attempt.program), c_text.language(attempt.program.entry))
    if estimate_tokens(change) < estimate_tokens(whole):
        return f"{head}, as a change of {subject}:\n{change}"
    return f"{head}:\n{whole}"


def _change(old: Program, new: Program) -> str:
    """Returns the lines that differ between two programs, as a diff without context."""
    lines: list[str] = []
    for path in sorted(set(old.files) | set(new.files)):
        before, after = old.files.get(path, "").split("\n"), new.files.get(path, "").split("\n")
        lines += [f"--- {one_line(path, 200)}"] if len(old.files) > 1 and before != after else []
        for line in list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]:
            place = re.match(r"@@ -(\d+)", line)
            lines.append(f"@@ line {place[1]}" if place else line)
    return fence("\n".join(lines), "diff")
