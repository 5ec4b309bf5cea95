"""Place language models on GPUs so that no GPU is pressed for memory.

Every GPU has 80 GB. A model has a size in GB, a request rate and a latency target (slo). The pressure on
a GPU is the sum of rate / slo of its models over the memory that they leave free. The program defines
`place(gpus, models)`, where `models` is a list of [size, rate, slo] (integers) and `gpus` a number; it
returns one GPU number, 0 to gpus - 1, for each model in order. There are 50 instances of 5 to 9 GPUs with
twice as many models. Every GPU that carries models must keep some memory free. The score is 1 / (mean
over the instances of the largest pressure), to be made as large as possible; it is computed exactly.
"""

# The problem and its 50 instances are those of the ADRS and SkyDiscover benchmarks ("PRISM", after arXiv
# 2505.04021), where the score is the same. It is solved: bisection on the pressure with an exact packing
# search proves the optimum below, so a program that finds it ends the run. Models are given by position,
# as copies: there is nothing to alter.

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from evaluators.contract import Baseline, BestKnown, Case, Invalid, Limits, Measure, Objective
from evaluators.exact import read_integer, read_list

MEMORY = 80
INSTANCES = 50
SEED_OF_INSTANCES = 42
OPTIMUM = 25.25597174953524  # exactly 25.25597174953523992...; published as ...238, from rounded pressures

SEED = '''"""Deals the models out, the most demanding first."""

# EVOLVE-BLOCK-START
RATE_WEIGHT = 1.0
SIZE_WEIGHT = 0.0


def place(gpus, models):
    def demand(index):
        size, rate, slo = models[index]
        return RATE_WEIGHT * rate / slo + SIZE_WEIGHT * size / 80

    free = [80] * gpus
    result = [0] * len(models)
    for turn, index in enumerate(sorted(range(len(models)), key=demand, reverse=True)):
        gpu = turn % gpus
        if free[gpu] <= models[index][0]:
            gpu = max(range(gpus), key=lambda g: free[g])
        free[gpu] -= models[index][0]
        result[index] = gpu
    return result
# EVOLVE-BLOCK-END
'''

