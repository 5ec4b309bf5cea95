"""Checks on a problem's scorer and oracle: what they do with an honest output, and with what is none."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from evaluators.checking import probes
from evaluators.checking.cases import Draws
from evaluators.checking.findings import Finding, Level, brief
from evaluators.contract import Case, Exhausted, Invalid, Oracle, PlainData
from evaluators.judging.alarm import AlarmError, time_limit
from evaluators.judging.equality import same_data
from evaluators.problems.loading import Problem, ProblemError
from evaluators.sandbox import plain
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source

SCORE_LIMIT_S = 1.0
LARGE_SHARE = 0.5
_EXAMPLES = 4


def check_score(problem: Problem, draws: Draws) -> Iterator[Finding]:
    """Yields what is wrong with `score` and `serve`, tried on the first case of the problem."""
    case = draws.cases[0]
    before = _state(problem)
    untouched = copy.deepcopy(case)
    honest = _honest(problem, case)
    if isinstance(honest, Finding):
        yield honest
        return
    yield from _check_honest(problem, case, honest)
    yield from _check_junk(problem, case, honest)
    if problem.serve:
        yield from _check_oracle(problem, case)
    if not same_data(case.inputs, untouched.inputs) or not same_data(case.answer, untouched.answer):
        yield Finding(
            Level.ERROR,
            "score() changes its case",
            "after scoring, the inputs or the answer of the case are not what they were",
            "copy what you change: programs that come later are judged on the same case",
        )
    if changed := sorted(
        name for name, value in _state(problem).items() if not same_data(value, before.get(name))
    ):
        yield Finding(
            Level.WARNING,
            "state in the module",
            f"scoring changes {', '.join(changed)}: a program's score may depend on those before it",
            "keep state in the oracle or in local variables",
        )


@dataclass(frozen=True, slots=True)
class _Honest:
    """The seed's own output on one case, with the oracle that served it."""

    output: PlainData
    oracle: Oracle | None
    metrics: Mapping[str, float]


def _honest(problem: Problem, case: Case) -> _Honest | Finding:
    oracle = problem.serve(case) if problem.serve else None
    reports: list[PlainData] = []
    extras = {"oracle": oracle, "report": reports.append, "deadline_s": problem.limits.wall_s}
    try:
        with time_limit(problem.limits.wall_s):
            files = SourceFiles("seed", problem.seed.entry, problem.seed.files)
            program = import_source(files)
            inputs = plain.decode(plain.encode(case.inputs))
            output = problem.run(program, inputs, **{name: extras[name] for name in problem.run_extras})
    except Exhausted:
        output = None
    except (AlarmError, Exception, SystemExit) as error:  # noqa: BLE001  (a finding, whatever it is)
        what = f"run() on the first case, outside the sandbox: {brief(error, problem.files.path)}"
        return Finding(Level.WARNING, "seed cannot be tried here", what, "score() was not checked")
    if output is None and reports:
        output = reports[-1]
    try:
        output = plain.decode(plain.encode(output))
        with time_limit(10 * SCORE_LIMIT_S):
            return _Honest(output, oracle, problem.score_output(case, output, oracle))
    except plain.PlainDataError as error:
        what = f"what run() returns cannot leave the sandbox: {error}"
        return Finding(Level.ERROR, "output is not plain data", what, "return lists, dicts, numbers, arrays")
    except (AlarmError, Exception) as error:  # noqa: BLE001  (a finding, whatever it is)
        what = f"on the seed's output for the first case: {brief(error, problem.files.path)}"
        return Finding(Level.ERROR, "score() fails on the seed", what)


def _check_honest(problem: Problem, case: Case, honest: _Honest) -> Iterator[Finding]:
    again = problem.score_output(case, copy.deepcopy(honest.output), honest.oracle)
    if again != honest.metrics:
        yield Finding(
            Level.ERROR,
            "score() is not repeatable",
            f"the same output scored {dict(honest.metrics)}, then {again}",
            "score() must depend on its arguments alone",
        )
    size_mib = len(plain.encode(honest.output)) / 2**20
    if size_mib > LARGE_SHARE * problem.limits.output_mib:
        yield Finding(
            Level.WARNING,
            "output limit is tight",
            f"the seed's output takes {size_mib:.2f} of {problem.limits.output_mib} MiB",
            "raise LIMITS output_mib, or return less",
        )


