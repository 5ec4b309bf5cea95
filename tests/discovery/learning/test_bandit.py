from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.learned.learning import by_duration, per_return, pool, regret, regrets
from discovery.core.choices import Arm
from discovery.core.errors import ConfigError
from discovery.core.gains import NEW_CELL, OFF_BEST, GainMeter
from discovery.core.records import Record
from discovery.core.results import EvaluationResult, RejectedProposal
from discovery.core.types import ModelCall
from discovery.learning.bandit import Bandit, _largest
from discovery.settings.learning import BanditConfig
from evaluators.contract import Evaluation, Program, Status
from islands.archipelago import Change

PROGRAM = Program({"program.py": "x = 1\n"})
CHEAP, STRONG = "cheap", "strong"
PRICES = {CHEAP: 0.001, STRONG: 0.02}


class Told(GainMeter):
    """A meter that is told the gains, for worlds that draw them."""

    def learn(self, result: EvaluationResult) -> None:
        """Changes nothing."""


def call(
    model: str = CHEAP, *, seconds: float = 1.0, cost: float | None = 0.001, tokens: int = 1000
) -> ModelCall:
    return ModelCall(model, tokens - 100, 100, cost, seconds)


def result(
    fitness: float | None,
    *,
    name: str = "a",
    parent: float | None = 0.0,
    best: float | None = 0.0,
    displaced: str | None = "old",
    taken: bool = True,
    operator: str = "diff",
    calls: tuple[ModelCall, ...] = (),
    wall_s: float = 0.0,
) -> EvaluationResult:
    status = Status.ERROR if fitness is None else Status.OK
    evaluation = Evaluation(status, score=fitness, wall_s=wall_s)
    record = Record(0, PROGRAM, name, ("p",), evaluation, operator, 0, None, 0, calls=calls)
    changes = (Change(0, 3, name, displaced, "birth"),) if taken and fitness is not None else ()
    return EvaluationResult(record, fitness, parent, best, changes)


def bandit(operators: tuple[str, ...] = ("diff", "rewrite"), *, models=((CHEAP, 1.0),), **config) -> Bandit:
    return Bandit(
        BanditConfig(enabled=True, **config),
        weights=dict.fromkeys(operators, 1.0),
        models=models,
        needs_model=dict.fromkeys(operators, True),
        meter=Told(),
    )


def credit(
    policy: Bandit, arm: Arm, gain: float, *, seconds: float = 1.0, cost: float | None = 0.001
) -> None:
    policy._meter.last = gain
    made = call(arm.model or CHEAP, seconds=seconds, cost=cost)
    policy.learn(result(gain, operator=arm.operator, best=9.0, calls=(made,)))


# --- gains


def gains(lessons: list[EvaluationResult]) -> list[float]:
    meter = GainMeter()
    measured = []
    for one in lessons:
        meter.learn(one)
        measured.append(meter.last)
    return measured


@given(
    st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.booleans()), max_size=40),
    st.integers(-4, 8),
    st.integers(-1000, 1000),
)
def test_gains_do_not_know_the_unit_of_the_score(children, power, shift):
    def told(scale: float, origin: float) -> list[float]:
        return gains(
            [
                result(scale * c + origin, name=f"{n}", parent=scale * p + origin, best=origin, taken=taken)
                for n, (c, p, taken) in enumerate(children)
            ]
        )

    assert told(1.0, 0.0) == told(2.0**power, float(shift))


def test_gains_by_hand():
    measured = gains(
        [
            result(2.0, name="a"),  # the first improvement is the unit
            result(None, name="b"),  # failed
            result(9.0, name="c", taken=False),  # no cell wanted it
            result(1.0, name="d", parent=0.5, best=2.0),  # a quarter of the unit, and no new best
            result(
                1.0, name="e", parent=1.5, best=2.0, displaced=None
            ),  # worse than its parent, in a cell of its own
            result(
                2.1, name="f", parent=0.0, best=2.0, displaced="a"
            ),  # above its parent by 2.1, above "a" by 0.1
            result(3.0, name="g", parent=None, best=2.0),  # a repaired one counts against the best
        ]
    )
    assert measured[:5] == [1.0, 0.0, 0.0, 0.25 * OFF_BEST, NEW_CELL]
    assert measured[5] == pytest.approx(0.1 / 2.0)
    assert measured[6] == pytest.approx(1.0 / 2.0)


