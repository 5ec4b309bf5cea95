import numpy as np
import pytest

from evaluators.alphas.exam import Examiner
from evaluators.alphas.factors import measure
from evaluators.alphas.markets.labels import make_labels, twin_labels
from evaluators.alphas.markets.synthetic import luckless_rank_ic, synthesize
from evaluators.alphas.markets.world import World
from evaluators.alphas.rank_ic import rank_ic
from evaluators.alphas.twins import both_worlds, check_knowledge
from evaluators.alphas.zoo import compute_zoo
from evaluators.contract import Invalid


@pytest.fixture(scope="module")
def world() -> World:
    return Examiner(days=900, names=120)._draw(np.random.default_rng(3))


def net_rank_ic(world: World, factor: np.ndarray, *, fair: bool = True) -> float:
    split, labels = world.split, world.labels.rows(0, world.shape[0])
    twin = world.twin if fair else None
    found = measure(factor, labels, train=split.train, valid=split.valid, twin=twin)
    check_knowledge(found)
    return found["net_rank_ic"]


def remembered(world: World) -> np.ndarray:
    """What a program would know that had stored on which side of the day's median each return came."""
    values = world.labels.values[: world.shape[0]]
    known = np.where(values > np.nanmedian(values, axis=1, keepdims=True), 1.0, 0.0)
    known[: world.split.valid.start] = 0.5
    return known


def test_the_mean_over_both_worlds_is_what_a_factor_is_worth_without_its_luck():
    market = synthesize(5, days=600, names=80)
    factor = np.asarray(market.latents["steady"], dtype=float)
    labels = make_labels(market.panel)
    twin = twin_labels(labels, market.caused)
    both = [rank_ic(factor, one.values, labels.mask, labels.min_names) for one in (labels, twin)]
    assert np.allclose(np.mean(both, axis=0), luckless_rank_ic(market, factor), equal_nan=True, atol=1e-6)


def test_a_little_memory_of_the_returns_earns_nothing(world):
    honest = np.asarray(next(iter(compute_zoo(world.features))), dtype=float)
    ranks = np.argsort(np.argsort(np.nan_to_num(honest), axis=1), axis=1) / honest.shape[1]
    ranks[~np.isfinite(honest)] = np.nan
    cheating = ranks + 0.03 * remembered(world)
    assert net_rank_ic(world, cheating, fair=False) > net_rank_ic(world, ranks, fair=False) + 0.02
    assert net_rank_ic(world, cheating) < net_rank_ic(world, ranks) + 0.005


def test_a_program_that_knows_the_returns_is_refused(world):
    with pytest.raises(Invalid, match="no past tells"):
        net_rank_ic(world, remembered(world) + 1e-3 * np.arange(world.shape[1]))


def test_honest_factors_are_scored(world):
    scored = world.split.valid
    labels, twin = (one.rows(scored.start, scored.stop) for one in (world.labels, world.twin))
    for factor in compute_zoo(world.features):
        check_knowledge(both_worlds(np.asarray(factor, dtype=float)[scored], labels, twin))