HEURISTIC_SEED = '''"""Moves one model, or exchanges two, where that takes pressure off the GPU that has most."""

import time

import numpy as np

# EVOLVE-BLOCK-START
PATIENCE = 0.02  # how much worse an instance may get in a step, as a share, with luck


def pressure(gpus, models, placement):
    free, load = [80.0] * gpus, [0.0] * gpus
    for (size, rate, slo), gpu in zip(models, placement):
        free[gpu] -= size
        load[gpu] += rate / slo
    return max(l / f if f > 0 else float("inf") for l, f in zip(load, free))


def improve(inputs, best, report, deadline_s):
    end = time.monotonic() + 0.9 * deadline_s
    rng = np.random.default_rng(0)
    best = [list(placement) for placement in best]
    values = [pressure(one["gpus"], one["models"], placement) for one, placement in zip(inputs, best)]
    now = [list(placement) for placement in best]
    at = list(values)
    while time.monotonic() < end:
        has_gained = False
        for _ in range(300):
            k = int(rng.integers(len(inputs)))
            gpus, models = inputs[k]["gpus"], inputs[k]["models"]
            other = list(now[k])
            i, j = (int(n) for n in rng.choice(len(models), 2, replace=False))
            if rng.random() < 0.5:
                other[i], other[j] = other[j], other[i]
            else:
                other[i] = int(rng.integers(gpus))
            value = pressure(gpus, models, other)
            if value <= at[k] * (1 + PATIENCE * rng.random() ** 4):
                now[k], at[k] = other, value
            if value < values[k]:
                best[k], values[k], has_gained = other, value, True
        if has_gained:
            report(best)
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("inverse_pressure", "maximize", target=OPTIMUM, bound=OPTIMUM)
MEASURES = (
    Measure("free_spread", 0.0, 30.0, bins=12),
    Measure("load_spread", 0.0, 2.0, bins=12),
    Measure("ast_nodes", 0, 1200, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=20, memory_mib=256, output_mib=1)
CERTIFICATE = True
BEST_KNOWN = BestKnown(OPTIMUM, "exact optimum, by bisection and packing search", "2026", certified=True)
BASELINE = Baseline(OPTIMUM, "benchmarks/baselines/algorithms/prism_placement.py, seed 0")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns the one case: the 50 published instances."""
    del rng, stage
    draw = np.random.RandomState(SEED_OF_INSTANCES)
    return [_case(draw, "published")]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns 50 fresh instances, drawn in the same way."""
    return [_case(np.random.RandomState(rng.integers(2**32, dtype=np.uint32)), "fresh")]


def _case(draw: np.random.RandomState, name: str) -> Case:
    instances = []
    for _ in range(INSTANCES):
        gpus = draw.randint(5, 10)
        models = [
            [int(draw.randint(*span)) for span in ((10, 30), (1, 10), (5, 10))] for _ in range(2 * gpus)
        ]
        instances.append({"gpus": int(gpus), "models": models})
    return Case(inputs=instances, name=f"{INSTANCES} {name} instances")


def run(program: Any, inputs: list[dict[str, Any]]) -> Any:
    """Returns the program's placements, one list per instance."""
    return [program.place(one["gpus"], [list(model) for model in one["models"]]) for one in inputs]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns `inverse_pressure`, exact and rounded once, and how even the GPUs are on average.

    `free_spread` is the deviation of the GPUs' free memory, `load_spread` that of their sums of rate / slo.

    Raises:
        Invalid: an instance has no placement, or a model no GPU, or a GPU has no memory left.
    """
    loads = _all_loads(case, output)
    spreads = [(np.std(free), np.std([float(busy) for busy in load])) for free, load in loads]
    free_spread, load_spread = np.mean(spreads, axis=0)
    return {
        "inverse_pressure": float(_inverse_pressure(loads)),
        "free_spread": float(free_spread),
        "load_spread": float(load_spread),
    }


def exact(case: Case, output: Any) -> Fraction:
    """Returns the inverse of the mean pressure."""
    return _inverse_pressure(_all_loads(case, output))


def _inverse_pressure(loads: Sequence[tuple[list[int], list[Fraction]]]) -> Fraction:
    pressures = (max(map(Fraction, load, free)) for free, load in loads)
    return len(loads) / sum(pressures, Fraction(0))


def _all_loads(case: Case, output: Any) -> list[tuple[list[int], list[Fraction]]]:
    """Returns the free memory and the loads of each instance's GPUs."""
    placements = read_list(output, "the placements", len(case.inputs), len(case.inputs))
    pairs = enumerate(zip(case.inputs, placements, strict=True))
    return [_loads(number, instance, placement) for number, (instance, placement) in pairs]


def _loads(number: int, instance: dict[str, Any], placement: Any) -> tuple[list[int], list[Fraction]]:
    """Returns the free memory and the sum of rate / slo of each GPU."""
    gpus, models = instance["gpus"], instance["models"]
    free, load = [MEMORY] * gpus, [Fraction(0)] * gpus
    entries = read_list(placement, f"placement {number}", len(models), len(models), kinds="iu")
    for model, entry in enumerate(entries):
        gpu = read_integer(entry, f"the GPU of model {model} in placement {number}", 0, gpus - 1)
        size, rate, slo = models[model]
        free[gpu] -= size
        load[gpu] += Fraction(rate, slo)
    crowded = [gpu for gpu in range(gpus) if free[gpu] <= 0]
    if crowded:
        raise Invalid(
            f"GPU {crowded[0]} in placement {number} carries {MEMORY - free[crowded[0]]} GB; "
            f"all models on a GPU must take less than {MEMORY} GB"
        )
    return free, load