def test_steps_in_the_last_digit_are_worth_little_beside_leaps():
    lessons, best = [], 0.0
    for n in range(200):
        step = 1.0 if n % 5 == 0 else 1e-9
        lessons.append(result(best + step, name=str(n), parent=best, best=best))
        best += step
    measured = np.array(gains(lessons))
    assert measured[::5].min() == 1.0
    assert measured[1::5].max() < 1e-8


# --- choosing


def test_the_regret_of_the_bandit_is_a_fraction_of_that_of_fixed_weights():
    pairs = [regrets(seed) for seed in range(20)]
    assert sum(learned < fixed for learned, fixed in pairs) >= 19
    learned, fixed = np.mean(pairs, axis=0)
    assert learned < 0.6 * fixed


def test_what_paid_once_is_left_when_it_stops_to_pay():
    policy, rng = bandit(half_life=50.0), np.random.default_rng(3)
    means = {Arm("diff", CHEAP): 0.5, Arm("rewrite", CHEAP): 0.1}
    regret(policy, means, rng, 300)
    after = regret(policy, {Arm("diff", CHEAP): 0.0, Arm("rewrite", CHEAP): 0.4}, rng, 600)
    assert after < 0.4 * 0.25  # 0.2 is what a coin would lose


@pytest.mark.parametrize("seed", range(5))
def test_credit_weighted_by_duration_picks_the_slow_good_arm_where_credit_per_return_does_not(seed):
    assert pool(*per_return(), seed=seed) < 0.3
    assert pool(*by_duration(), seed=seed) > 0.7


def test_dollars_decide_between_models_that_gain_alike_and_tokens_where_a_price_is_unknown():
    models = ((CHEAP, 1.0), (STRONG, 1.0))
    for priced in (True, False):
        policy, rng, chosen = (
            bandit(models=models, seconds=0.0, evaluations=0.0, stall=0),
            np.random.default_rng(1),
            [],
        )
        for _ in range(300):
            arm = policy.choose(("diff",), 0, rng)
            chosen.append(arm.model)
            made = call(arm.model, cost=PRICES[arm.model], tokens=1000)
            if not priced:  # the dear one has no price: its long replies tell
                made = call(
                    arm.model,
                    cost=None if arm.model == STRONG else 0.001,
                    tokens=20_000 if arm.model == STRONG else 1000,
                )
            policy._meter.last = float(rng.random() < 0.2)
            policy.learn(result(1.0, best=9.0, calls=(made,)))
        assert chosen[100:].count(CHEAP) > 0.8 * 200, priced


def test_paid_calls_that_led_to_nothing_count_against_their_arm():
    policy = bandit(floor=0.0)
    for _ in range(30):
        credit(policy, Arm("diff", CHEAP), 0.3)
        credit(policy, Arm("rewrite", CHEAP), 0.3)
        for _ in range(3):
            policy.learn_rejected(RejectedProposal("rewrite", CHEAP, "", 0, "no edit applies", (call(),)))
    rates = policy.rates()
    assert rates[Arm("rewrite", CHEAP)] < 0.6 * rates[Arm("diff", CHEAP)]


def test_a_strong_model_is_called_when_the_cheap_ones_stall_and_less_when_it_fails_too():
    models = ((CHEAP, 1.0), (STRONG, 1.0))
    policy, rng = bandit(models=models, floor=0.0, stall=20), np.random.default_rng(0)

    def share_of_strong(count: int = 400) -> float:
        return sum(policy.choose(("diff",), 0, rng).model == STRONG for _ in range(count)) / count

    def fail(model: str, times: int) -> None:
        for _ in range(times):
            policy._meter.last = 0.0
            policy.learn(
                result(0.5, parent=1.0, best=1.0, taken=False, calls=(call(model, cost=PRICES[model]),))
            )

    for model, gain in ((STRONG, 0.0), (CHEAP, 0.4), (CHEAP, 0.4), (CHEAP, 0.4)) * 10:
        policy._meter.last = gain
        policy.learn(result(1.0, best=0.5, calls=(call(model, cost=PRICES[model]),)))
    assert policy.strong_models() == {STRONG}
    assert share_of_strong() < 0.1
    fail(CHEAP, 19)
    assert share_of_strong() < 0.1
    fail(CHEAP, 1)
    assert 0.4 < share_of_strong() < 0.65
    fail(STRONG, 60)
    assert share_of_strong() < 0.25
    policy.learn(
        result(2.0, best=1.0, calls=(call(STRONG, cost=PRICES[STRONG]),))
    )  # a new best: the cheap ones go on
    assert share_of_strong() < 0.15


