"""A scripted model that knows only what its prompt tells: it reads, weighs what it read, and answers as it is asked to.

Whatever pays in the worlds pays through this: what a prompt does not tell cannot be used, and what it tells is used no
better than half-attentively. The model has no state and no knowledge of the world; its random numbers are the job's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.worlds.landscapes import GROUP, HARD, LETTERS, SLOTS, Choices, read_choices
from discovery.core.types import ModelCall, Reply
from discovery.llm.tokens import estimate_tokens

_MOVE = re.compile(r"set slot_(\d+) to ([a-f])")
_ASSIGNED = re.compile(r'^\+?slot_(\d+) = "([a-f])"$', re.MULTILINE)
_FENCE = re.compile(r"^(`{3,})\w*\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
_CURRENT = re.compile(r"^# (?:Current program|Program A|Failed program|Program)$", re.MULTILINE)
_SCORE = re.compile(r"^Score (-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)", re.MULTILINE)
_CLASH = re.compile(r"slot_(\d+) = ([a-f]) and slot_(\d+) = ([a-f]) clash")
_FACT = re.compile(r"(right|wrong): ([\d a-f]*)")
_RIGHT = re.compile(r"right_(\d+) (\d+)")

Move = tuple[int, int]
"""A slot and its new letter."""


@dataclass(frozen=True, slots=True)
class Skill:
    """What a model can do and what it costs.

    Attributes:
        attention: share of the replies in which it heeds what it read.
        is_weak: whether it leaves the hard slots alone.
        slip: share of the replies that do not do what they say.
        belief: how much weight it gives to what it is told: 1 takes it as a hint, 4 at its word, so that what is false costs.
        seconds: median of a call's time.
        usd_per_mtok: price of a million prompt tokens; completion tokens cost four times that.
    """

    attention: float = 0.8
    is_weak: bool = False
    slip: float = 0.1
    belief: float = 1.0
    seconds: float = 4.0
    usd_per_mtok: float = 1.0


@dataclass(slots=True)
class _Read:
    """What a prompt tells.

    Attributes:
        current: the program to be changed.
        weights: (SLOTS, LETTERS) how much each change is worth a try.
        clashes: neighbours that do not go together.
        right, wrong: letters known to be right or wrong.
        cited: ids of the advice that speaks of a change.
    """

    current: Choices
    weights: np.ndarray = field(default_factory=lambda: np.ones((SLOTS, len(LETTERS))))
    clashes: set[tuple[int, int, int]] = field(default_factory=set)
    right: set[Move] = field(default_factory=set)
    wrong: set[Move] = field(default_factory=set)
    cited: dict[Move, str] = field(default_factory=dict)


class ScriptedModels:
    """Several scripted models behind one door, as litellm is behind its: by weight, or by name."""

    def __init__(self, skills: Mapping[str, Skill]) -> None:
        self._skills = dict(skills)

    def only(self, name: str) -> ScriptedModels:
        """Returns the model of one name."""
        return ScriptedModels({name: self._skills[name]})

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the reply to a chat."""
        names = sorted(self._skills)
        name = names[int(rng.integers(len(names)))]
        skill = self._skills[name]
        prompt = "\n".join(str(message["content"]) for message in messages)
        text = answer(prompt, str(messages[-1]["content"]), skill, rng)
        tokens = sum(estimate_tokens(str(message["content"])) for message in messages)
        out = estimate_tokens(text)
        cost = skill.usd_per_mtok * (tokens + 4 * out) / 1e6
        seconds = float(skill.seconds * rng.lognormal(0.0, 0.4))
        return Reply(text, ModelCall(name, tokens, out, cost, seconds))


def answer(prompt: str, question: str, skill: Skill, rng: np.random.Generator) -> str:
    """Returns what the model says to a prompt, of which `question` is the last message."""
    if "Sum this step up" in question:
        return _summary(prompt)
    read = _read(prompt, skill.belief)
    if read is None:
        return "There is no program in the message."
    if rng.random() >= skill.attention:
        read = _Read(read.current)
    if skill.is_weak:
        read.weights[list(HARD)] = 0.0
    task = question.rpartition("# Task")[2]
    if "Plan the next change" in task:
        return _plan(_moves(read, 3, rng, in_group=True))
    if "Carry out" in task:
        planned = _FENCE.search(prompt, prompt.rfind("# Plan\n"))
        text = planned[2] if planned else prompt[prompt.rfind("Plan:") :]
        moves = [(int(slot), LETTERS.index(letter)) for slot, letter in _MOVE.findall(text)]
    elif "Write a child of A and B" in task:
        moves = _from_other(prompt, read, rng)
    elif "mend" in task:
        moves = _mended(prompt, read, rng)
    else:
        is_bold = "<<<<<<< SEARCH" not in task
        moves = _moves(read, 4 if is_bold else 1 + int(rng.random() < 0.35), rng)
    if moves and rng.random() < skill.slip:
        at = int(rng.integers(len(moves)))
        moves[at] = (moves[at][0], int(rng.integers(len(LETTERS))))
    return _change(read, moves, in_blocks="<<<<<<< SEARCH" in task)


