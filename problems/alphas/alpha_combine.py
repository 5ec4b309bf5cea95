"""Write the model that combines thirty classic alpha factors into one prediction.

The program defines `fit(x, y, day)` and `predict(model, x)`. `fit` gets the training samples: x of shape
(samples, 30), one row per stock and day, each factor a rank within its day scaled to mean 0 and variance 1,
0 where unknown; y of shape (samples,), the rank of the stock's return over the ten days that begin a day
later, scaled likewise; and day of shape (samples,), the number of the sample's day, ascending. It returns
any object. `predict` is then called once per later day with that object and the x of the day's stocks,
(stocks, 30), and returns one number per stock; it may change the model, but sees no further returns, and no
later day before it has answered.

The labels of neighbouring days overlap and the signal is weak: about 1 part in 400 of the variance of y can
be explained. Prefer models that are hard to fool. numpy only, two minutes of processor time.

The score is the net RankIC on the later days: the mean daily rank correlation between the prediction and the
return, less what trading it costs in the same unit, so a prediction that changes slowly pays less.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluators.alphas.combination import DailyQuestions, ModelExaminer, score_model
from evaluators.contract import Case, Limits, Measure, Objective

PANEL = None  # a folder written by `discovery panel import`; a synthetic market where None
SEALED = True
EXAMINER = ModelExaminer(PANEL, days=1000, names=120, sealed=not SEALED)

SEED = '''"""Ridge regression on all factors."""

import numpy as np

# EVOLVE-BLOCK-START
RIDGE = 0.1


def fit(x, y, day):
    gram = x.T @ x / len(x)
    return np.linalg.solve(gram + RIDGE * np.eye(x.shape[1]), x.T @ y / len(x))


def predict(model, x):
    return x @ model
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("net_rank_ic", "maximize", plausible=0.2)
MEASURES = (
    Measure("log2_half_life", -1.0, 6.0, bins=14),
    Measure("ast_nodes", 0.0, 600.0, bins=12, source="code"),
)
LIMITS = Limits(cpu_s=120, wall_s=240, memory_mib=1024, output_mib=1)
PRELOAD = ("numpy",)


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the training samples, with the later days as the answer."""
    return EXAMINER.cases(rng, stage)


def serve(case: Case) -> DailyQuestions:
    """Returns who asks day by day."""
    return EXAMINER.serve(case)


def run(program: Any, inputs: Any, oracle: Any) -> None:
    """Fits the model and answers every day."""
    model = program.fit(inputs["x"], inputs["y"], inputs["day"])
    x = oracle(None)
    while x is not None:
        x = oracle({"answer": np.asarray(program.predict(model, x), dtype=np.float64)})


def score(case: Case, output: Any, oracle: DailyQuestions) -> dict[str, float]:
    """Returns the figures of the predictions."""
    return score_model(EXAMINER, case, oracle)
