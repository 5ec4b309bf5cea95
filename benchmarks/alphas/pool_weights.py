"""How the weights of a pool's members should be learned: from which days, and how far to believe them.

    python -m benchmarks.alphas.pool_weights [--markets 12] [--first 201]

On each synthetic market (300 names, 1,500 days) the seed pool of `alpha_pool` is weighted by ridge regression on the
days before the test, with every half-life of the days and every number of standard errors by which a member's match is
shrunk; the RankIC on the test days is that without most of its luck (evaluators.alphas.markets.synthetic). Prints mean, and mean
difference with its standard deviation to what evaluators/alphas/combine.py has.
"""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.combine import (
    RECENT_DAYS,
    SHRINK,
    combined_signal,
    daily_matches,
    mutual_correlations,
    recent_shares,
    shrunk_match,
    solve_ridge,
    standardise,
)
from evaluators.alphas.markets.labels import make_labels
from evaluators.alphas.markets.splits import make_split
from evaluators.alphas.markets.synthetic import luckless_rank_ic, synthesize
from evaluators.alphas.markets.world import FEATURES, WARM_UP_DAYS
from problems.alphas import alpha_pool

HALF_LIVES = (math.inf, 500.0, 250.0, 125.0)
SHRINKS = (0.0, 1.0, 2.0)
RULES = tuple((half_life, shrink) for half_life in HALF_LIVES for shrink in SHRINKS)


def measure(seed: int) -> NDArray[np.float64]:
    """Returns the test RankIC by rule of one market."""
    market = synthesize(seed)
    panel, labels = market.panel, make_labels(market.panel)
    split = make_split(len(panel.dates), labels.horizon, warm_up_days=WARM_UP_DAYS)
    before = slice(split.train.start, split.valid.stop)
    space: dict[str, Any] = {}
    exec(alpha_pool.SEED, space)
    factors = space["factors"]({name: panel.fields[name] for name in FEATURES})
    stack = np.stack([standardise(factor, panel.universe) for factor in factors])
    match = daily_matches(stack, labels, panel.universe, before)
    found = []
    for half_life, shrink in RULES:
        shares = recent_shares(match.shape[1], half_life_days=half_life)
        shrunk = shrunk_match(match, shares, lag=2 * (labels.horizon.days - 1), shrink=shrink)
        weights = solve_ridge(mutual_correlations(stack, panel.universe, before, shares), shrunk)
        daily = luckless_rank_ic(market, combined_signal(stack, weights))
        found.append(float(np.nanmean(daily[split.test])))
    return np.array(found)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markets", type=int, default=12)
    parser.add_argument("--first", type=int, default=201)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.markets)
    found = np.array([measure(seed) for seed in seeds])
    gains = found - found[:, [RULES.index((RECENT_DAYS, SHRINK))]]
    for place, (half_life, shrink) in enumerate(RULES):
        print(
            f"half-life {half_life:g} days, shrunk by {shrink:g}: {found[:, place].mean():.4f}, "
            f"{gains[:, place].mean():+.4f} (sd {gains[:, place].std(ddof=1):.4f})"
        )
    print(f"{len(found)} markets, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
