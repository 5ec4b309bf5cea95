"""How a zygote makes itself ready: namespaces, a user id and a scratch folder, warm modules, locks.

Everything a child would otherwise have to do by itself, and that it cannot undo, is done here once.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from evaluators.sandbox import restart, scratch
from evaluators.sandbox.locks import kernel, landlock, lock, memory, namespaces, private_files

_NEEDED_CAPABILITIES = (0, 1, 3, 5, 6, 7)  # CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID
_TEMPORARY = ("/tmp", "/var/tmp")
_UID_TRIES = 1000

WarmUp: TypeAlias = Callable[[Mapping[str, Any]], Callable[..., Any]]


class PrepareError(Exception):
    """A layer of the sandbox that is required is missing; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A zygote that is ready to fork."""

    plan: lock.Plan
    layers: tuple[str, ...]
    run: Callable[..., Any]
    own_pid_namespace: int | None
    has_one_thread: bool
    uid_lock: socket.socket | None
    folders: scratch.Folders

    def fork(self) -> int:
        """Forks, into a pid namespace of the child's own where there are namespaces; returns 0 in the child.

        Raises:
            OSError: there are too many processes, or too little memory.
        """
        fork = kernel.fork if self.has_one_thread else os.fork
        if self.own_pid_namespace is None:
            return fork()
        kernel.unshare(kernel.CLONE_NEWPID)
        pid = -1
        try:
            pid = fork()
        finally:
            if pid:
                kernel.setns(self.own_pid_namespace, kernel.CLONE_NEWPID)  # else the next unshare fails
        return pid


def prepare(request: Mapping[str, Any], warm_up: WarmUp) -> Ready:
    """Returns what the zygote needs for serving. `request`: see LinuxSandbox.

    `warm_up(request)` imports what children will want, and returns what they call (`Ready.run`).

    Raises:
        PrepareError: a layer of tier 1 is missing and `unsafe` was not asked for, or tier 2 was asked for by
            name and is not possible.
    """
    is_unsafe = bool(request["unsafe"])
    native, scratch_mib = bool(request["native"]), int(request["scratch_mib"])
    if not kernel.IS_LINUX:
        return _prepare_without_locks(request, warm_up)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if restart.has_happened():
        has_namespaces, uid_lock, uid = True, *restart.user()
    else:
        uid_lock, uid = (
            take_uid()
        )  # before the network namespace, in which the lock's name would mean nothing
        has_namespaces = _enter_namespaces(request["tier"], scratch_mib=scratch_mib, native=native)
        if has_namespaces and request.get("packages"):
            restart.inside(request, uid_lock, uid)
    run = warm_up(request)
    folders = _make_folders(uid, mount_mib=scratch_mib if has_namespaces else None, native=native)
    keeps_read = uid is not None and not _is_readable_for_all()
    version = landlock.abi()
    ruleset = landlock.build(folders.parent, native=native) if version else None
    has_filter = kernel.MACHINE in ("x86_64", "aarch64") and _has_seccomp()
    if not is_unsafe:
        _require(version > 0, "Landlock is missing: Linux 5.13 or later with lsm=...,landlock is needed")
        _require(
            has_filter,
            "seccomp filters are missing: a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64",
        )
    kernel.drop_bounding_set(1 << kernel.CAP_DAC_READ_SEARCH if keeps_read else 0)
    proc = private_files.proc()
    own = os.open(f"{proc}/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC) if has_namespaces else None
    plan = lock.Plan(
        scratch=folders.parent,
        base_bytes=memory.mapped_bytes(resource.RLIMIT_AS),
        uid=uid,
        keeps_read=keeps_read,
        ruleset=ruleset,
        has_filter=has_filter,
        has_pid_namespace=has_namespaces,
        landlock_abi=version,
        has_proc=_can_open(f"{private_files.proc()}/self/stat"),
        zygote_fd=_open_own_pidfd(),
        user_tasks=0 if uid is not None else _count_tasks(),
    )
    gc.collect()
    gc.freeze()
    return Ready(plan, _layers(plan), run, own, _has_one_thread(), uid_lock, folders)


def _prepare_without_locks(request: Mapping[str, Any], warm_up: WarmUp) -> Ready:
    """Prepares where there is no Linux: resource limits and process groups only."""
    run = warm_up(request)
    folders = _make_folders(None, mount_mib=None, native=True)
    plan = lock.Plan(scratch=folders.parent, base_bytes=0, user_tasks=1 << 16)
    gc.collect()
    gc.freeze()
    return Ready(plan, ("process-group", "rlimits"), run, None, False, None, folders)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise PrepareError(f"{message}; or run with --unsafe, which trusts every program with this machine")


def _enter_namespaces(tier: int | None, *, scratch_mib: int, native: bool) -> bool:
    """Enters tier 2 if it works, which a throwaway process tries first; returns whether it did."""
    if tier == 1:
        return False
    reason = _try_namespaces(scratch_mib, native=native)
    if reason:
        if tier == 2:
            raise PrepareError(f"tier 2 is not possible here: {reason}; leave the tier open to get tier 1")
        return False
    namespaces.enter(scratch_mib=scratch_mib, native=native)
    if os.geteuid() != 0:
        _continue_as_first_process()
    return True


def _try_namespaces(scratch_mib: int, *, native: bool) -> str:
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            namespaces.enter(scratch_mib=scratch_mib, native=native)
            os.listdir(os.path.dirname(os.__file__))  # a right that only counts outside may have opened it
            if os.geteuid() == 0:
                kernel.unshare(kernel.CLONE_NEWPID)
            inner = os.fork()
            if inner == 0:
                os._exit(0 if os.getpid() == 1 else 1)
            if os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1]) != 0:
                os.write(write_fd, b"no pid namespace")
        except OSError as error:
            os.write(write_fd, (str(error.strerror) or "failed").encode())
        os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        reason = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return reason or ("" if status == 0 else f"the trial ended with {status}")


def _continue_as_first_process() -> None:
    """Goes on in a child, process 1 of the new pid namespace; this process waits for it and ends with it."""
    pid = os.fork()
    if pid:
        os.close(int(sys.argv[2]))  # the control channel: its end must be seen by the judge
        os.waitpid(pid, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def take_uid() -> tuple[socket.socket | None, int | None]:
    """Returns a lock and the user id it keeps, which no other slot here uses; None where not root."""
    if os.geteuid() != 0:
        return None, None
    effective = kernel.effective_capabilities()
    if any(not effective >> capability & 1 for capability in _NEEDED_CAPABILITIES):
        return None, None
    first, size = _mapped_ids()
    base = scratch.FIRST_UID if first + size > scratch.FIRST_UID + (1 << 23) else first + max(0, size - 6000)
    room = min(first + size - base, 1 << 22) - 1
    for attempt in range(_UID_TRIES):
        uid = base + (os.getpid() * 7 + attempt) % room
        guard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            guard.bind(f"\0code-discovery-uid-{uid}")
        except OSError:
            guard.close()
            continue
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        return guard, uid
    raise PrepareError(f"no free user id among {_UID_TRIES} from {base} on")


def _mapped_ids() -> tuple[int, int]:
    """Returns the start and length of the highest range of user ids that exist in this user namespace."""
    with open("/proc/self/uid_map", encoding="utf-8") as lines:
        ranges = [(int(line.split()[0]), int(line.split()[2])) for line in lines]
    return max(ranges)


def _make_folders(uid: int | None, *, mount_mib: int | None, native: bool) -> scratch.Folders:
    if mount_mib is not None:
        parent = namespaces.PROGRAMS
        os.makedirs(parent, 0o111, exist_ok=True)
    else:
        try:
            parent = scratch.make(
                (*_TEMPORARY, os.getcwd())
            )  # a confined judge may write to its own folder only
        except OSError:
            what = "no folder can be made in /tmp, /var/tmp or here; give programs a place to write to"
            raise PrepareError(what) from None
    os.environ["TMPDIR"] = os.environ["HOME"] = os.path.join(parent, "scratch")
    return scratch.Folders(parent, uid=uid, mount_mib=mount_mib, native=native)


def _has_one_thread() -> bool:
    try:
        return len(os.listdir(f"{private_files.proc()}/self/task")) == 1
    except OSError:
        return False


def _is_readable_for_all() -> bool:
    """Returns whether a user without rights could read the interpreter and its packages."""
    for path in landlock.readable_paths(native=False):
        if path.startswith("/etc"):
            continue
        if not all(_is_open_to_all(part) for part in (Path(path), *Path(path).parents)):
            return False
    return True


def _is_open_to_all(path: Path) -> bool:
    mode = path.stat().st_mode
    return bool(mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH))


def _has_seccomp() -> bool:
    """Returns whether the kernel takes seccomp filters (a null filter must fault, not be unknown)."""
    try:
        kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.c_void_p(None))
    except OSError as error:
        return error.errno == 14
    return False


def _open_own_pidfd() -> int | None:
    try:
        return os.pidfd_open(os.getpid())
    except OSError:
        return None


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _count_tasks() -> int:
    """Returns how many threads this user has; a confined judge cannot know, so its programs' are not limited by it."""
    if not _can_open(f"{private_files.proc()}/self/stat"):
        return 1 << 16
    from evaluators.sandbox import tree

    return tree.count_tasks(os.getuid())


def _layers(plan: lock.Plan) -> tuple[str, ...]:
    layers = ["process-group", "rlimits", "no-new-privs", "capabilities"]
    layers += [f"landlock-{plan.landlock_abi}"] if plan.ruleset is not None else []
    layers += ["seccomp"] if plan.has_filter else []
    if plan.uid is not None:
        layers.append("uid+read" if plan.keeps_read else "uid")
    layers += ["namespaces"] if plan.has_pid_namespace else []
    layers.append("private-files" if private_files.is_inside() else "shared-files")
    return tuple(layers)
