"""Whether a kernel is right: on shapes it is told of and on shapes it is not, on kind and unkind inputs.

All trials run in one child, the program before any other work, each on new content: public shapes (failures are told
in detail), edges, hidden shapes (only the kind of input is told), the same content again under another poison, the
same address with new content, new addresses with the same content, and the declared properties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluators.contract import Program, Status
from evaluators.kernels.arena import Place
from evaluators.kernels.runner import KernelFailedError, Ran, Runner
from evaluators.kernels.stand import Stand
from evaluators.kernels.task import Dims, KernelTask, Metamorphic, Values
from evaluators.kernels.tolerance import Expected, expect, find_fault

_CHILD = 0
_REPEATS = 4


@dataclass(slots=True)
class Trials:
    """How far the trials came, and the time that the kernel itself took."""

    done: int = 0
    total: int = 0
    kernel_ns: int = 0
    load_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Trial:
    dims: Dims
    distribution: str
    place: Place
    is_public: bool


def check(
    stand: Stand,
    program: Program,
    task: KernelTask,
    rng: np.random.Generator,
    state: Trials,
    *,
    band_bytes: int = 0,
) -> None:
    """Tries a program; notes in `state` how far it came. `band_bytes`: see `Arena`.

    Raises:
        KernelFailedError: one did not; the message names the kind of input, for public shapes also numbers.
    """
    trials = list(_draw(task, rng))
    hidden = [trial for trial in trials if not trial.is_public]
    state.total = len(trials) + _REPEATS + 2 * len(task.metamorphic)
    everything = tuple(trial.dims for trial in trials)
    runner = Runner(stand, _CHILD, program, task, dims=everything, band_bytes=band_bytes)
    try:
        state.load_ns = runner.load_ns
        for trial in trials:
            _run_trial(runner, task, trial, rng)
            state.done += 1
        again = hidden[-1] if hidden else trials[-1]
        state.done += _check_repeats(runner, task, again, rng)
        for trial in (trials[0], again):
            for item in task.metamorphic:
                _check_property(runner, task, item, trial, rng)
                state.done += 1
        runner.check_untouched()
    except KernelFailedError as error:
        done = f"passed {state.done} of {state.total} checks"
        raise KernelFailedError(error.status, error.reason, f"{error.feedback}\n{done}".strip()) from error
    finally:
        state.kernel_ns = runner.calls_ns
        runner.close()


def check_ghost(stand: Stand, program: Program, task: KernelTask, rng: np.random.Generator) -> None:
    """Tries a program once more with kernels that do nothing: one that is still right does its work elsewhere.

    Raises:
        KernelFailedError: it is.

    Source: ghost replay, KernelGenBench.
    """
    trial = _Trial(task.public[0], task.distributions[0], "start", is_public=True)
    values = task.make_inputs(rng, trial.dims, trial.distribution)
    expected = expect(task, values, trial.dims)
    try:
        runner = Runner(stand, _CHILD, program, task, dims=(trial.dims,), is_ghost=True)
    except KernelFailedError:
        return
    try:
        outputs = _call(runner, values, trial, rng).outputs
    except KernelFailedError:
        return
    finally:
        runner.close()
    if find_fault(task, expected, outputs) is None:
        raise KernelFailedError(
            Status.INVALID, "it is right even when its kernels do nothing: the work must be done in kernels"
        )


def _draw(task: KernelTask, rng: np.random.Generator) -> Iterator[_Trial]:
    places: tuple[Place, Place] = ("end", "start")
    count = 0
    for number, dims in enumerate(task.public):
        chosen = task.distributions if number == 0 else task.distributions[:1]
        for name in chosen:
            yield _Trial(dims, name, places[count % 2], is_public=True)
            count += 1
    for dims in task.edges:
        for name in dict.fromkeys((task.distributions[0], str(rng.choice(task.distributions)))):
            yield _Trial(dims, name, places[count % 2], is_public=True)
            count += 1
    order = [str(name) for name in rng.permutation(task.distributions)]
    for number in range(max(task.hidden_count, len(order)) if task.hidden_count else 0):
        dims = task.hidden(rng)
        task.check_dims(dims)
        yield _Trial(dims, order[number % len(order)], places[count % 2], is_public=False)
        count += 1


def _run_trial(runner: Runner, task: KernelTask, trial: _Trial, rng: np.random.Generator) -> None:
    values = task.make_inputs(rng, trial.dims, trial.distribution)
    ran = _call(runner, values, trial, rng)
    _judge(runner, task, ran, expect(task, values, trial.dims), trial)


def _call(
    runner: Runner, values: Values, trial: _Trial, rng: np.random.Generator, place: Place | None = None
) -> Ran:
    try:
        return runner.run([values], trial.dims, rng, place or trial.place)
    except KernelFailedError as error:
        raise KernelFailedError(error.status, f"{error.reason} ({_where(trial)})", error.feedback) from error


def _judge(runner: Runner, task: KernelTask, ran: Ran, expected: Expected, trial: _Trial) -> None:
    fault = find_fault(task, expected, ran.outputs)
    if fault is None:
        return
    unwritten = runner.unwritten()
    what = f"{unwritten} is not filled completely" if unwritten else fault.what
    detail = f": {fault.detail}" if trial.is_public else ""
    raise KernelFailedError(Status.INVALID, f"{what} on {_where(trial)}{detail}")


def _where(trial: _Trial) -> str:
    if not trial.is_public:
        return f"a hidden shape, {trial.distribution} inputs"
    sizes = ", ".join(f"{name}={size}" for name, size in trial.dims.items())
    return f"{sizes}, {trial.distribution} inputs"


def _check_repeats(runner: Runner, task: KernelTask, trial: _Trial, rng: np.random.Generator) -> int:
    """Runs one shape again: the same content and address, new content at it, the same content elsewhere."""
    first = task.make_inputs(rng, trial.dims, trial.distribution)
    second = task.make_inputs(rng, trial.dims, trial.distribution)
    expected = expect(task, first, trial.dims)
    before = _call(runner, first, trial, rng)
    after = _call(runner, first, trial, rng)
    for name, output in before.outputs.items():
        if output.tobytes() != after.outputs[name].tobytes():
            reason = f"{name} differs between two calls with the same input ({_where(trial)})"
            raise KernelFailedError(Status.INVALID, f"{reason}: is something read before it is written?")
    _judge(runner, task, before, expected, trial)
    _judge(runner, task, _call(runner, second, trial, rng), expect(task, second, trial.dims), trial)
    other: Place = "start" if trial.place == "end" else "end"
    _judge(runner, task, _call(runner, first, trial, rng, other), expected, trial)
    return _REPEATS


def _check_property(
    runner: Runner, task: KernelTask, item: Metamorphic, trial: _Trial, rng: np.random.Generator
) -> None:
    values = task.make_inputs(rng, trial.dims, task.distributions[0])
    related = item.relate(rng, values, trial.dims)
    outputs = _call(runner, values, trial, rng).outputs
    others = _call(runner, related, trial, rng).outputs
    if not item.holds(values, outputs, related, others):
        raise KernelFailedError(Status.INVALID, f"does not hold: {item.name} ({_where(trial)})")
