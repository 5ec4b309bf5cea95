"""A synthetic market whose alphas are known: the panel that the judge itself is tested on.

Daily log returns are market + 5 styles + 20 industries + own risk + planted signals. A 3-state Markov chain
(calm, normal, stress) scales every risk; own risk is GARCH(1,1) with Student-t4 shocks. Volume reacts to |r|;
open, high, low and vwap are consistent with close. 20 % of the names list late, 12 % delist, others are
suspended for days. Each planted alpha is an AR(1) latent z that moves the NEXT day's return, and shows in
one observable, so that a program can find it:

    name      shows in                                      behaves
    steady    the level of log volume                       always at work
    medium    vwap against close                            always at work, weaker
    decaying  where the close lies between low and high     strength falls linearly to zero at the end
    regime    the overnight gap                             works only in stress
    dying     the width of the day's range                  dead in the last quarter (the sealed test)
    costly    the day's shock to log volume                 real, but gone in days: trading it costs more
    null      nothing                                       has no effect

A decoy needs no latent: closes carry a bounce of the bid-ask spread, so yesterday's loser seems to win at
delay 0 and cannot be traded at delay 1.

`true_rank_ic` gives the truth free of most luck, by a twin world: with the label split into the signal s
and all the rest e, the mean of RankIC(z, s + e) and RankIC(z, s - e) has the same expectation as the first,
and e's luck cancels to first order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Horizon, make_labels, sum_ahead
from evaluators.alphas.markets.panel import Bools, Floats, Panel, make_panel
from evaluators.alphas.rank_ic import RankScorer
from evaluators.contract import ContractError

Array = NDArray[np.float64]

TEST_BEGINS = 0.75
"""Share of the days before the sealed test: where `dying` dies."""
REGIMES = ("calm", "normal", "stress")
REGIME_SCALE = np.array([0.75, 1.0, 1.8])
REGIME_DRIFT = np.array([0.0006, 0.0003, -0.0012])
REGIME_STAYS = np.array([0.985, 0.985, 0.96])
OWN_SD, MARKET_SD, STYLE_SD, INDUSTRY_SD, BOUNCE_SD = 0.016, 0.008, 0.0025, 0.004, 0.004
STYLES, INDUSTRIES = 5, 20
LARGEST_MOVE = 0.3


@dataclass(frozen=True, slots=True)
class Planted:
    """One alpha: its name, its AR(1) coefficient, and its effect on the next day's return in own sd."""

    name: str
    memory: float
    effect: float


PLANTED = (
    Planted("steady", 0.95, 0.0260),
    Planted("medium", 0.93, 0.0140),
    Planted("decaying", 0.93, 0.0215),
    Planted("regime", 0.93, 0.0500),
    Planted("dying", 0.93, 0.0210),
    Planted("costly", 0.60, 0.0240),
    Planted("null", 0.95, 0.0),
)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """A panel and what only its maker knows.

    Attributes:
        panel: the observable prices and volumes, with `cap` and `industry`.
        latents: z by name, (T, N) float32, mean 0 and variance 1.
        signals: by name, the part of each day's log return that z of the day before caused, (T, N) float32.
        regimes: the state of each day, 0 calm to 2 stress.
        seed: what it was drawn from.
    """

    panel: Panel
    latents: Mapping[str, Floats]
    signals: Mapping[str, Floats]
    regimes: NDArray[np.int64]
    seed: int

    @property
    def caused(self) -> Floats:
        """Returns the part of each day's log return that the planted signals caused, (T, N)."""
        return np.asarray(np.sum(list(self.signals.values()), axis=0))


