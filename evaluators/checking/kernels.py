"""What is wrong with a kernel task: would something that computes nothing pass, and does every input matter?

The filters run the task's own functions; programs run through the judge. Published suites had to drop a sixth of
their tasks for outputs that hardly vary (METR on KernelBench; robust-kbench's task filters).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.checking.findings import Finding, Level, brief
from evaluators.contract import Evaluation, Program
from evaluators.kernel_task import Buffer, Dims, KernelTask, Outputs, Values
from evaluators.kernels.tolerance import Expected, expect, find_fault
from evaluators.kernels.withheld import is_withheld
from evaluators.problems.loading import Problem

_DRAWS = 5
_HIDDEN = 20


def check_kernel(
    problem: Problem, task: KernelTask, evaluate: Callable[[Program], Evaluation], *, seed: int = 0
) -> list[Finding]:
    """Returns what is wrong with a kernel problem, worst first; [] where nothing was found.

    Args:
        problem: the loaded problem.
        task: what it declares.
        evaluate: judges one program.
        seed: for the inputs that are drawn here.
    """
    rng = np.random.default_rng(seed)
    try:
        found = [*check_inputs(task, rng), *check_filters(task, rng)]
    except Exception as error:  # noqa: BLE001 - a finding, whatever it is
        what = f"a function of the task fails: {brief(error, problem.files.path)}"
        found = [Finding(Level.ERROR, "the task fails", what, "correct it: it is called for every program")]
    if not any(finding.level is Level.ERROR for finding in found):
        found += _check_programs(problem, task, evaluate)
    found += _check_statement(problem, task)
    order = list(Level)
    return sorted(found, key=lambda finding: order.index(finding.level))


def check_inputs(task: KernelTask, rng: np.random.Generator) -> Iterator[Finding]:
    """Yields what is wrong with what `make_inputs` and `hidden` draw."""
    for dims in (*task.public, *task.edges, *(task.hidden(rng) for _ in range(_HIDDEN))):
        task.check_dims(dims)
        for name in task.distributions:
            values = task.make_inputs(rng, dims, name)
            for item in task.inputs:
                array = values.get(item.name)
                if (
                    not isinstance(array, np.ndarray)
                    or array.dtype != item.dtype
                    or array.shape != item.sizes(dims)
                ):
                    what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else repr(array)
                    detail = (
                        f"make_inputs gave {what} for {item.name} at {dict(dims)}, {name}; "
                        f"declared is {item.dtype} {item.sizes(dims)}"
                    )
                    yield Finding(Level.ERROR, "inputs are not as declared", detail, "convert them (astype)")
                    return


def check_filters(task: KernelTask, rng: np.random.Generator) -> Iterator[Finding]:
    """Yields which programs that compute nothing would pass, and which inputs do not matter."""
    passing: dict[str, list[str]] = {}
    trials = 0
    mattering: set[str] = set()
    for dims in task.public:
        for distribution in task.distributions:
            drawn = [task.make_inputs(rng, dims, distribution) for _ in range(_DRAWS)]
            expected = [expect(task, values, dims) for values in drawn]
            if all(array.size == 0 for array in expected[0].outputs.values()):
                continue
            trials += 1
            for what, outputs in _null_outputs(task, drawn[0], expected):
                if find_fault(task, expected[0], outputs) is None:
                    passing.setdefault(what, []).append(f"{dict(dims)} {distribution}")
            mattering |= _mattering(task, drawn, expected[0], dims)
    for what, where in passing.items():
        everywhere = len(where) == trials
        yield Finding(
            Level.ERROR if everywhere else Level.WARNING,
            "a program that computes nothing passes",
            f"{what} is right on {len(where)} of {trials} kinds of input ({where[0]})",
            "draw inputs whose outputs vary more, or tighten the tolerance",
        )
    for item in task.inputs:
        if item.name not in mattering:
            detail = f"{item.name} can be exchanged for another draw and the outputs stay within tolerance"
            yield Finding(Level.ERROR, "an input does not matter", detail, "draw it wider, or leave it out")


def _null_outputs(
    task: KernelTask, values: Values, expected: list[Expected]
) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Yields the outputs of programs that compute nothing; `values` belong to the first of `expected`."""
    exact = [one.outputs for one in expected]
    yield "all zeros", _outputs(task, lambda item: np.zeros_like(exact[0][item.name]))
    others = exact[1:]
    yield "a constant", _outputs(task, lambda item: np.full_like(exact[0][item.name], _middle(others, item)))
    yield (
        "the mean of other inputs' outputs",
        _outputs(task, lambda item: np.mean([one[item.name].astype(np.float64) for one in others], axis=0)),
    )
    yield "the output for another input", _outputs(task, lambda item: others[0][item.name])
    for source in task.inputs:
        array = np.asarray(values[source.name])
        if all(array.size >= exact[0][item.name].size > 0 for item in task.outputs):
            copies = {item.name: _cut(array, exact[0][item.name]).astype(item.dtype) for item in task.outputs}
            yield f"a copy of {source.name}", copies


