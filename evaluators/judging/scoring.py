"""Scores an output again without the program that gave it, in a process of its own with limits.

For an output that comes in a file from anywhere. The scorer is trusted, the output is not: whatever it makes the
scorer do (hang, swallow memory, die) ends that process alone.

Exceptions:
    Invalid (contract.py)     the output is refused; the message says why
    ProblemError (source_files.py)  the problem cannot be loaded, or its scorer breaks the contract
"""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.contract import Case, ContractError, Invalid, Objective, PlainData, Result
from evaluators.exact import exact_text
from evaluators.judging.equality import same_data
from evaluators.problems.loading import Problem, ProblemError, ProblemSource, load_source
from evaluators.sandbox.clean import clean_line
from evaluators.sandbox.linux import child_environment, module_paths

WALL_S = 120.0
MEMORY_BYTES = 4 << 30
AGREEMENT = 1e-12
"""How far the exact score may lie from the metric that `score` returns, relatively."""

_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from evaluators.judging.scoring import main; main()"


@dataclass(frozen=True, slots=True)
class Scored:
    """What an output is worth.

    Attributes:
        score: the objective's value.
        exact: the same as text, a fraction or a ball (exact.exact_text); None where the problem has no `exact`.
    """

    score: float
    exact: Mapping[str, str] | None


def object_cases(problem: Problem) -> tuple[Case, ...] | None:
    """Returns the cases that an output answers by itself; None where a claim rests on running the program.

    An output speaks for itself where it is kept, is no record of an oracle, was not scored beside the program, and
    answers cases that are the same in every run (those of the last stage, which make the score).
    """
    if (
        not problem.keeps_certificate
        or problem.serve
        or problem.follow
        or problem.vary
        or problem.kernel
        or problem.self_scored
    ):
        return None
    drawn = [
        problem.draw_cases(rng, problem.stages - 1)
        for rng in (np.random.default_rng(0), np.random.default_rng(1))
    ]
    facts = [[(case.inputs, case.answer) for case in cases] for cases in drawn]
    return drawn[0] if same_data(*facts) else None


def score_output(problem: Problem, cases: tuple[Case, ...], output: PlainData) -> Scored:
    """Returns what an output is worth: one object, or, where there are several cases, their list.

    Raises:
        Invalid: it is refused, or better than a proven bound.
        ProblemError: the scorer breaks the contract.
    """
    outputs = [output] if len(cases) == 1 else output
    if not isinstance(outputs, list) or len(outputs) != len(cases):
        raise Invalid(f"a list of {len(cases)} outputs is asked for, one per case")
    results = [
        Result(case, problem.score_output(case, one)) for case, one in zip(cases, outputs, strict=True)
    ]
    score = problem.combine(results)[problem.objective.name]
    _check_gates(problem.objective, score)
    exact = problem.exact_score(cases, outputs)
    if exact is not None and not math.isclose(float(exact), score, rel_tol=AGREEMENT, abs_tol=1e-300):
        raise ProblemError(
            f"exact() gives {float(exact)!r}, score() {score!r}; they must agree", file=problem.files.path
        )
    return Scored(score, exact_text(exact))


def score_apart(source: ProblemSource, output: PlainData, *, wall_s: float = WALL_S) -> Scored:
    """Returns what an output is worth, found out in a fresh process.

    Raises:
        Invalid: it is refused, or takes too much time or memory to score.
        ProblemError: the problem cannot be loaded, or its scorer breaks the contract.
    """
    request = json.dumps({"problem": source.to_json(), "output": output, "cpu_s": wall_s})
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths())],
            input=request.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
            cwd="/",
            timeout=wall_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Invalid(f"scoring it takes longer than {wall_s:g} s") from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise Invalid(f"the scorer died of it (exit code {done.returncode})") from None
    if "invalid" in answer:
        raise Invalid(answer["invalid"])
    if "broken" in answer:
        raise ProblemError(answer["broken"])
    return Scored(answer["score"], answer["exact"])


def _check_gates(objective: Objective, score: float) -> None:
    for what, limit in (("the proven bound", objective.bound), ("what is plausible", objective.plausible)):
        if limit is not None and objective.fitness(score) > objective.fitness(limit):
            raise Invalid(f"{objective.name} {score:.12g} is better than {what}, {limit:.12g}")


# ---- inside the process


def main() -> None:
    """Scores what standard input asks for and writes the answer to standard output."""
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a problem prints is no answer
    request = json.load(sys.stdin)
    cpu_s = int(request["cpu_s"]) + 1
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    os.write(answers, json.dumps(_answer(request)).encode())


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        problem = load_source(ProblemSource.from_json(request["problem"]))
        if (cases := object_cases(problem)) is None:
            return {"broken": f"outputs of {problem.name} cannot be judged without the program"}
        scored = score_output(problem, cases, request["output"])
    except Invalid as error:
        return {"invalid": clean_line(str(error)) or "rejected by the scorer"}
    except ContractError as error:
        return {"broken": str(error)}
    except Exception as error:  # noqa: BLE001 - a scorer that cannot stand the output refuses it
        return {"invalid": clean_line(f"the scorer cannot stand it ({type(error).__name__}: {error})")}
    return {"score": scored.score, "exact": scored.exact}
