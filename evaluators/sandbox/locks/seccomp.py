"""The system calls that a program may make: an allow-list, as a BPF filter. Everything else fails with EPERM.

Calls that act on what all processes of the machine share (the page cache, file locks, mount ids, load figures) are allowed
with harmless arguments only; a mere hint that would act on it is answered as if it had been taken (docs/trust.md).

The filter first checks the architecture, then searches a binary tree over ranges of call numbers. A tree
costs about 8 comparisons where a list costs 100; the kernel walks it for every call number when the filter is
installed.
Sources: seccomp(2); include/uapi/linux/{seccomp,audit,filter}.h; arch/x86/entry/syscalls/syscall_64.tbl;
include/uapi/asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

from evaluators.sandbox.locks import kernel

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# The calls that are allowed whatever their arguments: name, number on x86_64, on aarch64 (-1: no such call).
_ALLOWED = """
read 0 63; write 1 64; close 3 57; stat 4 -1; fstat 5 80; lstat 6 -1; poll 7 -1; lseek 8 62; mmap 9 222;
mprotect 10 226; munmap 11 215; brk 12 214; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139;
pread64 17 67; pwrite64 18 68; readv 19 65; writev 20 66; access 21 -1; pipe 22 -1; select 23 -1; sched_yield 24
124; mremap 25 216; msync 26 227; dup 32 23; dup2 33 -1; pause 34 -1; nanosleep 35 101; getitimer 36 102; alarm
37 -1; setitimer 38 103; getpid 39 172; sendfile 40 71; exit 60 93; wait4 61 260; uname 63 160; fsync 74 82;
fdatasync 75 83; ftruncate 77 46; getdents 78 -1; getcwd 79 17; chdir 80 49; fchdir 81 50; rename 82 -1; mkdir
83 -1; rmdir 84 -1; creat 85 -1; link 86 -1; unlink 87 -1; symlink 88 -1; readlink 89 -1; umask 95 166;
gettimeofday 96 169; getrlimit 97 163; getrusage 98 165; times 100 153; getuid 102 174; getgid 104 176; geteuid
107 175; getegid 108 177; getppid 110 173; getpgrp 111 -1; getgroups 115 158; getresuid 118 148; getresgid 120
150; rt_sigpending 127 136; rt_sigtimedwait 128 137; rt_sigsuspend 130 133; sigaltstack 131 132;
sched_get_priority_max 146 125; sched_get_priority_min 147 126; arch_prctl 158 -1; gettid 186 178; time 201 -1;
epoll_create 213 -1; getdents64 217 61; set_tid_address 218 96; restart_syscall 219 128; exit_group 231 94;
epoll_wait 232 -1; epoll_ctl 233 21; waitid 247 95; mkdirat 258 34; newfstatat 262 79; unlinkat 263 35; renameat
264 38; linkat 265 37; symlinkat 266 36; readlinkat 267 78; faccessat 269 48; pselect6 270 72; ppoll 271 73;
set_robust_list 273 99; epoll_pwait 281 22; timerfd_create 283 85; fallocate 285 47; timerfd_settime 286 86;
timerfd_gettime 287 87; eventfd2 290 19; epoll_create1 291 20; dup3 292 24; pipe2 293 59; preadv 295 69; pwritev
296 70; getcpu 309 168; renameat2 316 276; getrandom 318 278; membarrier 324 283; copy_file_range 326 285; rseq
334 293; close_range 436 436; faccessat2 439 439
"""

_MODES = "chmod 90 -1; fchmod 91 52; fchmodat 268 53; utimensat 280 88; utime 132 -1; utimes 235 -1"
_NEW_PROCESSES = "fork 57 -1; vfork 58 -1"
_NEW_SESSIONS = "setpgid 109 154; setsid 112 157"
_TRUNCATE = "truncate 76 45"
_EXECVE = "execve 59 221"

_NUMBERS = {
    "open": (2, -1),
    "openat": (257, 56),
    "clone": (56, 220),
    "clone3": (435, 435),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prctl": (157, 167),
    "ioctl": (16, 29),
    "fcntl": (72, 25),
    "prlimit64": (302, 261),
    "madvise": (28, 233),
    "fadvise64": (221, 223),
    "flock": (73, 32),
    "preadv2": (327, 286),
    "pwritev2": (328, 287),
    "statx": (332, 291),
    "futex": (202, 98),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "getpgid": (121, 155),
    "getsid": (124, 156),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "sched_getaffinity": (204, 123),
    "get_robust_list": (274, 100),
}
_OF_A_PROCESS = (
    "getpgid",
    "getsid",
    "sched_getparam",
    "sched_getscheduler",
    "sched_getaffinity",
    "get_robust_list",
)
_OF_A_CLOCK = ("clock_gettime", "clock_getres", "clock_nanosleep")

_CLONE_THREAD = 0x00010000
_CLONE_PARENT = 0x00008000
_CLONE_NAMESPACES = 0x7E020000
_O_TRUNC_OR_ACCESS = 0o1003
_O_TRUNC = 0o1000
_O_UNCACHED = {"x86_64": 0o1040000, "aarch64": 0o1200000}  # O_NOATIME and O_DIRECT
_PRCTLS = (3, 15, 16, 0x53564D41)  # get dumpable, set and get the thread's name, name a mapping
_IOCTLS = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1032, 1034)  # of descriptors; no lock, owner, signal or lease
_FILE_LOCKS = (6, 7, 37, 38)  # F_SETLK F_SETLKW F_OFD_SETLK F_OFD_SETLKW
# of a process's own pages only: NORMAL DONTNEED FREE DONTFORK DOFORK HUGEPAGE NOHUGEPAGE DONTDUMP DODUMP WIPEONFORK
# KEEPONFORK POPULATE_READ POPULATE_WRITE
_ADVICE = (0, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19, 22, 23)
_HINTS = (1, 2, 3)  # RANDOM SEQUENTIAL WILLNEED: of the page cache
_FUTEX_PRIVATE = 128
_FUTEX_WAITS = (0, 9, 256 | 9)  # WAIT and WAIT_BITSET: how a thread's end is awaited
_DYNAMIC_CLOCK = 0x80000000  # the CPU time of another process, or a device

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_EPERM = 0x00050000 | 1
_EINVAL = 0x00050000 | 22
_ENOLCK = 0x00050000 | 37
_ENOSYS = 0x00050000 | 38
_EOPNOTSUPP = 0x00050000 | 95
_PRETEND = 0x00050000
"""Answers 0 without doing anything."""

_LOAD, _JEQ, _JGE, _JSET, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06

_CHOICES = {
    "prctl": (0, _PRCTLS, (), _EPERM),
    "ioctl": (1, _IOCTLS, (), _EPERM),
    "fcntl": (1, _FCNTLS, _FILE_LOCKS, _EPERM),
    "madvise": (2, _ADVICE, _HINTS, _EINVAL),
    "preadv2": (5, (0,), (), _EOPNOTSUPP),
    "pwritev2": (5, (0,), (), _EOPNOTSUPP),
}
"""Calls that are allowed with some values of one argument: its number, the values, the hints, the refusal."""


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What a filter allows beyond the plain list.

    Attributes:
        processes: whether fork is allowed, and signals to others (something else must then bound both).
        native: whether execve is allowed.
        modes: whether file modes and times may be changed (only where no file of the user's could be
            reached).
        truncate: whether truncation is left to Landlock (ABI 3); otherwise it is refused without write
            access.
        signals: whether any signal to any process may be tried (something else must then bound it).
        threads: whether threads may be started.
        sessions: whether processes may leave their group (something else must then find them).
        strangers: whether other processes may be asked about (none of another program's must then be in sight).
    """

    processes: bool = False
    native: bool = False
    modes: bool = False
    truncate: bool = True
    signals: bool = False
    threads: bool = True
    sessions: bool = True
    strangers: bool = False


