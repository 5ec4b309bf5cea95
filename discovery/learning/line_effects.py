"""What single lines have gone along with, weighed over many programs: what a full history shows, in a fraction of its words.

A model that is shown every earlier program can tell which lines keep turning up in good ones and which were tried in
vain. Here a ridge regression tells it instead: fitness on the presence of lines, over the latest programs that models
made. Lines that always come together are one; a line that took the place of a similar one is weighed against it. A
regression finds what goes along with the score, which need not be its cause, and the prompt says so.

Nothing changes under score -> a * score + b, a > 0, but the effects' own unit. A learner, kept only by runs with models.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import Attribution, LineEffect
from evaluators.contract import Program
from evaluators.text.blocks import editable_text

WINDOW = 160
"""So many of the latest programs are weighed."""
LEAST = 6
"""With fewer, nothing is told."""
REFIT = 16
"""Everything is weighed anew after each 16th part of new programs."""
RIDGES = np.geomspace(0.05, 50.0, 13)
"""Ridges to choose from, in units of the mean squared length of a centred program; by leave-one-out error."""
CANDIDATES = 96
"""So many groups of lines, those with the largest effects, are looked at for one question."""
MAX_GAINS, MAX_LOSSES = 6, 48
SURE = 0.5
"""An effect of fewer standard deviations is not told."""
LEAST_FOR_PROMISE = 12
"""With fewer, nothing is promised."""
ALIKE = 0.5
"""A line takes another's place if they begin alike, share this much of the shorter one, and never stand side by side."""
_TOKEN = re.compile(r"\w+|[^\w\s]")


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

    def contrast(self, added: int, removed: int | None) -> tuple[float, float]:
        """Returns posterior mean and standard deviation of one group's effect, less another's."""
        column, gain, length = self.centred[:, added], self.effects[added], 1.0
        if removed is not None:
            column, gain, length = column - self.centred[:, removed], gain - self.effects[removed], 2.0
        variance = self.prior * (length - column @ self.inverse @ column)
        return float(gain), float(np.sqrt(max(variance, 0.0)))

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

    def about(self, program: Program) -> Attribution:
        """Returns what the programs so far say of changing `program`."""
        if len(self._seen) < LEAST:
            return Attribution()
        fit = self._latest()
        gains, losses = _changes(fit, _lines(program))
        return Attribution(len(fit.presence), tuple(gains[:MAX_GAINS]), tuple(losses[:MAX_LOSSES]))

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


def _changes(fit: _Fit, own: Sequence[str]) -> tuple[list[LineEffect], list[LineEffect]]:
    """Returns the changes of a program that should gain, and those that should lose."""
    have = set(own)
    present = [k for k, lines in enumerate(fit.groups) if lines[0] in have]
    absent = [k for k, lines in enumerate(fit.groups) if lines[0] not in have]
    absent.sort(key=lambda k: -abs(fit.effects[k]))
    absent = absent[:CANDIDATES]
    beside = fit.presence[:, absent].T @ fit.presence[:, present] > 0
    tokens = {k: _TOKEN.findall(fit.groups[k][0]) for k in (*present, *absent)}
    by_head: dict[str, list[tuple[int, int]]] = {}
    for column, other in enumerate(present):
        by_head.setdefault(tokens[other][0], []).append((column, other))
    found: list[LineEffect] = []
    for row, k in enumerate(absent):
        lines = fit.groups[k]
        rivals = [
            (_alike(tokens[k], tokens[other]), other)
            for column, other in by_head.get(tokens[k][0], ())
            if not beside[row, column]
        ]
        share, rival = max(rivals, default=(0.0, -1))
        takes_place = share >= ALIKE
        gain, doubt = fit.contrast(k, rival if takes_place else None)
        if abs(gain) < SURE * doubt:
            continue
        replaced = fit.groups[rival][0] if takes_place else ""
        times = int(fit.presence[:, k].sum())
        found.append(LineEffect(lines[0], replaced, len(lines) - 1, gain, times))
    gains = sorted((one for one in found if one.gain > 0), key=lambda one: -one.gain)
    losses = sorted((one for one in found if one.gain <= 0), key=lambda one: one.gain)
    return gains, losses


def _alike(one: Sequence[str], other: Sequence[str]) -> float:
    """Returns the share of the shorter line's tokens that two lines have in common at both ends."""
    most = min(len(one), len(other))
    head = next((k for k in range(most) if one[k] != other[k]), most)
    tail = next((k for k in range(most - head) if one[-1 - k] != other[-1 - k]), most - head)
    return (head + tail) / most