def synthesize(
    seed: int = 0,
    *,
    days: int = 1500,
    names: int = 300,
    delisting: Literal["nan", "loss"] = "nan",
    planted: tuple[Planted, ...] = PLANTED,
) -> Market:
    """Returns a market of `days` x `names`; equal arguments give equal markets. About 0.5 s at 1500 x 300.

    With `delisting` "loss" a delisted name loses a third on its last day; with "nan" it just ends.
    """
    if days < 100 or names < 30:
        raise ContractError(f"a synthetic panel needs days >= 100 and names >= 30, got {days} and {names}")
    rng = np.random.default_rng([seed, days, names])
    regimes = _regimes(rng, days)
    latents = {alpha.name: _autoregression(rng, days, names, alpha.memory) for alpha in planted}
    own_sd, returns, style, industry = _risk(rng, regimes, names)
    signals = {}
    for alpha in planted:
        signal = np.zeros((days, names), dtype=np.float32)
        effect = alpha.effect * _strength(alpha.name, regimes)[1:, None]
        signal[1:] = effect * own_sd[1:] * latents[alpha.name][:-1]
        signals[alpha.name] = signal
    returns = np.clip(returns + np.sum(list(signals.values()), axis=0), -LARGEST_MOVE, LARGEST_MOVE)
    first, last, listed = _listings(rng, days, names)
    if delisting == "loss":
        gone = np.nonzero(last < days - 1)[0]
        returns[last[gone], gone] = math.log(2 / 3)
    present = listed & ~_suspensions(rng, days, names)
    fields = _observables(rng, returns, own_sd, latents, style[:, 0])
    fields = {name: np.where(present, values, np.nan) for name, values in fields.items()}
    fields["industry"] = np.broadcast_to(industry, (days, names))
    universe = listed & (np.arange(days)[:, None] - np.where(first > 0, first, -60)[None, :] >= 60)
    panel = make_panel(
        np.busday_offset("2015-01-05", np.arange(days), roll="forward"),
        [f"S{i:04d}" for i in range(names)],
        fields,
        universe=universe,
        tradable=present,
    )
    return Market(panel, latents, signals, regimes, seed)


def true_rank_ic(market: Market, name: str, horizon: Horizon | None = None) -> Array:
    """Returns the daily RankIC that the latent `name` truly has, (T,), NaN without labels.

    Its expectation is that of the measured RankIC of the latent, its noise a fraction of it.
    """
    horizon = horizon or Horizon()
    labels = make_labels(market.panel, horizon)
    signal = sum_ahead(market.signals[name], horizon)
    with np.errstate(invalid="ignore"):
        rest = np.log1p(labels.values) - signal
    scorer = RankScorer(market.latents[name], labels.mask, labels.min_names)
    return 0.5 * (scorer(signal + rest) + scorer(signal - rest))


def luckless_rank_ic(market: Market, factor: Array, horizon: Horizon | None = None) -> Array:
    """Returns the daily RankIC of a causal factor without most of its luck, (T,), NaN without labels.

    `factor` (T, N) in the order of the market's names. The same twin world, with s the sum of ALL planted signals: what a
    factor earns by knowing them stays, what befalls it (markets, styles, industries, own shocks) is met once as it came
    and once with the opposite sign. A causal factor knows nothing of e, so the expectation is that of the measured one.
    """
    horizon = horizon or Horizon()
    labels = make_labels(market.panel, horizon)
    signal = sum_ahead(market.caused, horizon)
    with np.errstate(invalid="ignore"):
        rest = np.log1p(labels.values) - signal
    scorer = RankScorer(factor, labels.mask, labels.min_names)
    return 0.5 * (scorer(signal + rest) + scorer(signal - rest))


def _strength(name: str, regimes: NDArray[np.int64]) -> Array:
    days = len(regimes)
    share = np.arange(days) / days
    if name == "decaying":
        return np.asarray(2.0 * (1.0 - share))
    if name == "regime":
        return np.where(regimes == 2, 1.0, 0.0)
    if name == "dying":
        return np.where(share < TEST_BEGINS, 1.0, 0.0)
    return np.ones(days)


def _regimes(rng: np.random.Generator, days: int) -> NDArray[np.int64]:
    draws, states = rng.random(days), np.empty(days, dtype=np.int64)
    goes = rng.random(days) < 0.6  # from either end through normal, from normal mostly to calm
    state = 1
    for day in range(days):
        if draws[day] > REGIME_STAYS[state]:
            state = 1 if state != 1 else (0 if goes[day] else 2)
        states[day] = state
    return states


def _autoregression(rng: np.random.Generator, days: int, names: int, memory: float) -> Floats:
    z = rng.standard_normal((days, names), dtype=np.float32)
    z[1:] *= np.float32(math.sqrt(1 - memory * memory))
    for day in range(1, days):
        z[day] += np.float32(memory) * z[day - 1]
    return z


