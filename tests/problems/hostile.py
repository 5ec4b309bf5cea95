"""What every cheating suite shares: outputs that are no honest numbers, and how a refusal is caught."""

from __future__ import annotations

import copy
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluators.contract import Case, Invalid
from evaluators.problems.loading import Problem, load_problem

NO_NUMBERS = [
    pytest.param(float("nan"), id="nan"),
    pytest.param(float("inf"), id="inf"),
    pytest.param(-float("inf"), id="-inf"),
    pytest.param(1e300, id="1e300"),
    pytest.param(1e-161, id="1e-161"),
    pytest.param(0.5 + 0j, id="complex"),
    pytest.param(True, id="bool"),
    pytest.param("0.5", id="text"),
    pytest.param(None, id="none"),
    pytest.param([0.5], id="list"),
    pytest.param(np.float64(0.5), id="float64"),
    pytest.param(1 << 20000, id="huge"),
]

NO_LISTS = [
    pytest.param(None, id="none"),
    pytest.param("pack", id="text"),
    pytest.param({}, id="dict"),
    pytest.param(3.0, id="number"),
    pytest.param([], id="empty"),
    pytest.param(np.float64(3.0), id="numpy-scalar"),
    pytest.param(np.zeros((16, 2), dtype=complex), id="complex-array"),
    pytest.param(np.zeros((16, 2), dtype=bool), id="bool-array"),
]


def seed_program(module: ModuleType) -> Any:
    """The seed as `run` gets it."""
    names: dict[str, Any] = {"__name__": "program"}
    exec(module.SEED, names)
    return SimpleNamespace(**names)


def first_case(module: ModuleType, seed: int = 0) -> Case:
    return module.cases(np.random.default_rng(seed), 0)[0]


def seed_output(module: ModuleType) -> Any:
    return module.run(seed_program(module), copy.deepcopy(first_case(module).inputs))


def reject(module: ModuleType, output: Any, case: Case | None = None, **served: Any) -> str:
    """The reason for which the scorer refuses `output`."""
    with pytest.raises(Invalid) as caught:
        module.score(case or first_case(module), output, **served)
    assert str(caught.value)
    return str(caught.value)


def with_entry(output: Any, *path_and_value: Any) -> Any:
    """A copy of nested lists with the entry at a path replaced."""
    *path, last, value = path_and_value
    changed = copy.deepcopy(output)
    place = changed
    for index in path:
        place = place[index]
    place[last] = value
    return changed


def check_declaration(module: ModuleType, metrics: dict[str, float]) -> Problem:
    """The module loads, and an honest score keeps within its bound and its measures."""
    problem = load_problem(module.__name__.rpartition(".")[2])
    assert set(problem.metric_names) <= set(metrics)
    for measure in problem.measures:
        if measure.source == "metrics":
            assert measure.low <= metrics[measure.name] <= measure.high
    objective = problem.objective
    value = objective.fitness(metrics[objective.name])
    if objective.bound is not None:
        assert value <= objective.fitness(objective.bound)
    best = next((one for one in problem.best_known if not one.scope), None)
    if best is not None:
        assert value < objective.fitness(best.value), "the seed must be weaker than the best known"
        if objective.bound is not None:
            assert objective.fitness(best.value) <= objective.fitness(objective.bound)
    return problem
