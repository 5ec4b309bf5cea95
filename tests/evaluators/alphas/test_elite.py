from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluators.alphas.admission import NoiseFloor
from evaluators.alphas.combine import standardise
from evaluators.alphas.elite import Question, Scene, examine, questions, trace, walk
from evaluators.alphas.exhibits import pages
from evaluators.alphas.kin import Kin
from evaluators.alphas.markets.labels import make_labels
from evaluators.alphas.markets.splits import make_split, walk_forward
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.zoo import FAMILIES, ZOO
from evaluators.contract import Invalid

sm = pytest.importorskip("statsmodels.api")

MARKET = synthesize(6, days=640, names=70)
LABELS = make_labels(MARKET.panel)
SPLIT = make_split(640, LABELS.horizon, warm_up_days=120)
SCENE = Scene(MARKET.panel, LABELS, SPLIT, SPLIT.valid, SPLIT.train)
NOISE = NoiseFloor(0.012, 0.15, 60)
GOOD = np.asarray(MARKET.latents["steady"], dtype=np.float64)
BAD = np.asarray(MARKET.latents["null"], dtype=np.float64)


def walked_by_hand(members: list[np.ndarray]) -> np.ndarray:
    """Returns the daily RankIC walking forward: ranks by scipy, ridge by its normal equations, errors pair by pair."""
    universe, first = MARKET.panel.universe, SPLIT.train.start
    out = []
    for before, after in walk_forward(SPLIT.valid.stop - first, LABELS.horizon, folds=5, first_train=0.4):
        learn = range(before.start + first, before.stop + first)
        gram, daily = np.zeros((len(members), len(members))), []
        share = 0.5 ** ((learn.stop - 1 - np.array(learn)) / 250)
        share /= share.sum()
        for t, part in zip(learn, share, strict=True):
            inside, marked = universe[t], LABELS.mask[t]
            z = np.array([stats.zscore(stats.rankdata(x[t, inside])) for x in members])
            gram += part * z @ z.T / inside.sum()
            y = np.zeros(len(inside))
            y[marked] = stats.zscore(stats.rankdata(LABELS.values[t, marked]))
            daily.append(z @ y[inside] / inside.sum())
        match = share @ np.array(daily)
        off = (np.array(daily) - match) * share[:, None]
        apart = np.abs(np.subtract.outer(learn, learn))
        error = np.sqrt(np.einsum("ik,ij,jk->k", off, np.maximum(1 - apart / 19, 0), off))
        match = np.sign(match) * np.maximum(np.abs(match) - error, 0.01 * np.abs(match))
        weights = np.linalg.solve(gram + 0.05 * np.eye(len(members)), match)
        for t in range(after.start + first, after.stop + first):
            inside, marked = universe[t], LABELS.mask[t]
            z = np.zeros((len(members), len(inside)))
            z[:, inside] = [stats.zscore(stats.rankdata(x[t, inside])) for x in members]
            use = inside & marked
            enough = use.sum() >= LABELS.min_names[t]
            out.append(
                stats.spearmanr((weights @ z)[use], LABELS.values[t, use]).statistic if enough else np.nan
            )
    return np.array(out)


def test_walking_forward_equals_a_computation_by_hand() -> None:
    stack = np.stack([standardise(x, MARKET.panel.universe) for x in (GOOD, BAD)])
    daily, worst = walk(stack, SCENE)
    want = walked_by_hand([GOOD, BAD])
    np.testing.assert_allclose(daily, want, atol=1e-5, equal_nan=True)  # members are float32
    folds = np.split(want, 5)
    assert worst == pytest.approx(min(np.nanmean(fold) for fold in folds), abs=1e-5)


def test_members_whose_p_as_statsmodels_has_it_is_below_one_half_are_admitted() -> None:
    rng = np.random.default_rng(0)
    members = [GOOD, BAD, rng.standard_normal(GOOD.shape), GOOD + 2 * BAD]
    found = examine(members, SCENE, np.random.default_rng(1), NOISE)
    for member, p in zip(members, found.p_values, strict=True):
        daily = walked_by_hand([member])
        lags = max(18, int(4 * (len(daily) / 100) ** (2 / 9)))
        fit = sm.OLS(daily, np.ones(len(daily))).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
        )
        assert p == pytest.approx(stats.norm.sf(fit.tvalues[0]), rel=1e-3, abs=1e-9)
    want = [p < 0.5 for p in found.p_values]
    assert found.admitted == tuple(want)
    assert found.admitted[0]
    assert 0 < sum(want) < 4
    kept = [member for member, good in zip(members, found.admitted, strict=True) if good]
    assert found.figures["walk_rank_ic"] == pytest.approx(np.nanmean(walked_by_hand(kept)), abs=1e-5)
    assert found.figures["admitted_members"] == sum(want)


