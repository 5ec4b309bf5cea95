from __future__ import annotations

import pytest

from discovery.core.budget import FIRST_CALL_TOKENS, Budget, Ledger
from discovery.core.errors import ConfigError
from discovery.core.types import ModelCall


def call(tokens: int = 100, cost_usd: float | None = 0.01) -> ModelCall:
    return ModelCall("m", tokens - 10, 10, cost_usd, 1.0)


@pytest.mark.parametrize("field", ["evaluations", "minutes", "cost_usd", "tokens"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_budget_must_be_positive(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match="must be > 0, got .*leave it out for no limit"):
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
        (Budget(cost_usd=0.02), "cost"),
        (Budget(cost_usd=0.021), None),
        (Budget(), None),
    ],
)
def test_says_which_budget_is_used_up(budget: Budget, spent: str | None) -> None:
    ledger = Ledger(evaluations=3, elapsed_s=61.0)
    ledger.charge([call(), call()])
    assert ledger.spent(budget) == spent


def test_calls_in_flight_are_reserved_at_the_mean_price() -> None:
    ledger = Ledger()
    ledger.charge([call(), call()])
    assert ledger.has_room_for_call(Budget(tokens=500), in_flight=2)
    assert not ledger.has_room_for_call(Budget(tokens=500), in_flight=3)
    assert ledger.has_room_for_call(Budget(cost_usd=0.051), in_flight=2)
    assert not ledger.has_room_for_call(Budget(cost_usd=0.049), in_flight=2)


def test_before_the_first_reply_one_call_finds_out_the_price() -> None:
    assert Ledger().has_room_for_call(Budget(cost_usd=1.0), in_flight=0)
    assert not Ledger().has_room_for_call(Budget(cost_usd=1.0), in_flight=1)
    assert Ledger().has_room_for_call(Budget(tokens=FIRST_CALL_TOKENS * 3), in_flight=2)
    assert not Ledger().has_room_for_call(Budget(tokens=FIRST_CALL_TOKENS * 3), in_flight=3)
    assert Ledger().has_room_for_call(Budget(), in_flight=1000)
