"""Random factors: formulas over the fields and the causal operators, in which only like is compared with like.

A price is divided by a price or compared with its own past, volume with its own past; what is left has no unit, so
that names can be compared. Nothing else is known here: all fields of a kind are equally likely.

    ratio    gap        log of one price over another of the day, or of the day before
             place      where a price lies between two others
             shift      log of a field less its smoothed past
             change     change of the log of a field over some days
    feature  ratio | ratio less its smoothed past | ratio over the spread of returns | its standard deviation
             | its correlation with another ratio | the product of two ranks | what another ratio does not explain
    factor   a feature, mostly smoothed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PRICES = ("open", "high", "low", "close", "vwap")
FIELDS = (*PRICES, "volume")
SMOOTHED = 0.85
"""Share of the factors that are smoothed."""
_SHORT, _LONG = (1.0, 20.0), (10.0, 250.0)


@dataclass(frozen=True, slots=True)
class Formula:
    """A factor as an expression of `x`, the fields, and of its windows in days, which have names.

    Attributes:
        name: what it is about, as an identifier; not unique.
        windows: (name, days).
        text: the expression.
    """

    name: str
    windows: tuple[tuple[str, float], ...]
    text: str

    def function(self, name: str) -> str:
        """Returns it as a function of this name, with the windows as defaults."""
        windows = "".join(f", {window}={days!r}" for window, days in self.windows)
        return f"def {name}(x{windows}):\n    return {self.text}\n"


def draw_formula(rng: np.random.Generator) -> Formula:
    """Returns a random factor; equal states of `rng` give equal ones."""
    drawing = _Drawing(rng)
    name, text = drawing.feature()
    if rng.random() < SMOOTHED:
        text = drawing.smoothed(text)
    return Formula(name, tuple(drawing.windows), text)


def draw_days(rng: np.random.Generator, low: float, high: float) -> float:
    """Returns a window in days, log-uniform in [low, high], with two digits."""
    days = math.exp(rng.uniform(math.log(low), math.log(high)))
    return float(f"{days:.2g}")


class _Drawing:
    """One formula in the making: its windows, and the draws."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.windows: list[tuple[str, float]] = []

    def feature(self) -> tuple[str, str]:
        """Returns a name and an expression."""
        makers: Sequence[Callable[[], tuple[str, str]]] = (
            self._ratio,
            self._ratio,
            self._ratio,
            self._unusual,
            self._scaled,
            self._unsteady,
            self._together,
            self._product,
            self._rest,
        )
        return makers[int(self._rng.integers(len(makers)))]()

    def smoothed(self, text: str) -> str:
        """Returns the expression, smoothed."""
        smoother = ("ewma", "ewma", "ts_mean")[self._rng.integers(3)]
        return f"op.{smoother}({text}, {self._window('days', *_SHORT)})"

    def _window(self, name: str, low: float, high: float) -> str:
        used = {window for window, _ in self.windows}
        free = next(one for one in (name, *(f"{name}{n}" for n in range(2, 99))) if one not in used)
        self.windows.append((free, draw_days(self._rng, low, high)))
        return free

    def _one(self, names: Sequence[str]) -> str:
        return names[int(self._rng.integers(len(names)))]

    def _two(self) -> tuple[str, str]:
        first, second = self._rng.permutation(len(PRICES))[:2]
        return PRICES[first], PRICES[second]

    def _ratio(self) -> tuple[str, str]:
        return (self._gap, self._place, self._shift, self._change)[self._rng.integers(4)]()

    def _gap(self) -> tuple[str, str]:
        top, bottom = self._two()
        below = f'x["{bottom}"]'
        if self._rng.random() < 1 / 3:
            below = f"op.delay({below}, 1)"
        return f"{top}_over_{bottom}", f'op.log(op.divide(x["{top}"], {below}))'

    def _place(self) -> tuple[str, str]:
        price, low = self._two()
        high = self._one([name for name in PRICES if name not in (low, price)])
        if self._rng.random() < 1 / 2:  # the day's range is the usual yardstick
            low, high = "low", "high"
            price = self._one(("open", "close", "vwap"))
        return (
            f"{price}_between_{low}_{high}",
            f'op.divide(x["{price}"] - x["{low}"], x["{high}"] - x["{low}"])',
        )

    def _shift(self) -> tuple[str, str]:
        field = self._one(FIELDS)
        level = f'op.log(x["{field}"])'
        return f"{field}_shift", f"{level} - op.ewma({level}, {self._window('past', *_LONG)})"

    def _change(self) -> tuple[str, str]:
        field = self._one(FIELDS)
        return f"{field}_change", f'op.delta(op.log(x["{field}"]), {self._window("lag", *_SHORT)})'

    def _unusual(self) -> tuple[str, str]:
        name, text = self._ratio()
        return f"unusual_{name}", f"{text} - op.ewma({text}, {self._window('usual', *_LONG)})"

    def _scaled(self) -> tuple[str, str]:
        name, text = self._ratio()
        spread = f'op.ts_std(op.returns(x["close"]), {self._window("spread", *_LONG)})'
        return f"scaled_{name}", f"op.divide({text}, {spread})"

    def _unsteady(self) -> tuple[str, str]:
        name, text = self._ratio()
        return f"unsteady_{name}", f"op.ts_std({text}, {self._window('window', *_LONG)})"

    def _together(self) -> tuple[str, str]:
        (name, first), (_, second) = self._ratio(), self._ratio()
        return f"{name}_together", f"op.ts_corr({first}, {second}, {self._window('window', *_LONG)})"

    def _product(self) -> tuple[str, str]:
        (name, first), (_, second) = self._ratio(), self._ratio()
        return f"{name}_product", f"(op.cs_rank({first}) - 0.5) * (op.cs_rank({second}) - 0.5)"

    def _rest(self) -> tuple[str, str]:
        (name, first), (_, second) = self._ratio(), self._ratio()
        return f"{name}_rest", f"op.cs_residual({first}, {second})"
