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

from collections.abc import Mapping

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


def both_worlds(factor: Array, labels: Labels, twin: Labels | None) -> dict[str, float]:
    """Returns fair_rank_ic, the mean RankIC over both worlds, and twin_t, by how many standard errors they differ.

    Without a twin, fair_rank_ic is the mean RankIC, and twin_t 0.
    """
    happened = rank_ic(factor, labels.values, labels.mask, labels.min_names)
    if twin is None:
        return {"fair_rank_ic": float(np.nanmean(happened)), "twin_t": 0.0}
    other = rank_ic(factor, twin.values, labels.mask, labels.min_names)
    return {
        "fair_rank_ic": float(np.nanmean(0.5 * (happened + other))),
        "twin_t": newey_west_t(happened - other, labels.horizon.days),
    }


def check_knowledge(metrics: Mapping[str, float]) -> None:
    """Refuses a factor that does far better or worse in the world that happened than in its twin.

    Raises:
        Invalid: it knows what no past tells.
    """
    if abs(metrics["twin_t"]) > LARGEST_T:
        raise Invalid(
            "it predicts what no past tells, the part of the returns that nothing causes "
            f"(t {metrics['twin_t']:.1f}): it looks ahead, or remembers"
        )
