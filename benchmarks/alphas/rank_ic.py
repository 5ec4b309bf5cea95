"""How long the daily RankIC of one factor takes, by every path, and against the pandas group-by, in one run.

    python -m benchmarks.alphas.rank_ic [--days 2500] [--names 300] [--rounds 15] [--seed 0]

5 % of the values are missing, labels have Student-t4 tails. Times are medians of one thread's processor
milliseconds, so that neighbours on the machine count little; the paths are interleaved round by round, the
group-by is timed in three rounds. Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from evaluators.alphas.rank_ic import RankScorer, has_numba, rank_ic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("days", 2500), ("names", 300), ("rounds", 15), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    shape = (options.days, options.names)
    x = rng.standard_normal(shape).astype(np.float32)
    y = rng.standard_t(4, shape)
    for values in (x, y):
        values[rng.random(shape) < 0.05] = np.nan
    mask = np.ones(shape, dtype=bool)
    paths: dict[str, Callable[[], Any]] = {"exact": lambda: rank_ic(x, y, mask)}
    if has_numba():
        scorer = RankScorer(y, mask, engine="numba")
        scorer(x)
        paths["packed"] = lambda: scorer(x)
    rows, columns = np.nonzero(np.isfinite(x) & np.isfinite(y))
    frame = pd.DataFrame({"day": rows, "x": x[rows, columns], "y": y[rows, columns]})
    times: dict[str, list[float]] = {name: [] for name in (*paths, "pandas")}
    for round_ in range(options.rounds):
        for name, call in paths.items():
            times[name].append(_time(call))
        if round_ < 3:
            times["pandas"].append(_time(lambda: _group_by(frame)))
    medians = {f"{name}_ms": round(float(np.median(spent)), 2) for name, spent in times.items()}
    spread = {f"{name}_range": [round(min(spent), 2), round(max(spent), 2)] for name, spent in times.items()}
    ratios = {f"pandas_over_{name}": round(medians["pandas_ms"] / medians[f"{name}_ms"], 1) for name in paths}
    gap = float(np.nanmax(np.abs(scorer(x) - rank_ic(x, y, mask)))) if has_numba() else None
    machine = {"machine": platform.processor() or platform.machine(), "load": round(os.getloadavg()[0], 1)}
    head = {"days": options.days, "names": options.names, "rounds": options.rounds, "seed": options.seed}
    print(json.dumps({**head, **medians, **spread, **ratios, "packed_minus_exact": gap, **machine}))


def _group_by(frame: pd.DataFrame) -> Any:
    return frame.groupby("day")[["x", "y"]].apply(lambda day: day["x"].corr(day["y"], method="spearman"))


def _time(call: Callable[[], Any]) -> float:
    begun = time.thread_time()
    call()
    return 1000 * (time.thread_time() - begun)


if __name__ == "__main__":
    main()
