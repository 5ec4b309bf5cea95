from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from evaluators.alphas.markets.labels import Horizon, make_labels
from evaluators.alphas.markets.panel import daily_returns, digest, panel_warnings
from evaluators.alphas.markets.synthetic import Market, luckless_rank_ic, synthesize, true_rank_ic
from evaluators.alphas.metrics import Summary, quantile_weights, summarise
from evaluators.alphas.portfolio import net_returns
from evaluators.alphas.rank_ic import RankScorer
from evaluators.contract import ContractError

SEEDS = (0, 1, 2, 3)


@cache
def market(seed: int = 0) -> Market:
    return synthesize(seed)


@cache
def measured(seed: int) -> dict:
    """Returns (truth, summary of the measured RankIC) by planted name."""
    labels = make_labels(market(seed).panel)
    scorer = RankScorer(labels.values, labels.mask, labels.min_names)
    return {
        name: (
            float(np.nanmean(true_rank_ic(market(seed), name))),
            summarise(scorer(latent), horizon_days=10),
        )
        for name, latent in market(seed).latents.items()
    }


def test_equal_seeds_give_equal_markets() -> None:
    small = {"days": 120, "names": 40}
    assert digest(synthesize(3, **small).panel) == digest(synthesize(3, **small).panel)
    assert digest(synthesize(3, **small).panel) != digest(synthesize(4, **small).panel)
    with pytest.raises(ContractError, match="days >= 100"):
        synthesize(0, days=50)


def test_the_market_has_the_known_facts_of_markets() -> None:
    panel = market().panel
    returns = daily_returns(panel.close)
    known = returns[np.isfinite(returns)]
    assert 0.018 < known.std() < 0.03
    assert stats.kurtosis(known) > 5
    size = np.nanmean(np.abs(returns[1:]), axis=1)
    assert np.corrcoef(size[1:], size[:-1])[0, 1] > 0.5
    missing = 1 - np.isfinite(panel.close).mean()
    assert 0.06 < missing < 0.12
    assert panel_warnings(panel) == ()
    assert (panel.fields["high"] >= np.fmax(panel.fields["open"], panel.close) * 0.999999)[
        ~np.isnan(panel.close)
    ].all()


def test_delistings_may_end_in_a_loss() -> None:
    small = {"days": 200, "names": 60}
    plain, loss = synthesize(5, **small).panel, synthesize(5, delisting="loss", **small).panel
    gone = np.isnan(plain.close[-1]) & (np.isfinite(plain.close[:-40]).any(axis=0))
    gone &= ~plain.universe[-1]
    last = len(plain.close) - 1 - np.argmax(plain.universe[::-1], axis=0)
    at = [(last[i], i) for i in np.nonzero(gone)[0] if np.isfinite(plain.close[last[i], i])]
    assert len(at) >= 4
    worst = [daily_returns(loss.close)[place] for place in at]
    np.testing.assert_allclose(np.nanmean(worst), -1 / 3, atol=0.02)


def test_truth_is_the_twin_world_mean_of_spearman() -> None:
    small = synthesize(6, days=150, names=60)
    labels = make_labels(small.panel, Horizon(5, 1))
    truth = true_rank_ic(small, "steady", Horizon(5, 1))
    t = 100
    use = labels.mask[t]
    signal = small.signals["steady"][t + 2 : t + 7].sum(axis=0, dtype=float)[use]
    label, z = np.log1p(labels.values[t, use]), small.latents["steady"][t, use]
    twins = [stats.spearmanr(z, label).statistic, stats.spearmanr(z, 2 * signal - label).statistic]
    assert truth[t] == pytest.approx(np.mean(twins), abs=1e-9)


def z_score(truth: float, summary: Summary) -> float:
    return (summary.mean - truth) / abs(summary.mean / summary.t_nw)


