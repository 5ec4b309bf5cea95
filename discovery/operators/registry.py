"""The operators by name: everything that can turn parents into a child, and how often each is chosen by default."""

from __future__ import annotations

from collections.abc import Mapping

from discovery.core import plugins
from discovery.core.choices import ASK_OPERATOR
from discovery.core.types import Operator, Specialist
from discovery.operators.plan import Execute, Instruct, Summarize
from discovery.settings.config import RunConfig
from evaluators.contract import Program

OPERATORS: Mapping[str, Operator] = {
    name: make() for name, make in plugins.load("discovery.operators").items()
}
JOBS: Mapping[str, Operator] = {
    **OPERATORS,
    **{step.name: step for step in (Execute(), Summarize(), Instruct())},
}
"""What executors can be asked for: the operators, and the steps that follow of themselves."""
MODEL_FREE_WEIGHTS: Mapping[str, float] = {"tune": 12.0, "splice": 1.0, "perturb": 0.5, "prune": 0.5}
MODEL_WEIGHTS: Mapping[str, float] = {
    "diff": 8.0,
    "rewrite": 1.0,
    "crossover": 1.0,
    "repair": 1.0,
    "cherry_pick": 16.0,
    "tune": 2.0,
}


def weights_of(config: RunConfig) -> Mapping[str, float]:
    """Returns the operators' weights in force, whatever the search begins with."""
    return config.operators or (MODEL_WEIGHTS if config.models.models else MODEL_FREE_WEIGHTS)


def is_asked(config: RunConfig) -> bool:
    """Returns whether somebody is asked for programs: a model, or whoever drives a study."""
    return bool(config.models.models) or config.operators.get(ASK_OPERATOR, 0) > 0


def weights_for(config: RunConfig, seed: Program) -> Mapping[str, float]:
    """Returns the operators' weights in force where the search begins with `seed`.

    Without a model, an operator made for such programs says what goes with it (`Specialist`).
    """
    if not config.operators and not config.models.models:
        for operator in OPERATORS.values():
            if isinstance(operator, Specialist) and (own := operator.default_weights(seed)):
                return own
    return weights_of(config)
