"""The exam that only elites sit, too costly for every program: is the edge real, tradable, and whose is it?

Questions put to the program, in a fresh process:
    streaming   fed only up to a secret day, its last row must be that of the batch, on single days and on
                three in a row, as it would be used
    order       with the names in another order, every value must move with its name
What the judge computes from the answers that it kept:
    lag         the edge must not hang on the close that the factor itself used (leaks.lag_reason)
    placebo     against labels shuffled within days |t| must stay below 4, else the judge itself is broken
    members     each member of a pool: its RankIC walking forward and a one-sided Newey-West p. Members whose
                RankIC is not positive there (p >= 1/2) are not admitted; the others are the pool that is
                measured from here on. To ask more of each member would cost more true ones than false ones
                (docs/alphas.md has the figures): false discoveries are controlled among whole programs
    evidence    the daily RankIC of that pool (or of the one factor) walking forward: sign and weights of each
                fold come from the days before it. Its moments, and the spread of RankICIR among worthless
                factors on this very panel, are what a deflated Sharpe ratio is made of once the number of
                trials is known (`discovery.families.alphas.admission`), for only the run knows that number
Then what it would be worth: mutual information, decay, TopkDropout with costs, capacity.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.admission import NoiseFloor, noise_floor
from evaluators.alphas.combine import combined_signal, mutual_correlations, ridge_weights, standardise
from evaluators.alphas.factors import cost_rank_ic
from evaluators.alphas.leaks import difference, lag_reason, placebo_t
from evaluators.alphas.markets.labels import Horizon, Labels, make_labels
from evaluators.alphas.markets.panel import Floats, Panel
from evaluators.alphas.markets.splits import Split, walk_forward
from evaluators.alphas.metrics import (
    decay,
    lag_of,
    mutual_information,
    newey_west_t,
    quantile_weights,
    summarise,
)
from evaluators.alphas.portfolio import (
    AnnualFigures,
    Backtest,
    BacktestRules,
    annual_figures,
    capacity,
    topk_dropout,
)
from evaluators.alphas.rank_ic import rank_ic
from evaluators.alphas.significance import NORMAL, moments
from evaluators.contract import Invalid

Array = NDArray[np.float64]

FOLDS, FIRST_TRAIN = 5, 0.4
SINGLE_DAYS, DAYS_IN_A_ROW = 5, 3
LARGEST_MEMBER_P = 0.5
LARGEST_PLACEBO_T = 4.0
NOISE_FACTORS = 60
HIDDEN = "_"
"""Metrics whose names begin so are kept for computations, and not shown in prompts and lists."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Features to put to the program, and where its answer must be the kept one: `order` of names or `day`."""

    features: dict[str, Floats]
    day: int | None = None
    order: NDArray[np.int64] | None = None

    def reason(self, kept: Array, given: Array) -> str | None:
        """Returns why the answer is not the kept one, or None."""
        if self.day is not None:
            found = difference(kept[self.day : self.day + 1], given[self.day : self.day + 1], 0)
            return f"streaming differs from batch on day {self.day}: {found}" if found else None
        found = difference(kept[:, self.order], given, len(kept) - 1)
        return f"depends on the order of the names: {found}" if found else None


def questions(
    features: Mapping[str, Floats], rng: np.random.Generator, *, warm_up_days: int
) -> Iterator[Question]:
    """Yields the questions: streaming days in ascending order, then another order of the names."""
    days, names = next(iter(features.values())).shape
    single = rng.choice(np.arange(warm_up_days, days - 1), SINGLE_DAYS, replace=False)
    start = int(rng.integers(warm_up_days, days - DAYS_IN_A_ROW))
    for day in sorted({*single.tolist(), *range(start, start + DAYS_IN_A_ROW)}):
        yield Question({name: np.array(values[: day + 1]) for name, values in features.items()}, day=day)
    order = rng.permutation(names)
    yield Question({name: np.array(values[:, order]) for name, values in features.items()}, order=order)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the judge knows where an elite is examined: the panel of the days shown, their labels, their parts.

    `scored` are the days of the figures; `learned` those that choose final signs and weights.
    """

    panel: Panel
    labels: Labels
    split: Split
    scored: slice
    learned: slice


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What an elite turned out to be.

    Attributes:
        signal: of the admitted members (of all, where none is), oriented so that large means buy, (T, N).
        admitted: which members were, and p_values: theirs.
        walked: the daily RankIC walking forward.
        correlations: mutual rank correlations of all members.
        figures: the exam's metrics.
        backtest: on the scored days; annual: its excess return in a year.
    """

    signal: Array
    admitted: tuple[bool, ...]
    p_values: tuple[float, ...]
    walked: Array
    correlations: Array
    figures: Mapping[str, float]
    backtest: Backtest
    annual: AnnualFigures
    decay: Mapping[tuple[int, int], float]