def _risk(
    rng: np.random.Generator, regimes: NDArray[np.int64], names: int
) -> tuple[Array, Array, Array, NDArray[np.int64]]:
    """Returns own sd (T, N), returns without signals (T, N), style loads (N, 5), industries (N,)."""
    days = len(regimes)
    scale = REGIME_SCALE[regimes]
    style = rng.standard_normal((names, STYLES))
    industry = rng.integers(0, INDUSTRIES, names)
    beta = 1.0 + 0.3 * rng.standard_normal(names)
    shocks = rng.standard_t(4, (days, names)) / math.sqrt(2.0)
    level = OWN_SD * np.exp(0.25 * rng.standard_normal(names))
    variance, garch = np.ones(names), np.empty((days, names))
    for day in range(days):
        garch[day] = variance
        variance = 0.03 + (0.89 + 0.08 * shocks[day] ** 2) * variance
        np.minimum(variance, 25.0, out=variance)
    own_sd = np.sqrt(garch) * level * scale[:, None]
    common = REGIME_DRIFT[regimes] + MARKET_SD * scale * rng.standard_normal(days)
    factors = STYLE_SD * scale[:, None] * rng.standard_normal((days, STYLES))
    sectors = INDUSTRY_SD * scale[:, None] * rng.standard_normal((days, INDUSTRIES))
    returns = common[:, None] * beta + factors @ style.T + sectors[:, industry] + own_sd * shocks
    return own_sd, returns, style, industry


def _listings(
    rng: np.random.Generator, days: int, names: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], Bools]:
    """Returns first and last day of each name, and where it is listed, (T, N)."""
    order = rng.permutation(names)
    late, gone = order[: round(0.20 * names)], order[-round(0.12 * names) :]
    first, last = np.zeros(names, dtype=np.int64), np.full(names, days - 1)
    first[late] = rng.integers(1, int(0.5 * days), len(late))
    last[gone] = rng.integers(int(0.2 * days), days - 20, len(gone))
    day = np.arange(days)[:, None]
    return first, last, np.asarray((day >= first) & (day <= last))


def _suspensions(rng: np.random.Generator, days: int, names: int) -> Bools:
    out = np.zeros((days, names), dtype=np.bool_)
    for start, name in np.argwhere(rng.random((days, names)) < 0.001):
        out[start : start + rng.geometric(0.12), name] = True
    return out


def _observables(
    rng: np.random.Generator, returns: Array, own_sd: Array, latents: Mapping[str, Floats], size: Array
) -> dict[str, Array]:
    """Returns the fields; each latent moves its observable, with noise of about its own size."""
    shape = returns.shape

    def noise(sd: float) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(sd)

    def latent(name: str) -> Floats:
        return latents.get(name, np.zeros(1, dtype=np.float32))

    log_close = np.log(20.0) + np.cumsum(returns, axis=0) + noise(BOUNCE_SD)
    gap = own_sd * (0.35 * latent("regime") + noise(0.35)) + 0.3 * returns
    log_open = log_close.copy()
    log_open[1:] = log_close[:-1] + np.clip(gap[1:], -LARGEST_MOVE, LARGEST_MOVE)
    width = own_sd * np.exp(0.35 * latent("dying") + noise(0.35))
    share = 1 / (1 + np.exp(-1.2 * latent("decaying") - noise(1.2)))
    high = np.maximum(log_open, log_close) + width * (1 - share)
    low = np.minimum(log_open, log_close) - width * share
    vwap = np.clip(log_close + 0.4 * own_sd * (latent("medium") + noise(1.0)), low, high)
    surprise = np.minimum(np.abs(returns) / own_sd, 6.0)
    log_volume = 13.0 + 0.8 * size + 0.25 * surprise + 0.5 * latent("steady") + 0.4 * latent("costly")
    log_volume = log_volume + noise(0.4)
    shares = np.exp(17.0 + 1.2 * size)
    prices = {"open": log_open, "high": high, "low": low, "close": log_close, "vwap": vwap}
    fields = {name: np.exp(values) for name, values in prices.items()}
    return {**fields, "volume": np.exp(log_volume), "cap": fields["close"] * shares}
