"""What is wrong with a problem, told to its author before a run pays for it.

`check_problem` evaluates the seed several times, hollowed-out and perturbed seeds, and asks the trusted
functions `cases`, `score` and `serve` what they do with what they will meet. The trusted functions and the
seed run in this
process, too: checking a problem trusts it as much as running it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from evaluators.checking import probes
from evaluators.checking.cases import Draws, check_cases
from evaluators.checking.findings import Finding, Level, brief
from evaluators.checking.kernels import check_kernel
from evaluators.checking.score import check_score
from evaluators.checking.stash import check_stash
from evaluators.contract import Evaluation, Measure, Program
from evaluators.problems.loading import Problem
from evaluators.source.modules import import_source, run_source
from evaluators.text import blocks

__all__ = ["Finding", "Level", "check_problem"]

SEED_RUNS = 3
PERTURBED = 8
TIGHT_SHARE = 0.5
SLOW_S = 5.0
TRIALS_S = 90.0
_EXAMPLES = 4
_NOT_THE_AUTHORS = {"seed is not repeatable", "a trivial program beats the seed"}

T = TypeVar("T")


def check_problem(
    problem: Problem, evaluate: Callable[[Program], Evaluation], *, seed: int = 0
) -> list[Finding]:
    """Returns what is wrong with a problem, worst first; [] where nothing was found.

    Args:
        problem: the loaded problem.
        evaluate: judges one program, always on the same cases.
        seed: for the cases that are drawn here, and for the perturbations.
    """
    if problem.kernel is not None:
        return check_kernel(problem, problem.kernel, evaluate, seed=seed)
    found = list(_check_text(problem))
    draws = Draws(problem, seed)
    found += check_cases(draws)
    evaluations = [evaluate(problem.seed) for _ in range(SEED_RUNS)]
    found += _check_seed(problem, evaluations)
    if all(evaluation.is_ok for evaluation in evaluations):
        patience = _Patience(TRIALS_S)
        found += _check_trivial(problem, evaluate, evaluations[0], patience)
        if draws.is_sound and any(patience.take([True])):
            found += check_stash(problem, len(draws.cases), evaluate, evaluations[0])
        found += _check_measures(problem, evaluate, evaluations[0], seed, patience)
        found += patience.findings()
    if problem.self_scored:
        found = [*_check_trust(problem), *map(_softened, found)]
    elif draws.is_sound:
        found += check_score(problem, draws)
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


@dataclass(slots=True)
class _Patience:
    """Hands out programs to try for as long as the time lasts."""

    budget_s: float
    begun_s: float = field(default_factory=time.monotonic)
    is_over: bool = False

    def take(self, programs: Iterable[T]) -> Iterator[T]:
        for program in programs:
            if time.monotonic() - self.begun_s > self.budget_s:
                self.is_over = True
                return
            yield program

    def findings(self) -> Iterator[Finding]:
        if self.is_over:
            detail = (
                f"evaluations are slow: after {self.budget_s:g} s no more variants of the seed were tried"
            )
            yield Finding(
                Level.NOTE, "not everything was tried", detail, "make the cases smaller for a full check"
            )


def _check_trust(problem: Problem) -> Iterator[Finding]:
    yield Finding(
        Level.WARNING,
        "self-scored",
        "the score is what the sandboxed process says of itself: a program can forge it (it cannot escape)",
        f"look at the best programs; `discovery convert {problem.files.folder}` begins a problem that judges them elsewhere",
    )


def _softened(finding: Finding) -> Finding:
    """Returns a finding about somebody else's evaluator as a warning: a run works, whatever it is worth."""
    if finding.title in _NOT_THE_AUTHORS:
        return replace(finding, level=Level.WARNING)
    return finding


def _check_text(problem: Problem) -> Iterator[Finding]:
    called = probes.called_functions(problem.files.files[problem.files.module])
    told = problem.goal + problem.notes
    for name in called:
        if name not in told:
            yield Finding(
                Level.WARNING,
                "goal names no function",
                f"run() calls program.{name}, but the goal (the module's docstring) does not mention {name}",
                f"say in the docstring what {name}() is given and what it returns",
            )
    if not blocks.has_blocks(problem.seed):
        yield Finding(
            Level.NOTE,
            "nothing is frozen",
            "the seed has no EVOLVE-BLOCK markers, so everything in it may change",
            "enclose what should change in # EVOLVE-BLOCK-START and # EVOLVE-BLOCK-END",
        )
    elif not blocks.editable_text(problem.seed).strip():
        yield Finding(
            Level.ERROR,
            "nothing may change",
            "all EVOLVE blocks of the seed are empty",
            "move what should change between the markers",
        )
    try:
        import_source(run_source(problem.files))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (a finding, whatever it is)
        yield Finding(
            Level.ERROR,
            "run() cannot be loaded alone",
            f"without the scorer, what run() needs of the module fails: {brief(error, problem.files.path)}",
            "define what run() needs by plain statements at the top of the module",
        )


def _check_seed(problem: Problem, evaluations: list[Evaluation]) -> Iterator[Finding]:
    failed = next((evaluation for evaluation in evaluations if not evaluation.is_ok), None)
    if failed:
        tail = f"\n{failed.feedback.strip()}" if failed.feedback.strip() else ""
        detail = f"{failed.status}: {failed.reason}{tail}"
        yield Finding(
            Level.ERROR, "seed fails", detail, "the seed must run and score: all programs descend from it"
        )
        return
    first = evaluations[0]
    scores = [evaluation.score for evaluation in evaluations]
    does_vary = problem.objective.repeats > 1  # so it says of its scores
    if len(set(scores)) > 1 and not does_vary:
        yield Finding(
            Level.ERROR,
            "seed is not repeatable",
            f"the same program scored {', '.join(map(repr, scores))}",
            "give programs a seed for their random numbers in the inputs, and keep time out of the score",
        )
    elif len({evaluation.measures for evaluation in evaluations}) > 1 and not does_vary:
        detail = f"the same program was measured {', '.join(str(e.measures) for e in evaluations)}"
        yield Finding(
            Level.WARNING, "measures are not repeatable", detail, "compute them from the output alone"
        )
    yield from _check_objective(problem, first)
    yield from _check_limits(problem, evaluations)