def examine(members: Sequence[Array], scene: Scene, rng: np.random.Generator, noise: NoiseFloor) -> Findings:
    """Returns what `members` (a single factor, or those of a pool) are worth, and the evidence for it.

    Raises:
        Invalid: the edge cannot be traded, or the placebo works.
    """
    universe, labels = scene.panel.universe, scene.labels
    stack = np.stack([standardise(member, universe) for member in members])
    p_values = tuple(_p_value(stack[[place]], scene) for place in range(len(stack)))
    admitted = tuple(p < LARGEST_MEMBER_P for p in p_values)
    kept = stack[list(admitted)] if any(admitted) else stack
    walked, worst = walk(kept, scene)
    weights = ridge_weights(kept, labels, universe, scene.learned)
    signal = combined_signal(kept, weights)
    decayed = decay(signal[scene.scored], _rows(scene.panel, scene.scored))
    backtest = _backtest(signal, scene)
    annual = annual_figures(backtest.excess)
    figures = {
        "admitted_members": float(sum(admitted)),
        "largest_member_p": max(p_values),
        **_walk_figures(walked, worst, labels.horizon.days),
        **_doubts(signal, scene, rng),
        **_worth(signal, scene, rng),
        **{f"rank_ic_h{days}": value for (days, delay), value in decayed.items() if delay == 1},
        "aer": annual.aer,
        "ir": annual.ir,
        "drawdown": annual.drawdown,
        **evidence(walked, labels.horizon.days, noise),
        **trace(walked, labels.horizon.days, name="walk"),
    }
    finite = {name: value if math.isfinite(value) else 0.0 for name, value in figures.items()}
    correlations = mutual_correlations(stack, universe, scene.learned)
    return Findings(signal, admitted, p_values, walked, correlations, finite, backtest, annual, decayed)


def floor_of(scene: Scene, rng: np.random.Generator) -> NoiseFloor:
    """Returns how far worthless factors stray on the days on which elites walk forward."""
    return noise_floor(
        scene.labels.rows(_walk_start(scene), scene.split.valid.stop), rng, factors=NOISE_FACTORS
    )


def walk(members: NDArray[np.float32], scene: Scene) -> tuple[Array, float]:
    """Returns the daily RankIC of members weighted on the days before each fold, and the worst fold's mean."""
    universe, labels, first = scene.panel.universe, scene.labels, scene.split.train.start
    parts = []
    for before, after in walk_forward(
        scene.split.valid.stop - first, labels.horizon, folds=FOLDS, first_train=FIRST_TRAIN
    ):
        learned = slice(before.start + first, before.stop + first)
        days = slice(after.start + first, after.stop + first)
        signal = combined_signal(members[:, days], ridge_weights(members, labels, universe, learned))
        parts.append(rank_ic(signal, labels.values[days], labels.mask[days], labels.min_names[days]))
    means = [float(np.nanmean(part)) if np.isfinite(part).any() else 0.0 for part in parts]
    return np.concatenate(parts), min(means)


