"""The locks that a child puts on itself between the fork and the program's first line.

Everything that can be made ahead is made in the zygote (`Plan`), once: a child makes about 25 system calls.
The order matters: Landlock needs the paths' descriptors, the change of user clears pdeathsig and
capabilities, and seccomp goes last because it forbids the rest.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from evaluators.sandbox.locks import kernel, seccomp

IN_FD, OUT_FD = 3, 4
PARKED = (50, 51, 52)
"""Where the zygote puts a child's channel before the fork."""
_STACK_BYTES = 8 << 20
_OPEN_FILES = 64
_THREADS = 64
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """The part of `Limits` that the kernel enforces on one process. See contract.Limits for the units."""

    cpu_s: float
    memory_mib: int
    scratch_mib: int
    processes: int
    native: bool
    threads: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What one zygote's children lock with.

    Attributes:
        scratch: the folder in which the children's scratch folders lie.
        base_bytes: address space of the warm zygote, on top of which memory_mib is counted.
        uid: the user to become; None: stay.
        keeps_read: whether CAP_DAC_READ_SEARCH is kept, because the interpreter is not readable for `uid`.
        ruleset: descriptor of the Landlock ruleset; None: no Landlock.
        has_filter: whether seccomp is there.
        has_pid_namespace: whether every child is alone in a pid namespace.
        landlock_abi: what the kernel's Landlock can do.
        zygote_fd: a pidfd of the zygote; None: no such thing here.
        user_tasks: tasks of this user when the zygote started (they count against its process limit).
        has_proc: whether /proc can be read here, where what a child leaves behind is found.
        data_bytes: private writable memory of the warm zygote, on top of which memory_mib is counted once more: its
            allocator takes memory from addresses that it reserved before. 0: it has none such.
    """

    scratch: str
    base_bytes: int
    uid: int | None = None
    keeps_read: bool = False
    ruleset: int | None = None
    has_filter: bool = False
    has_pid_namespace: bool = False
    landlock_abi: int = 0
    zygote_fd: int | None = None
    user_tasks: int = 0
    has_proc: bool = True
    data_bytes: int = 0


def build_filter(plan: Plan, limits: ChildLimits) -> tuple[bytes, tuple[int, ...]]:
    """Returns the seccomp filter for programs with these limits, and where the pid goes."""
    bounds_signals = plan.uid is not None or plan.has_pid_namespace or plan.landlock_abi >= 6
    options = seccomp.FilterOptions(
        processes=limits.processes > 1,
        native=limits.native,
        modes=plan.uid is not None,
        truncate=plan.landlock_abi >= 3 or plan.uid is not None,
        signals=limits.processes > 1 and bounds_signals,
        threads=limits.threads,
        sessions=plan.has_proc or plan.has_pid_namespace,
        strangers=plan.has_pid_namespace,
    )
    return seccomp.build(options)


Step: TypeAlias = tuple[Callable[..., int], tuple[object, ...]]


class _Limit(ctypes.Structure):
    _fields_ = (("soft", ctypes.c_uint64), ("hard", ctypes.c_uint64))


class _Poll(ctypes.Structure):
    _fields_ = (("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class Lock:
    """The locks for programs with given limits, ready to close.

    The channel of the child must stand in the descriptors `parked` (to read from, to answer on, to print to).
    """

    def __init__(self, plan: Plan, limits: ChildLimits) -> None:
        self._steps = _steps(plan, limits) if kernel.IS_LINUX else []
        self._plan, self._limits = plan, limits
        self._filter: ctypes.Array[ctypes.c_char] | None = None
        self._pid_offsets: tuple[int, ...] = ()
        if plan.has_filter:
            code, self._pid_offsets = build_filter(plan, limits)
            self._filter = ctypes.create_string_buffer(code, len(code))
            self._program = _FilterProgram(len(code) // 8, ctypes.addressof(self._filter))
            self._steps.append(_prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(self._program)))

    def close(self, folder: str) -> None:
        """Locks this process, for good; it goes to its scratch folder.

        Raises:
            OSError: a lock does not close; the caller must not go on.
        """
        os.chdir(folder)
        if self._filter is not None:
            pid = os.getpid()
            for offset in self._pid_offsets:
                ctypes.c_uint32.from_buffer(self._filter, offset).value = pid
        for call, arguments in self._steps:
            if call(*arguments) < 0:
                raise OSError(f"a lock does not close: {call.__name__}{arguments}")
        if not kernel.IS_LINUX:
            _lock_elsewhere(self._plan, self._limits)


def park(channel: tuple[int, int, int]) -> None:
    """Puts a channel where the locks expect it, and closes the descriptors it came in."""
    for place, descriptor in zip(PARKED, channel, strict=True):
        os.dup2(descriptor, place, inheritable=False)
        os.close(descriptor)


def unpark() -> None:
    """Closes the parked channel, which the child now has."""
    for place in PARKED:
        os.close(place)


def _steps(plan: Plan, limits: ChildLimits) -> list[Step]:
    libc = kernel.libc
    die_with_parent = _prctl(kernel.PR_SET_PDEATHSIG, 9)
    steps: list[Step] = [(libc.setsid, ()), die_with_parent]
    if plan.ruleset is not None:
        steps.append(_syscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, plan.ruleset, 0))
    steps += [
        (libc.prlimit, (0, kind, ctypes.byref(_lowered(kind, soft, hard)), None))
        for kind, soft, hard in _resources(plan, limits)
    ]
    steps += _user_steps(plan, limits)
    steps.append(die_with_parent)  # the change of user has cleared it
    if plan.zygote_fd is not None:
        poll = _Poll(plan.zygote_fd, 1, 0)
        steps.append((_fails_if_ready, (libc.poll, ctypes.byref(poll))))
    read_fd, answer_fd, log_fd = PARKED
    steps += [(libc.dup2, pair) for pair in ((log_fd, 1), (log_fd, 2), (read_fd, IN_FD), (answer_fd, OUT_FD))]
    steps.append(_syscall(kernel.SYS_CLOSE_RANGE, OUT_FD + 1, 0x7FFFFFFF, 0))
    return steps


def _fails_if_ready(poll: Callable[..., int], what: object) -> int:
    """Returns -1 if the zygote has died, which it may have before pdeathsig was set."""
    return -poll(what, 1, 0)


def _resources(plan: Plan, limits: ChildLimits) -> list[tuple[int, int, int]]:
    """Returns (kind, soft, hard) of every resource limit."""
    cpu_s = int(limits.cpu_s) + 1
    size = limits.scratch_mib * MIB
    memory = plan.base_bytes + limits.memory_mib * MIB
    tasks = plan.user_tasks + (limits.processes if limits.processes > 1 else _THREADS)
    limited = [
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_FSIZE, size, size),
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, tasks, tasks),
        (resource.RLIMIT_STACK, _STACK_BYTES, _STACK_BYTES),
    ]
    if plan.data_bytes:
        data = plan.data_bytes + limits.memory_mib * MIB
        limited.append((resource.RLIMIT_DATA, data, data))
    return [*limited, (resource.RLIMIT_AS, memory, memory)]


def _lowered(kind: int, soft: int, hard: int) -> _Limit:
    """Returns a limit that is no higher than the one in force."""
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        hard = min(hard, ceiling)
    return _Limit(min(soft, hard), hard)


def _user_steps(plan: Plan, limits: ChildLimits) -> list[Step]:
    steps: list[Step] = []
    kept = 1 << kernel.CAP_DAC_READ_SEARCH if plan.keeps_read else 0
    if plan.uid is not None:
        if kept:
            steps.append(_prctl(kernel.PR_SET_KEEPCAPS, 1))
        steps.append(_syscall(kernel.SYS_SETRESUID, plan.uid, plan.uid, plan.uid))
    header, data = kernel.capability_sets(kept, is_inheritable=limits.native)
    steps.append(_syscall(kernel.SYS_CAPSET, ctypes.byref(header), data))
    if kept and limits.native:
        steps.append(_prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, kernel.CAP_DAC_READ_SEARCH))
    return steps


def _prctl(option: int, second: object, third: object = 0) -> Step:
    return kernel.libc.prctl, (option, *(_long(value) for value in (second, third, 0, 0)))


def _syscall(number: int, *arguments: object) -> Step:
    return kernel.libc.syscall, tuple(_long(value) for value in (number, *arguments))


def _long(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _lock_elsewhere(plan: Plan, limits: ChildLimits) -> None:
    """Locks a process where there is no Linux: limits and a session, nothing more."""
    os.setsid()
    for kind, soft, hard in _resources(plan, limits):
        if kind not in (
            resource.RLIMIT_AS,
            resource.RLIMIT_NPROC,
        ):  # macOS refuses the one, counts all for the other
            limit = _lowered(kind, soft, hard)
            resource.setrlimit(kind, (limit.soft, limit.hard))
    read_fd, answer_fd, log_fd = PARKED
    for source, target in ((log_fd, 1), (log_fd, 2), (read_fd, IN_FD), (answer_fd, OUT_FD)):
        os.dup2(source, target)
    os.closerange(OUT_FD + 1, 256)
