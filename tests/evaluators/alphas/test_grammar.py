from __future__ import annotations

import ast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evaluators.alphas import operators as op
from evaluators.alphas.grammar import FIELDS, PRICES, draw_days, draw_formula
from evaluators.alphas.markets.synthetic import synthesize

PANEL = synthesize(3, days=140, names=40).panel
NUMBERS = st.integers(0, 2**32 - 1)


def values(number: int, scale: dict[str, float]) -> np.ndarray:
    formula = draw_formula(np.random.default_rng(number))
    space: dict = {"op": op}
    exec(formula.function("drawn"), space)
    return space["drawn"]({name: PANEL.fields[name].astype(float) * scale.get(name, 1.0) for name in FIELDS})


@given(number=NUMBERS)
def test_a_formula_is_one_function_whose_windows_are_its_only_free_numbers(number: int) -> None:
    formula = draw_formula(np.random.default_rng(number))
    assert formula == draw_formula(np.random.default_rng(number))
    assert formula.name.isidentifier()
    (function,) = ast.parse(formula.function("drawn")).body
    assert isinstance(function, ast.FunctionDef)
    names = [argument.arg for argument in function.args.args[1:]]
    assert names == [name for name, _ in formula.windows]
    assert len(set(names)) == len(names)
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert read == {"op", "x", *names}


@given(number=NUMBERS)
def test_only_like_is_compared_with_like(number: int) -> None:
    """In another currency, and with another unit of volume, the order of the names stays what it was."""
    scale = dict.fromkeys(PRICES, 4.0) | {"volume": 1024.0}
    plain, scaled = values(number, {}), values(number, scale)
    assert plain.shape == PANEL.shape
    np.testing.assert_allclose(scaled, plain, rtol=1e-3, atol=1e-6)


@given(number=NUMBERS, low=st.floats(0.5, 20), stretch=st.floats(1.5, 30))
def test_windows_lie_in_their_range(number: int, low: float, stretch: float) -> None:
    days = draw_days(np.random.default_rng(number), low, low * stretch)
    assert 0.94 * low <= days <= 1.06 * low * stretch
    assert float(f"{days:.2g}") == days
