"""What a factor is worth without its luck, and without what it may remember: it is scored in two worlds at once.

The return of a name over some days is s + e: s what the planted signals caused, which a program can find, and e all the
rest, which nothing before it tells. The judge of a synthetic market knows s. In the twin world the same past is followed by s - e. A
causal factor has the same expectation in both, so their mean keeps it and loses most of its luck (e's part cancels to
first order). A program that has seen the future, in an earlier evaluation or by a leak, knows s + e; what it wins by e in the one world
it loses in the other. So the scores of a run are comparable to the last digit, all programs being judged in one market,
and remembering that market is worth nothing but s's share of its variance, about 1 part in 400.

A panel of real prices has no twin. There a memory would pay, and the sandbox alone (docs/trust.md) stands against it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Labels
from evaluators.alphas.metrics import newey_west_t
from evaluators.alphas.rank_ic import rank_ic
from evaluators.contract import Invalid

Array = NDArray[np.float64]

LARGEST_T = 8.0
"""How far, in standard errors, a factor's RankIC may differ between the two worlds. Of 31 honest factors in 30 markets the
farthest had 4.9, the standard deviation was 1.2."""


def fair_rank_ic(factor: Array, labels: Labels, twin: Labels) -> float:
    """Returns the mean RankIC over both worlds.

    Raises:
        Invalid: the factor does far better or worse in the world that happened: it knows what no past tells.
    """
    happened = rank_ic(factor, labels.values, labels.mask, labels.min_names)
    other = rank_ic(factor, twin.values, labels.mask, labels.min_names)
    t = newey_west_t(happened - other, labels.horizon.days)
    if abs(t) > LARGEST_T:
        raise Invalid(
            f"it predicts what no past tells, the part of the returns that nothing causes (t {t:.1f})"
        )
    return float(np.nanmean(0.5 * (happened + other)))