def _outputs(task: KernelTask, make: Callable[[Buffer], NDArray[Any]]) -> dict[str, NDArray[Any]]:
    with np.errstate(all="ignore"):
        return {item.name: np.asarray(make(item)).astype(item.dtype) for item in task.outputs}


def _middle(outputs: list[Outputs], item: Buffer) -> float:
    values = np.concatenate([one[item.name].ravel().astype(np.float64) for one in outputs])
    finite = values[np.isfinite(values)]
    return float(np.mean(finite)) if finite.size else 0.0


def _cut(array: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    return array.ravel()[: like.size].reshape(like.shape)


def _mattering(task: KernelTask, drawn: list[Values], expected: Expected, dims: Dims) -> set[str]:
    """Returns the inputs whose exchange for another draw changes the outputs beyond the tolerance."""
    found = set()
    for item in task.inputs:
        mixed = {**drawn[0], item.name: drawn[1][item.name]}
        try:
            other = expect(task, mixed, dims).outputs
        except (ValueError, IndexError):
            found.add(item.name)  # the reference itself cannot do without it
            continue
        got = {name: array.astype(np.dtype(kind)) for name, array, kind in _typed(task, other)}
        if find_fault(task, expected, got) is not None:
            found.add(item.name)
    return found


def _typed(task: KernelTask, outputs: Outputs) -> Iterator[tuple[str, NDArray[Any], str]]:
    for item in task.outputs:
        yield item.name, outputs[item.name], item.dtype


def _check_programs(
    problem: Problem, task: KernelTask, evaluate: Callable[[Program], Evaluation]
) -> Iterator[Finding]:
    for what, program in (("the seed", problem.seed), ("the baseline", task.baseline.program)):
        evaluation = evaluate(program)
        if is_withheld(evaluation):
            detail = f"{what}: {evaluation.reason}"
            yield Finding(Level.WARNING, "no score on this machine", detail, "run it where it can be timed")
        elif not evaluation.is_ok:
            detail = f"{what}: {evaluation.status}: {evaluation.reason}\n{evaluation.feedback}".strip()
            yield Finding(Level.ERROR, f"{what} fails", detail, "it must be right on all shapes and inputs")


def _check_statement(problem: Problem, task: KernelTask) -> Iterator[Finding]:
    if task.entry not in problem.goal + problem.notes:
        detail = (
            f"programs must define {task.entry}, but the goal (the module's docstring) does not mention it"
        )
        yield Finding(Level.WARNING, "goal names no function", detail, f"add: {task.prototype}")
    if any(task.flops(dims) <= 0 and task.traffic(dims) <= 0 for dims in task.timed):
        detail = "neither flops nor traffic says how much work a call is"
        yield Finding(Level.WARNING, "no roofline", detail, "declare them: they show results that cannot be")
    if len(task.distributions) < 2:
        detail = "all inputs are drawn alike, so a program may be fitted to them"
        yield Finding(Level.WARNING, "one distribution", detail, "add adversarial ones")
