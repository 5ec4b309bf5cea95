"""Exact arithmetic on what programs return.

A float is an integer times a power of two. It is read as an integer in units of 1/ONE = 2**-117: its
size is bounded, and it is 0 or at least 2**-64 (5.4e-20), so its last bit is at least 2**-117. Sums, products
and comparisons of such integers are exact, and Python rounds a quotient of integers once (`a / b`), so a
score is the exact value's nearest float. Whatever is no ordinary number (NaN, inf, complex, bool, text,
numpy scalars), has the wrong shape, or is too much of it, is refused with the reason before any arithmetic
is done.

Exceptions:
    Invalid (contract.py)   the output is refused; the message says which entry, the rule, and what came
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from evaluators.contract import Invalid

SMALLEST_EXPONENT = -64
SHIFT = 53 - SMALLEST_EXPONENT
ONE = 1 << SHIFT
"""The integer that stands for 1."""

_EXTRA_BITS = 256
_LOG_DIGITS = 50
_TEXT_DIGITS = 40
_LONGEST_BITS = 12_000
_SMALLEST = 2.0**SMALLEST_EXPONENT
_ZERO_OR_MORE = f"must be 0 or at least 2**{SMALLEST_EXPONENT} in size"


def read_number(value: Any, what: str, low: float, high: float) -> int:
    """Returns `value * ONE`, exactly; `value` is a plain float or int in [low, high].

    Raises:
        Invalid: it is anything else; `what` names it in the message.
    """
    if type(value) is int:
        if not low <= value <= high:
            raise Invalid(f"{what} must lie in [{low:g}, {high:g}], got {_show(value)}")
        return value << SHIFT
    if type(value) is not float:
        raise Invalid(f"{what} must be a plain float, got {type(value).__name__}")
    if not low <= value <= high:  # also refuses NaN
        raise Invalid(f"{what} must lie in [{low:g}, {high:g}], got {value!r}")
    if value == 0.0:
        return 0
    if abs(value) < _SMALLEST:
        raise Invalid(f"{what} {_ZERO_OR_MORE}, got {value!r}; use 0.0")
    numerator, denominator = value.as_integer_ratio()
    return numerator * (ONE // denominator)


def read_integer(value: Any, what: str, low: int, high: int) -> int:
    """Returns `value`, a plain int in [low, high].

    Raises:
        Invalid: it is anything else.
    """
    if type(value) is not int:
        raise Invalid(f"{what} must be a plain integer, got {type(value).__name__}")
    if not low <= value <= high:
        raise Invalid(f"{what} must lie in [{low}, {high}], got {_show(value)}")
    return value


def read_list(output: Any, what: str, least: int, most: int, *, kinds: str = "iuf") -> list[Any]:
    """Returns a list, tuple or numeric array of `least` to `most` entries as a list of unchecked entries.

    Raises:
        Invalid: it is anything else, or an array whose type is not one of numpy's `kinds`.
    """
    if isinstance(output, np.ndarray):
        if output.dtype.kind not in kinds or output.ndim < 1:
            raise Invalid(
                f"{what} must hold plain numbers, got an array of {output.dtype} and shape {output.shape}"
            )
    elif type(output) not in (list, tuple):
        raise Invalid(f"{what} must be a list, got {type(output).__name__}")
    if not least <= len(output) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Invalid(f"{what} must have {wanted} entries, got {len(output)}")
    return output.tolist() if isinstance(output, np.ndarray) and output.ndim == 1 else list(output)


def read_vector(output: Any, what: str, *, least: int, most: int, low: float, high: float) -> list[int]:
    """Returns `least` to `most` numbers in [low, high], each times ONE, exactly.

    Raises:
        Invalid: the output is anything else.
    """
    entries = read_list(output, what, least, most)
    return [read_number(entry, f"entry {i} of {what}", low, high) for i, entry in enumerate(entries)]


def read_table(
    output: Any, what: str, *, row: str, rows: int, columns: Sequence[str], low: float, high: float
) -> list[tuple[int, ...]]:
    """Returns `rows` rows of one number in [low, high] per column, each times ONE, exactly.

    Messages call the output `what` ("pack()") and its rows `row` ("circle"). Lists, tuples, arrays will do.

    Raises:
        Invalid: the output is anything else.
    """
    table = []
    for i, entry in enumerate(read_list(output, what, rows, rows)):
        values = read_list(entry, f"{row} {i} [{', '.join(columns)}]", len(columns), len(columns))
        named = zip(columns, values, strict=True)
        table.append(tuple(read_number(value, f"{name} of {row} {i}", low, high) for name, value in named))
    return table


def read_integer_table(
    output: Any, what: str, *, row: str, least: int, most: int, width: int, low: int, high: int
) -> list[tuple[int, ...]]:
    """Returns `least` to `most` rows of `width` plain integers in [low, high].

    Raises:
        Invalid: the output is anything else.
    """
    table = []
    for i, entry in enumerate(read_list(output, what, least, most, kinds="iu")):
        values = read_list(entry, f"{row} {i}", width, width, kinds="iu")
        table.append(
            tuple(read_integer(v, f"entry {j} of {row} {i}", low, high) for j, v in enumerate(values))
        )
    return table


def amount(units: int) -> str:
    """Returns a number of units as short text, for messages."""
    return f"{units / ONE:.3g}"


def convolve(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Returns the len(a) + len(b) - 1 coefficients of the product of two polynomials with coefficients >= 0.

    Both are written as one decimal number with fields wide enough for any coefficient; libmpdec multiplies
    those exactly by number-theoretic transforms, so 30,000 coefficients take a fraction of a second.
    """
    largest = max(a) * max(b) * min(len(a), len(b))
    width = len(str(largest)) + 1
    left = decimal.Decimal("".join(f"{value:0{width}d}" for value in a))
    right = left if a is b else decimal.Decimal("".join(f"{value:0{width}d}" for value in b))
    count = len(a) + len(b) - 1
    exact = decimal.Context(prec=width * (count + 2), Emax=decimal.MAX_EMAX, traps=[decimal.Inexact])
    digits = str(exact.multiply(left, right)).zfill(width * count)
    return [int(digits[i : i + width]) for i in range(0, width * count, width)]


