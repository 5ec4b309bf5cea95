"""What this machine's sandbox consists of, found out by starting one. For `discovery doctor`."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from evaluators.sandbox import channels
from evaluators.sandbox.base import SandboxError
from evaluators.sandbox.linux import Harness, LinuxSandbox
from evaluators.source.files import SourceFiles

_TRIAL = "def run(program, inputs):\n    return program.answer(inputs)\n"
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of the sandbox.

    Attributes:
        name: short name.
        tier: 1 (required), 2 (used where possible), 0 (reported only, not used).
        is_active: whether programs are held by it here.
        detail: what it does, or why it is missing.
        remedy: what to do about it; "" where nothing is needed.
    """

    name: str
    tier: int
    is_active: bool
    detail: str
    remedy: str = ""


def probe() -> list[Layer]:
    """Returns the layers of the sandbox on this machine, in force or not.

    Starts and ends a sandbox, whose own self-test tries every lock, which takes about a second.
    """
    harness = Harness(SourceFiles("probe", "probe.py", {"probe.py": _TRIAL}))
    tier_one_fault = _fault(harness, tier=1)
    tier_two_fault = _fault(harness, tier=2)
    try:
        sandbox = LinuxSandbox(harness, unsafe=True)
    except SandboxError as error:
        return [Layer("sandbox", 1, False, str(error), "see the message; without a sandbox nothing runs")]
    layers = sandbox.layers
    sandbox.close()
    return [
        *_tier_one(layers, tier_one_fault),
        _namespaces(layers, tier_two_fault),
        _files(layers),
        _cgroups(),
    ]


def _fault(harness: Harness, tier: int) -> str:
    try:
        LinuxSandbox(harness, tier=tier).close()
    except SandboxError as error:
        return str(error)
    return ""


def _tier_one(layers: tuple[str, ...], fault: str) -> list[Layer]:
    abi = next((int(name.removeprefix("landlock-")) for name in layers if name.startswith("landlock-")), 0)
    files = (
        f"ABI {abi}: files{', TCP' if abi >= 4 else ''}{', signals, abstract sockets' if abi >= 6 else ''}"
    )
    found = [
        Layer("process group", 1, "process-group" in layers, "own session; the whole tree is killed"),
        Layer("resource limits", 1, "rlimits" in layers, "memory, CPU, files, file size, processes, core"),
        Layer("no new privileges", 1, "no-new-privs" in layers, "no set-uid program gives rights"),
        Layer("capabilities", 1, "capabilities" in layers, "all dropped"),
        Layer(
            "Landlock",
            1,
            abi > 0,
            files if abi else "not in this kernel",
            "" if abi else "Linux 5.13 or later, with landlock in the lsm= list",
        ),
        Layer(
            "seccomp",
            1,
            "seccomp" in layers,
            "allow-list of system calls",
            ""
            if "seccomp" in layers
            else f"a kernel with seccomp filters on x86_64 or aarch64, not {platform.machine()}",
        ),
        _user(layers),
        Layer("self-test", 1, not fault, fault or "a locked process tried each lock in vain"),
    ]
    return found


def _user(layers: tuple[str, ...]) -> Layer:
    if "uid+read" in layers:
        return Layer(
            "user id",
            1,
            True,
            "own user id per slot; CAP_DAC_READ_SEARCH kept because the interpreter is not world-readable, "
            "so that Landlock alone limits what is read",
            "install Python and the packages where every user can read them",
        )
    if "uid" in layers:
        return Layer("user id", 1, True, "own user id per slot")
    if os.geteuid() == 0:
        return Layer(
            "user id",
            1,
            False,
            "root without the rights to change users",
            "add CHOWN, KILL, SETUID and SETGID",
        )
    return Layer("user id", 1, False, "not root: programs keep this user's id, the other layers hold them")


def _namespaces(layers: tuple[str, ...], fault: str) -> Layer:
    if "namespaces" in layers and not fault:
        return Layer("namespaces", 2, True, "pid per program; mount, network, ipc, uts and /dev/shm per slot")
    remedy = "allow unprivileged user namespaces, or give the container SYS_ADMIN; tier 1 works without"
    return Layer("namespaces", 2, False, fault or "not in force", remedy)


def _files(layers: tuple[str, ...]) -> Layer:
    name = "private files"
    if "private-files" in layers:
        return Layer(name, 2, True, f"a copy in memory per slot; {channels.summary(is_private=True)}")
    remedy = "namespaces, and about 300 MiB of memory per slot"
    return Layer(name, 2, False, channels.summary(is_private=False), remedy)


def _cgroups() -> Layer:
    kind = "version 2" if (_CGROUPS / "cgroup.controllers").exists() else "version 1 or none"
    is_writable = os.access(_CGROUPS, os.W_OK)
    return Layer(
        "cgroups",
        0,
        False,
        f"{kind}, {'' if is_writable else 'not '}writable; not used: limits count per process",
    )