class _Code:
    """BPF instructions with labels, resolved when all are known; jumps go forward only."""

    def __init__(self) -> None:
        self._instructions: list[tuple[int, str | None, str | None, int]] = []
        self._labels: dict[str, int] = {}
        self.pid_offsets: list[int] = []

    def add(self, code: int, value: int, on_true: str | None = None, on_false: str | None = None) -> None:
        self._instructions.append((code, on_true, on_false, value))

    def compare_pid(self, on_true: str) -> None:
        """Adds a comparison with the process's own pid, which is written in later."""
        self.pid_offsets.append(8 * len(self._instructions) + 4)
        self.add(_JEQ, 0, on_true=on_true)

    def label(self, name: str) -> None:
        self._labels[name] = len(self._instructions)

    def new_label(self) -> str:
        return f"at {len(self._instructions)} of {len(self._labels)}"

    def assemble(self) -> bytes:
        out = []
        for index, (code, on_true, on_false, value) in enumerate(self._instructions):
            jumps = [
                0 if target is None else self._labels[target] - index - 1 for target in (on_true, on_false)
            ]
            if not all(0 <= jump <= 255 for jump in jumps):
                raise ValueError(f"a jump of instruction {index} is out of reach: {jumps}")
            out.append(struct.pack("<HBBI", code, *jumps, value & 0xFFFFFFFF))
        return b"".join(out)


def _numbers(table: str, machine: str) -> set[int]:
    column = 1 if machine == "x86_64" else 2
    return {int(entry.split()[column]) for entry in table.replace("\n", " ").split(";")} - {-1}


def _actions(options: FilterOptions, machine: str) -> dict[int, str]:
    """Returns what to do with each call number that is not refused: "allow", or the name of a check."""
    tables = [_ALLOWED]
    tables += [_MODES] if options.modes else []
    tables += [_NEW_PROCESSES] if options.processes else []
    tables += [_NEW_SESSIONS] if options.processes and options.sessions else []
    tables += [_EXECVE] if options.native else []
    tables += [_TRUNCATE] if options.truncate else []
    actions = {number: "allow" for table in tables for number in _numbers(table, machine)}
    plain = {"kill", "tgkill"} if options.signals else set()
    plain |= set(_OF_A_PROCESS) if options.strangers else set()
    for name, numbers in _NUMBERS.items():
        number = numbers[0 if machine == "x86_64" else 1]
        if number >= 0:
            actions[number] = "allow" if name in plain else name
    return actions