def sign_sqrt3(a: int, b: int) -> int:
    """Returns the sign of a + b * sqrt(3): -1, 0 or 1."""
    if (a >= 0) == (b >= 0) or a == 0 or b == 0:
        total = a + b
        return (total > 0) - (total < 0)
    larger = a * a - 3 * b * b
    sign_a = 1 if a > 0 else -1
    return sign_a if larger > 0 else -sign_a


def value_sqrt3(a: int, b: int, denominator: int) -> float:
    """Returns (a + b * sqrt(3)) / denominator, rounded once."""
    extra = 64 + max(0, 256 - max(a.bit_length(), b.bit_length()))
    root = math.isqrt(3 * b * b << 2 * extra)
    return ((a << extra) + (root if b >= 0 else -root)) / (denominator << extra)


@dataclass(frozen=True, slots=True)
class Ball:
    """All numbers within `radius` of `midpoint`: what is certain of a value that is no fraction."""

    midpoint: Fraction
    radius: Fraction

    def __add__(self, other: Exact) -> Ball:
        """Returns the ball of all sums."""
        middle, radius = _parts(other)
        return Ball(self.midpoint + middle, self.radius + radius)

    def __truediv__(self, other: Exact) -> Ball:
        """Returns a ball that holds all quotients.

        Raises:
            ZeroDivisionError: the divisor's ball holds 0.
        """
        middle, radius = _parts(other)
        if abs(middle) <= radius:
            raise ZeroDivisionError("the divisor's ball holds 0")
        quotient = self.midpoint / middle
        return Ball(quotient, (self.radius + abs(quotient) * radius) / (abs(middle) - radius))

    def __float__(self) -> float:
        """Returns the midpoint, rounded."""
        return float(self.midpoint)


