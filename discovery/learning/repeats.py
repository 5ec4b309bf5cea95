"""Scores that vary: a program that would displace another is measured again before it does.

Where a problem says that the same program may score differently (`Objective(repeats=k)`), one lucky measurement must not
take a cell, or the run's best program is the luckiest one. So what is recorded as a program's score is a lower
confidence bound: the mean of its measurements less their standard error. A program that could not displace anybody is
measured once; one that could, until it cannot any more, or `repeats` times.

The spread of a measurement is pooled over all programs of the run that were measured more than once, so it is known
soon, and it is a fold of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from discovery.core.population import Population
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from evaluators.contract import Evaluation, Objective, Part

CONFIDENCE = 1.0
"""Standard errors between the mean and either bound."""


class Measurements:
    """Decides how often programs are measured. A `Learner`; what is under way is restored from the journal."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._squares = 0.0
        self._freedom = 0
        self._under_way: dict[int, list[Evaluation]] = {}

    def learn(self, result: EvaluationResult) -> None:
        """Takes the spread of a program's measurements in."""
        scores = result.record.evaluation.scores
        if len(scores) > 1:
            self._squares += _squares(scores)
            self._freedom += len(scores) - 1

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over replies without a program."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over texts."""

    def take(self, decision: int, evaluation: Evaluation, rivals: Sequence[float]) -> Evaluation | None:
        """Takes one measurement and returns the evaluation to record, or None: measure once more.

        A program that fails once has failed.

        Args:
            decision: whose program it is.
            evaluation: the measurement.
            rivals: fitnesses, as recorded, that the program would have to beat; none for the first program of a run.
        """
        taken = self._under_way.setdefault(decision, [])
        taken.append(evaluation)
        if evaluation.score is None:
            del self._under_way[decision]
            return evaluation
        scores = [one.score for one in taken if one.score is not None]
        mean, error = math.fsum(scores) / len(scores), self._error(scores)
        fitness = self._objective.fitness(mean)
        is_promising = not rivals or any(fitness + CONFIDENCE * error > rival for rival in rivals)
        if len(scores) < self._objective.repeats and is_promising:
            return None
        del self._under_way[decision]
        return self._whole(taken, scores, mean, error)

    def restore(self, decision: int, evaluation: Evaluation) -> None:
        """Takes in a measurement of an earlier session, after which the program was to be measured once more."""
        self._under_way.setdefault(decision, []).append(evaluation)

    def _error(self, scores: Sequence[float]) -> float:
        """Returns the standard error of the mean of a program's measurements; infinite where no spread is known."""
        freedom = self._freedom + len(scores) - 1
        if not freedom:
            return math.inf
        return math.sqrt((self._squares + _squares(scores)) / freedom / len(scores))

    def _whole(
        self, taken: Sequence[Evaluation], scores: Sequence[float], mean: float, error: float
    ) -> Evaluation:
        first = taken[0]
        assert first.score is not None
        less = CONFIDENCE * error if math.isfinite(error) else 0.0
        names = [name for name in first.metrics if all(name in one.metrics for one in taken)]
        points = [one.measures for one in taken if one.measures is not None]
        return replace(
            first,
            score=mean - less if self._objective.direction == "maximize" else mean + less,
            scores=tuple(scores),
            metrics={name: math.fsum(one.metrics[name] for one in taken) / len(taken) for name in names},
            measures=tuple(math.fsum(values) / len(values) for values in zip(*points, strict=True)),
            by_case=_means([one.by_case for one in taken]),
            by_group=_means([one.by_group for one in taken]),
            cpu_s=math.fsum(one.cpu_s for one in taken),
            wall_s=math.fsum(one.wall_s for one in taken),
        )


def _means(taken: Sequence[tuple[Part, ...]]) -> tuple[Part, ...]:
    """Returns the mean of each part over the measurements; the first measurement's where they do not match."""
    first = taken[0]
    if any([part.name for part in parts] != [part.name for part in first] for parts in taken):
        return first
    return tuple(
        replace(
            same[0],
            metrics={
                name: float(f"{math.fsum(one.metrics.get(name, value) for one in same) / len(same):.6g}")
                for name, value in same[0].metrics.items()
            },
        )
        for same in zip(*taken, strict=True)
    )


def rivals_of(state: Population, island: int, evaluation: Evaluation) -> list[float]:
    """Returns the fitnesses that a program of an island would have to beat: its cell's elite's, the best's."""
    if evaluation.measures is None or state.best is None:
        return []
    archive = state.archipelago.archive(island)
    elite = archive.cell_elite(archive.cell_of(evaluation.measures))
    return [one.fitness for one in (elite, state.archipelago.best) if one is not None]


def _squares(scores: Sequence[float]) -> float:
    mean = math.fsum(scores) / len(scores)
    return math.fsum((score - mean) ** 2 for score in scores)
