"""What a run may spend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.schema import STRICT, about, checked, fields_of, setting

_NO_LIMIT = "leave it out for no limit"


@checked("budget")
@dataclass(frozen=True, slots=True, config=STRICT)
class Budget:
    """What a run may spend, over all its sessions; None is unlimited."""

    evaluations: Annotated[
        int | None, setting("End after this many evaluations, the seed included.", key="evals", remedy=_NO_LIMIT, gt=0, le=10**9)
    ] = None  # fmt: skip
    minutes: Annotated[
        float | None, setting("End after this much working time.", key="minutes", unit="min", remedy=_NO_LIMIT, gt=0, le=10**7)
    ] = None  # fmt: skip
    cost_usd: Annotated[
        float | None,
        setting("End when models have cost this much; needs models whose price is known.", key="cost_usd", unit="USD",
                remedy=_NO_LIMIT, gt=0, le=10**9),
    ] = None  # fmt: skip
    tokens: Annotated[
        int | None, setting("End when models have used this many tokens.", key="tokens", remedy=_NO_LIMIT, gt=0, le=10**15)
    ] = None  # fmt: skip
    calls: Annotated[
        int | None, setting("End after this many calls of models.", key="calls", remedy=_NO_LIMIT, gt=0, le=10**9)
    ] = None  # fmt: skip
    patience: Annotated[
        int | None,
        setting("End after this many evaluations without a better best.", key="patience", remedy=_NO_LIMIT, gt=0, le=10**9),
    ] = None  # fmt: skip

    @property
    def limits(self) -> dict[str, Any]:
        """Returns what is limited, by field."""
        return {name: value for name in fields_of(Budget) if (value := getattr(self, name)) is not None}

    @property
    def is_open_ended(self) -> bool:
        """Returns whether nothing limits the run."""
        return not self.limits


BUDGET_KEYS: Mapping[str, str] = {about(field, "key"): name for name, field in fields_of(Budget).items()}
"""What every door calls the parts of a budget, and its fields."""


def read_limits(limits: object) -> dict[str, Any]:
    """Returns checked limits by field, given by field or by what the doors call them.

    Raises:
        ConfigError: it is no table of limits, or a name or a value is none of a limit.
    """
    if not isinstance(limits, Mapping):
        raise ConfigError(f"limits must be a table such as {{'evals': 100}}, got {limits!r:.80}")
    named = {BUDGET_KEYS.get(str(key), str(key)): value for key, value in limits.items()}
    if unknown := sorted(named.keys() - set(BUDGET_KEYS.values())):
        raise ConfigError(f"unknown limits {unknown!r:.80}; there are: {', '.join(BUDGET_KEYS)}")
    return Budget(**named).limits


def stored_limits(budget: Mapping[str, Any]) -> dict[str, Any]:
    """Returns limits as they stand in a run folder: what earlier versions took and these do not (infinity) is no limit."""
    limits = dict(budget)
    for name, value in limits.items():
        try:
            read_limits({name: value})
        except ConfigError:
            limits[name] = None
    return limits
