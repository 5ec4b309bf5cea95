"""What the lines of a program have gone along with, weighed over many programs: how likely a child is to be better.

A ridge regression of fitness on the presence of lines, over the latest programs that models made; lines that always come
together are one. It predicts and does not explain: what goes along with the score need not be its cause, so nothing of it is told
to models (73 of 73 such claims were wrong in a run that a strong reader took part in). Screening (screening.py) goes by it.

Nothing changes under score -> a * score + b, a > 0. A learner, kept only by runs with models.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from evaluators.contract import Program
from evaluators.text.blocks import editable_text

WINDOW = 160
"""So many of the latest programs are weighed."""
REFIT = 16
"""Everything is weighed anew after each 16th part of new programs."""
RIDGES = np.geomspace(0.05, 50.0, 13)
"""Ridges to choose from, in units of the mean squared length of a centred program; by leave-one-out error."""
LEAST_FOR_PROMISE = 12
"""With fewer, nothing is promised."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the programs so far say of a child, beside its parent.

    Attributes:
        probability: that it is better.
        unknown: how many of its lines no program had.
    """

    probability: float
    unknown: int


@dataclass(frozen=True, slots=True)
class _Fit:
    """A ridge regression.

    Attributes:
        groups: m groups of lines that always come together.
        presence: (n, m) which program has which.
        centred: the same less the mean of each column.
        effects: (m,) posterior means.
        inverse: (n, n) inverse of the ridged kernel matrix.
        prior: prior variance of an effect.
    """

    groups: tuple[tuple[str, ...], ...]
    presence: np.ndarray
    centred: np.ndarray
    effects: np.ndarray
    inverse: np.ndarray
    prior: float

    def promise(self, child: Sequence[str], parent: Sequence[str]) -> Promise:
        """Returns what becomes of the lines of `parent` turning into those of `child`.

        A line that no program had, or all had, has an effect like any other before it was seen: none, give or take the
        prior.
        """
        group = {line: k for k, lines in enumerate(self.groups) for line in lines}
        added, removed = set(child) - set(parent), set(parent) - set(child)
        change = np.zeros(len(self.groups))
        change[list({group[line] for line in added if line in group})] += 1.0
        change[list({group[line] for line in removed if line in group})] -= 1.0
        unknown, usual = (sum(line not in group for line in lines) for lines in (added, removed))
        column = self.centred @ change
        variance = self.prior * (change @ change + unknown + usual - column @ self.inverse @ column)
        mean = float(change @ self.effects)
        if not variance > 0:
            return Promise(0.5, unknown)
        return Promise(NormalDist().cdf(mean / math.sqrt(variance)), unknown)


class LineEffects:
    """The latest programs that models made, and what their lines are worth."""

    def __init__(self) -> None:
        self._seen: deque[tuple[str, Program, float]] = deque(maxlen=WINDOW + WINDOW // REFIT + 1)
        self._lines: dict[str, tuple[str, ...]] = {}
        self._count = 0
        self._fit: tuple[int, _Fit] | None = None

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program that a model made, or the first one."""
        record = result.record
        if result.fitness is not None and (record.calls or not record.parents):
            self._seen.append((record.program_id, record.program, result.fitness))
            self._count += 1

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over what led to no program."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over what is no program."""

    def promise(self, child: Program, parent: Program) -> Promise | None:
        """Returns what the programs so far say of `child`, None where they are too few."""
        if len(self._seen) < LEAST_FOR_PROMISE:
            return None
        return self._latest().promise(_lines(child), _lines(parent))

    def _latest(self) -> _Fit:
        newer = self._count % (1 + min(self._count, WINDOW) // REFIT)
        at = self._count - newer  # not when somebody asks: a replay must find the same
        if self._fit is None or self._fit[0] != at:
            seen = list(self._seen)[: len(self._seen) - newer][-WINDOW:]
            # only now: a replay of a long journal must not take every program apart
            self._lines = {name: self._lines.get(name) or _lines(one) for name, one, _ in seen}
            fitness = np.array([fitness for _, _, fitness in seen])
            self._fit = at, _weigh([self._lines[name] for name, _, _ in seen], fitness)
        return self._fit[1]


def _lines(program: Program) -> tuple[str, ...]:
    """Returns the different lines of what may change, in their order, without comments, closing brackets and rows of numbers."""
    lines = (line.strip() for line in editable_text(program).split("\n"))
    return tuple(dict.fromkeys(line for line in lines if line[:1] != "#" and any(map(str.isalpha, line))))


def _weigh(programs: Sequence[Sequence[str]], fitness: np.ndarray) -> _Fit:
    """Returns the ridge regression of fitness on the presence of groups of lines."""
    holders: dict[str, list[int]] = {}
    for index, lines in enumerate(programs):
        for line in lines:
            holders.setdefault(line, []).append(index)
    groups: dict[tuple[int, ...], list[str]] = {}
    for line, rows in holders.items():
        if len(rows) < len(programs):
            groups.setdefault(tuple(rows), []).append(line)
    presence = np.zeros((len(programs), len(groups)))
    for column, held in enumerate(groups):
        presence[list(held), column] = 1.0
    centred = presence - presence.mean(axis=0)
    low = np.quantile(fitness, 0.1)
    floor = low - 2 * (np.median(fitness) - low)  # a wreck weighs no more than a bad program
    values = np.maximum(fitness, floor)
    values = values - values.mean()
    spectrum, basis = np.linalg.eigh(centred @ centred.T)
    spectrum = np.maximum(spectrum, 0.0)
    scale = float(spectrum.sum()) / len(programs) or 1.0
    rotated = basis.T @ values
    tried = [(_left_out(basis, spectrum + ridge, rotated), ridge) for ridge in RIDGES * scale]
    error, ridge = min(tried)
    inverse = (basis / (spectrum + ridge)) @ basis.T
    return _Fit(
        tuple(tuple(lines) for lines in groups.values()),
        presence,
        centred,
        centred.T @ (inverse @ values),
        inverse,
        error / ridge,
    )


def _left_out(basis: np.ndarray, ridged: np.ndarray, rotated: np.ndarray) -> float:
    """Returns the mean squared error of predictions of programs that were left out (but for their part in the mean)."""
    dual = basis @ (rotated / ridged)
    return float(np.mean((dual / np.einsum("ij,j,ij->i", basis, 1 / ridged, basis)) ** 2))
