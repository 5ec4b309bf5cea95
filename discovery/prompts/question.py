"""Prompts: what is known of the search, in the fewest words that a model needs, within a budget of tokens.

A prompt is a system message (problem and rules: the same for every call of a run, so that endpoints can
cache it) and a user message: what was tried, the current program, what to return. The words stand in
texts/*.txt. The sentence that says where to look follows from where the program stands (tasks.py); it has a name, its
variant, by which credit is given. (AlphaEvolve, arXiv 2506.13131, section 2.2, draws it: "stochastic formatting".)
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Literal

from discovery.core.texts import one_line, printable
from discovery.core.types import Context, Individual, OperatorError
from discovery.llm.tokens import estimate_tokens
from discovery.programs.languages import language
from discovery.programs.search_replace import editable_lines
from discovery.prompts.attempts import Past, advice_text, past_text
from discovery.prompts.quoting import change_text, failure_text, fence, show_program, standing_text
from discovery.prompts.results import results_text
from discovery.prompts.tasks import task_of
from evaluators.contract import Program
from evaluators.text.blocks import has_blocks, spans

Message = dict[str, str]
Kind = Literal["diff", "rewrite", "crossover", "repair"]

LEAN_TOKENS = 2400
"""Up to here, or to `HISTORY_SHARE` more than it needs without them, a prompt takes in earlier attempts."""
HISTORY_SHARE = 0.3
LEAST_HISTORY_TOKENS = 1000
"""So many are always left to earlier attempts, where the token budget has them: a program has a ledger however long it is."""
MAX_HINTS = 8
MAX_HINT_CHARS = 2000
MAX_INSTRUCTION_CHARS = 400
MAX_SIGNATURES = 6
MAX_SIGNATURE_CHARS = 240
_MESSAGE_TOKENS = 4
_JOINT_TOKENS = 4
_SUBJECTS = {
    "diff": "the current program",
    "rewrite": "the current program",
    "crossover": "program A",
    "repair": "the failed program",
}


def compose(
    kind: Kind,
    parents: Sequence[Individual],
    context: Context,
    variant: str = "",
) -> tuple[Message, ...]:
    """Returns the messages that ask for a child of `parents` (two for a crossover, else the first counts).

    What does not fit `context.token_budget` is left out: earlier attempts first, the worst of them first,
    then frozen text far from what may change.

    Args:
        kind: the operator.
        parents: what is changed.
        context: what is told.
        variant: one of `variants(kind)`, by default the one that the program's standing asks for; where the context has an
            instruction, that stands in its place.

    Raises:
        OperatorError: the program alone does not fit.
    """
    focus = _focus(kind, parents[0], context, variant)
    known = {parent.program_id for parent in (parents if kind == "crossover" else parents[:1])}
    past = Past(parents[0], _SUBJECTS[kind], frozenset(known))
    return question(
        kind,
        context,
        lambda is_cut: _slots(kind, parents, context, is_cut=is_cut) | {"focus": focus},
        lambda room: past_text(past, context, room),
    )


def question(
    name: str,
    context: Context,
    slots: Callable[[bool], Mapping[str, str]],
    history: Callable[[int], str],
    *,
    most_tokens: int | None = None,
) -> tuple[Message, ...]:
    """Returns system and user message of the template `name`, in which `$history` fills what room there is.

    Args:
        name: of the file in texts/; PACKAGE:NAME where a package keeps its own (PACKAGE/texts/NAME.txt).
        context: what the system message needs, and the budget.
        slots: returns what else the template needs, cut short if its argument is true.
        history: returns what was tried, in so many tokens.
        most_tokens: bound of the history; by default what `LEAN_TOKENS` and `HISTORY_SHARE` say.

    Raises:
        OperatorError: it does not fit the budget without any history.
    """
    system = message("system", _system(context))
    lessons = advice_text(context)
    spare = 0
    for is_cut in (False, True):
        filled = slots(is_cut)
        bare = message("user", fill(name, {**filled, "history": lessons}))
        spare = context.token_budget - count_message_tokens((system, bare))
        if spare >= 0:
            tokens = context.token_budget - spare
            lean = max(LEAN_TOKENS - tokens, int(HISTORY_SHARE * tokens), LEAST_HISTORY_TOKENS)
            most = lean if most_tokens is None else most_tokens
            room = (spare if context.is_full else min(spare, most)) - _JOINT_TOKENS
            told = "\n\n".join(filter(None, (history(room), lessons)))
            return system, message("user", fill(name, {**filled, "history": told}))
        lessons = ""
    raise OperatorError(
        f"the prompt needs about {context.token_budget - spare:,} tokens, over the token budget of "
        f"{context.token_budget:,}; raise the budget, or mark less of the program as evolvable"
    )


def variants(kind: str) -> tuple[str, ...]:
    """Returns the names of the prompt variants of an operator; ("",) where it has one only."""
    return tuple(sentences(f"focus_{kind}")) if kind in ("diff", "rewrite") else ("",)


def correction(messages: Sequence[Mapping[str, str]], reply: str, problem: str) -> tuple[Message, ...]:
    """Returns the messages that show a model its reply and what is wrong with it, and ask for another."""
    answer = message("assistant", printable(reply))
    asked = message("user", fill("correct", {"problem": fence(problem)}))
    return (*(dict(one) for one in messages), answer, asked)


def count_message_tokens(messages: Iterable[Mapping[str, str]]) -> int:
    """Returns about how many tokens some messages have (see `estimate_tokens`)."""
    return sum(estimate_tokens(message["content"]) + _MESSAGE_TOKENS for message in messages)


def message(role: str, content: str) -> Message:
    """Returns one message of a chat."""
    return {"role": role, "content": content}


def fill(name: str, slots: Mapping[str, str]) -> str:
    """Returns the text of a file in texts/ (see `question` for its name) with its slots filled."""
    text = _template(name).substitute(slots).strip()
    return re.sub(r"\n{3,}", "\n\n", text) + "\n" if name == "system" else text


@functools.cache
def _template(name: str) -> Template:
    package, _, file = name.rpartition(":")
    folder = resources.files(package or "discovery.prompts").joinpath("texts")
    return Template(folder.joinpath(f"{file}.txt").read_text("utf-8"))


@functools.cache
def sentences(name: str) -> Mapping[str, str]:
    """Returns the sentences of a file in texts/ by their names."""
    lines = _template(name).template.splitlines()
    return dict(line.split(": ", 1) for line in lines)


def _focus(kind: Kind, parent: Individual, context: Context, variant: str) -> str:
    if kind in ("crossover", "repair"):
        return ""
    if context.instruction:
        return one_line(context.instruction, MAX_INSTRUCTION_CHARS)
    known = sentences(f"focus_{kind}")
    return known.get(variant) or known[task_of(kind, parent, context)]


def _system(context: Context) -> str:
    parts = (printable(context.goal).strip(), printable(context.notes).strip(), _hints(context))
    goal = "\n\n".join(filter(None, parts))
    is_marked = has_blocks(context.seed)
    text = fill(
        "system",
        {
            "language": _with_article(language.of(context.seed.entry).name),
            "goal": goal,
            "direction": context.direction.capitalize(),
            "objective": one_line(context.objective, 80),
            "frozen": "Only lines between EVOLVE-BLOCK-START and EVOLVE-BLOCK-END may change."
            if is_marked
            else "Everything in the program may change.",
            "interface": _interface(context.seed),
            "limits": _limits(context),
        },
    )
    return text.replace("- \n", "")


def _limits(context: Context) -> str:
    if (limits := context.limits) is None:
        return "under limits of time and memory"
    times = f"{limits.cpu_s:g} s of CPU time, {limits.wall_s:g} s by the clock"
    return f"and may take {times} and {limits.memory_mib:,} MiB of memory for a case"


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
    ranges = editable_lines(seed).get(seed.entry, ())
    found: dict[str, str] = {}
    for one in language.of(seed.entry).definitions(seed.text):
        line = seed.text.count("\n", 0, one.start)
        if one.is_public and any(low <= line < high for low, high in ranges):
            found[one.name] = f"`{one_line(one.signature, MAX_SIGNATURE_CHARS)}`"
    return found


def _with_article(name: str) -> str:
    """Returns the name of a language after `a` or `an`."""
    is_vowel = name[:1] in "AEIOU" or (name.isupper() and name[:1] in "FHLMNRSX" and name != "SQL")
    return f"{'an' if is_vowel else 'a'} {name}"


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
    slots = {"program": show_program(first.program, is_cut=is_cut), "reply": reply_rule(kind, first.program)}
    if kind == "repair":
        slots["failure"] = failure_text(first)
    else:
        slots["standing"] = standing_text(first, context)
        if kind != "crossover" and (results := results_text(first, context)):
            slots["standing"] += f"\n{results}"
    if kind == "crossover":
        other = parents[1]
        change = change_text(first.program, other.program)
        whole = show_program(other.program, is_cut=True)
        slots["other"] = min(change, whole, key=estimate_tokens)
        slots["other_standing"] = standing_text(other, context, names_best=False)
        if slots["other"] is change:
            slots["other_standing"] += " It differs from A in this:"
    return slots


def reply_rule(kind: Kind, program: Program) -> str:
    """Returns what a reply must look like that changes `program`."""
    has_files = len(program.files) > 1
    if kind in ("diff", "repair"):
        files = " Write the file's name on the line above each block." if has_files else ""
        return fill("reply_diff", {"files": files})
    blocks = sum(len(spans(text)) for text in program.files.values())
    name = language.of(program.entry).name
    markers = ", marker lines included" if blocks else ""
    if has_files:
        what = f"every file that changes{markers}, each in its own fenced {name} block under its name"
    elif blocks == 1:
        what = (
            f"all lines that belong between the EVOLVE-BLOCK markers (not these) in one fenced {name} block"
        )
    else:
        what = f"the whole program{markers}, in one fenced {name} block"
    return fill("reply_rewrite", {"what": what})