@functools.cache
def build(options: FilterOptions, machine: str = kernel.MACHINE) -> tuple[bytes, tuple[int, ...]]:
    """Returns a filter, and the offsets in it where the process's own pid belongs (32 bits, little endian).

    Raises:
        ValueError: no filter is known for `machine`.
    """
    if machine not in _AUDIT_ARCH:
        raise ValueError(f"machine must be x86_64 or aarch64, got {machine!r}")
    actions = _actions(options, machine)
    runs: list[tuple[int, str]] = []  # first call number of each run of equal actions
    for number in range(max(actions) + 2):
        action = actions.get(number, "deny")
        if not runs or runs[-1][1] != action:
            runs.append((number, action))
    code = _Code()
    code.add(_LOAD, 4)
    code.add(_JEQ, _AUDIT_ARCH[machine], on_true="known")
    code.add(_RETURN, _KILL_PROCESS)
    code.label("known")
    code.add(_LOAD, 0)
    _add_tree(code, runs, options, machine)
    return code.assemble(), tuple(code.pid_offsets)


def _add_tree(code: _Code, runs: list[tuple[int, str]], options: FilterOptions, machine: str) -> None:
    if len(runs) == 1:
        _add_leaf(code, runs[0][1], options, machine)
        return
    middle = len(runs) // 2
    right = code.new_label()
    code.add(_JGE, runs[middle][0], on_true=right)
    _add_tree(code, runs[:middle], options, machine)
    code.label(right)
    _add_tree(code, runs[middle:], options, machine)


def _add_leaf(code: _Code, action: str, options: FilterOptions, machine: str) -> None:
    """Adds what becomes of one call: a plain answer, or a look at its arguments."""
    lock = _ENOLCK if options.processes else _PRETEND  # a lock of the only process excludes nobody
    answers = {"allow": _ALLOW, "deny": _EPERM, "clone3": _ENOSYS, "statx": _ENOSYS, "fadvise64": _PRETEND}
    if action in answers or action == "flock":
        code.add(_RETURN, answers.get(action, lock))
        return
    good, bad, hint = (f"{code.new_label()} {what}" for what in ("good", "bad", "hint"))
    if action in _CHOICES:
        argument, values, hints, refusal = _CHOICES[action]
        code.add(_LOAD, _argument(argument))
        _add_choice(code, values, good)
        _add_choice(code, hints, hint)
    else:
        refusal = _EINVAL if action in _OF_A_CLOCK else _EPERM
        _add_look(code, action, options, machine, good, bad)
    code.label(bad)
    code.add(_RETURN, refusal)
    code.label(hint)
    code.add(_RETURN, lock if action == "fcntl" else _PRETEND)
    code.label(good)
    code.add(_RETURN, _ALLOW)


def _add_look(
    code: _Code, action: str, options: FilterOptions, machine: str, good: str, bad: str
) -> None:  # fmt: skip
    """Adds a look at a call's arguments that is more than a choice among values; what it lets through is bad."""
    if action in ("kill", "tgkill") or action in _OF_A_PROCESS:
        code.add(_LOAD, _argument(0))
        if action in _OF_A_PROCESS:
            code.add(_JEQ, 0, on_true=good)
        code.compare_pid(good)
    elif action in _OF_A_CLOCK:
        code.add(_LOAD, _argument(0))
        code.add(_JSET, _DYNAMIC_CLOCK, on_true=bad, on_false=good)
    elif action == "clone":
        code.add(_LOAD, _argument(0))
        code.add(_JSET, _CLONE_NAMESPACES | (_CLONE_PARENT if options.processes else 0), on_true=bad)
        if options.processes or options.threads:
            code.add(_JSET, 0xFFFFFFFF if options.processes else _CLONE_THREAD, on_true=good)
    elif action in ("open", "openat"):
        code.add(_LOAD, _argument(1 if action == "open" else 2))
        code.add(_JSET, _O_UNCACHED[machine], on_true=bad, on_false=good if options.truncate else None)
        if not options.truncate:
            code.add(_AND, _O_TRUNC_OR_ACCESS)
            code.add(_JEQ, _O_TRUNC, on_true=bad, on_false=good)
    elif action == "prlimit64":
        for low in (_argument(0), _argument(2), _argument(2) + 4):
            code.add(_LOAD, low)
            code.add(_JEQ, 0, on_false=bad)
        code.add(_RETURN, _ALLOW)
    elif action == "futex":
        code.add(_LOAD, _argument(1))
        code.add(_JSET, 0xFFFFFFFF if options.processes else _FUTEX_PRIVATE, on_true=good)
        _add_choice(code, _FUTEX_WAITS, good)


def _add_choice(code: _Code, values: tuple[int, ...], on_true: str) -> None:
    for value in values:
        code.add(_JEQ, value, on_true=on_true)


def _argument(index: int) -> int:
    """Returns the offset of the low half of an argument (both machines are little endian)."""
    return 16 + 8 * index