def _read(prompt: str, belief: float) -> _Read | None:
    """Returns what a prompt tells, None where it shows no program."""
    heads = list(_CURRENT.finditer(prompt))
    shown = _FENCE.search(prompt, heads[-1].end()) if heads else None
    current = read_choices(shown[2]) if shown else None
    if (
        heads and current is None and shown is not None
    ):  # a failed program may be wrong in form: nothing to go by
        return None
    if current is None or shown is None:
        return None
    read = _Read(current)
    own = _SCORE.search(prompt, heads[-1].end())
    level = float(own[1]) if own and own.start() < shown.start() else None
    _read_attempts(prompt, read)
    _read_programs(prompt[: heads[-1].start()], read, level)
    _read_facts(prompt, read)
    read.weights **= belief
    return read


def _read_attempts(prompt: str, read: _Read) -> None:
    """Takes in what single lines say of changes: outcomes, steps of the line of descent, advice, a direction."""
    for line in prompt.split("\n"):
        for slot, letter, other, second in _CLASH.findall(line):
            if int(other) == int(slot) + 1:
                read.clashes.add((int(slot), LETTERS.index(letter), LETTERS.index(second)))
        for moves, rest in _said(line):
            factor = _factor(line, rest)
            for move in moves:
                read.weights[move] *= factor
                if factor > 1 and (cited := re.match(r"- \[(\w+)\]", line)):
                    read.cited[move] = cited[1]


def _said(line: str) -> Iterator[tuple[list[Move], str]]:
    """Yields the changes that each quoted text in a line speaks of, and what follows it."""
    for quoted in re.finditer(r'"([^"]*)"', line):
        moves = [(int(slot), LETTERS.index(letter)) for slot, letter in _MOVE.findall(quoted[1])]
        moves = [move for move in moves if move[0] < SLOTS]
        if moves:
            yield moves, quoted[1] + line[quoted.end() : quoted.end() + 80]


def _factor(line: str, rest: str) -> float:
    """Returns how much more a change is worth a try after what was said of it."""
    if line.startswith("- [") and "What was learned" not in line:
        return 0.15 if re.search(r"(?i)avoid|fail|invalid|harm", line) else 6.0
    if "better by" in rest:
        return 3.0
    if "worse by" in rest or "no effect" in rest:
        return 0.1
    if re.search(r"invalid|error|failed|timeout", rest):
        return 0.03
    return 1.0


def _read_programs(prompt: str, read: _Read, level: float | None) -> None:
    """Takes in the other programs: letters of better ones are worth more, those of worse ones less."""
    if level is None:
        return
    for head in _SCORE.finditer(prompt):
        shown = _FENCE.search(prompt, head.end())
        if shown is None or "\n\n" in prompt[head.end() : shown.start()]:
            continue
        gain = float(head[1]) - level
        for slot, letter in _ASSIGNED.findall(shown[2]):
            move = (int(slot), LETTERS.index(letter))
            if read.current[move[0]] != move[1]:
                read.weights[move] *= 1 + 4 * np.tanh(8 * gain) if gain > 0 else 0.5


def _read_facts(prompt: str, read: _Read) -> None:
    """Takes in what summaries say is right and wrong (levers)."""
    for kind, facts in _FACT.findall(prompt):
        target = read.right if kind == "right" else read.wrong
        target |= {
            (int(one[:-1]), LETTERS.index(one[-1])) for one in facts.split() if re.fullmatch(r"\d+[a-f]", one)
        }
    for slot, letter in read.right:
        read.weights[slot] = 0.0
        read.weights[slot, letter] = 30.0
    for slot, letter in read.wrong - read.right:
        read.weights[slot, letter] = 0.0


def _moves(read: _Read, count: int, rng: np.random.Generator, *, in_group: bool = False) -> list[Move]:
    """Returns up to `count` changes of different slots, drawn by their weights; clashes that are known are left out."""
    weights = read.weights.copy()
    for slot, letter in enumerate(read.current):
        weights[slot, letter] = 0.0
    choices = list(read.current)
    moves: list[Move] = []
    while len(moves) < count and weights.sum() > 0:
        flat = int(rng.choice(weights.size, p=(weights / weights.sum()).ravel()))
        slot, letter = divmod(flat, len(LETTERS))
        weights[slot, letter] = 0.0
        before = choices[slot - 1] if slot else None
        after = choices[slot + 1] if slot + 1 < SLOTS else None
        if (slot - 1, before, letter) in read.clashes or (slot, letter, after) in read.clashes:
            continue
        choices[slot] = letter
        moves.append((slot, letter))
        weights[slot] = 0.0
        if in_group and len(moves) == 1:
            group = np.arange(SLOTS) // GROUP != slot // GROUP
            weights[group] *= 0.02
    return moves


