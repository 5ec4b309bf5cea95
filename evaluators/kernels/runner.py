"""One child that runs one kernel: put inputs before it, call it, take its outputs away, and tell how it failed.

Exceptions:
    KernelFailedError    the kernel did not come to an output; holds a status, a reason and its own words
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Program, Status
from evaluators.kernel_task import Dims, KernelTask, Values
from evaluators.kernels.arena import Arena, Place, Spot
from evaluators.kernels.bench.client import Reply
from evaluators.kernels.stand import Stand
from evaluators.sandbox.clean import clean, clean_line

_RAISED = 70
_FEEDBACK_CHARACTERS = 1200
_OUTSIDE = "it touched memory outside its buffers, or wrote to an input"


class KernelFailedError(Exception):
    """A kernel did not come to an output."""

    def __init__(self, status: Status, reason: str, feedback: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason, self.feedback = status, reason, feedback

    def after(self, done: int, total: int) -> KernelFailedError:
        """Returns the same with how many of the small trials had been passed."""
        passed = f"passed {done} of {total} checks"
        return KernelFailedError(self.status, self.reason, f"{self.feedback}\n{passed}".strip())


@dataclass(frozen=True, slots=True)
class Call:
    """Inputs of one shape, and where in their regions the buffers lie."""

    values: Values
    dims: Dims
    place: Place = "start"


@dataclass(frozen=True, slots=True)
class Ran:
    """What some calls in a row gave: outputs per call, and times of all (see `bench.client.Reply`)."""

    all_outputs: list[dict[str, NDArray[Any]]]
    cpu_ns: int
    wall_ns: int
    event_ns: int = 0

    @property
    def outputs(self) -> dict[str, NDArray[Any]]:
        """Returns those of the first call."""
        return self.all_outputs[0]


class Runner:
    """A kernel in a child of its own. Close it.

    `slots`, `band_bytes`: see `Arena`. `is_ghost`: see `Stand.spawn`.
    """

    def __init__(
        self,
        stand: Stand,
        number: int,
        program: Program,
        task: KernelTask,
        *,
        slots: Sequence[Sequence[Dims]],
        cpu: int | None = None,
        band_bytes: int = 0,
        is_ghost: bool = False,
    ) -> None:
        self._stand, self._number, self._task = stand, number, task
        self._arena = Arena(task, slots, band_bytes=band_bytes)
        self._plan: list[list[dict[str, Any]]] = []
        self._last: list[tuple[dict[str, Spot], dict[str, NDArray[Any]]]] = []
        self.calls_ns = 0
        try:
            reply = stand.spawn(
                number,
                program,
                task.entry,
                regions=self._arena.regions,
                descriptors=self._arena.descriptors,
                cpu=cpu,
                is_ghost=is_ghost,
            )
            _check(reply, "loading")
        except BaseException:
            self._arena.close()
            raise
        self.load_ns = reply.cpu_ns

    def run(
        self, calls: Sequence[Call], rng: np.random.Generator, *, slot: int = 0, is_judged: bool = True
    ) -> Ran:
        """Returns what the kernel makes of some inputs, one call after the other, in the slots from `slot` on.

        `rng` draws the rubbish that outputs are filled with. Where `is_judged` is False, nobody will look at the outputs
        (the baseline's), and they are not read.

        Raises:
            KernelFailedError: it crashed, raised, took too long, or wrote beside its outputs.
        """
        self.check_untouched()
        arena = self._arena
        slots = range(slot, slot + len(calls))
        spots = [arena.spots(call.dims, call.place, one) for one, call in zip(slots, calls, strict=True)]
        plan = [arena.plan(one, call.values, call.dims) for one, call in zip(spots, calls, strict=True)]
        arena.poison(rng, slots)
        for one, call in zip(spots, calls, strict=True):
            arena.write_inputs(one, call.values)
        reply = self._stand.call(self._number, plan if plan != self._plan else None)
        self._plan = plan
        _check(reply, "a call")
        self.calls_ns += reply.wall_ns
        if not is_judged:
            self._last = []
            return Ran([], reply.cpu_ns, reply.wall_ns, reply.event_ns)
        if arena.is_damaged(spots):
            raise KernelFailedError(Status.INVALID, "it wrote beside its outputs")
        outputs = [arena.read_outputs(one) for one in spots]
        self._last = list(zip(spots, outputs, strict=True))
        return Ran(outputs, reply.cpu_ns, reply.wall_ns, reply.event_ns)

    def unwritten(self) -> str:
        """Returns an output that the last calls did not fill, "" if they filled all."""
        for spots, outputs in self._last:
            for name in outputs:
                if self._arena.is_unwritten(spots, name):
                    return name
        return ""

    def check_untouched(self) -> None:
        """Checks that the outputs of the last calls are what they were when the child was stopped.

        Raises:
            KernelFailedError: they changed, so something still runs.
        """
        if self._last:
            self._stand.settle(self._number)
        for spots, outputs in self._last:
            for name, again in self._arena.read_outputs(spots).items():
                if not np.array_equal(again.view(np.uint8), outputs[name].view(np.uint8)):
                    raise KernelFailedError(Status.INVALID, f"{name} changed after the reply")

    def close(self) -> None:
        """Ends the child and lets go of its memory."""
        try:
            self._stand.end(self._number)
        finally:
            self._arena.close()


def _check(reply: Reply, doing: str) -> None:
    if not reply.is_ok:
        raise _failure(reply, doing)


def _failure(reply: Reply, doing: str) -> KernelFailedError:
    words = clean(reply.log, _FEEDBACK_CHARACTERS)
    if reply.status == "timeout":
        return KernelFailedError(Status.TIMEOUT, f"{doing} took longer than the limit", words)
    if reply.status == "garbled":
        return KernelFailedError(
            Status.CRASHED, f"{doing} was answered by something else than its nonce", words
        )
    if reply.status == "changed":
        return KernelFailedError(Status.INVALID, f"{doing} wrote to an input", words)
    if reply.signal in (signal.SIGSEGV, signal.SIGBUS):
        name = signal.Signals(reply.signal).name
        return KernelFailedError(Status.CRASHED, f"died of {name} in {doing}: {_OUTSIDE}", words)
    if reply.signal == signal.SIGKILL:
        return KernelFailedError(Status.MEMORY, f"was killed in {doing}, probably for its memory", words)
    if reply.signal == signal.SIGXCPU:
        return KernelFailedError(Status.TIMEOUT, f"used up its CPU time in {doing}", words)
    if reply.signal:
        return KernelFailedError(Status.CRASHED, f"died of signal {reply.signal} in {doing}", words)
    if reply.code == _RAISED:
        last = reply.log.strip().splitlines()[-1:] or ["it raised"]
        status = Status.MEMORY if last[0].startswith("MemoryError") else Status.ERROR
        return KernelFailedError(status, f"{doing} failed: {clean_line(last[0])}", words)
    return KernelFailedError(Status.CRASHED, f"left with exit code {reply.code} in {doing}", words)