def trace(daily: Array, horizon_days: int, *, name: str = "ic") -> dict[str, float]:
    """Returns the mean of each run of `horizon_days` days of a daily series as hidden metrics `_ic_00`, ...

    From these traces of all trials a run computes how many independent ones they amount to, the
    probability of backtest overfitting, and the test of superior predictive ability.
    """
    count = max(1, len(daily) // horizon_days)
    blocks = np.array_split(daily, count)
    means = [float(np.nanmean(block)) if np.isfinite(block).any() else 0.0 for block in blocks]
    return {f"{HIDDEN}{name}_{place:02d}": round(mean, 5) for place, mean in enumerate(means)}


def evidence(walked: Array, horizon_days: int, noise: NoiseFloor) -> dict[str, float]:
    """Returns as hidden metrics what a deflated Sharpe ratio of a daily series is made of."""
    found = moments(walked)
    return {
        f"{HIDDEN}evidence_sharpe": found.sharpe,
        f"{HIDDEN}evidence_skewness": found.skewness,
        f"{HIDDEN}evidence_kurtosis": found.kurtosis,
        f"{HIDDEN}evidence_periods": float(found.periods),
        f"{HIDDEN}evidence_overlap": float(horizon_days),
        f"{HIDDEN}evidence_p": _p_of(walked, horizon_days),
        f"{HIDDEN}noise_icir_sd": noise.icir_sd,
        f"{HIDDEN}noise_rank_ic_sd": noise.rank_ic_sd,
    }


def _walk_start(scene: Scene) -> int:
    first = scene.split.train.start
    return int(first + round((scene.split.valid.stop - first) * FIRST_TRAIN))


def _p_value(member: NDArray[np.float32], scene: Scene) -> float:
    return _p_of(walk(member, scene)[0], scene.labels.horizon.days)


def _p_of(daily: Array, horizon_days: int) -> float:
    """Returns the one-sided p that the mean of a daily series is not positive."""
    found = newey_west_t(daily, lag_of(int(np.isfinite(daily).sum()), horizon_days))
    return 1.0 - NORMAL.cdf(found) if math.isfinite(found) else 1.0


def _walk_figures(walked: Array, worst: float, horizon_days: int) -> dict[str, float]:
    found = summarise(walked, horizon_days=horizon_days)
    return {
        "walk_rank_ic": found.mean,
        "walk_rank_icir": found.ir,
        "walk_t_nw": found.t_nw,
        "walk_worst_fold": worst,
    }


def _doubts(signal: Array, scene: Scene, rng: np.random.Generator) -> dict[str, float]:
    """Returns the figures of the lag and placebo tests.

    Raises:
        Invalid: one of them speaks against the factor.
    """
    days, horizon = scene.scored, scene.labels.horizon
    part, panel = signal[days], _rows(scene.panel, days)
    at_once = make_labels(panel, Horizon(horizon.days, 0))
    later = make_labels(panel, Horizon(horizon.days, 1))
    now_ic = rank_ic(part, at_once.values, at_once.mask, at_once.min_names)
    later_ic = rank_ic(part, later.values, later.mask, later.min_names)
    if found := lag_reason(now_ic, later_ic, horizon_days=horizon.days):
        raise Invalid(found)
    placebo = placebo_t(part, scene.labels.rows(days.start, days.stop), rng)
    if abs(placebo) > LARGEST_PLACEBO_T:
        raise Invalid(f"it predicts shuffled labels, too (t {placebo:.1f}): the exam cannot be trusted")
    return {"rank_ic_delay_0": float(np.nanmean(now_ic)), "placebo_t": placebo}


def _worth(signal: Array, scene: Scene, rng: np.random.Generator) -> dict[str, float]:
    days = scene.scored
    part, labels = signal[days], scene.labels.rows(days.start, days.stop)
    ranked = rank_ic(part, labels.values, labels.mask, labels.min_names)
    weights = quantile_weights(part, labels.mask)
    money = capacity(weights, _rows(scene.panel, days))
    mean = float(np.nanmean(ranked))
    return {
        "kept_rank_ic": mean,
        "kept_net_rank_ic": mean - cost_rank_ic(part, labels),
        "mi": mutual_information(part, labels, rng),
        "log10_capacity": math.log10(max(money.capital, 1.0)),
    }


def _backtest(signal: Array, scene: Scene) -> Backtest:
    panel = _rows(scene.panel, scene.scored)
    topk = max(5, round(float(panel.universe.sum(axis=1).mean()) / 5))
    return topk_dropout(signal[scene.scored], panel, BacktestRules(topk=topk, n_drop=max(1, topk // 10)))


def _rows(panel: Panel, days: slice) -> Panel:
    return panel.rows(days.start, days.stop)