Exact: TypeAlias = Fraction | Ball
"""An exact score: a fraction, or a ball that certainly holds it."""


def _parts(value: Exact) -> tuple[Fraction, Fraction]:
    return (value.midpoint, value.radius) if isinstance(value, Ball) else (Fraction(value), Fraction(0))


def ball_sqrt3(a: int, b: int, denominator: int) -> Ball:
    """Returns a ball of radius 2**-256 / denominator, at most, round (a + b * sqrt(3)) / denominator."""
    root = math.isqrt(3 * b * b << 2 * _EXTRA_BITS)  # at most 1 too small
    scale = denominator << _EXTRA_BITS
    middle = Fraction((a << _EXTRA_BITS) + (root if b >= 0 else -root), scale)
    return Ball(middle, Fraction(1, scale) if b else Fraction(0))


def mean(values: Sequence[Exact]) -> Exact:
    """Returns the mean of exact values: a fraction if all of them are."""
    middles, radii = zip(*map(_parts, values), strict=True)
    middle, radius = (sum(parts, Fraction(0)) / len(values) for parts in (middles, radii))
    return Ball(middle, radius) if any(isinstance(value, Ball) for value in values) else middle


def largest(balls: Iterable[Ball]) -> Ball:
    """Returns a ball that holds the largest of what these balls stand for."""
    ends = [(ball.midpoint - ball.radius, ball.midpoint + ball.radius) for ball in balls]
    low, high = max(low for low, _ in ends), max(high for _, high in ends)
    return Ball((low + high) / 2, (high - low) / 2)


def log_ratio(a: int, b: int) -> Ball:
    """Returns a ball round log(a / b), for a, b >= 1 below 10**1000.

    The logarithm of a decimal is correctly rounded, so it is wrong by half a unit in its last place.
    """
    context = decimal.Context(prec=_LOG_DIGITS)
    logs = [context.ln(decimal.Decimal(value)) for value in (a, b)]
    units = [Fraction(10) ** int(log.as_tuple().exponent) if log else Fraction(0) for log in logs]
    return Ball(Fraction(logs[0]) - Fraction(logs[1]), sum(units, Fraction(0)) / 2)


def exact_text(value: Exact | None) -> dict[str, str] | None:
    """Returns an exact score for people and machines: a fraction "p/q", or a ball as two decimals.

    Fractions of more than 12,000 bits are given as balls, too. A ball is rounded outwards.
    """
    if value is None:
        return None
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) < _LONGEST_BITS:
            return {"fraction": str(value)}
        value = Ball(value, Fraction(0))
    middle = round(value.midpoint, _TEXT_DIGITS)
    radius = value.radius + abs(value.midpoint - middle)
    unit = Fraction(1, 10 ** (_TEXT_DIGITS + 2))
    return {
        "midpoint": _decimal(middle, _TEXT_DIGITS),
        "radius": _decimal(-(-radius // unit) * unit, _TEXT_DIGITS + 2),
    }


def _decimal(value: Fraction, digits: int) -> str:
    """Returns a multiple of 10**-digits as a decimal."""
    units = abs(value.numerator) * 10**digits // value.denominator
    whole, rest = divmod(units, 10**digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".")


def _show(value: int) -> str:
    return str(value) if value.bit_length() <= 64 else "a huge integer"


def as_finite(value: object) -> float | None:
    """Returns a number (numpy's too) as a finite float, else None; a bool is no number."""
    if isinstance(value, bool) or not hasattr(value, "__float__") or isinstance(value, (str, bytes)):
        return None
    if getattr(value, "shape", ()) != () or type(value).__name__ == "bool":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
