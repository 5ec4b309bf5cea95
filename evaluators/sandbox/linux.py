"""The sandbox: a zygote per slot, a locked child per case.

macOS gets resource limits and process groups only, with a warning.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluators.contract import Limits, Program
from evaluators.sandbox import control, scratch
from evaluators.sandbox.base import SandboxError, SandboxUnavailable
from evaluators.sandbox.locks import private_files
from evaluators.sandbox.session import LinuxSession
from evaluators.source.files import SourceFiles

_ANSWER_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 120.0
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from evaluators.sandbox.zygote import main; main()"
)


@dataclass(frozen=True, slots=True)
class Harness:
    """What a zygote is given: the half of a problem that programs may see.

    Attributes:
        source: see modules.run_source; it must hold no scorer, case or secret.
        preload: modules to import before the fork, beside numpy.
    """

    source: SourceFiles
    preload: tuple[str, ...] = ()


def child_environment() -> dict[str, str]:
    """Returns the whole environment of judges, zygotes and programs: nothing of the caller's."""
    return {
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "USER": "program",  # a program's user id has no name, and getpass.getuser() asks for one
        "LOGNAME": "program",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "VECLIB_MAXIMUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        # else every array of some MiB is fetched from the kernel, page by page, and given back
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
        "LD_BIND_NOW": "1",  # else every child resolves the symbols of its libraries again
    }


def _packages(harness: Harness) -> list[str]:
    """Returns the top-level packages that programs and the harness may import."""
    preloaded = (name.split(".")[0] for name in harness.preload)
    return list(dict.fromkeys((*private_files.ALWAYS, *preloaded)))


def module_paths() -> list[str]:
    """Returns where a fresh interpreter finds the same modules as this one."""
    package_parent = str(Path(__file__).resolve().parents[2])
    paths = [os.path.abspath(path) for path in sys.path]
    return [*paths, *([] if package_parent in paths else [package_parent])]


def null_fault(path: str = os.devnull) -> str:
    """Returns what is wrong with the machine's /dev/null, which programs of ordinary users need, with the remedy; "" if nothing."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        fault = str(error.strerror)
    else:
        if stat.S_ISCHR(mode) and mode & 0o666 == 0o666:
            return ""
        fault = "not every user may read and write it" if stat.S_ISCHR(mode) else "it is no device"
    return f"{path} cannot be used: {fault}; as root: rm -f {path} && mknod -m 666 {path} c 1 3"


class LinuxSandbox:
    """Runs programs in locked children of one zygote. See `Sandbox` for the contract.

    Args:
        harness: the half of the problem that runs beside programs.
        tier: 1: no namespaces; 2: namespaces, or refuse; None: namespaces where possible.
        unsafe: run with whatever layers there are.
        limits: sets the size of the scratch file system at tier 2, and whether programs may execute others.
        hangup_fd: a descriptor whose other end's going away ends the sandbox and this process (SystemExit).
    """

    def __init__(
        self,
        harness: Harness,
        *,
        limits: Limits | None = None,
        tier: int | None = None,
        unsafe: bool = False,
        hangup_fd: int | None = None,
    ) -> None:
        if tier not in (None, 1, 2):
            raise ValueError(f"tier must be 1, 2 or None, got {tier!r}")
        self._request: dict[str, Any] = {
            "source": asdict(harness.source),
            "preload": harness.preload,
            "tier": tier,
            "unsafe": unsafe,
            "scratch_mib": (limits or Limits()).scratch_mib,
            "native": (limits or Limits()).native,
            # what executes other programs needs the machine's own files
            "packages": [] if (limits or Limits()).native else _packages(harness),
        }
        self.hangup_fd = hangup_fd
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._session: LinuxSession | None = None
        self._layers: tuple[str, ...] = ()
        self._extras: frozenset[str] = frozenset()
        self._folder = ""
        if fault := null_fault():
            raise SandboxUnavailable(fault)
        if sys.platform != "linux":
            if not sys.platform.startswith("darwin") and not unsafe:
                raise SandboxUnavailable(
                    f"there is no sandbox for {sys.platform}; use Linux, or run with --unsafe"
                )
            warnings.warn(
                "programs are not isolated on this system: only resource limits apply", stacklevel=2
            )
        self._start_zygote()

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the names of the layers in force."""
        return self._layers

    @property
    def extras(self) -> frozenset[str]:
        """Returns which optional parameters the problem's `run` declares."""
        return self._extras

    @property
    def zygote_pid(self) -> int | None:
        """Returns the process id of the zygote, None when closed."""
        return self._process.pid if self._process else None

    def start(self, program: Program, limits: Limits, *, cases: int = 1) -> LinuxSession:
        """Returns a session; ends the one before. Starts a new zygote if the last one is gone."""
        if self._session is not None:
            self._session.close()
        if self._process is None or self._process.poll() is not None:
            self._stop_zygote()
            self._start_zygote()
        self._session = LinuxSession(self, program, limits, cases)
        return self._session

    def close(self) -> None:
        """Ends everything."""
        if self._session is not None:
            with contextlib.suppress(SandboxError):
                self._session.close()
            self._session = None
        self._stop_zygote()

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Sends the zygote a request.

        Raises:
            SandboxError: it is gone.
        """
        if self._channel is None:
            raise SandboxError("the sandbox is closed")
        try:
            control.send(self._channel, message, descriptors)
        except OSError as error:
            self._stop_zygote()
            raise SandboxError(f"the zygote is gone: {error.strerror}") from error

    def receive(self, timeout_s: float = _ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """Returns the zygote's answer to the request before.

        Raises:
            SandboxError: it is gone, says nothing, or reports a fault.
        """
        if self._channel is None:
            raise SandboxError("the sandbox is closed")
        self._channel.settimeout(timeout_s)
        try:
            received = control.receive(self._channel)
        except OSError as error:
            received = None
            reason = f"says nothing ({error})"
        else:
            reason = "has ended"
        if received is None:
            self._stop_zygote()
            raise SandboxError(f"the zygote {reason}")
        answer: dict[str, Any] = received[0]
        if answer.get("fault"):
            self._stop_zygote()
            raise SandboxError(f"the zygote reports: {answer['fault']}")
        return answer

    def _start_zygote(self) -> None:
        answer = self._boot()
        packages: list[str] = self._request["packages"]
        while "lacks" in answer:
            self._stop_zygote()
            if (package := answer["module"].split(".")[0]) in packages:
                raise SandboxError(f"the zygote reports: {answer['lacks']}")
            packages.append(package)  # which the problem imports without naming it in PRELOAD
            answer = self._boot()
        if "missing" in answer:
            self._stop_zygote()
            raise SandboxUnavailable(answer["missing"])
        self._layers = tuple(answer["layers"])
        self._extras = frozenset(answer["extras"])
        self._folder = "" if "namespaces" in self._layers else answer["scratch"]

    def _boot(self) -> dict[str, Any]:
        """Returns what a fresh zygote says first."""
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), str(theirs.fileno())],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        finally:
            theirs.close()
        self._channel = ours
        self.send(self._request)
        return self.receive(_START_TIMEOUT_S)

    def _stop_zygote(self) -> None:
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()  # its end is the zygote's sign to clean up and go
        if process is not None:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder and os.path.isdir(self._folder):  # the zygote was killed
            with contextlib.suppress(OSError):
                scratch.remove(self._folder)
        self._folder = ""
