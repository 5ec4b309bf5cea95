"""Where the programs and the baseline of one kernel problem run, each place started when it is first wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from evaluators.judging.judge import JudgeError
from evaluators.kernel_task import KernelTask
from evaluators.kernels import roofline
from evaluators.kernels.backends.base import Backend, NotBuiltError
from evaluators.kernels.bench.client import Bench
from evaluators.kernels.bench.compiler import address_sanitizer
from evaluators.kernels.device import Device
from evaluators.kernels.lease import PROCESSOR_LEASE, Lease
from evaluators.kernels.sessions.clocks import GPU, PROCESSOR
from evaluators.kernels.sessions.course import Course
from evaluators.kernels.stand import Stand
from evaluators.problems.loading import Problem

_BASELINE, _SANITIZED = "baseline", "c sanitized"
_SANITIZED_SLOWNESS = 4.0


class Places:
    """The benches of a judge, its stands on a GPU, its lease, and what it knows of the machine. Close them.

    Args:
        problem, task: the problem, and the kernel that it declares.
        backends: the languages.
        device: the GPU to time on, if there is one.
        lease: owned by the caller. None: one of its own.
        options: tier, unsafe, hangup_fd: see LinuxSandbox.
    """

    def __init__(
        self,
        problem: Problem,
        task: KernelTask,
        *,
        backends: Mapping[str, Backend],
        device: Device | None,
        lease: Lease | None,
        options: Mapping[str, Any],
    ) -> None:
        self._problem, self._task, self._backends = problem, task, backends
        self._device, self._lease, self._options = device, lease, options
        self._own = contextlib.ExitStack()
        self._benches: dict[str, Bench] = {}
        self._stands: dict[str, Stand] = {}
        self._courses: dict[bool, Course] = {}
        self._peaks: roofline.Peaks | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the sandbox layers in force."""
        return next(iter(self._benches.values())).layers

    @property
    def device(self) -> Device | None:
        """Returns the GPU, if there is one."""
        return self._device

    def close(self) -> None:
        """Ends all."""
        self._own.close()

    def bench(self, language: str) -> Bench:
        """Returns the bench for programs of a language."""
        return self._bench(language, language)

    def sanitized(self) -> Bench:
        """Returns a bench for C whose children can hold kernels with AddressSanitizer; "c", where gcc has none."""
        library = address_sanitizer(self.bench("c").compiler)
        return self._bench(_SANITIZED, "c", library) if library else self.bench("c")

    def timing_place(self, language: str) -> Stand:
        """Returns where programs of a language are timed: a bench, or the GPU."""
        return self._stand("program") if self._device is not None else self.bench(language)

    def course(self, *, held_out: bool = False) -> Course:
        """Returns what sessions at the timed (held out) shapes share, with the baseline in its place.

        Raises:
            JudgeError: the baseline does not build.
        """
        if held_out not in self._courses:
            shapes = (self._task.held_out, ()) if held_out else (self._task.timed, self._task.held_out)
            baseline = self._stand("baseline") if self._device is not None else self._baseline_bench()
            clocks = GPU if self._task.is_for_device else PROCESSOR
            self._courses[held_out] = Course(self._task, *shapes, baseline, clocks)
        return self._courses[held_out]

    def lease(self) -> Lease:
        """Returns the right to time here."""
        if self._lease is None:
            name = self._device.lease if self._device else PROCESSOR_LEASE
            self._lease = self._own.enter_context(contextlib.closing(Lease(name=name)))
        return self._lease

    def held_lease(self, timeout_s: float) -> contextlib.AbstractContextManager[float]:
        """Holds the right to time here; ends this process if the judge's owner goes away in the meantime."""
        return self.lease().held(timeout_s, self._options.get("hangup_fd"))

    def peaks(self) -> roofline.Peaks:
        """Returns what the machine, or its GPU, can do at most."""
        if self._peaks is None and self._device is not None:
            self._peaks = self._device.peaks()
        if self._peaks is None:
            with contextlib.closing(Bench("c", limits=self._problem.limits, **self._options)) as bench:
                self._peaks = roofline.measure(bench)
        return self._peaks

    def _bench(self, role: str, language: str, sanitizer: str = "") -> Bench:
        if role not in self._benches:
            limits = self._problem.limits
            if sanitizer:
                limits = replace(limits, wall_s=_SANITIZED_SLOWNESS * limits.wall_s)
            bench = Bench(
                self._backends[language].language,
                limits=limits,
                preload=self._problem.preload,
                sanitizer=sanitizer,
                **self._options,
            )
            self._benches[role] = self._own.enter_context(contextlib.closing(bench))
        return self._benches[role]

    def _stand(self, role: str) -> Stand:
        """Returns a place on the GPU, which there is: "program", or "baseline"."""
        assert self._device is not None
        if role not in self._stands:
            self._stands[role] = self._own.enter_context(self._device.open())
        return self._stands[role]

    def _baseline_bench(self) -> Bench:
        is_new = _BASELINE not in self._benches
        program = self._task.baseline.program
        language = self._task.language_of(program)
        bench = self._bench(_BASELINE, language)
        if is_new:
            try:
                self._backends[language].build(bench, program, self._task)
            except NotBuiltError as error:
                raise JudgeError(f"the baseline {error.reason}\n{error.feedback}") from error
        return bench