def weighted(weights: dict[str, float], **config) -> Bandit:
    return Bandit(
        BanditConfig(enabled=True, **config),
        weights=weights,
        models=((CHEAP, 3.0), (STRONG, 1.0)),
        needs_model=dict.fromkeys(weights, True),
        meter=Told(),
    )


def test_as_long_as_nothing_is_known_arms_are_chosen_as_their_weights_say() -> None:
    policy = weighted({"diff": 8.0, "rewrite": 1.0, "repair": 1.0}, floor=0.0)
    rng = np.random.default_rng(0)
    chosen = [policy.choose(("diff", "rewrite", "repair"), 0, rng) for _ in range(4000)]
    assert np.mean([arm.operator == "diff" for arm in chosen]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([arm.model == CHEAP for arm in chosen]) == pytest.approx(0.75, abs=0.03)


def test_what_is_known_well_is_chosen_whatever_its_weight() -> None:
    policy = weighted({"diff": 8.0, "rewrite": 1.0}, floor=0.0)
    for _ in range(60):
        for model in (CHEAP, STRONG):
            credit(policy, Arm("diff", model), 0.0)
            credit(policy, Arm("rewrite", model), 0.5)
    rng = np.random.default_rng(0)
    chosen = [policy.choose(("diff", "rewrite"), 0, rng).operator for _ in range(500)]
    assert np.mean([name == "rewrite" for name in chosen]) > 0.95


@pytest.mark.parametrize(("count", "mean"), [(1.0, 1.0), (3.0, 11 / 6), (0.5, 2 - 2 * np.log(2))])
def test_the_largest_of_so_many_draws_has_the_mean_of_theory(count: float, mean: float) -> None:
    """Of Exp(1) it is the harmonic number of the count, which needs not be whole."""
    draws = _largest(np.ones(200_000), np.full(200_000, count), np.random.default_rng(1))
    assert draws.mean() == pytest.approx(mean, abs=0.01)


def test_the_floor_keeps_every_arm_alive():
    policy, rng = bandit(floor=0.2), np.random.default_rng(2)
    for _ in range(200):
        credit(policy, Arm("diff", CHEAP), 1.0)
        credit(policy, Arm("rewrite", CHEAP), 0.0)
    chosen = [policy.choose(("diff", "rewrite"), 0, rng).operator for _ in range(1000)]
    assert 60 < chosen.count("rewrite") < 150


def test_variants_are_arms_and_an_untried_one_begins_at_what_its_operator_brings():
    policy = Bandit(
        BanditConfig(enabled=True),
        weights={"diff": 1.0, "rewrite": 1.0},
        models=((CHEAP, 1.0),),
        needs_model={"diff": True, "rewrite": True},
        meter=Told(),
        variants={"diff": ("", "bold")},
    )
    for _ in range(40):
        credit(policy, Arm("diff", CHEAP), 0.5)
        credit(policy, Arm("rewrite", CHEAP), 0.0)
    rng = np.random.default_rng(0)
    chosen = {policy.choose(("diff", "rewrite"), 0, rng).variant for _ in range(100)}
    assert chosen == {"", "bold"}
    assert policy._expected(Arm("diff", CHEAP, "bold")) > 3 * policy._expected(Arm("rewrite", CHEAP))


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.sampled_from(["diff", "rewrite"]), st.floats(0, 1), st.floats(0.01, 100)), max_size=60
    )
)
def test_the_same_lessons_make_the_same_bandit(trials):
    one, other = bandit(), bandit()
    for operator, gain, seconds in trials:
        for policy in (one, other):
            credit(policy, Arm(operator, CHEAP), gain, seconds=seconds)
    assert one.rates() == other.rates()
    assert all(np.isfinite(rate) and rate >= 0 for rate in one.rates().values())
    choices = [policy.choose(("diff", "rewrite"), 0, np.random.default_rng(7)) for policy in (one, other)]
    assert choices[0] == choices[1]


def test_evidence_does_not_overflow_in_long_runs():
    policy = bandit(half_life=1.0)
    for _ in range(2000):
        credit(policy, Arm("diff", CHEAP), 0.5)
    assert policy.rates()[Arm("diff", CHEAP)] == pytest.approx(0.5, rel=0.5)


@pytest.mark.parametrize(
    ("field", "value"),
    [("floor", 1.5), ("half_life", 0.0), ("prior", -1.0), ("dollars", -1.0), ("stall", -1)],
)
def test_settings_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        replace(BanditConfig(), **{field: value})
