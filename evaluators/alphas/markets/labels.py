"""What a factor is asked to predict, and which names count: the conventions behind every number.

x[t, i] is known after the close of t. The label is y[t, i] = P[t+d+h, i] / P[t+d, i] - 1 with the delay d = 1
and the horizon h = 10 trading days by default (qlib's `Ref($close,-2)/Ref($close,-1)-1` is d = 1, h = 1).
M_t holds the names with finite x and finite y, in the universe at t and tradable at t + d. A day counts only
if |M_t| >= max(30, half of the universe), see `min_names`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.panel import Bools, Floats, Panel
from evaluators.contract import ContractError

SMALLEST_DAY = 30
SHARE_OF_UNIVERSE = 0.5
DELISTING_LOSS = 0.3
"""Assumed loss of a holder after the last price (Shumway 1997: -30 % for performance delistings)."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """When the return is earned: from the close of t + delay to that of t + delay + days."""

    days: int = 10
    delay: int = 1

    def __post_init__(self) -> None:
        if self.days < 1 or self.delay < 0:
            raise ContractError(f"Horizon needs days >= 1 and delay >= 0, got {self.days} and {self.delay}")

    @property
    def reach(self) -> int:
        """Returns how many rows after t a label looks at."""
        return self.days + self.delay


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of a panel: `values` (T, N) float64, `mask` (T, N) what of M_t does not depend on the factor.

    `min_names` (T,) is the smallest |M_t| for which the day's IC is defined; `universe` is |U_t|, (T,).
    """

    values: Floats
    mask: Bools
    min_names: NDArray[np.int64]
    universe: NDArray[np.int64]
    horizon: Horizon

    def rows(self, first: int, last: int) -> Labels:
        """Returns the labels of the days `first` to `last` (exclusive), as views."""
        part = slice(first, last)
        return Labels(
            self.values[part], self.mask[part], self.min_names[part], self.universe[part], self.horizon
        )


def make_labels(
    panel: Panel, horizon: Horizon | None = None, *, delisting_loss: float | None = None
) -> Labels:
    """Returns the labels of every day of `panel`; the last `reach` days have none.

    With `delisting_loss` a name that leaves within the horizon ends with that loss instead of a missing
    label.
    """
    horizon = horizon or Horizon()
    close = panel.close if delisting_loss is None else delisted_prices(panel.close, loss=delisting_loss)
    values = forward_returns(close, horizon)
    can_trade = np.zeros(panel.shape, dtype=np.bool_)
    last = len(can_trade) - horizon.delay
    can_trade[:last] = panel.tradable[horizon.delay :]
    mask = np.asarray(panel.universe & can_trade & np.isfinite(values))
    universe = panel.universe.sum(axis=1)
    return Labels(values, mask, min_names(universe), universe, horizon)


def forward_returns(close: Floats, horizon: Horizon) -> Floats:
    """Returns y (T, N) float64; NaN where a price is missing or lies beyond the last row."""
    prices = np.asarray(close, dtype=np.float64)
    out = np.full(prices.shape, np.nan)
    if (count := len(prices) - horizon.reach) > 0:
        out[:count] = prices[horizon.reach :] / prices[horizon.delay : horizon.delay + count] - 1.0
    return out


def delisted_prices(close: Floats, *, loss: float = DELISTING_LOSS) -> Floats:
    """Returns closes in which every day after a name's last price holds that price times (1 - loss)."""
    prices = np.array(close, dtype=np.float64)
    known = np.isfinite(prices)
    last = len(prices) - 1 - np.argmax(known[::-1], axis=0)
    ends = prices[last, np.arange(prices.shape[1])] * (1.0 - loss)
    after = np.arange(len(prices))[:, None] > last[None, :]
    return np.where(after, ends[None, :], prices)


def min_names(universe: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the smallest |M_t| that counts, max(30, half of |U_t|), for universe sizes (T,)."""
    return np.asarray(np.maximum(SMALLEST_DAY, np.ceil(SHARE_OF_UNIVERSE * universe)), dtype=np.int64)


def finite_in(factor: Floats, mask: Bools) -> Bools:
    """Returns M_t, (T, N): where the factor is finite and the label's part of the mask holds."""
    return np.isfinite(factor) & mask


def sum_ahead(values: Floats, horizon: Horizon) -> NDArray[np.float64]:
    """Returns the sums of daily (T, N) values over the days that each day's label covers, NaN where they end."""
    running = np.cumsum(values, axis=0, dtype=np.float64)
    out = np.full(values.shape, np.nan)
    if (count := len(values) - horizon.reach) > 0:
        out[:count] = running[horizon.reach :] - running[horizon.delay : horizon.delay + count]
    return out


def twin_labels(labels: Labels, caused: Floats) -> Labels:
    """Returns the labels of the twin world, in which all but `caused` came with the other sign (see twins.py).

    `caused` (T, N) is what the planted signals add to each day's log return.
    """
    with np.errstate(invalid="ignore"):
        values = np.expm1(2 * sum_ahead(caused, labels.horizon) - np.log1p(labels.values))
    return replace(labels, values=values.astype(labels.values.dtype))
