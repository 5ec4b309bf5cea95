"""A problem from a first program and a function that scores what programs return."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from discovery.api.travel import text_of
from discovery.core.errors import ConfigError
from evaluators.text import trees

_TEXT = """\
{goal!r}

import math

from evaluators.contract import Case, Invalid, Objective

SEED = {seed!r}
OBJECTIVE = Objective("score", {direction!r}, target={target!r})
_INPUTS = {inputs!r}


def cases(rng, stage):
    return [Case(inputs=one) for one in _INPUTS]


def run(program, inputs):
    return program.{call}(*inputs)


def score(case, output):
    import scoring

    try:
        found = scoring.{score}({arguments})
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Invalid(f"{score}() raised {{type(error).__name__}}: {{error}}") from error
    metrics = dict(found) if isinstance(found, dict) else {{"score": found}}
    if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in metrics.values()):
        raise Invalid(f"{score}() returned {{found!r:.80}}; finite numbers are asked for")
    return {{name: float(one) for name, one in metrics.items()}}
"""


def problem(
    seed: str | Path,
    score: Callable[..., float | Mapping[str, float]],
    *,
    inputs: Sequence[Sequence[Any]] = ((),),
    call: str | None = None,
    direction: Literal["maximize", "minimize"] = "maximize",
    target: float | None = None,
    goal: str = "",
    name: str = "problem",
    folder: str | Path = "runs/problems",
) -> Path:
    """Returns the folder of a problem that is written from a first program and a function that scores.

    A program's function is called in the sandbox; `score` gets what it returned in another process, which no program can
    reach, so a score cannot be forged. For that, `score` goes to the judge as a file of its own, with the functions, imports
    and constants that it uses. The folder is an ordinary problem, to be read and changed (docs/problems.md).

    Args:
        seed: the first program: its text, or the path of its file.
        score: takes what the program's function returned (and the arguments that it got, if it has two parameters) and
            returns the score, or metrics by name with the score under "score". What raises ValueError and the like, or is no
            finite number, makes the program invalid.
        inputs: the arguments of each call; the score is the mean over the calls. By default one call without any.
        call: the program's function to call; by default the only one that `seed` defines.
        direction: whether larger or smaller scores are better.
        target: a score that ends a run.
        goal: what is asked for, as models are told it; by default the docstring of `score`.
        name: of the problem.
        folder: where problems are written; each different one has a place of its own there.

    Raises:
        ConfigError: `score` cannot travel, `seed` has no such function, or a value is out of range.

    Example:
        >>> import discovery
        >>> def error(fraction):
        ...     "Return integers (p, q), 0 < q <= 100, whose quotient is as close to the root of 2 as possible."
        ...     p, q = fraction
        ...     return abs((p / q) ** 2 - 2) if 0 < q <= 100 else float("nan")
        >>> root = discovery.problem("def fraction(): return [3, 2]", error, direction="minimize", folder=folder)
        >>> discovery.evaluate(root, "def fraction(): return [7, 5]").score
        0.04000000000000026
    """
    text = seed.read_text(encoding="utf-8") if isinstance(seed, Path) else seed
    goal = goal or inspect.getdoc(score) or ""
    if not goal:
        raise ConfigError("goal must say what is asked for, in a sentence; give it, or a docstring to score")
    if not name.isidentifier():
        raise ConfigError(f"name must be an identifier, got {name!r:.60}")
    if direction not in ("maximize", "minimize"):
        raise ConfigError(f'direction must be "maximize" or "minimize", got {direction!r:.40}')
    scoring = text_of(score)
    arguments = "output, case.inputs" if len(inspect.signature(score).parameters) > 1 else "output"
    statement = _TEXT.format(
        goal=goal,
        seed=text,
        direction=direction,
        target=target,
        inputs=_written(inputs),
        call=call or _only_function(text),
        score=score.__name__,
        arguments=arguments,
    )
    digest = hashlib.blake2b((statement + "\0" + scoring).encode(), digest_size=6).hexdigest()
    place = (Path(folder) / digest / name).absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file, content in (("problem.py", statement), ("scoring.py", scoring)):
            (place / file).write_text(content, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}; name another folder") from error
    return place


def _written(inputs: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Returns the arguments of the calls as plain lists that can be written down."""
    plain = [list(arguments) for arguments in inputs]
    try:
        if plain and ast.literal_eval(repr(plain)) == plain:
            return plain
    except (ValueError, SyntaxError):
        pass
    raise ConfigError(
        f"inputs must be at least one list of arguments, of numbers, texts, lists and dicts, got {inputs!r:.80}"
    )


def _only_function(text: str) -> str:
    """Returns the name of the one public function that a program defines.

    Raises:
        ConfigError: it is no Python, or defines none or several.
    """
    try:
        tree = trees.parse(text)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"seed must be a Python program: {error}") from error
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[:1] != "_"]
    if len(names) != 1:
        raise ConfigError(
            f"seed must define one function to call, it defines {', '.join(names) or 'none'}; name it with call="
        )
    return names[0]