def _check_objective(problem: Problem, evaluation: Evaluation) -> Iterator[Finding]:
    score, objective = evaluation.score or 0.0, problem.objective
    if objective.is_reached(score):
        detail = f"the seed scores {score:g} and the target is {objective.target:g}: a run would end at once"
        yield Finding(Level.ERROR, "target already reached", detail, "set a target beyond the seed, or none")
    if objective.bound is not None and objective.fitness(score) >= objective.fitness(objective.bound):
        detail = f"the seed scores {score:g}, the proven bound is {objective.bound:g}"
        yield Finding(
            Level.ERROR, "bound already reached", detail, "nothing can be better; is the bound right?"
        )


def _check_limits(problem: Problem, evaluations: list[Evaluation]) -> Iterator[Finding]:
    cases = max(1, evaluations[0].cases_total)
    limits = problem.limits
    for name, used, allowed in (
        ("cpu_s", max(e.cpu_s for e in evaluations) / cases, limits.cpu_s),
        ("wall_s", max(e.wall_s for e in evaluations) / cases, limits.wall_s),
    ):
        if used > TIGHT_SHARE * allowed:
            detail = f"the seed uses {used:.2f} s per case of LIMITS {name} = {allowed:g}"
            yield Finding(Level.WARNING, "limit is tight", detail, f"raise {name}, or make the cases smaller")
    wall_s = min(e.wall_s for e in evaluations)
    if wall_s > SLOW_S:
        detail = (
            f"one evaluation takes {wall_s:.1f} s, so a thousand take {wall_s / 3.6:.1f} hours on one worker"
        )
        yield Finding(
            Level.NOTE, "evaluations are slow", detail, "put cheap cases into a first stage (STAGES = 2)"
        )


def _check_trivial(
    problem: Problem,
    evaluate: Callable[[Program], Evaluation],
    honest: Evaluation,
    patience: _Patience,
) -> Iterator[Finding]:
    """Hollowed-out programs must not reach what the seed reaches."""
    fitness = problem.objective.fitness
    called = probes.called_functions(problem.files.files[problem.files.module])
    lower: list[str] = []
    equal: list[str] = []
    higher: list[str] = []
    for what, program in patience.take(probes.trivial_programs(problem.seed, called)):
        score = evaluate(program).score
        if score is None or honest.score is None:
            continue
        difference = fitness(score) - fitness(honest.score)
        group = higher if difference > 0 else lower if difference < 0 else equal
        group.append(f"{what}: {score:g}")
    against = f" (the seed: {honest.score:g})"
    if higher:
        remedy = "score() rewards what is no solution; raise Invalid for it"
        yield Finding(Level.ERROR, "a trivial program beats the seed", _listed(higher) + against, remedy)
    if equal:
        remedy = "is the seed any better than nothing, and does score() see what it does?"
        yield Finding(Level.WARNING, "a trivial program equals the seed", _listed(equal) + against, remedy)
    if lower:
        remedy = "raise Invalid if these are no solutions at all"
        yield Finding(Level.NOTE, "trivial programs get a score", _listed(lower) + against, remedy)


def _listed(examples: list[str]) -> str:
    more = f" and {len(examples) - _EXAMPLES} more" if len(examples) > _EXAMPLES else ""
    return "; ".join(examples[:_EXAMPLES]) + more


def _check_measures(
    problem: Problem,
    evaluate: Callable[[Program], Evaluation],
    honest: Evaluation,
    seed: int,
    patience: _Patience,
) -> Iterator[Finding]:
    """Perturbed seeds should fall into the declared range, and not all into one cell at its edge."""
    rng = np.random.default_rng([seed, 2])
    children = patience.take(probes.perturbed_programs(problem.seed, rng, PERTURBED))
    rows = [evaluate(child).measures for child in children]
    rows = [honest.measures, *rows]
    for index, measure in enumerate(problem.measures):
        if measure.source == "novelty":  # no search, no elites to be told from
            continue
        values = [row[index] for row in rows if row is not None]
        outside = [value for value in values if not measure.low <= value <= measure.high]
        shown = f"{min(values):.4g} to {max(values):.4g}" if min(values) < max(values) else f"{values[0]:.4g}"
        where = f"measure {measure.name!r} spans {measure.low:g} to {measure.high:g}"
        if 4 * len(outside) >= len(values):
            level = Level.WARNING if len(outside) == len(values) else Level.NOTE
            detail = (
                f"{where}, but {len(outside)} of {len(values)} programs near the seed lie outside ({shown})"
            )
            yield Finding(
                level, "measure out of range", detail, "widen the range: what is outside shares the edge"
            )
        elif measure.source == "metrics" and len(values) >= 3 and _is_one_edge_cell(measure, values):
            detail = f"{where}, and all programs near the seed lie in its cell at the edge ({shown})"
            yield Finding(
                Level.NOTE, "measure may be idle", detail, "choose a range with the seed well inside"
            )


def _is_one_edge_cell(measure: Measure, values: list[float]) -> bool:
    width = (measure.high - measure.low) / measure.bins
    cells = {min(measure.bins - 1, int((value - measure.low) / width)) for value in values}
    return measure.bins > 1 and len(cells) == 1 and bool(cells & {0, measure.bins - 1})