def test_evidence_is_the_moments_of_the_walk() -> None:
    found = examine([GOOD], SCENE, np.random.default_rng(1), NOISE)
    daily = found.walked[np.isfinite(found.walked)]
    figures = found.figures
    assert figures["_evidence_sharpe"] == pytest.approx(daily.mean() / daily.std(ddof=1), rel=1e-10)
    assert figures["_evidence_skewness"] == pytest.approx(stats.skew(daily), rel=1e-8)
    assert figures["_evidence_kurtosis"] == pytest.approx(stats.kurtosis(daily, fisher=False), rel=1e-8)
    assert figures["_evidence_periods"] == len(daily)
    assert figures["_evidence_overlap"] == 10
    assert figures["_evidence_p"] == found.p_values[0]
    assert figures["_noise_icir_sd"] == 0.15


def test_an_edge_that_needs_the_close_it_is_made_of_is_refused() -> None:
    close = np.asarray(MARKET.panel.close, dtype=np.float64)
    tomorrow = np.full_like(close, np.nan)
    tomorrow[:-1] = close[1:] / close[:-1] - 1  # what a buyer at today's close earns in one day
    with pytest.raises(Invalid, match="the close cannot be traded"):
        examine([np.nan_to_num(tomorrow)], SCENE, np.random.default_rng(0), NOISE)


def test_the_trace_holds_block_means_and_hidden_names() -> None:
    daily = np.arange(25.0)
    daily[3] = np.nan
    found = trace(daily, 10)
    assert list(found) == ["_ic_00", "_ic_01"]
    assert found["_ic_00"] == round(float(np.nanmean(daily[:13])), 5)
    assert list(trace(daily, 10, name="walk")) == ["_walk_00", "_walk_01"]
    assert trace(np.full(20, np.nan), 10) == {"_ic_00": 0.0, "_ic_01": 0.0}


def test_questions_stream_in_ascending_days_and_end_with_another_order() -> None:
    features = {"close": np.random.default_rng(0).random((300, 12)).astype(np.float32)}
    asked = list(questions(features, np.random.default_rng(5), warm_up_days=120))
    days = [question.day for question in asked[:-1]]
    assert days == sorted(days)
    assert 6 <= len(days) <= 8
    assert all(len(question.features["close"]) == question.day + 1 > 120 for question in asked[:-1])
    order = asked[-1].order
    np.testing.assert_array_equal(asked[-1].features["close"], features["close"][:, order])
    kept = features["close"].astype(np.float64)
    assert asked[-1].reason(kept, kept[:, order]) is None
    assert "order of the names" in str(asked[-1].reason(kept, kept))
    assert "streaming differs" in str(Question({}, day=150).reason(kept, kept[:151] + 1.0))


def test_pages_say_what_they_show() -> None:
    found = examine([GOOD, BAD], SCENE, np.random.default_rng(1), NOISE)
    drawn = {page["title"]: page for page in pages(found, SCENE)}
    assert all(page["note"] for page in drawn.values())
    cumulated = drawn["Cumulated RankIC"]["series"][0]["points"]
    assert cumulated[-1][1] / len(cumulated) == pytest.approx(found.figures["kept_rank_ic"], abs=2e-3)
    assert cumulated[0][0] == SPLIT.valid.start
    fifths = drawn["Returns by fifth"]["values"]
    assert fifths[4] > fifths[0]
    equity = {line["name"]: line["points"][-1][1] for line in drawn["Backtest with costs"]["series"]}
    assert equity["before costs"] > equity["after costs"]
    years = len(cumulated) / 252
    assert equity["excess after costs"] / years == pytest.approx(found.figures["aer"], abs=0.02)
    assert drawn["Correlations in the pool"]["values"][0][1] == pytest.approx(
        found.correlations[0, 1], abs=1e-5
    )


@pytest.mark.parametrize(
    "name", ["momentum_120", "low_volatility", "volume_surge", "illiquidity", "close_location"]
)
def test_a_factor_is_nearest_to_its_own_family(name) -> None:
    fields = {key: MARKET.panel.fields[key] for key in ("open", "high", "low", "close", "volume", "vwap")}
    kin = Kin(fields, MARKET.panel.universe, SPLIT.valid.stop)
    family = next(place for place, members in enumerate(FAMILIES.values()) if ZOO[name] in members)
    assert kin.of(-ZOO[name](fields)) == family
