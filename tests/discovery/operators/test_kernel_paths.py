"""From a naive kernel to a fast one by the replies of a model: prompt, HTTP, reply, child, compiler, judge.

Nothing here depends on how fast anything is; `python -m benchmarks.kernels.paths` measures that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.kernels.paths import AIMS, replies
from discovery.core.events import Proposed
from discovery.core.types import Context, Individual, ProposeJob
from discovery.execution.jobs import propose
from discovery.llm.client import ChatModels, close_connections
from discovery.operators.registry import OPERATORS
from discovery.settings.models import ModelConfig
from discovery.testing import ChatEndpoint, ChatRequest, recorded
from evaluators.contract import Evaluation, Program, Status
from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.lease import Lease
from evaluators.kernels.statistics import Precision
from evaluators.problems.loading import Problem, load_problem
from islands.chance import Purpose

QUICK = Precision(least_rounds=3, most_rounds=3, half_width=9.0, gate_half_width=99.0, gate_slack=99.0)
SMALL = {
    "softmax": {"rows": 40, "cols": 90},
    "histogram": {"n": 20_000},
    "jacobi_stencil": {"rows": 60, "cols": 70, "steps": 4},
}

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

Step = Callable[[str, Program, Evaluation], Program]


@pytest.fixture(autouse=True)
def no_connections_left() -> Iterator[None]:
    yield
    close_connections()


def small(name: str) -> Problem:
    """The shipped problem, timed at a shape that takes microseconds."""
    problem = load_problem(name)
    assert problem.kernel is not None
    kernel = replace(problem.kernel, timed=(SMALL[name],), held_out=(), plausible_speedup=1e6)
    return replace(problem, kernel=kernel)


@contextmanager
def quick_judge(problem: Problem, folder: Path) -> Iterator[KernelJudge]:
    """A judge that times three rounds and believes them, and waits for no other judge of this machine."""
    with closing(Lease(str(folder))) as lease:
        with closing(KernelJudge(problem, secret=b"path", precision=QUICK, lease=lease)) as judge:
            yield judge


def stepper(problem: Problem, endpoint: ChatEndpoint) -> Step:
    """Returns what makes a child of a program by asking the endpoint."""
    model = ChatModels(ModelConfig(models=(("recorded", 1.0),), api_base=endpoint.api_base, timeout_s=20))
    context = Context(problem.goal, "speedup", "maximize", problem.seed)

    def step(operator: str, program: Program, evaluation: Evaluation) -> Program:
        parent = Individual(program, evaluation, program.id)
        job = ProposeJob("job", operator, 0, 0, (parent,), context, (1, Purpose.PROPOSAL, 0))
        event = propose(job, OPERATORS[operator], model)
        assert isinstance(event, Proposed), event
        assert not event.refusal
        return event.proposal.program

    return step


@pytest.mark.parametrize("name", list(AIMS))
def test_recorded_replies_lead_from_the_seed_to_a_judged_kernel(name: str, tmp_path: Path):
    problem = small(name)
    with ChatEndpoint(recorded(*replies(name))) as endpoint:
        with quick_judge(problem, tmp_path) as judge:
            step, program = stepper(problem, endpoint), problem.seed
            evaluations = [judge.evaluate(program)]
            for _ in replies(name):
                program = step("rewrite", program, evaluations[-1])
                evaluations.append(judge.evaluate(program))
        asked = endpoint.requests
    assert [evaluation.status for evaluation in evaluations] == [Status.OK] * (1 + len(replies(name)))
    assert len({evaluation.score for evaluation in evaluations}) == len(evaluations)
    for evaluation in evaluations:
        assert evaluation.certificate["timings"][0]["cpu_us"]
        assert evaluation.metrics["speedup"] <= evaluation.metrics["speedup_median"]
        assert len(evaluation.measures) == len(problem.measures)
    assert f"```c\n{problem.seed.text.splitlines()[0]}" in asked[0].prompt
    assert f"Score {evaluations[0].score:.8g}" in asked[0].prompt


def test_the_compilers_words_reach_the_model_that_repairs(tmp_path: Path):
    problem = small("histogram")
    broken = problem.seed.with_text(problem.seed.text.replace("counts[x[i]]++;", "counts[x[i]]++"))
    old, new = "                counts[x[i]]++", "                counts[x[i]]++;"
    fix = f"Idea: the semicolon.\n\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"
    told: list[str] = []

    def script(request: ChatRequest) -> object:
        told.append(request.prompt)
        return recorded(fix)(request)

    with (
        ChatEndpoint(script) as endpoint,
        quick_judge(problem, tmp_path) as judge,
    ):
        failed = judge.evaluate(broken)
        assert failed.status is Status.ERROR
        program = stepper(problem, endpoint)("repair", broken, failed)
    assert program == problem.seed
    assert "error: expected" in told[0]


@pytest.mark.parametrize("name", list(AIMS))
def test_replies_are_a_path_from_simple_to_fast(name: str):
    folder = Path(__file__).parents[3] / "benchmarks" / "kernels" / "replies" / name
    assert len(replies(name)) == len(list(folder.iterdir())) >= 2
