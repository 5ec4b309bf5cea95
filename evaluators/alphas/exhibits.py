"""What a report draws of an elite: pages of plain data, each with the definition of what it shows.

A page has a `title`, a `note` (the definition), a `kind` and that kind's data:
    lines    x, y: names of the axes; series: [{"name", "points": [[x, y], ...]}, ...]
    bars     y: name of the axis; names and values, as many of each
    matrix   names; values: rows of numbers in [-1, 1]
    table    columns; rows of texts
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.metrics import quantile_returns, quantile_weights, weight_turnover
from evaluators.alphas.rank_ic import rank_ic

if TYPE_CHECKING:
    from evaluators.alphas.elite import Findings, Scene

Array = NDArray[np.float64]
Page = dict[str, Any]

DIGITS = 5
SMOOTH_DAYS = 10


def pages(found: Findings, scene: Scene) -> list[Page]:
    """Returns the pages of an elite, on the days that are scored."""
    return [
        *_ic_pages(found, scene),
        _decay_page(found),
        _quantile_page(found, scene),
        _turnover_page(found, scene),
        _equity_page(found),
        *_pool_pages(found),
    ]


def _ic_pages(found: Findings, scene: Scene) -> list[Page]:
    days = scene.scored
    labels = scene.labels.rows(days.start, days.stop)
    daily = rank_ic(found.signal[days], labels.values, labels.mask, labels.min_names)
    known = np.nan_to_num(daily)
    smooth = np.convolve(known, np.ones(SMOOTH_DAYS) / SMOOTH_DAYS, mode="valid")
    horizon = labels.horizon
    label = f"the return from {horizon.delay} to {horizon.reach} days later"
    return [
        {
            "title": "RankIC over time",
            "note": f"Daily rank correlation between the signal and {label}, and its mean over the last "
            f"{SMOOTH_DAYS} days; days without one count as 0.",
            "kind": "lines",
            "x": "trading day",
            "y": "RankIC",
            "series": [
                _line("daily", known, days.start),
                _line(f"mean of {SMOOTH_DAYS} days", smooth, days.start + SMOOTH_DAYS - 1),
            ],
        },
        {
            "title": "Cumulated RankIC",
            "note": "The running sum of the daily RankIC: a steady edge is a straight line.",
            "kind": "lines",
            "x": "trading day",
            "y": "sum of RankIC",
            "series": [_line("cumulated", np.cumsum(known), days.start)],
        },
    ]


def _decay_page(found: Findings) -> Page:
    horizons = [(days, value) for (days, delay), value in found.decay.items() if delay == 1]
    delays = [(delay, value) for (days, delay), value in found.decay.items() if days == 1 and delay != 1]
    return {
        "title": "Decay",
        "note": "Mean RankIC by horizon of the label (h days, bought one day later), and for labels of one day "
        "bought d days later.",
        "kind": "bars",
        "y": "RankIC",
        "names": [*(f"h {days}" for days, _ in horizons), *(f"d {delay}" for delay, _ in delays)],
        "values": _rounded([value for _, value in (*horizons, *delays)]),
    }


def _quantile_page(found: Findings, scene: Scene) -> Page:
    days = scene.scored
    fifths = quantile_returns(found.signal[days], scene.labels.rows(days.start, days.stop))
    mean = np.nanmean(fifths, axis=0) if np.isfinite(fifths).any() else np.zeros(5)
    return {
        "title": "Returns by fifth",
        "note": "Mean return over the label's days of the stocks in each fifth of the day's signal, lowest fifth "
        "first.",
        "kind": "bars",
        "y": "return",
        "names": ["lowest", "2", "3", "4", "highest"],
        "values": _rounded(mean),
    }


def _turnover_page(found: Findings, scene: Scene) -> Page:
    days = scene.scored
    mask = scene.labels.mask[days]
    turnover = np.nan_to_num(weight_turnover(quantile_weights(found.signal[days], mask)))
    return {
        "title": "Turnover",
        "note": "Share of the long-short portfolio of the outer fifths that a full rebalancing would renew each "
        "day: half the sum of the changes of its weights.",
        "kind": "lines",
        "x": "trading day",
        "y": "turnover",
        "series": [_line("daily", turnover, days.start)],
    }


def _equity_page(found: Findings) -> Page:
    test, annual = found.backtest, found.annual
    return {
        "title": "Backtest with costs",
        "note": "TopkDropout: hold the best fifth, exchange at most a tenth of it a day, at the close of the next "
        f"day, 5 bp on buys and 15 bp on sells. Running sums of daily returns, without compounding. Over the mean "
        f"of the universe, after costs: {annual.aer:.1%} a year, information ratio {annual.ir:.2f}, largest loss "
        f"from a peak {annual.drawdown:.1%} (sums, {annual.days_per_year} days a year).",
        "kind": "lines",
        "x": "day of the backtest",
        "y": "return",
        "series": [
            _line("before costs", np.cumsum(test.returns)),
            _line("after costs", np.cumsum(test.returns - test.costs)),
            _line("universe", np.cumsum(test.benchmark)),
            _line("excess after costs", np.cumsum(test.excess)),
        ],
    }


def _pool_pages(found: Findings) -> list[Page]:
    count = len(found.admitted)
    names = [f"factor {place + 1}" for place in range(count)]
    verdicts = {
        "title": "Members",
        "note": "p: probability that a worthless factor would reach this RankIC walking forward (one-sided, "
        "Newey-West). Members whose RankIC is not positive there are not admitted; the other pages show the "
        "admitted ones together (all of them, where none is).",
        "kind": "table",
        "columns": ["member", "p", "admitted"],
        "rows": [
            [name, f"{p:.3g}", "yes" if good else "no"]
            for name, p, good in zip(names, found.p_values, found.admitted, strict=True)
        ],
    }
    if count == 1:
        return [verdicts]
    return [
        verdicts,
        {
            "title": "Correlations in the pool",
            "note": "Mean daily rank correlation of the members on the days that fitted the weights.",
            "kind": "matrix",
            "names": names,
            "values": [_rounded(row) for row in found.correlations],
        },
    ]


def _line(name: str, values: Array, first: int = 0) -> dict[str, Any]:
    return {"name": name, "points": [[first + place, value] for place, value in enumerate(_rounded(values))]}


def _rounded(values: Any) -> list[float]:
    return [round(float(value), DIGITS) if np.isfinite(value) else 0.0 for value in values]