@dataclass(slots=True)
class _Outcomes:
    """What became of many tries, grouped: the same complaint is told once, with examples."""

    examples: dict[tuple[Level, str, str], list[str]] = field(default_factory=dict)

    def add(self, level: Level, title: str, remedy: str, example: str) -> None:
        self.examples.setdefault((level, title, remedy), []).append(example)

    def findings(self) -> Iterator[Finding]:
        for (level, title, remedy), examples in self.examples.items():
            more = f" and {len(examples) - _EXAMPLES} more" if len(examples) > _EXAMPLES else ""
            yield Finding(level, title, "; ".join(examples[:_EXAMPLES]) + more, remedy)


def _check_junk(problem: Problem, case: Case, honest: _Honest) -> Iterator[Finding]:
    outcomes = _Outcomes()
    tries = [(what, value, True, True) for what, value in probes.junk_outputs()]
    tries += [
        (f"the seed's output {what}", value, is_wrong, False)
        for what, value, is_wrong in probes.damaged_outputs(honest.output)
    ]
    name, fitness = problem.objective.name, problem.objective.fitness
    bound = problem.objective.bound
    for what, value, is_wrong, is_junk in tries:
        oracle = problem.serve(case) if problem.serve else None
        metrics = _try(problem, outcomes, "score()", what, partial(problem.score_output, case, value, oracle))
        if metrics is None or (bound is not None and fitness(metrics[name]) > fitness(bound)):
            continue  # refused here, or by the judge
        example = f"{what} scores {metrics[name]:g}"
        if fitness(metrics[name]) > fitness(honest.metrics[name]) and not (
            is_junk and _is_alike(value, honest.output)
        ):
            level = Level.ERROR if is_junk else Level.WARNING if is_wrong else Level.NOTE
            remedy = "if that is no fair output, check shape, type, range and finiteness, and raise Invalid"
            outcomes.add(level, "an odd output beats the seed", remedy, example)
        elif is_junk and not _is_alike(value, honest.output):
            remedy = "raise Invalid if that is no answer at all"
            outcomes.add(Level.NOTE, "score() accepts odd outputs", remedy, example)
    yield from outcomes.findings()


def _try(problem: Problem, outcomes: _Outcomes, function: str, what: str, call: Callable[[], Any]) -> Any:
    """Returns what a call returns, or None where it refused or failed (then the outcomes know)."""
    start = time.monotonic()
    try:
        with time_limit(SCORE_LIMIT_S):
            return call()
    except (Invalid, Exhausted) as error:
        if not str(error):
            remedy = "say why: people and models read it"
            outcomes.add(Level.WARNING, f"{function} rejects without a reason", remedy, what)
    except ProblemError as error:
        remedy = error.remedy or "raise Invalid for what is no valid output"
        outcomes.add(Level.WARNING, f"{function} breaks the contract", remedy, f"on {what}: {error.what}")
    except AlarmError:
        remedy = "check the size before computing with it"
        outcomes.add(
            Level.ERROR, f"{function} takes too long", remedy, f"{what}: {time.monotonic() - start:.1f} s"
        )
    except Exception as error:  # noqa: BLE001  (a finding, whatever it is)
        remedy = "check shape, type, range and finiteness first, and raise Invalid"
        detail = f"on {what}: {brief(error, problem.files.path)}"
        outcomes.add(Level.WARNING, f"{function} raises {type(error).__name__}", remedy, detail)
    return None


def _check_oracle(problem: Problem, case: Case) -> Iterator[Finding]:
    assert problem.serve is not None
    outcomes = _Outcomes()
    for what, value in probes.junk_outputs():
        oracle = problem.serve(case)
        reply = _try(problem, outcomes, "the oracle", f"the request {what}", partial(oracle, value))
        try:
            plain.encode(reply)
        except plain.PlainDataError as error:
            remedy = "reply with plain data"
            outcomes.add(
                Level.ERROR, "the oracle breaks the contract", remedy, f"on the request {what}: {error}"
            )
    yield from outcomes.findings()


def _is_alike(value: PlainData, honest: PlainData) -> bool:
    """Returns whether junk happens to be what this problem's outputs look like."""
    if isinstance(honest, (int, float)) and not isinstance(honest, bool):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf
    return honest is None or (isinstance(honest, str) and isinstance(value, str))


def _state(problem: Problem) -> dict[str, Any]:
    """Returns a copy of the plain module-level data of the problem."""
    module = vars(sys.modules[problem.score.__module__])
    found = {}
    for name, value in module.items():
        if name.startswith("__") or callable(value) or not _is_data(value):
            continue
        found[name] = copy.deepcopy(value)
    return found


def _is_data(value: Any) -> bool:
    try:
        plain.encode(sorted(value) if isinstance(value, (set, frozenset)) else value)
    except (plain.PlainDataError, TypeError):
        return False
    return True
