"""What the calls of a run may cost, before the first one."""

from __future__ import annotations

from discovery.llm.client import call_price
from discovery.settings.config import RunConfig


def estimate(config: RunConfig) -> str:
    """Returns what a call of each model costs at most, and how many a money budget pays for, in one line."""
    asked, answered = config.context.token_budget, config.models.max_tokens
    prices = {name: call_price(config.models, name, asked) for name, _ in config.models.models}
    priced = {name: price for name, price in prices.items() if price is not None}
    parts = [
        f"a call of {name} costs at most ${price:.4g}"
        if price is not None
        else f"the price of {name} is unknown"
        for name, price in prices.items()
    ]
    text = ", ".join(parts)
    if priced:
        text += f" ({asked} tokens asked, {answered} answered)"
    if (limit := config.budget.cost_usd) is not None and priced:
        text += f"; ${limit:g} pay for at least {int(limit / max(priced.values()))} calls"
        text += "" if len(priced) == len(prices) else " of those whose price is known"
    return text
