"""Genetic programming by gplearn, wrapped so that a factor is scored day by day.

gplearn correlates its programs with a target over the whole pooled sample, which is not what a cross-section
asks for. Here its metric gets the column back as (days, names) and returns the mean daily RankIC on the
training days; its functions work along the days of each name, with fixed windows, and never look ahead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas import operators as op
from evaluators.alphas.markets.world import World
from evaluators.alphas.rank_ic import RankScorer

Array = NDArray[np.float64]

WINDOWS = (5, 20, 60)


def terminals(world: World) -> Array:
    """Returns the (days x names, features) sample: logs of the six fields, gaps filled forward, then by 0."""
    columns = []
    for values in world.features.values():
        logs = op.log(values)
        known = np.isfinite(logs)
        row = np.maximum.accumulate(np.where(known, np.arange(len(logs))[:, None], 0), axis=0)
        columns.append(np.nan_to_num(np.take_along_axis(logs, row, axis=0)).ravel())
    return np.stack(columns, axis=1)


def evolve(world: World, evaluations: int, *, generations: int, seed: int) -> list[Array]:
    """Returns the (T, N) factors of the last generation, the best on the training days first, each once."""
    from gplearn.fitness import make_fitness
    from gplearn.functions import make_function
    from gplearn.genetic import SymbolicRegressor

    shape, train = world.shape, world.split.train
    labels = world.labels.rows(train.start, train.stop)
    scorer = RankScorer(labels.values, labels.mask, labels.min_names)

    def fitness(y: Array, values: Array, w: Array) -> float:
        del y, w
        if len(values) != shape[0] * shape[1]:  # gplearn tries its metric on two numbers first
            return 0.0
        daily = scorer(values.reshape(shape)[train])
        return abs(float(np.nanmean(daily))) if np.isfinite(daily).any() else 0.0

    def flat(function: Callable[..., Array], *columns: Array) -> Array:
        if columns[0].size != shape[0] * shape[1]:  # gplearn tries its functions on ten numbers first
            return columns[0]
        return np.nan_to_num(function(*(column.reshape(shape) for column in columns))).ravel()

    def unary(function: Callable[..., Array], name: str) -> object:
        return make_function(function=lambda x: flat(function, x), name=name, arity=1)

    def binary(function: Callable[..., Array], name: str) -> object:
        return make_function(function=lambda x, y: flat(function, x, y), name=name, arity=2)

    functions: list[object] = ["add", "sub", "mul", "div", "abs", "neg"]
    functions.append(unary(op.cs_rank, "rank"))
    for days in WINDOWS:
        functions += [
            unary(lambda x, days=days: op.ts_mean(x, days), f"mean{days}"),
            unary(lambda x, days=days: op.ts_std(x, days), f"std{days}"),
            unary(lambda x, days=days: op.delta(x, days), f"delta{days}"),
            binary(lambda x, y, days=days: op.ts_corr(x, y, days), f"corr{days}"),
        ]
    population = max(4, evaluations // generations)
    search = SymbolicRegressor(
        population_size=population,
        generations=generations,
        tournament_size=max(2, population // 10),
        stopping_criteria=10.0,
        function_set=functions,
        metric=make_fitness(function=fitness, greater_is_better=True),
        parsimony_coefficient=0.0002,
        init_depth=(2, 5),
        random_state=seed,
    )
    sample = terminals(world)
    search.fit(sample, np.zeros(len(sample)))
    programs = {str(program): program for program in search._programs[-1] if program is not None}
    ranked = sorted(programs.values(), key=lambda program: -program.raw_fitness_)
    return [program.execute(sample).reshape(shape) for program in ranked]
