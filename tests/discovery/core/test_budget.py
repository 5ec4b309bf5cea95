from __future__ import annotations

import pytest

from discovery.core.budget import FIRST_CALL_TOKENS, CostWarnings, Ledger
from discovery.core.errors import ConfigError
from discovery.core.types import ModelCall
from discovery.settings.budget import Budget


def call(tokens: int = 100, cost_usd: float | None = 0.01) -> ModelCall:
    return ModelCall("m", tokens - 10, 10, cost_usd, 1.0)


FIELDS = ["evaluations", "minutes", "cost_usd", "tokens", "calls", "patience"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [0, -1])
def test_a_budget_must_be_positive(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match="must be > 0, got .*leave it out for no limit"):
        Budget(**{field: value})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e999, True, "5", 10**30, 10**400])
def test_a_budget_must_be_a_finite_number(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match="must be .*, got .*leave it out for no limit"):
        Budget(**{field: value})


def test_unknown_prices_are_counted_and_never_taken_for_zero() -> None:
    ledger = Ledger()
    ledger.charge([call(), call(cost_usd=None)])
    assert (ledger.calls, ledger.tokens, ledger.unpriced_calls) == (2, 200, 1)
    assert ledger.cost_usd == 0.01


@pytest.mark.parametrize(
    ("budget", "spent"),
    [
        (Budget(evaluations=3), "evaluations"),
        (Budget(evaluations=4), None),
        (Budget(minutes=1), "minutes"),
        (Budget(minutes=2), None),
        (Budget(tokens=200), "tokens"),
        (Budget(tokens=201), None),
        (Budget(calls=2), "calls"),
        (Budget(calls=3), None),
        (Budget(patience=4), "patience"),
        (Budget(patience=5), None),
        (Budget(cost_usd=0.02), "cost"),
        (Budget(cost_usd=0.021), None),
        (Budget(), None),
    ],
)
def test_says_which_budget_is_used_up(budget: Budget, spent: str | None) -> None:
    ledger = Ledger(evaluations=3, elapsed_s=61.0, since_best=4)
    ledger.charge([call(), call()])
    assert ledger.spent(budget) == spent


def test_calls_in_flight_are_reserved_at_the_mean_price() -> None:
    ledger = Ledger()
    ledger.charge([call(), call()])
    assert ledger.has_room_for_call(Budget(tokens=500), in_flight=2)
    assert not ledger.has_room_for_call(Budget(tokens=500), in_flight=3)
    assert ledger.has_room_for_call(Budget(cost_usd=0.051), in_flight=2)
    assert not ledger.has_room_for_call(Budget(cost_usd=0.049), in_flight=2)


def test_no_more_calls_are_in_flight_than_may_be_made() -> None:
    ledger = Ledger(calls=7)
    assert ledger.has_room_for_call(Budget(calls=10), in_flight=2)
    assert not ledger.has_room_for_call(Budget(calls=10), in_flight=3)


def test_a_person_is_warned_once_at_half_and_once_at_most_of_the_money() -> None:
    warnings, ledger = CostWarnings(), Ledger()
    told = []
    for cost in range(11):
        ledger.cost_usd = float(cost)
        told += warnings.due(ledger, Budget(cost_usd=10.0))
    assert told == ["50% of the money is spent: $5 of $10", "80% of the money is spent: $8 of $10"]
    assert warnings.due(ledger, Budget()) == []
    assert warnings.due(ledger, Budget(cost_usd=20.0)) == ["50% of the money is spent: $10 of $20"]
    assert warnings.due(ledger, Budget(cost_usd=20.0)) == []


def test_before_the_first_reply_one_call_finds_out_the_price() -> None:
    assert Ledger().has_room_for_call(Budget(cost_usd=1.0), in_flight=0)
    assert not Ledger().has_room_for_call(Budget(cost_usd=1.0), in_flight=1)
    assert Ledger().has_room_for_call(Budget(tokens=FIRST_CALL_TOKENS * 3), in_flight=2)
    assert not Ledger().has_room_for_call(Budget(tokens=FIRST_CALL_TOKENS * 3), in_flight=3)
    assert Ledger().has_room_for_call(Budget(), in_flight=1000)
