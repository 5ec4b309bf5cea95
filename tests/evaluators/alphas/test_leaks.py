from __future__ import annotations

import numpy as np
import pytest

from evaluators.alphas.leaks import (
    KINDS,
    best_days,
    difference,
    explain,
    lag_reason,
    lookahead_reason,
    make_probe,
    order_reason,
    placebo_t,
    plan_probes,
    random_cuts,
    streaming_reason,
)
from evaluators.alphas.markets.labels import Horizon, make_labels
from evaluators.alphas.markets.panel import daily_returns
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.rank_ic import rank_ic
from tests.evaluators.alphas.programs import HONEST, LEAKING, load, program

MARKET = synthesize(8, days=400, names=60)
FEATURES = {name: MARKET.panel.fields[name] for name in ("open", "high", "low", "close", "volume", "vwap")}
LABELS = make_labels(MARKET.panel, Horizon(10, 1))


def verdict(text: str, seed: int, *, use_daily: bool = True) -> str | None:
    factor = load(text)
    with np.errstate(all="ignore"):
        base = np.asarray(factor({name: values.copy() for name, values in FEATURES.items()}))
        daily = rank_ic(base, LABELS.values, LABELS.mask, LABELS.min_names) if use_daily else None
        return lookahead_reason(factor, FEATURES, base, np.random.default_rng(seed), daily=daily)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", LEAKING)
def test_leaking_programs_are_rejected(name) -> None:
    for seed in range(2):
        assert (verdict(program(LEAKING[name]), seed) or "").startswith("looks ahead"), name


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_are_accepted(name) -> None:
    for seed in range(2):
        assert verdict(program(HONEST[name]), seed) is None


def test_a_leak_on_few_days_is_met_at_the_days_where_it_looks_best() -> None:
    text = program(LEAKING["on few days"])
    blind = [verdict(text, seed, use_daily=False) is not None for seed in range(4)]
    seeing = [verdict(text, seed) is not None for seed in range(4)]
    assert sum(seeing) == 4
    assert sum(blind) <= 4


def test_cuts_are_secret_ascending_and_leave_room() -> None:
    cuts = random_cuts(np.random.default_rng(0), 300, count=4)
    assert len(cuts) == 4
    assert cuts == sorted(cuts)
    assert all(30 <= cut < 299 for cut in cuts)
    assert cuts != random_cuts(np.random.default_rng(2), 300, count=4)
    assert random_cuts(np.random.default_rng(0), 3, count=5) == [1]
    daily = np.zeros(300)
    daily[[150, 222, 299]] = [0.9, -0.95, 1.0]
    daily[10:20] = np.nan
    assert best_days(daily) == [150, 222]
    assert best_days(np.full(5, np.nan)) == []


def test_probes_are_planned_so_that_none_shows_what_an_earlier_one_hid() -> None:
    plan = plan_probes(np.random.default_rng(0), [300, 100, 200], [150, 399])
    assert [cut for cut, _ in plan] == [100] * 4 + [150] + [200] * 4 + [300] * 4 + [399]
    assert {kind for _, kind in plan} == set(KINDS)
    assert [kind for cut, kind in plan if cut in (150, 399)] == ["truncate", "truncate"]


@pytest.mark.parametrize("kind", KINDS)
def test_probes_keep_the_past_and_change_the_future(kind) -> None:
    probe = make_probe(FEATURES, kind, 100, np.random.default_rng(1))
    for name, values in probe.features.items():
        np.testing.assert_array_equal(values[:101], FEATURES[name][:101])
        assert values.dtype == np.float32
        assert values.flags.owndata
    after = probe.features["close"][101:]
    if kind == "truncate":
        assert len(after) == 0
    elif kind == "nan":
        assert np.isnan(after).all()
    else:
        assert len(after) == 299
        assert np.mean(after != FEATURES["close"][101:]) > 0.9


def test_unknown_kinds_of_probes_are_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of"):
        make_probe(FEATURES, "delete", 5, np.random.default_rng(0))


