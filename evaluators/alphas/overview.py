"""What a panel holds, in a dozen figures: for people who wonder whether to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluators.alphas.admission import noise_floor
from evaluators.alphas.markets.labels import Horizon, make_labels
from evaluators.alphas.markets.panel import Panel, daily_returns, digest, panel_warnings

NOISE_TRIALS = (100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Overview:
    """Figures of a panel; shares are of (date, name) pairs, returns are daily and simple.

    `noise` has (trials, RankIC, RankICIR) that the best of so many worthless factors is expected to reach
    with labels of ten days: what a factor must beat to mean anything. Empty where it was not asked for.
    """

    days: int
    names: int
    first: str
    last: str
    fields: tuple[str, ...]
    missing: float
    universe_mean: float
    tradable: float
    delisted: int
    return_sd: float
    return_kurtosis: float
    digest: str
    warnings: tuple[str, ...]
    noise: tuple[tuple[int, float, float], ...] = ()


def overview(panel: Panel, *, noise_factors: int = 0) -> Overview:
    """Returns the figures of `panel`; with `noise_factors` > 1 its noise floor, measured with so many."""
    returns = daily_returns(panel.close)
    known = returns[np.isfinite(returns)]
    has_close = np.isfinite(panel.close)
    variance = float(known.var())
    noise: tuple[tuple[int, float, float], ...] = ()
    if noise_factors > 1:
        floor = noise_floor(make_labels(panel, Horizon()), np.random.default_rng(0), factors=noise_factors)
        noise = tuple((trials, *floor.best_of(trials)) for trials in NOISE_TRIALS)
    return Overview(
        days=panel.shape[0],
        names=panel.shape[1],
        first=str(panel.dates[0]),
        last=str(panel.dates[-1]),
        fields=tuple(panel.fields),
        missing=float(1 - has_close.mean()),
        universe_mean=float(panel.universe.sum(axis=1).mean()),
        tradable=float(panel.tradable.mean()),
        delisted=int((~has_close[-1]).sum()),
        return_sd=variance**0.5,
        return_kurtosis=float(((known - known.mean()) ** 4).mean() / variance**2) if variance > 0 else 0.0,
        digest=digest(panel),
        warnings=panel_warnings(panel),
        noise=noise,
    )
