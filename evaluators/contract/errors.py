"""What can go wrong between a problem and a program, and the rules that values are held against."""

from __future__ import annotations

import math


class ContractError(Exception):
    """A problem module, or a value given to the contract, is not what the contract asks for."""


class Invalid(Exception):
    """Raised by `score` (or by an oracle) to reject an output; its message is shown to people and models."""


class Exhausted(Exception):
    """Raised by an oracle whose budget is spent: the case ends and is scored on the oracle's record."""


def require_number(what: str, value: object, rule: str = "a finite number") -> float:
    """Returns `value` as a float, or says what it must be (a bool is no number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ContractError(f"{what} must be {rule}, got {value!r}")
    return float(value)


def require_count(what: str, value: object) -> None:
    """Refuses what is no whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ContractError(f"{what} must be a whole number >= 1, got {value!r}")


def require_name(what: str, value: object, remedy: str = "give the name of a metric") -> None:
    """Refuses what is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        raise ContractError(f"{what} must be a non-empty text, got {value!r}; {remedy}")


def require_choice(what: str, value: object, *choices: object) -> None:
    """Refuses what is none of the choices."""
    if value not in choices:
        raise ContractError(f"{what} must be {' or '.join(map(repr, choices))}, got {value!r}")