def test_another_future_cannot_be_told_by_its_moves() -> None:
    probe = make_probe(FEATURES, "resample", 250, np.random.default_rng(3))
    real, fake = (np.abs(daily_returns(x["close"])) for x in (FEATURES, probe.features))
    assert np.nanmax(fake[251:]) <= np.nanmax(real[:251]) * 1.0001
    day = np.nanmean(fake[251])
    assert np.quantile(np.nanmean(real[1:251], axis=1), [0.0, 1.0])[1] >= day
    assert np.nanmean(probe.features["volume"][251:]) < 5 * np.nanmean(FEATURES["volume"])
    ok = np.isfinite(probe.features["close"][251:])
    assert (probe.features["high"] * 1.00001 >= probe.features["low"])[251:][ok].all()


def test_differences_say_what_changed() -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((50, 40))
    assert difference(base, base[:21], 20) is None
    assert difference(base, base * (1 + 1e-8), 20) is None
    assert "shape" in difference(base, base[:5], 20)
    gone = base.copy()
    gone[17, 3] = np.nan
    assert "the day 3 days before the cut" in difference(base, gone, 20)
    moved = base.copy()
    moved[5] += 0.01
    assert difference(base, moved, 20).startswith("1 of 21 days changed")
    assert difference(base, moved, 4) is None
    flat = np.ones((50, 40))
    assert "ranks of 21 days" in difference(flat + 1e-9 * base, flat - 1e-9 * base, 20)


def test_one_large_value_does_not_widen_the_tolerance_of_the_others() -> None:
    base = np.random.default_rng(1).standard_normal((5, 40))
    base[:, 0] = 1e12
    moved = base.copy()
    moved[:, 7] += 0.01
    assert difference(base, moved, 4) is not None


def test_streaming_equals_batch_for_honest_factors_only() -> None:
    days = range(200, 390, 10)
    honest = load(program(HONEST["momentum"]))
    base = honest(dict(FEATURES))
    assert streaming_reason(honest, FEATURES, base, days) is None
    leak = load(program(LEAKING["first day of the future only"]))
    assert "streaming differs from batch on day 200" in streaming_reason(
        leak, FEATURES, leak(dict(FEATURES)), days
    )


def test_the_order_of_names_must_not_matter() -> None:
    honest = load(program(HONEST["residual of size"]))
    rng = np.random.default_rng(0)
    assert order_reason(honest, FEATURES, honest(dict(FEATURES)), rng) is None
    odd = load(program("return op.returns(c, 5) * np.arange(c.shape[1])"))
    assert "order of the names" in order_reason(odd, FEATURES, odd(dict(FEATURES)), rng)


def test_an_edge_that_needs_the_close_it_reads_fails_the_lag_test() -> None:
    big = synthesize(9, days=600, names=200)
    series = {}
    for name, factor in (("decoy", -daily_returns(big.panel.close)), ("steady", big.latents["steady"])):
        for delay in (0, 1):
            labels = make_labels(big.panel, Horizon(1, delay))
            series[name, delay] = rank_ic(factor, labels.values, labels.mask, labels.min_names)
    assert "cannot be traded" in lag_reason(series["decoy", 0], series["decoy", 1], horizon_days=1)
    assert lag_reason(series["steady", 0], series["steady", 1], horizon_days=1) is None


def test_placebo_labels_have_no_edge() -> None:
    labels = make_labels(MARKET.panel, Horizon(1, 1))
    copy = labels.values.copy()
    daily = rank_ic(copy, labels.values, labels.mask, labels.min_names)
    assert np.nanmin(daily) == pytest.approx(1)
    t = [placebo_t(copy, labels, np.random.default_rng(seed)) for seed in range(10)]
    assert max(map(abs, t)) < 3
    assert np.std(t) > 0.3


def test_explanations_point_at_lines_and_never_decide() -> None:
    text = (
        "import numpy as np\ndef factor(x):\n    c = x['close']\n    y = c.shift(-1)\n"
        "    z = c.rolling(5, center=True).mean()\n    w = c.bfill()[::-1]\n"
        "    v = np.nanmean(c) + c.mean(axis=0)\n    return y / c[-1] + np.roll(c, 1)\n"
    )
    found = {finding.line: finding.what for finding in explain(text)}
    assert "negative step" in found[4]
    assert "centred" in found[5]
    assert set(found) == {4, 5, 6, 7, 8}
    assert explain("def broken(:") == []
    assert explain(program(HONEST["momentum"])) == []
    suspicious = [name for name, body in LEAKING.items() if explain(program(body))]
    assert len(suspicious) >= 6
