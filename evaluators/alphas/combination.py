"""The exam of combination models: learn from thirty classic factors, predict one day after the other.

A model is fitted on the training days (features and labels of all stocks in the universe) and then asked
day by day: it gets the features of a day only after it has answered the day before, so there is nothing to
look ahead to. Features are the factors of zoo.py as ranks within the day (mean 0, variance 1, 0 where
unknown), the target is the rank of the label, scaled likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas import elite
from evaluators.alphas.admission import noise_floor
from evaluators.alphas.combine import standardise
from evaluators.alphas.exam import Examiner
from evaluators.alphas.factors import as_array, figures
from evaluators.alphas.markets.world import FEATURES, World
from evaluators.alphas.rank_ic import rank_ic
from evaluators.alphas.twins import check_knowledge
from evaluators.alphas.zoo import compute_zoo
from evaluators.contract import Case, Invalid

Array = NDArray[np.float64]


class ModelExaminer(Examiner):
    """Draws the one case of a combination problem and serves its days."""

    def cases(self, rng: np.random.Generator, stage: int) -> list[Case]:
        """Returns the case: training samples as inputs, the factors of later days in the answer."""
        world = self._worlds["run"] = self._draw(rng)
        zoo = compute_zoo({name: world.panel.fields[name][: world.shape[0]] for name in FEATURES})
        universe = world.panel.universe[: world.shape[0]]
        members = np.nan_to_num(np.stack([standardise(factor, universe) for factor in zoo]))
        x = np.ascontiguousarray(members.transpose(1, 2, 0))
        case = Case(inputs={}, answer={"world": "run", "sitting": 0, "seed": 0})
        train, scored = world.split.train, self.scored(case)
        rows = slice(train.start, train.stop)
        use = world.labels.mask[rows] & universe[rows]
        target = standardise(world.labels.values[rows], use)
        inputs = {
            "x": x[rows][use],
            "y": target[use],
            "day": np.nonzero(use)[0].astype(np.int32),
        }
        answer = {**case.answer, "x": x[scored.start : scored.stop]}
        return [Case(inputs=inputs, answer=answer)]

    def serve(self, case: Case) -> DailyQuestions:
        """Returns the oracle that asks day by day."""
        world, scored = self.world(case), self.scored(case)
        return DailyQuestions(case.answer["x"], world.panel.universe[scored.start : scored.stop])


class DailyQuestions:
    """An oracle: each request hands in the predictions of a day and is answered by the features of the next."""

    def __init__(self, x: NDArray[np.float32], universe: NDArray[np.bool_]) -> None:
        self._x, self._universe = x, universe
        self._day = -1
        self.predictions = np.full(universe.shape, np.nan)

    @property
    def is_done(self) -> bool:
        """Returns whether every day was answered."""
        return self._day == len(self._x)

    def __call__(self, request: Any) -> Any:
        """Returns the features (names in the universe, factors) of the next day, None after the last.

        Raises:
            Invalid: the predictions are not one finite number per name.
        """
        if 0 <= self._day < len(self._x):
            if not isinstance(request, dict) or list(request) != ["answer"]:
                raise Invalid("the program spoke to the judge itself; only `run` may")
            inside = self._universe[self._day]
            given = request["answer"]
            if isinstance(given, np.ndarray) and given.ndim == 1:
                given = given[:, None]
            values = as_array(given, (int(inside.sum()), 1), name=f"the prediction of day {self._day + 1}")[
                :, 0
            ]
            if not np.isfinite(values).all():
                raise Invalid(f"the prediction of day {self._day + 1} must be finite for every name")
            self.predictions[self._day, inside] = values
        self._day = min(self._day + 1, len(self._x))
        return None if self.is_done else self._x[self._day][self._universe[self._day]]


def score_model(examiner: Examiner, case: Case, oracle: DailyQuestions) -> dict[str, float]:
    """Returns the figures of the predictions (see `figures`), and what a verdict on them needs.

    A model answers day by day and learned on the training days alone, so its daily RankIC is out of sample as
    it stands: evidence for `discovery.families.alphas.admission`.

    Raises:
        Invalid: days are missing, or the predictions cannot be scored.
    """
    if not oracle.is_done:
        raise Invalid("the program left before every day was predicted")
    world: World = examiner.world(case)
    scored = examiner.scored(case)
    labels = world.labels.rows(scored.start, scored.stop)
    if world.noise is None:
        world.noise = noise_floor(labels, np.random.default_rng(0), factors=elite.NOISE_FACTORS)
    twin = None if world.twin is None else world.twin.rows(scored.start, scored.stop)
    found = figures(oracle.predictions, labels, twin)
    check_knowledge(found)
    daily = rank_ic(oracle.predictions, labels.values, labels.mask, labels.min_names)
    days = labels.horizon.days
    return {**found, **elite.trace(daily, days), **elite.evidence(daily, days, world.noise)}
