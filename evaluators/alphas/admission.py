"""Whether a factor may enter a pool: its gates, and its figures against the best that noise would have reached.

The noise floor is measured on the user's own labels: persistent noise factors (AR(1), 0.95) are scored like
any other, and the spread of their mean RankIC and RankICIR says what the best of N tries reaches by luck
alone. Admission asks for a deflated Sharpe (of the daily RankIC series, labels of h days overlapping) of at
least 0.95 after all trials of the run, and the gates on top of it. CogAlpha's gates (2511.18850: all of IC,
RankIC, ICIR, RankICIR and MI above a percentile of the generation and above a floor) are
`COGALPHA_QUALIFIED` and `COGALPHA_ELITE`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Labels
from evaluators.alphas.rank_ic import RankScorer
from evaluators.alphas.significance import deflated_sharpe, expected_maximum, moments
from evaluators.contract import ContractError

Array = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """Spread of mean RankIC and of RankICIR over worthless factors on one set of labels."""

    rank_ic_sd: float
    icir_sd: float
    factors: int

    def best_of(self, trials: float) -> tuple[float, float]:
        """Returns the RankIC and the RankICIR that the best of `trials` worthless factors is expected to reach."""
        expected = expected_maximum(trials)
        return self.rank_ic_sd * expected, self.icir_sd * expected


def noise_factor(
    rng: np.random.Generator, shape: tuple[int, int], memory: float = 0.95
) -> NDArray[np.float32]:
    """Returns an AR(1) factor (T, N) that knows nothing, with unit variance."""
    z = rng.standard_normal(shape, dtype=np.float32)
    z[1:] *= np.float32(math.sqrt(1 - memory * memory))
    for day in range(1, shape[0]):
        z[day] += np.float32(memory) * z[day - 1]
    return z


def noise_floor(
    labels: Labels, rng: np.random.Generator, *, factors: int = 200, memory: float = 0.95
) -> NoiseFloor:
    """Returns the noise floor of `labels` (about 1 s for 200 factors of 750 x 300 with numba).

    Raises:
        ContractError: the labels have fewer than 20 days on which an IC is defined.
    """
    scorer = RankScorer(labels.values, labels.mask, labels.min_names)
    found = np.empty((factors, 2))
    for place in range(factors):
        daily = scorer(noise_factor(rng, labels.values.shape, memory))
        if np.isfinite(daily).sum() < 20:
            raise ContractError(
                f"labels must have at least 20 days with a defined IC, got {np.isfinite(daily).sum()}"
            )
        mean = np.nanmean(daily)
        found[place] = mean, mean / np.nanstd(daily, ddof=1)
    spread = np.sqrt((found**2).mean(axis=0))  # the mean of noise is known to be 0
    return NoiseFloor(float(spread[0]), float(spread[1]), factors)


@dataclass(frozen=True, slots=True)
class Gate:
    """Least values by metric, and a percentile of the generation (0 to 100) each must reach too, or None."""

    floors: Mapping[str, float] = field(default_factory=dict)
    percentile: float | None = None

    def reason(
        self, metrics: Mapping[str, float], generation: Sequence[Mapping[str, float]] = ()
    ) -> str | None:
        """Returns why `metrics` do not pass, or None; without a generation only the floors count."""
        for name, floor in self.floors.items():
            least = floor
            values = [other[name] for other in generation if math.isfinite(other.get(name, math.nan))]
            if self.percentile is not None and values:
                least = max(floor, float(np.percentile(values, self.percentile)))
            value = metrics.get(name, math.nan)
            if not value >= least:
                return f"{name} is {value:.4g}, at least {least:.4g} is needed"
        return None


COGALPHA_QUALIFIED = Gate({"ic": 0.005, "rank_ic": 0.005, "icir": 0.05, "rank_icir": 0.05, "mi": 0.02}, 65.0)
COGALPHA_ELITE = Gate({"ic": 0.01, "rank_ic": 0.01, "icir": 0.1, "rank_icir": 0.1, "mi": 0.02}, 80.0)


@dataclass(frozen=True, slots=True)
class Admission:
    """The verdict on one factor: `deflated` is its deflated Sharpe, `reason` is "" where it is admitted."""

    admitted: bool
    deflated: float
    expected_best_icir: float
    reason: str


def admit(
    daily_rank_ic: Array, *, trials: float, trials_sd: float, horizon_days: int, level: float = LEVEL
) -> Admission:
    """Returns whether a daily RankIC series is too good to be the best of `trials` worthless ones.

    Args:
        daily_rank_ic: (T,) on the validation days, NaN days are left out.
        trials: distinct programs evaluated so far (or `effective_trials` of them).
        trials_sd: spread of their RankICIR; the noise floor's where few are known.
        horizon_days: of the labels: so many days overlap.
        level: the least deflated Sharpe.
    """
    found = moments(daily_rank_ic)
    deflated = deflated_sharpe(found, trials=trials, trials_sd=trials_sd, overlap=horizon_days)
    best = trials_sd * expected_maximum(trials)
    if deflated >= level:
        return Admission(True, deflated, best, "")
    return Admission(
        False,
        deflated,
        best,
        f"deflated Sharpe {deflated:.3f} is below {level:g}: RankICIR {found.sharpe:.3f} against {best:.3f}, which "
        f"the best of {trials:.0f} worthless factors reaches",
    )
