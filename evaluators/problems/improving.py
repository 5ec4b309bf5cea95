"""A problem turned into the search for programs that improve on the best output so far, in a fixed time.

A chain of specialised heuristics (AlphaEvolve, arXiv 2506.13131, B) finds what no program finds from nothing. Any
problem whose outputs speak for themselves can be searched so: nothing of its module is needed but its scorer.
"""

from __future__ import annotations

from dataclasses import replace

from evaluators.contract import Program
from evaluators.problems.problem import Problem
from evaluators.source.files import ProblemError, SourceFiles
from evaluators.source.modules import import_source

LEAST_S, MOST_S = 0.1, 3600.0
_GOAL = """

In this search no program starts from nothing. Instead of what is said above, the program defines

    improve(inputs, best, report, deadline_s)

`best` is the best output so far, what a program as above would return (arrays as lists); it is a copy, to be changed
freely. `inputs` is what the case gives, or None. The program has deadline_s seconds to improve on `best`: it calls
report(output) with each better output that it finds, of the same form, and may return one at the end. When the time is
over it is stopped, and the last output reported counts. Only an output that scores better than `best` gains anything,
so compute the score, as strictly as the check does, before reporting. `best` may be far better than anything this
program could find from nothing: small, careful steps pay then."""

_SEED = """
# EVOLVE-BLOCK-START
def improve(inputs, best, report, deadline_s):
    return best
# EVOLVE-BLOCK-END
"""

_HARNESS = """
def run(program, inputs, report, deadline_s):
    reported = []

    def tell(output):
        report(output)
        reported.append(True)

    found = program.improve(inputs["inputs"], inputs["best"], tell, deadline_s)
    return inputs["best"] if found is None and not reported else found
"""


def improving(problem: Problem, seconds: float) -> Problem:
    """Returns the search for programs that improve on the best output so far, in so many seconds per case.

    Raises:
        ProblemError: the problem's outputs do not speak for themselves, or `seconds` is out of range.
    """
    if (
        not problem.keeps_certificate
        or problem.serve
        or problem.follow
        or problem.kernel
        or problem.self_scored
    ):
        raise ProblemError(
            f"{problem.name} keeps no output that a program could improve on",
            remedy="that takes CERTIFICATE = True, no serve(), no follow(), and the same cases in every run",
            file=problem.files.path,
        )
    if not LEAST_S <= seconds <= MOST_S:
        raise ProblemError(f"the time to improve must be in {LEAST_S:g}..{MOST_S:g} s, got {seconds:g}")
    harness = SourceFiles(problem.name, "improve.py", {"improve.py": _HARNESS})
    return replace(
        problem,
        goal=problem.goal + _GOAL,
        seed=problem.heuristic_seed or Program({"program.py": _SEED}),
        source=replace(problem.source, improve_s=seconds),
        objective=replace(problem.objective, repeats=1),  # run again, it would be handed something else
        limits=replace(problem.limits, cpu_s=seconds, wall_s=1.5 * seconds + 1),  # a busy machine is no fault
        run=import_source(harness).run,
        run_extras=("report", "deadline_s"),
        harness=harness,
        held_out=None,
        thresholds=(),
    )
