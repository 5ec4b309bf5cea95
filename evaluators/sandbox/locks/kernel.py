"""System calls that Python does not offer, by number and through the C library. Linux on x86_64 and aarch64.

Sources: man7.org pages of each call; include/uapi/linux of the kernel.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

IS_LINUX = sys.platform == "linux"
MACHINE = platform.machine()

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

CAP_DAC_READ_SEARCH = 2
CAP_COUNT = 64

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

SYS_CLOSE_RANGE = 436
SYS_MOUNT_SETATTR = 442
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
SYS_SETRESUID = {"x86_64": 117, "aarch64": 147}.get(MACHINE, -1)
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(MACHINE, -1)
SYS_CAPGET = {"x86_64": 125, "aarch64": 90}.get(MACHINE, -1)
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}.get(MACHINE, -1)

_CAPABILITY_VERSION_3 = 0x20080522
_AT_RECURSIVE = 0x8000
_MNT_DETACH = 2
_MOUNT_ATTR_RDONLY = 1

libc = ctypes.CDLL(None, use_errno=True)
_libc_with_gil = ctypes.PyDLL(None, use_errno=True)


class KernelError(OSError):
    """A system call failed; `strerror` names the call."""


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise KernelError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """Returns the result of a raw system call.

    Raises:
        KernelError: it failed.
    """
    return _checked(libc.syscall(ctypes.c_long(number), *arguments), f"syscall {number}")


def fork() -> int:
    """Forks without Python's own work round it; for a process of one thread only.

    `os.fork` makes new locks and runs the handlers of `threading`, `random` and others in the child: 170 page faults
    and 0.6 ms of 1.9 (numpy loaded). With one thread no lock can be held by another, so there is nothing to mend.
    """
    return _checked(_libc_with_gil.fork(), "fork")


def prctl(option: int, argument: int | ctypes.Array[ctypes.c_char] | object = 0, third: object = 0) -> int:
    """Returns what the system call prctl returns."""
    if isinstance(argument, int):
        argument = ctypes.c_ulong(argument)
    if isinstance(third, int):
        third = ctypes.c_ulong(third)
    zero = ctypes.c_ulong(0)
    return _checked(libc.prctl(option, argument, third, zero, zero), f"prctl {option}")


def unshare(flags: int) -> None:
    """Moves this process (for CLONE_NEWPID: its next children) into new namespaces."""
    _checked(libc.unshare(flags), f"unshare {flags:#x}")


def setns(fd: int, kind: int) -> None:
    """Joins the namespace that `fd` names."""
    _checked(libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mounts a file system."""
    filesystem = kind.encode() if kind else None
    result = libc.mount(source.encode(), target.encode(), filesystem, ctypes.c_ulong(flags), data.encode())
    _checked(result, f"mount {target}")


def unmount(target: str) -> None:
    """Takes a file system away, also while it is in use."""
    _checked(libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Makes the mount at `new` the root; the old root is moved to `old`."""
    syscall(SYS_PIVOT_ROOT, new.encode(), old.encode())


def make_read_only(path: str) -> None:
    """Makes every mount at and below `path` read-only in this mount namespace (Linux 5.12)."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    syscall(SYS_MOUNT_SETATTR, -100, path.encode(), _AT_RECURSIVE, attributes, ctypes.c_size_t(32))


def make_writable(path: str) -> None:
    """Makes the one mount at `path` writable again; those below it stay as they are."""
    attributes = (ctypes.c_uint64 * 4)(0, _MOUNT_ATTR_RDONLY, 0, 0)
    syscall(SYS_MOUNT_SETATTR, -100, path.encode(), 0, attributes, ctypes.c_size_t(32))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def capability_sets(
    kept: int, *, is_inheritable: bool
) -> tuple[ctypes.Structure, ctypes.Array[ctypes.c_uint32]]:
    """Returns the arguments of capset(2) that leave a thread the capabilities of the bit set `kept` only."""
    low, high = kept & 0xFFFFFFFF, kept >> 32
    inherited = (low, high) if is_inheritable else (0, 0)
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    return header, (ctypes.c_uint32 * 6)(low, low, inherited[0], high, high, inherited[1])


def drop_bounding_set(kept: int) -> None:
    """Drops every capability outside the bit set `kept` from what any program executed later could gain."""
    for capability in range(CAP_COUNT):
        if kept >> capability & 1:
            continue
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except KernelError:
            return  # EINVAL: past the last one; EPERM: no right to drop, and nothing to gain either


def keep_capabilities() -> None:
    """Lets this process keep its capabilities when it executes a program, which a user other than root loses."""
    held = effective_capabilities()
    header, sets = capability_sets(held, is_inheritable=True)
    syscall(SYS_CAPSET, ctypes.byref(header), sets)
    for capability in range(CAP_COUNT):
        if held >> capability & 1:
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def effective_capabilities() -> int:
    """Returns the bit set of this process's effective capabilities."""
    header, sets = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    syscall(SYS_CAPGET, ctypes.byref(header), sets)
    return int(sets[0]) | int(sets[3]) << 32
