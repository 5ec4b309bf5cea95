"""Four small worlds in which a program is a list of choices, and in which what a prompt tells can pay.

A program sets twelve slots to one of six letters each. Which letters are worth what is drawn from the seed and nowhere
told; the best possible score is known exactly (dynamic programming), so a score is a share of it.

- recipe: neighbouring slots interact, some pairs clash (the program fails). Outcomes of earlier changes, and other
  good programs, tell which letters to try and which to leave.
- levers: one letter per slot is right; a group of three pays half for its parts and half when it is whole. The judge
  tells how many of each group are right, so that what is inherited along a line of descent can be put together.
- forge: as recipe, but half of the slots are beyond the cheap model; a strong one sees to all and costs twenty times as much.
- lessons: as recipe without interactions, so that what was learned in one place holds everywhere, also in the next run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from evaluators.contract import Evaluation, Measure, Objective, Program, Status
from evaluators.problems.describe import Description
from evaluators.problems.loading import ProblemSource

SLOTS = 12
LETTERS = "abcdef"
GROUP = 3
NAMES = ("recipe", "levers", "forge", "lessons")
HARD = range(SLOTS // 2, SLOTS)
"""Slots that a weak model does not touch (forge)."""
_LINE = re.compile(r'^slot_(\d+) = "([a-f])"$', re.MULTILINE)

Choices = tuple[int, ...]


def read_choices(text: str) -> Choices | None:
    """Returns the letter of every slot as a number, or None where the text does not set each exactly once."""
    found = [(int(slot), LETTERS.index(letter)) for slot, letter in _LINE.findall(text)]
    if sorted(slot for slot, _ in found) != list(range(SLOTS)):
        return None
    return tuple(letter for _, letter in sorted(found))


def write_program(choices: Choices) -> Program:
    """Returns the program of some choices."""
    lines = [f'slot_{slot} = "{LETTERS[letter]}"' for slot, letter in enumerate(choices)]
    return Program({"program.py": "\n".join(["# EVOLVE-BLOCK-START", *lines, "# EVOLVE-BLOCK-END", ""])})


@dataclass(frozen=True)
class World:
    """One world; equal names and seeds are equal worlds.

    Attributes:
        name: one of `NAMES`; seed: of what its letters are worth.
        start: seed of the first program: another start in the same world is another run's task.
    """

    name: str
    seed: int
    start: int = 0

    @cached_property
    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([NAMES.index(self.name), self.seed])

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns the worth of each letter, of neighbouring pairs, which pairs clash, and the right letters (levers)."""
        rng = self._rng
        worth = rng.normal(size=(SLOTS, len(LETTERS)))
        pairs = rng.normal(size=(SLOTS - 1, len(LETTERS), len(LETTERS))) * (
            0 if self.name == "lessons" else 0.8
        )
        clash = rng.random(pairs.shape) < (0.12 if self.name in ("recipe", "forge") else 0.0)
        if self.name == "forge":
            worth[list(HARD)] *= 2.0
        if self.name == "lessons":
            worth = rng.exponential(size=worth.shape) * (rng.random(worth.shape) < 0.3)
        return worth, pairs, clash, rng.integers(len(LETTERS), size=SLOTS)

    def value(self, choices: Choices) -> float | None:
        """Returns what choices are worth, None where two of them clash."""
        worth, pairs, clash, right = self._tables
        if self.name == "levers":
            hits = (np.asarray(choices) == right).reshape(-1, GROUP)
            return float((hits.all(axis=1) + hits.mean(axis=1)).sum() / 2)
        steps = range(SLOTS - 1)
        if any(clash[k, choices[k], choices[k + 1]] for k in steps):
            return None
        return float(
            sum(worth[k, choice] for k, choice in enumerate(choices))
            + sum(pairs[k, choices[k], choices[k + 1]] for k in steps)
        )

    @cached_property
    def best(self) -> float:
        """Returns the largest value there is."""
        if self.name == "levers":
            return float(SLOTS // GROUP)
        worth, pairs, clash, _ = self._tables
        best = worth[0]
        for k in range(SLOTS - 1):
            best = (best[:, None] + np.where(clash[k], -np.inf, pairs[k])).max(axis=0) + worth[k + 1]
        return float(best.max())

    @cached_property
    def first(self) -> Choices:
        """Returns the choices of the seed program: valid, and far from the best."""
        rng = np.random.default_rng([NAMES.index(self.name), self.seed, self.start, 1])
        while True:
            choices = tuple(rng.integers(len(LETTERS), size=SLOTS).tolist())
            value = self.value(choices)
            if value is not None and value < 0.3 * self.best:
                return choices

    @cached_property
    def problem(self) -> Description:
        """Returns the statement, as a run is told it."""
        goal = (
            f"Set the {SLOTS} slots, each to one of the letters {', '.join(LETTERS)}. Which letters are good, alone and "
            "beside their neighbours, must be found out."
        )
        measures = (Measure("spread", 0, len(LETTERS) - 1, bins=6), Measure("repeats", 0, SLOTS, bins=6))
        source = ProblemSource("name", self.name, f"world_{self.name}", "1")
        seed = write_program(self.first)
        return Description(
            f"world_{self.name}", goal, "", Objective("share", bound=1.0), measures, seed, "1", source
        )

    def judge(self, program: Program) -> Evaluation:
        """Returns the evaluation of a program: its value as a share of the best."""
        choices = read_choices(program.text)
        if choices is None:
            return Evaluation(
                Status.INVALID, reason="each slot must be set once, to a letter a to f", cases_total=1
            )
        value = self.value(choices)
        if value is None:
            _, _, clash, _ = self._tables
            at = next(k for k in range(SLOTS - 1) if clash[k, choices[k], choices[k + 1]])
            pair = " and ".join(f"slot_{k} = {LETTERS[choices[k]]}" for k in (at, at + 1))
            return Evaluation(Status.INVALID, reason=f"{pair} clash", cases_total=1)
        metrics = {"share": value / self.best}
        if self.name == "levers":
            hits = (np.asarray(choices) == self._tables[3]).reshape(-1, GROUP).sum(axis=1)
            metrics |= {f"right_{group}": float(count) for group, count in enumerate(hits)}
        measures = (float(np.ptp(choices)), float(SLOTS - len(set(pairwise(choices)))))
        return Evaluation(
            Status.OK,
            score=value / self.best,
            metrics=metrics,
            measures=measures,
            cases_done=1,
            cases_total=1,
        )
