from __future__ import annotations

import numpy as np
import pytest

from benchmarks.baselines.genetic import evolve, terminals
from evaluators.alphas.factors import measure
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.markets.world import make_world

pytest.importorskip("gplearn")


def test_evolved_factors_are_scored_by_day_and_do_not_look_ahead() -> None:
    market = synthesize(4, days=560, names=60)
    world = make_world(market.panel, np.random.default_rng(0))
    found = evolve(world, 60, generations=3, seed=1)
    assert 1 <= len(found) <= 20
    assert all(factor.shape == world.shape for factor in found)
    figures = [
        measure(factor, world.labels, train=world.split.train, valid=world.split.valid)
        for factor in found[:3]
    ]
    assert figures[0]["train_rank_ic"] >= figures[-1]["train_rank_ic"] - 1e-3


def test_the_sample_of_a_day_does_not_depend_on_later_days() -> None:
    market = synthesize(4, days=560, names=60)
    whole, part = (make_world(market.panel, np.random.default_rng(0)) for _ in range(2))
    for name, values in part.features.items():
        part.features[name] = values[:401]
    np.testing.assert_array_equal(terminals(whole)[: 401 * 60], terminals(part))


def test_equal_seeds_evolve_equal_factors() -> None:
    world = make_world(synthesize(4, days=560, names=60).panel, np.random.default_rng(0))
    first, second = (evolve(world, 24, generations=2, seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
