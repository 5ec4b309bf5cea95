"""Grow a pool of up to 8 alpha factors that together say which stocks will do better than the others.

The program defines `factors(x)`. `x` maps open, high, low, close, volume and vwap to arrays of shape (days,
stocks), first day first, NaN where a stock is not listed or suspended. `factors` returns a list of 1 to 8
arrays of that shape; the values of a day may depend on this and earlier days only. A factor needs values
for 80 % of the traded stocks after the first 120 days, and may not correlate with an earlier one of the
list by more than 0.7; others are left out. Only the order of the stocks within a day matters, and signs and
weights are fitted for you on the training days (ridge regression, recent days count more), so add what is
NEW rather than what is strong.

The score is the net RankIC of the weighted pool on later days: the mean daily rank correlation with the
return of the ten days that begin a day later, less what trading it costs in the same unit, so smooth what
jumps. The last days of the market stay sealed. The program is run again on the same past with other
futures: if a value changes, it is rejected.

`from evaluators.alphas import operators as op` gives causal building blocks: op.delay, delta, returns,
divide, log, signed_power, ts_sum, ts_mean, ts_std, ts_zscore, ts_corr, ts_max, ts_min, ts_rank, ewma,
decay_linear, cs_rank, cs_demean, cs_zscore, cs_residual; for example op.ts_mean(op.returns(x["close"]), 20).
"""

from __future__ import annotations

from typing import Any

from evaluators.alphas.combine import POOL_SIZE
from evaluators.alphas.exam import Examiner, merged, score_pool
from evaluators.contract import Case, Limits, Measure, Objective, Oracle

PANEL = None  # a folder written by `discovery panel import`; a synthetic market where None
SEALED = True
GATE = None  # COGALPHA_QUALIFIED or COGALPHA_ELITE of evaluators.alphas.admission; asked of elites
EXAMINER = Examiner(PANEL, members=POOL_SIZE, sealed=not SEALED, gate=GATE)

SEED = '''"""A pool of factors, each in a function of its own; windows are half-lives in days."""

import numpy as np

from evaluators.alphas import operators as op

# EVOLVE-BLOCK-START
def trend(x, fast=8.0, slow=40.0):
    return op.divide(op.ewma(x["close"], fast), op.ewma(x["close"], slow))


def busy(x, fast=5.0, slow=60.0):
    volume = op.log(x["volume"])
    return op.ewma(volume, fast) - op.ewma(volume, slow)


def location(x, days=5.0):
    return op.ewma(op.divide(x["close"] - x["low"], x["high"] - x["low"]), days)


def width(x, fast=5.0, slow=60.0):
    spread = op.log(op.divide(x["high"], x["low"]))
    return op.divide(op.ewma(spread, fast), op.ewma(spread, slow))


def premium(x, days=5.0):
    return op.ewma(op.log(op.divide(x["vwap"], x["close"])), days)


def overnight(x, days=5.0):
    return op.ewma(op.divide(x["open"], op.delay(x["close"], 1)), days)


def factors(x):
    return [trend(x), busy(x), location(x), width(x), premium(x), overnight(x)]
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("net_rank_ic", "maximize", plausible=0.2)
MEASURES = (
    Measure("log2_half_life", -1.0, 6.0, bins=14),
    Measure("volatility_exposure", -0.8, 0.8, bins=16),
)
LIMITS = Limits(cpu_s=60, wall_s=120, memory_mib=1024, output_mib=32)
STAGES = 2
THRESHOLDS = (-0.03,)
PRELOAD = ("numpy", "evaluators.alphas.operators")


cases, held_out, serve, aggregate = EXAMINER.cases, EXAMINER.held_out, EXAMINER.serve, merged


def run(program: Any, inputs: Any, oracle: Any) -> None:
    """Answers the questions, one after the other."""
    features = oracle(None)
    while features is not None:
        features = oracle({"answer": list(program.factors(features))})


def score(case: Case, output: Any, oracle: Oracle) -> dict[str, float]:
    """Returns the pool's metrics."""
    return score_pool(EXAMINER, case, oracle)