def _from_other(prompt: str, read: _Read, rng: np.random.Generator) -> list[Move]:
    """Returns the changes that take over half of what program B does otherwise."""
    start = prompt.rfind("# Program B")
    shown = _FENCE.search(prompt, start)
    moves = (
        [(int(slot), LETTERS.index(letter)) for slot, letter in _ASSIGNED.findall(shown[2])] if shown else []
    )
    differing = [move for move in moves if read.current[move[0]] != move[1]]
    kept = [move for move in differing if rng.random() < min(0.9, 0.5 * float(np.sqrt(read.weights[move])))]
    return kept or _moves(read, 1, rng)


def _mended(prompt: str, read: _Read, rng: np.random.Generator) -> list[Move]:
    """Returns a change of one of the slots that are said to clash."""
    for slot, letter, other, _ in _CLASH.findall(prompt[prompt.rfind("# Failed program") :]):
        if LETTERS[read.current[int(slot)]] == letter:
            mended = int(slot) if rng.random() < 0.5 else int(other)
            read.weights[[k for k in range(SLOTS) if k != mended]] = 0.0
            return _moves(read, 1, rng)
    return _moves(read, 1, rng)


def _words(moves: Sequence[Move]) -> str:
    return ", ".join(f"set slot_{slot} to {LETTERS[letter]}" for slot, letter in moves)


def _plan(moves: Sequence[Move]) -> str:
    words = _words(moves)
    return f"Outlines:\n1. {words}\n2. change one of them alone\n3. leave them and look elsewhere\nPlan:\n{words}"


def _change(read: _Read, moves: Sequence[Move], *, in_blocks: bool) -> str:
    """Returns the reply that makes some changes, in the form that is asked for."""
    used = sorted({read.cited[move] for move in moves if move in read.cited})
    head = f"Idea: {_words(moves) or 'leave it as it is'}\n" + (
        f"Used: {', '.join(f'[{one}]' for one in used)}\n" if used else ""
    )
    new = dict(moves)
    if in_blocks:
        blocks = [
            f'<<<<<<< SEARCH\nslot_{slot} = "{LETTERS[read.current[slot]]}"\n=======\nslot_{slot} = "{LETTERS[letter]}"\n'
            ">>>>>>> REPLACE"
            for slot, letter in new.items()
            if read.current[slot] != letter
        ]
        return head + "\n" + "\n".join(blocks)
    lines = [f'slot_{slot} = "{LETTERS[new.get(slot, old)]}"' for slot, old in enumerate(read.current)]
    return head + "\n```python\n" + "\n".join(lines) + "\n```"


def _summary(prompt: str) -> str:
    """Returns a summary of a step: what its outcome says of the slots that it changed, with what was known before."""
    right: set[str] = set()
    wrong: set[str] = set()
    for kind, facts in _FACT.findall(prompt):
        (right if kind == "right" else wrong).update(facts.split())
    before, after = prompt.rfind("# Parent"), prompt.rfind("# Outcome")
    old = dict(_RIGHT.findall(prompt[before:after])) if before >= 0 else {}
    new = dict(_RIGHT.findall(prompt[after:]))
    shown = prompt[before:after]
    added = dict(re.findall(r'^\+slot_(\d+) = "([a-f])"$', shown, re.MULTILINE))
    gone = dict(re.findall(r'^-slot_(\d+) = "([a-f])"$', shown, re.MULTILINE))
    for group, count in new.items():
        changed = [slot for slot in added if int(slot) // GROUP == int(group) and slot in gone]
        delta = int(count) - int(old.get(group, count))
        if len(changed) == 1:
            (slot,) = changed
            if delta > 0:
                right.add(slot + added[slot])
            else:
                wrong.add(slot + added[slot])
                (right if delta < 0 else wrong).add(slot + gone[slot])
        elif changed and delta == len(changed):
            right |= {slot + added[slot] for slot in changed}
        elif changed and int(count) == 0:
            wrong |= {slot + added[slot] for slot in changed}
    words = "; ".join(
        filter(
            None,
            (
                f"right: {' '.join(sorted(right))}" if right else "",
                f"wrong: {' '.join(sorted(wrong - right))}" if wrong else "",
            ),
        )
    )
    return f"Summary: {words or 'letters are set; nothing is known of them'}\nFault: none\nNext: explore what is not known"