def test_planted_alphas_are_measured_within_two_standard_errors() -> None:
    for name, (truth, summary) in measured(SEEDS[0]).items():
        assert abs(z_score(truth, summary)) < 2, (name, truth, summary)
    scores = [z_score(*pair) for seed in SEEDS for pair in measured(seed).values()]
    assert np.mean(np.abs(scores) < 2) > 0.9
    assert 0.6 < np.sqrt(np.mean(np.square(scores))) < 1.3  # the standard errors are honest, either way


def test_planted_alphas_are_ranked_in_the_order_of_their_truth() -> None:
    names = list(market().latents)
    truth = np.mean([[measured(seed)[name][0] for name in names] for seed in SEEDS], axis=0)
    found = np.mean([[measured(seed)[name][1].mean for name in names] for seed in SEEDS], axis=0)
    assert [names[i] for i in np.argsort(-truth)] == [names[i] for i in np.argsort(-found)]
    assert truth[names.index("null")] == 0
    for seed in SEEDS:
        pairs = measured(seed).values()
        assert stats.spearmanr([t for t, _ in pairs], [s.mean for _, s in pairs]).statistic > 0.8


def test_alphas_behave_as_they_were_planted() -> None:
    days = np.arange(1500)
    by_name = {name: true_rank_ic(market(), name) for name in market().latents}
    early, late = days < 700, days >= 1150
    assert np.nanmean(by_name["decaying"][early]) > 2 * np.nanmean(by_name["decaying"][late])
    assert np.nanmean(by_name["dying"][days < 1000]) > 0.025
    np.testing.assert_allclose(np.nanmean(by_name["dying"][days >= 1126]), 0, atol=1e-9)
    calm = market().regimes != 2
    assert np.nanmean(by_name["regime"][~calm]) > 3 * np.nanmean(by_name["regime"][calm])


def test_the_costly_alpha_earns_gross_and_loses_net() -> None:
    gross, net = [], []
    for seed in SEEDS:
        panel = market(seed).panel
        weights = quantile_weights(market(seed).latents["costly"], panel.universe & panel.tradable)
        series = net_returns(weights, panel, cost=0.001)
        gross.append(series[0].mean())
        net.append(series[1].mean())
    assert np.mean(gross) > 0.0001
    assert max(net) < 0


def test_the_decoy_wins_only_where_it_cannot_be_traded() -> None:
    decoy = -daily_returns(market().panel.close)
    t = {}
    for delay in (0, 1):
        labels = make_labels(market().panel, Horizon(1, delay))
        daily = RankScorer(labels.values, labels.mask, labels.min_names)(decoy)
        t[delay] = summarise(daily, horizon_days=1)
    assert t[0].t_nw > 10
    assert t[1].mean < 0.01


def test_the_luckless_rank_ic_of_a_latent_is_its_truth_and_steadier_than_what_is_measured() -> None:
    def errors(name: str) -> tuple[list[float], list[float]]:
        steady, measured_ = [], []
        for seed in range(20, 28):
            small = synthesize(seed, days=250, names=80)
            labels = make_labels(small.panel)
            factor = small.latents[name]
            steady.append(float(np.nanmean(luckless_rank_ic(small, factor))))
            plain = RankScorer(labels.values, labels.mask, labels.min_names)(factor)
            measured_.append(float(np.nanmean(plain)))
        return steady, measured_

    for name, truth in (("steady", 0.05), ("null", 0.0)):
        steady, plain = errors(name)
        assert np.std(steady) < 0.6 * np.std(plain)
        assert abs(np.mean(steady) - truth) < 0.02


def test_the_luckless_rank_ic_counts_every_planted_alpha() -> None:
    one = market(0)
    joint = sum(one.latents[name] for name in ("steady", "medium"))
    alone = np.nanmean(luckless_rank_ic(one, one.latents["steady"]))
    assert np.nanmean(luckless_rank_ic(one, joint)) > alone > 0.02
    assert np.nanmean(luckless_rank_ic(one, -joint)) == pytest.approx(
        -np.nanmean(luckless_rank_ic(one, joint))
    )
