from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from evaluators.alphas import rank_ic as module
from evaluators.alphas.rank_ic import RankScorer, average_ranks, has_numba, ic, rank_ic
from evaluators.contract import ContractError
from tests.evaluators.alphas.arrays import gappy

ENGINES = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not has_numba(), reason="no numba"))]


def by_scipy(x, y, mask, least, method):
    out = np.full(len(x), np.nan)
    for t in range(len(x)):
        use = mask[t] & np.isfinite(x[t]) & np.isfinite(y[t])
        if use.sum() >= least and np.ptp(x[t, use]) > 0 and np.ptp(y[t, use]) > 0:
            out[t] = method(x[t, use], y[t, use]).statistic
    return out


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_exact_path_equals_scipy_to_1e12(seed, ties) -> None:
    data = gappy(np.random.default_rng(seed), ties=ties)
    want = by_scipy(**data, least=30, method=stats.spearmanr)
    got = rank_ic(**data, min_names=30)
    assert np.isnan(want[7:11]).all()
    assert np.isfinite(want).sum() == 56
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    want = by_scipy(**data, least=30, method=stats.pearsonr)
    np.testing.assert_allclose(ic(**data, min_names=30), want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ties", [False, True])
def test_packed_path_is_exact_on_float32_values(engine, ties) -> None:
    data = gappy(np.random.default_rng(11), ties=ties)
    data["x"] = data["x"].astype(np.float32)
    scorer = RankScorer(data["y"], data["mask"], 30, engine=engine)
    want = by_scipy(**data, least=30, method=stats.spearmanr)
    for _ in range(2):
        np.testing.assert_allclose(scorer(data["x"]), want, rtol=0, atol=1e-12)
    np.testing.assert_allclose(scorer(-data["x"]), -want, rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
@given(
    hnp.arrays(
        np.float32, (3, 9), elements=st.sampled_from([-2.0, -0.0, 0.0, 1e-40, 1.0, 7.5, np.nan, np.inf])
    ),
    hnp.arrays(np.float64, (3, 9), elements=st.sampled_from([-1.0, -0.0, 0.0, 3.0, np.nan])),
)
def test_packed_path_handles_ties_zeros_denormals_and_gaps(engine, x, y) -> None:
    mask = np.ones(x.shape, bool)
    want = by_scipy(x, y, mask, 2, stats.spearmanr)
    np.testing.assert_allclose(RankScorer(y, mask, engine=engine)(x), want, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rank_ic(x, y, mask), want, rtol=0, atol=1e-12)


def test_ranks_equal_pandas() -> None:
    data = gappy(np.random.default_rng(2), ties=True)
    use = data["mask"] & np.isfinite(data["x"])
    want = pd.DataFrame(np.where(use, data["x"], np.nan)).rank(axis=1).to_numpy()
    np.testing.assert_array_equal(average_ranks(data["x"], use), want)


def test_rank_ic_ignores_monotone_maps_of_either_side() -> None:
    data = gappy(np.random.default_rng(4))
    bent = {**data, "x": data["x"] ** 3, "y": np.exp(data["y"])}
    np.testing.assert_array_equal(rank_ic(**bent), rank_ic(**data))


@pytest.mark.parametrize("engine", ENGINES)
@given(
    hnp.arrays(np.float64, (3, 9), elements=st.sampled_from([-2.0, -0.0, 0.0, 1e-300, 7.5, 1e300])),
    hnp.arrays(np.bool_, (3, 9)),
)
def test_average_ranks_are_those_of_scipy_within_the_mask(engine, values, mask) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if engine == "numpy":
            patch.setattr(module, "has_numba", lambda: False)
        got = average_ranks(values, mask)
    assert np.isnan(got[~mask]).all()
    for row, inside, ranks in zip(values, mask, got, strict=True):
        np.testing.assert_array_equal(ranks[inside], stats.rankdata(row[inside]))


def test_without_numba_the_result_is_the_same(monkeypatch) -> None:
    monkeypatch.setattr(module, "has_numba", lambda: False)
    data = gappy(np.random.default_rng(5))
    scorer = RankScorer(data["y"], data["mask"], 30)
    assert scorer.engine == "numpy"
    x = data["x"].astype(np.float32)
    np.testing.assert_array_equal(scorer(x), rank_ic(x, data["y"], data["mask"], 30))
    with pytest.raises(ContractError, match="needs numba"):
        RankScorer(data["y"], data["mask"], engine="numba")


def test_wrong_arguments_are_refused() -> None:
    data = gappy(np.random.default_rng(6))
    with pytest.raises(ContractError, match="auto, numba or numpy"):
        RankScorer(data["y"], data["mask"], engine="gpu")
    with pytest.raises(ContractError, match=r"must have shape \(60, 80\)"):
        RankScorer(data["y"], data["mask"])(data["x"][1:])
