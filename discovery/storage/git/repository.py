"""The door to git: one repository per run, commands run through GitPython in an empty environment.

Whatever the user's global configuration, hooks, templates or GIT_* variables say, the repository is written
the same way. GitPython is loaded on first use.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from discovery.core.errors import LineageError

if TYPE_CHECKING:
    import git

BRANCH = "best"
_LOCK = "discovery.lock"
_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = false
\tbare = true
\thooksPath = /dev/null
\tlogAllRefUpdates = false
\tcompression = 1
\tcommitGraph = true
[user]
\tname = Code Discovery
\temail = discovery@localhost
[gc]
\tauto = 0
[maintenance]
\tauto = false
[pack]
\tthreads = 1
\tcompression = 1
[fastimport]
\tunpackLimit = 1
[notes]
\tdisplayRef = refs/notes/*
[init]
\tdefaultBranch = best
"""
_LEFTOVERS = ("*.lock", "fast_import_crash_*", "tmp_*", ".tmp-*")


class Repository:
    """A bare repository and the commands that may be run in it.

    Contract: any number may read; one process writes, the one that holds `lock`. Safe in several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._git: git.Git | None = None

    @property
    def exists(self) -> bool:
        """Returns whether there is a repository at the path."""
        return (self.path / "HEAD").is_file() and (self.path / "objects").is_dir()

    def create(self) -> None:
        """Makes the repository where there is none; its HEAD is the branch `best`.

        Raises:
            LineageError: the folder cannot be written, holds something else, or git is missing.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.exists:
                foreign = [entry.name for entry in self.path.iterdir() if entry.name != _LOCK]
                if foreign and not {"config", "refs", "objects"} & set(foreign):
                    raise LineageError(f"{self.path} holds other files ({foreign[0]}); give an empty folder")
                self.run(
                    "init", "--quiet", "--bare", "--template=", f"--initial-branch={BRANCH}", str(self.path)
                )
            (self.path / "config").write_text(_CONFIG)
        except OSError as error:
            raise LineageError(f"cannot create {self.path}: {error.strerror}") from error

    def lock(self, timeout_s: float = 10.0) -> int:
        """Returns a descriptor that holds the right to write; the writers that inherit it share it.

        A killed run's importer may still be finishing: it is waited for.

        Raises:
            LineageError: another process holds it for longer than `timeout_s`.
        """
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LineageError(f"cannot write in {self.path}: {error.strerror}") from error
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LineageError(
                        f"{self.path} is in use by another process; end that run first, or wait for it"
                    ) from None
                time.sleep(0.02)
            else:
                return descriptor

    def sweep(self) -> None:
        """Removes what a killed writer left (locks, unfinished packs); only for the holder of `lock`."""
        for pattern in _LEFTOVERS:
            for leftover in self.path.rglob(pattern):
                if leftover.name != _LOCK:
                    leftover.unlink(missing_ok=True)

    def run(self, *args: str) -> str:
        """Returns what one git command prints, decoded; undecodable bytes become U+FFFD.

        Raises:
            LineageError: git is missing, or the command fails.
        """
        return self.run_bytes(*args).decode("utf-8", "replace")

    def run_bytes(self, *args: str) -> bytes:
        """Returns the bytes that one git command prints; errors as in `run`."""
        output: bytes = self._execute(args, stdout_as_string=False, strip_newline_in_stdout=False)
        return output

    def start(self, *args: str, inherit: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """Starts a long-lived git command with pipes to its three streams, deaf to the terminal's Ctrl-C."""
        handle = self._execute(
            args, istream=subprocess.PIPE, as_process=True, start_new_session=True, pass_fds=inherit
        )
        process: subprocess.Popen[bytes] = handle.proc
        handle.proc = None  # the handle would end the process when it is collected; the caller does
        return process

    def _execute(self, args: tuple[str, ...], **options: Any) -> Any:
        import_git = _git_module()
        if self._git is None:
            self._git = import_git.Git(str(self.path))
        options.setdefault("with_exceptions", True)
        try:
            return self._git.execute([*_environment(), "git", *self._flags(args), *args], **options)
        except import_git.GitCommandNotFound as error:
            raise LineageError("git was not found; install it (for example: apt-get install git)") from error
        except import_git.GitCommandError as error:
            raise LineageError(explained(f"git {args[0]}", str(error.stderr))) from error
        except OSError as error:
            raise LineageError(f"cannot run git in {self.path}: {error.strerror}") from error

    def _flags(self, args: tuple[str, ...]) -> tuple[str, ...]:
        if args[0] == "init":
            return ()
        return (
            f"--git-dir={self.path}",
            "-c",
            f"safe.directory={self.path}",
            "--no-pager",
            "--literal-pathspecs",
        )


def _environment() -> tuple[str, ...]:
    kept = [f"{name}={os.environ[name]}" for name in ("PATH", "TMPDIR") if name in os.environ]
    fixed = (
        "LC_ALL=C",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_TERMINAL_PROMPT=0",
        "HOME=/",
    )
    return ("env", "-i", *kept, *fixed)


def _git_module() -> Any:
    try:
        import git
    except ImportError as error:  # GitPython says so when it finds no git
        raise LineageError("git was not found; install it (for example: apt-get install git)") from error
    return git


def explained(what: str, stderr: str) -> str:
    """Returns one line on a failed git command: what it said, and the remedy."""
    said = " ".join(stderr.replace("stderr:", "").strip(" '\n").split())[-500:]
    lowered = said.lower()
    remedies: tuple[tuple[str, str], ...] = (
        ("no space left", "free some space, then resume the run: git catches up from the journal"),
        ("disk quota", "free some space, then resume the run: git catches up from the journal"),
        ("permission denied", "make the run folder writable for this user"),
        ("not a git repository", "check the path, or rebuild the lineage from the journal"),
    )
    default = "resume the run: git catches up from the journal"
    remedy = next((text for sign, text in remedies if sign in lowered), default)
    return f"{what} failed: {said or 'it ended without a word'}; {remedy}"
