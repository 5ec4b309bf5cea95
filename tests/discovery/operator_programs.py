"""Programs that the model-free operators are tried on."""

from __future__ import annotations

import warnings

import numpy as np

from discovery.core.types import Context, Individual, ProposeJob
from evaluators.contract import Evaluation, Program, Status

RICH = '''"""A program with a bit of everything."""

import math

LIMIT = 3
# EVOLVE-BLOCK-START
TABLE = [
    (0.1, 0.2),
    (0.3, 0.4),
]  # two rows
WEIGHTS = {"ä": 0.5, "b": -1.5}


def area(r, scale=1.5):
    """The area."""
    if r > 0 and scale > 0:
        total = math.pi * r**2  # exact
        return total * scale
    elif r < -5:
        return 0.0
    else:
        return max(0.25, -r)


def count(items):
    result = 0
    for item in items:
        if not item:
            continue
        result += 1; result *= 1
    return result if result < 10 else 10


TEXT = f"{LIMIT + 1} of {area(2.0):.3f}"
# EVOLVE-BLOCK-END


def pack():
    return [area(x) + y for x, y in TABLE], count([1, 0, 2])
'''

OTHER = '''"""A program with a bit of everything."""

import math

LIMIT = 3
# EVOLVE-BLOCK-START
TABLE = [
    (0.6, 0.7),
    (0.8, 0.9),
]
WEIGHTS = {"ä": 0.25}


def area(r, scale=2.5):
    circle = math.tau * r
    return circle * scale / 2


def helper(values):
    best = min(values)
    while best < 4.5:
        best = best * 2 + 1
    return best


def count(items):
    return len([item for item in items if item]) + helper([LIMIT])


TEXT = "text"
# EVOLVE-BLOCK-END


def pack():
    return [area(x) + y for x, y in TABLE], count([1, 0, 2])
'''


def program(text: str) -> Program:
    return Program({"program.py": text})


def job(operator: str, *texts: str) -> ProposeJob:
    parents = tuple(
        Individual(program(text), Evaluation(Status.OK, 1.0), f"parent{i}") for i, text in enumerate(texts)
    )
    context = Context("goal", "score", "maximize", parents[0].program)
    return ProposeJob("job", operator, 0, 0, parents, context, (0,))


def rngs(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, i]) for i in range(count)]


def compiles(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "child", "exec")
    return True


def frozen(text: str) -> tuple[str, str]:
    """The text before and after the one block."""
    return text[: text.index("EVOLVE-BLOCK-START")], text[text.index("# EVOLVE-BLOCK-END") :]
