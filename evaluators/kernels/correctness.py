"""Whether a kernel is right: on shapes it is told of and on shapes it is not, on kind and unkind inputs.

The small trials, each on new content: public shapes (failures are told in detail), edges, hidden shapes (only the kind of
input is told), the same content again under another poison, the same address with new content, new addresses with the
same content, and the declared properties. Every session makes all of them, in random order and many at a time (`session.py`);
`check` makes them one by one, in the order in which failures tell the most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Program, Status
from evaluators.kernel_task import Dims, KernelTask, Metamorphic
from evaluators.kernels.arena import Place
from evaluators.kernels.runner import Call, KernelFailedError, Runner
from evaluators.kernels.stand import Stand
from evaluators.kernels.tolerance import expect, find_fault

_CHILD = 0

Outcome: TypeAlias = dict[str, NDArray[Any]]
"""The outputs of one call."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Calls that belong together, and what is asked of their outputs: `judge` raises KernelFailedError."""

    where: str
    calls: tuple[Call, ...]
    judge: Callable[[Sequence[Outcome]], None]


@dataclass(slots=True)
class Trials:
    """How far the trials came, and the time that the kernel itself took."""

    done: int = 0
    total: int = 0
    kernel_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Case:
    dims: Dims
    distribution: str
    place: Place
    is_public: bool

    @property
    def where(self) -> str:
        """Returns what may be told of it."""
        if not self.is_public:
            return f"a hidden shape, {self.distribution} inputs"
        sizes = ", ".join(f"{name}={size}" for name, size in self.dims.items())
        return f"{sizes}, {self.distribution} inputs"


def draw(task: KernelTask, rng: np.random.Generator) -> tuple[list[Trial], Trial]:
    """Returns small trials on hidden shapes that nobody has seen, those whose failures tell the most first.

    The last, apart: calls in a row at one address, with the same content, and with new.
    """
    cases = list(_draw(task, rng))
    hidden = [case for case in cases if not case.is_public]
    again = hidden[-1] if hidden else cases[-1]
    trials = [_plain(task, case, rng) for case in cases]
    trials += [_property(task, item, case, rng) for case in (cases[0], again) for item in task.metamorphic]
    return trials, _repeats(task, again, rng)


def check(
    stand: Stand,
    program: Program,
    task: KernelTask,
    rng: np.random.Generator,
    state: Trials,
    *,
    band_bytes: int = 0,
) -> None:
    """Makes the small trials alone, one call after the other; notes in `state` how far they came.

    `band_bytes`: see `Arena`.

    Raises:
        KernelFailedError: one failed; the message names the kind of input, for public shapes also numbers.
    """
    trials, last = draw(task, rng)
    state.total = len(trials) + 1
    sizes = tuple(call.dims for trial in (*trials, last) for call in trial.calls)
    runner = Runner(stand, _CHILD, program, task, slots=(sizes,), band_bytes=band_bytes)
    try:
        for trial in (*trials, last):
            run_singly(runner, trial, rng)
            state.done += 1
        runner.check_untouched()
    except KernelFailedError as error:
        raise error.after(state.done, state.total) from error
    finally:
        state.kernel_ns += runner.calls_ns
        runner.close()


def run_singly(runner: Runner, trial: Trial, rng: np.random.Generator) -> None:
    """Makes the calls of a trial one by one, all in the first slot.

    Raises:
        KernelFailedError: one failed.
    """
    outputs = []
    for call in trial.calls:
        try:
            outputs.append(runner.run([call], rng).outputs)
        except KernelFailedError as error:
            reason = f"{error.reason} ({trial.where})"
            raise KernelFailedError(error.status, reason, error.feedback) from error
        if unwritten := runner.unwritten():
            raise KernelFailedError(Status.INVALID, f"{unwritten} is not filled completely on {trial.where}")
    trial.judge(outputs)


