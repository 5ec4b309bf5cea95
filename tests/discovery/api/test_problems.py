"""Problems from a first program and a scoring function, which travels to the judge as a file of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import discovery
from discovery.core.errors import ConfigError
from evaluators.contract import Invalid
from evaluators.problems.loading import load_problem

SEED = "def answer(n=0):\n    return 1.0 + n\n"
LIMIT = 10
UNWRITABLE = object()


def is_large(value: float) -> bool:
    return value > LIMIT


def square(output: float) -> float:
    """Return a number, at most 10, whose square is large."""
    if is_large(output):
        raise Invalid("too large")
    return math.pow(output, 2) * float(Fraction(1, 2))


def with_unwritable(output: float) -> float:
    """Never mind."""
    return output if UNWRITABLE else 0.0


def test_a_function_travels_with_all_that_it_uses_and_scores_elsewhere(tmp_path: Path) -> None:
    root = discovery.problem(SEED, square, folder=tmp_path)
    loaded = load_problem(str(root))
    assert not loaded.self_scored
    assert loaded.goal == "Return a number, at most 10, whose square is large."
    good = discovery.evaluate(root, "def answer():\n    return 4.0\n")
    assert good.score == 8.0
    assert not good.self_scored
    assert discovery.evaluate(root, "def answer():\n    return 11.0\n").reason == "too large"
    assert "TypeError" in discovery.evaluate(root, "def answer():\n    return None\n").reason
    assert "finite numbers" in discovery.evaluate(root, "def answer():\n    return float('nan')\n").reason
    assert discovery.problem(SEED, square, folder=tmp_path) == root
    assert discovery.problem(SEED, square, direction="minimize", folder=tmp_path) != root


def test_inputs_metrics_and_targets(tmp_path: Path) -> None:
    def told(output: float, inputs: list[int]) -> dict[str, float]:
        return {"score": output - inputs[0], "output": output}

    root = discovery.problem(
        SEED, told, inputs=[[1], [5]], goal="Return more than n.", target=5.0, folder=tmp_path, name="more"
    )
    assert discovery.evaluate(root, "def answer(n):\n    return 3.0 * n\n").metrics == {
        "score": 6.0,
        "output": 9.0,
    }
    run = discovery.search(root, evals=500, seed=1, out=tmp_path / "run")
    assert run.info.problem == "more"
    assert run.outcome is not None
    assert run.outcome.reason == "target"


def closure() -> Callable[[float], float]:
    factor = 3.0

    def scaled(output: float) -> float:
        return factor * output

    return scaled


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": lambda output: output}, "must be defined with def"),
        ({"score": closure()}, "uses factor of the function round it"),
        ({"score": with_unwritable}, "uses UNWRITABLE, a object that cannot be written down"),
        ({"score": max}, "must be defined with def"),
        ({"goal": "", "score": is_large}, "goal must say"),
        ({"seed": "x = 1"}, "it defines none"),
        ({"seed": "def a(): pass\ndef b(): pass"}, "it defines a, b; name it with call="),
        ({"seed": "def a(:"}, "must be a Python program"),
        ({"inputs": []}, "inputs must be at least one list"),
        ({"inputs": [[object()]]}, "inputs must be at least one list"),
        ({"direction": "up"}, "direction must be"),
        ({"name": "a b"}, "name must be an identifier"),
    ],
)
def test_what_cannot_be_a_problem_says_why(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    options = {"seed": SEED, "score": square, "goal": "Do it.", "folder": tmp_path / "problems"} | change
    with pytest.raises(ConfigError, match=words):
        discovery.problem(**options)
    assert not (tmp_path / "problems").exists()
