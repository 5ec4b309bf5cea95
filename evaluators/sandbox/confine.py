"""Walls round a judge whose problem came from outside, and round all that it starts.

Its own code (cases, score, the module's top) then reads only the interpreter, its packages and the problem's files,
writes only into one folder, opens no connection, signals and traces nobody outside, and has no capability. It does
see the run's secret and its hidden cases: they are its own. Memory and time are bounded by the judge's owner; the
number of its processes and the size of its folder are not (a container's limits are). Programs are locked up further, at
tier 1.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

from evaluators.sandbox.locks import kernel, landlock

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_AF_UNIX = 1
_FORKS = (57, 58)  # fork and vfork, on x86_64 only
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_THREAD = 0x00010000
_SOCKET = {"x86_64": 41, "aarch64": 198}
# Numbers on x86_64 and on aarch64 (-1: no such call). Landlock knows nothing of modes, owners, attributes and handles.
_DENIED = """
connect 42 203; ptrace 101 117; process_vm_readv 310 270; process_vm_writev 311 271; pidfd_getfd 438 438; bpf 321
280; perf_event_open 298 241; userfaultfd 323 282; io_uring_setup 425 425; io_uring_enter 426 426; io_uring_register
427 427; add_key 248 217; request_key 249 218; keyctl 250 219; mount 165 40; umount2 166 39; pivot_root 155 41; chroot
161 51; unshare 272 97; setns 308 268; open_by_handle_at 304 265; name_to_handle_at 303 264; init_module 175 105;
finit_module 313 273; delete_module 176 106; kexec_load 246 104; kexec_file_load 320 294; reboot 169 142; swapon 167
224; swapoff 168 225; settimeofday 164 170; clock_settime 227 112; adjtimex 159 171; sethostname 170 161;
setdomainname 171 162; acct 163 89; quotactl 179 60; chmod 90 -1; fchmod 91 52; fchmodat 268 53; fchmodat2 452 452;
chown 92 -1; fchown 93 55; lchown 94 -1; fchownat 260 54; setxattr 188 5; lsetxattr 189 6; fsetxattr 190 7;
removexattr 197 14; lremovexattr 198 15; fremovexattr 199 16; utime 132 -1; utimes 235 -1; utimensat 280 88; futimesat
261 -1; mknod 133 -1; mknodat 259 33; fsopen 430 430; open_tree 428 428; move_mount 429 429; fsmount 432 432;
mount_setattr 442 442; syslog 103 116; personality 135 92
"""


class ConfineError(Exception):
    """A wall cannot be put up here; the message names it."""


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def confine(folder: str, readable: Iterable[str], *, may_fork: bool = True) -> None:
    """Walls this process in, for good.

    Args:
        folder: the one folder that it may write to; it goes there.
        readable: files and folders that may be read beside the interpreter's and the system's.
        may_fork: whether it may start processes (threads it may).

    Raises:
        ConfineError: the kernel lacks Landlock or seccomp filters, or refuses.
    """
    if not kernel.IS_LINUX or kernel.MACHINE not in _ARCHITECTURES:
        raise ConfineError(
            "problems from outside run on Linux (x86_64, aarch64) only: elsewhere nothing confines them"
        )
    try:
        os.chdir(folder)
        package = Path(__file__).resolve().parents[1]
        paths: list[str] = [
            *landlock.readable_paths(native=True),
            "/proc/cpuinfo",  # and nothing else there: it tells the command lines of everybody
            f"{sys.prefix}/pyvenv.cfg",
            str(package),
            *readable,
        ]
        ruleset = landlock.build(
            folder,
            native=True,
            readable=[path for path in paths if os.path.exists(path)],
            listable=[str(package.parent)],
        )
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.drop_bounding_set(0)
        header, sets = kernel.capability_sets(0, is_inheritable=False)
        if kernel.libc.syscall(ctypes.c_long(kernel.SYS_CAPSET), ctypes.byref(header), sets) < 0:
            raise ConfineError("cannot drop the capabilities of a judge")
        kernel.syscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)
        code = filter_code(kernel.MACHINE, may_fork=may_fork)
        held = ctypes.create_string_buffer(code, len(code))
        program = _FilterProgram(len(code) // 8, ctypes.addressof(held))
        kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(program))
    except OSError as error:
        raise ConfineError(f"cannot confine a problem from outside: {error}") from error


def filter_code(machine: str, *, may_fork: bool) -> bytes:
    """Returns the BPF program: the denied calls and sockets other than local ones fail with EPERM."""
    column = 1 if machine == "x86_64" else 2
    entries = (entry.split() for entry in _DENIED.replace("\n", " ").split(";"))
    denied = [int(entry[column]) for entry in entries if int(entry[column]) >= 0]
    load, equal, at_least, has_bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    body = [(load, 0, 0, 4), (equal, 1, 0, _ARCHITECTURES[machine]), (give, 0, 0, kill)]
    body += [(load, 0, 0, 0), (at_least, 0, 1, _X32), (give, 0, 0, refuse)]
    for number in denied + ([] if may_fork or machine != "x86_64" else list(_FORKS)):
        body += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    if not may_fork:
        body += [(equal, 0, 1, _CLONE3), (give, 0, 0, unknown)]
        body += [(equal, 0, 4, _CLONE[machine]), (load, 0, 0, 16), (has_bits, 1, 0, _CLONE_THREAD)]
        body += [(give, 0, 0, refuse), (give, 0, 0, allow)]
    body += [(equal, 0, 3, _SOCKET[machine]), (load, 0, 0, 16), (equal, 1, 0, _AF_UNIX), (give, 0, 0, refuse)]
    body += [(give, 0, 0, allow)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in body)