def check_ghost(stand: Stand, program: Program, task: KernelTask, rng: np.random.Generator) -> None:
    """Tries a program once more with kernels that do nothing: one that is still right does its work elsewhere.

    Raises:
        KernelFailedError: it is.

    Source: ghost replay, KernelGenBench.
    """
    case = _Case(task.public[0], task.distributions[0], "start", is_public=True)
    trial = _plain(task, case, rng)
    try:
        runner = Runner(stand, _CHILD, program, task, slots=((case.dims,),), is_ghost=True)
    except KernelFailedError:
        return
    try:
        run_singly(runner, trial, rng)
    except KernelFailedError:
        return
    finally:
        runner.close()
    raise KernelFailedError(
        Status.INVALID, "it is right even when its kernels do nothing: the work must be done in kernels"
    )


def _draw(task: KernelTask, rng: np.random.Generator) -> Iterator[_Case]:
    places: tuple[Place, Place] = ("end", "start")
    count = int(rng.integers(2))
    for number, dims in enumerate(task.public):
        chosen = task.distributions if number == 0 else task.distributions[:1]
        for name in chosen:
            yield _Case(dims, name, places[count % 2], is_public=True)
            count += 1
    for dims in task.edges:
        for name in dict.fromkeys((task.distributions[0], str(rng.choice(task.distributions)))):
            yield _Case(dims, name, places[count % 2], is_public=True)
            count += 1
    order = [str(name) for name in rng.permutation(task.distributions)]
    for number in range(max(task.hidden_count, len(order)) if task.hidden_count else 0):
        dims = task.hidden(rng)
        task.check_dims(dims)
        yield _Case(dims, order[number % len(order)], places[count % 2], is_public=False)
        count += 1


def _plain(task: KernelTask, case: _Case, rng: np.random.Generator) -> Trial:
    call = Call(task.make_inputs(rng, case.dims, case.distribution), case.dims, case.place)
    return Trial(case.where, (call,), lambda outputs: _judge(task, case, call, outputs[0]))


def _judge(task: KernelTask, case: _Case, call: Call, outputs: Outcome) -> None:
    """Checks the outputs of one call. What is due is computed only now, after the reply."""
    fault = find_fault(task, expect(task, call.values, call.dims), outputs)
    if fault is not None:
        detail = f": {fault.detail}" if case.is_public else ""
        raise KernelFailedError(Status.INVALID, f"{fault.what} on {case.where}{detail}")


def _repeats(task: KernelTask, case: _Case, rng: np.random.Generator) -> Trial:
    """Returns one shape again: the same content and address, new content at it, the same content elsewhere."""
    first, second = (task.make_inputs(rng, case.dims, case.distribution) for _ in range(2))
    other: Place = "start" if case.place == "end" else "end"
    once = Call(first, case.dims, case.place)
    calls = once, once, Call(second, case.dims, case.place), Call(first, case.dims, other)

    def judge(outputs: Sequence[Outcome]) -> None:
        for name, output in outputs[0].items():
            if output.tobytes() != outputs[1][name].tobytes():
                reason = f"{name} differs between two calls with the same input ({case.where})"
                raise KernelFailedError(Status.INVALID, f"{reason}: is something read before it is written?")
        for number in (0, 2, 3):
            _judge(task, case, calls[number], outputs[number])

    return Trial(case.where, calls, judge)


def _property(task: KernelTask, item: Metamorphic, case: _Case, rng: np.random.Generator) -> Trial:
    values = task.make_inputs(rng, case.dims, task.distributions[0])
    related = item.relate(rng, values, case.dims)

    def judge(outputs: Sequence[Outcome]) -> None:
        if not item.holds(values, outputs[0], related, outputs[1]):
            raise KernelFailedError(Status.INVALID, f"does not hold: {item.name} ({case.where})")

    return Trial(
        case.where, (Call(values, case.dims, case.place), Call(related, case.dims, case.place)), judge
    )
