"""What the calls of a run may cost, before the first one."""

from __future__ import annotations

from discovery.llm.prices import Usage
from discovery.llm.routes import route_of
from discovery.settings.config import RunConfig


def estimate(config: RunConfig) -> str:
    """Returns what a call of each model costs at most, and how many a money budget pays for, in one line."""
    asked, answered = config.context.token_budget, config.models.max_tokens
    routes = [route_of(config.models, model) for model in config.models.models]
    prices = {
        route.name: None if route.prices is None else route.prices.cost_usd(Usage(asked, route.max_tokens))
        for route in routes
    }
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
