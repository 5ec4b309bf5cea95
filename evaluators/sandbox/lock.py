"""The locks that a child puts on itself between the fork and the program's first line.

Everything that can be made ahead is made in the zygote (`Plan`), once: a child makes about 25 system calls.
The order matters: Landlock needs the paths' descriptors, the change of user clears pdeathsig and capabilities,
and seccomp goes last because it forbids the rest.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import sys
from dataclasses import dataclass

from evaluators.sandbox import kernel, landlock, seccomp

IN_FD, OUT_FD = 3, 4
_PARKED = 50  # descriptors are first moved here, out of the way of 0 to 4
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What one zygote's children lock with.

    Attributes:
        scratch: the folder they start in.
        base_bytes: address space of the warm zygote, on top of which memory_mib is counted.
        uid: the user to become; None: stay.
        keeps_read: whether CAP_DAC_READ_SEARCH is kept, because the interpreter is not readable for `uid`.
        ruleset: descriptor of the Landlock ruleset; None: no Landlock.
        has_filter: whether seccomp is there.
        has_pid_namespace: whether every child is alone in a pid namespace.
        landlock_abi: what the kernel's Landlock can do.
        zygote_fd: a pidfd of the zygote; None: no such thing here.
        user_tasks: tasks of this user when the zygote started (they count against its process limit).
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


def build_filter(plan: Plan, limits: ChildLimits) -> tuple[bytes, tuple[int, ...]]:
    """Returns the seccomp filter for programs with these limits, and where the pid goes."""
    bounds_signals = plan.uid is not None or plan.has_pid_namespace or plan.landlock_abi >= 6
    options = seccomp.FilterOptions(
        processes=limits.processes > 1,
        native=limits.native,
        modes=plan.uid is not None,
        truncate=plan.landlock_abi >= 3 or plan.uid is not None,
        signals=limits.processes > 1 and bounds_signals,
    )
    return seccomp.build(options)


def lock(
    plan: Plan, limits: ChildLimits, channel: tuple[int, int, int], code: tuple[bytes, tuple[int, ...]] | None
) -> None:
    """Locks this process, for good. `channel`: the descriptors to read from, to answer on, to print to.

    Raises:
        OSError: a lock does not close; the caller must not go on.
    """
    os.setsid()
    if kernel.IS_LINUX:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
    if plan.ruleset is not None:
        landlock.enter(plan.ruleset)
    os.chdir(plan.scratch)
    _limit_resources(plan, limits)
    _change_user(plan, limits)
    if kernel.IS_LINUX:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)  # the change of user has cleared it
    if plan.zygote_fd is not None and select.select([plan.zygote_fd], [], [], 0)[0]:
        os._exit(71)  # the zygote died before pdeathsig was set
    _take_channel(*channel)
    if code is not None:
        _filter_calls(seccomp.with_pid(*code, os.getpid()))


def _limit_resources(plan: Plan, limits: ChildLimits) -> None:
    cpu_s = int(limits.cpu_s) + 1
    _lower(resource.RLIMIT_CPU, cpu_s, cpu_s + 1)
    _lower(resource.RLIMIT_FSIZE, limits.scratch_mib * MIB)
    _lower(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NPROC, plan.user_tasks + (limits.processes if limits.processes > 1 else _THREADS))
    _lower(resource.RLIMIT_STACK, _STACK_BYTES)
    if (
        sys.platform != "darwin"
    ):  # macOS refuses RLIMIT_AS below what is mapped, which is all of the shared cache
        _lower(resource.RLIMIT_AS, plan.base_bytes + limits.memory_mib * MIB)


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Lowers a limit; one that is lower already stays."""
    ceiling = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    resource.setrlimit(kind, (min(soft, wanted), wanted))


def _change_user(plan: Plan, limits: ChildLimits) -> None:
    if not kernel.IS_LINUX:
        return
    kept = 1 << kernel.CAP_DAC_READ_SEARCH if plan.keeps_read else 0
    if plan.uid is not None:
        if kept:
            kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    kernel.set_capabilities(kept, is_inheritable=limits.native)
    if kept and limits.native:
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, kernel.CAP_DAC_READ_SEARCH)


def _take_channel(read_fd: int, answer_fd: int, log_fd: int) -> None:
    """Leaves exactly these open: 0 /dev/null, 1 and 2 the log, 3 and 4 the channel."""
    os.dup2(read_fd, _PARKED, inheritable=False)
    os.dup2(answer_fd, _PARKED + 1, inheritable=False)
    os.dup2(log_fd, 1)
    os.dup2(log_fd, 2)
    os.dup2(_PARKED, IN_FD, inheritable=False)
    os.dup2(_PARKED + 1, OUT_FD, inheritable=False)
    kernel.close_range(OUT_FD + 1)


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _filter_calls(code: bytes) -> None:
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _FilterProgram(len(code) // 8, ctypes.addressof(buffer))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(program))
