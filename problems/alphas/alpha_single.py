"""Write one alpha factor: a number per stock and day that says which stocks will do better than the others.

The program defines `factor(x)`. `x` maps open, high, low, close, volume and vwap to arrays of shape (days,
stocks), first day first, NaN where a stock is not listed or suspended. `factor` returns an array of that
shape; the values of a day may depend on this and earlier days only. NaN marks a missing value, and at least
80 % of the traded stocks need a value after the first 120 days. Only the order of the stocks within a day
matters, and its sign is fitted for you.

The score is the net RankIC: the mean daily rank correlation between the factor and the return of the ten days
that begin a day later, less what trading it costs in the same unit. So a factor must predict and must not
change its mind every day: smooth it. Training days choose the sign, later days are scored, and the last
days of the market stay sealed. The program is run again on the same past with other futures: if a value
changes, it is rejected.

`from evaluators.alphas import operators as op` gives causal building blocks: op.delay, delta, returns,
divide, log, signed_power, ts_sum, ts_mean, ts_std, ts_zscore, ts_corr, ts_max, ts_min, ts_rank, ewma,
decay_linear, cs_rank, cs_demean, cs_zscore, cs_residual; for example op.ts_mean(op.returns(x["close"]), 20).
"""

from __future__ import annotations

from typing import Any

from evaluators.alphas.exam import Examiner, merged, score_factor
from evaluators.contract import Case, Limits, Measure, Objective, Oracle

PANEL = None  # a folder written by `discovery panel import`; a synthetic market where None
SEALED = True
GATE = None  # COGALPHA_QUALIFIED or COGALPHA_ELITE of evaluators.alphas.admission; asked of elites
EXAMINER = Examiner(PANEL, sealed=not SEALED, gate=GATE)

SEED = '''"""How far the price is from its average, and how busy the trading; windows are half-lives in days."""

import numpy as np

from evaluators.alphas import operators as op

# EVOLVE-BLOCK-START
TREND = 1.0
BUSY = 0.5


def factor(x, fast=8.0, slow=40.0, days=5.0, usual=60.0):
    trend = op.divide(op.ewma(x["close"], fast), op.ewma(x["close"], slow))
    volume = op.log(x["volume"])
    busy = op.ewma(volume, days) - op.ewma(volume, usual)
    return TREND * op.cs_rank(trend) + BUSY * op.cs_rank(busy)
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("net_rank_ic", "maximize", plausible=0.2)
MEASURES = (
    Measure("log2_half_life", -1.0, 6.0, bins=14),
    Measure("family", -0.5, 6.5, bins=7),
)
LIMITS = Limits(cpu_s=20, wall_s=40, memory_mib=768, output_mib=4)
STAGES = 2
THRESHOLDS = (-0.03,)
PRELOAD = ("numpy", "evaluators.alphas.operators")


cases, held_out, serve, aggregate = EXAMINER.cases, EXAMINER.held_out, EXAMINER.serve, merged


def run(program: Any, inputs: Any, oracle: Any) -> None:
    """Answers the questions, one after the other."""
    features = oracle(None)
    while features is not None:
        features = oracle({"answer": program.factor(features)})


def score(case: Case, output: Any, oracle: Oracle) -> dict[str, float]:
    """Returns the factor's metrics."""
    return score_factor(EXAMINER, case, oracle)
