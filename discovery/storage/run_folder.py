"""The run folder: config.json, journal.jsonl, lineage/ and a lock that keeps a second process out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.core.errors import RunFolderError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """Returns the file that holds the settings the run was started with."""
        return self.path / "config.json"

    @property
    def journal(self) -> Path:
        """Returns the journal."""
        return self.path / "journal.jsonl"

    @property
    def lineage(self) -> Path:
        """Returns the git repository."""
        return self.path / "lineage"

    @property
    def requests(self) -> Path:
        """Returns the folder in which requests wait."""
        return self.path / "requests"

    def create(self, settings: Mapping[str, Any]) -> None:
        """Makes a new run folder.

        Raises:
            RunFolderError: it exists and is not empty, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise RunFolderError(
                    f"{self.path} exists and is not empty; continue it with: discovery resume {self.path}, "
                    "or name another folder with --out"
                )
            draft = self.config.with_suffix(".new")
            with open(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump({"format": FORMAT, **settings}, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.config)
        except OSError as error:
            raise RunFolderError(
                f"cannot write {self.path}: {error.strerror}; name another folder with --out"
            ) from error

    def read_settings(self) -> dict[str, Any]:
        """Returns the settings the run was started with.

        Raises:
            RunFolderError: this is no run folder, or it was written by another version.
        """
        if not self.path.is_dir():
            raise RunFolderError(
                f"no run folder at {self.path}; runs are kept where `discovery run` said, by default below runs/"
            )
        try:
            settings = json.loads(self.config.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} is no run folder: config.json is missing") from None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot read {self.config}: {error}; restore it from a backup") from error
        if not isinstance(settings, dict) or settings.pop("format", None) != FORMAT:
            raise RunFolderError(f"{self.config} was not written by this version of discovery")
        return settings

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for this process; the lock goes when the process does, however it ends.

        Raises:
            RunFolderError: another process works on this run.
        """
        path = self.path / ".lock"
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise RunFolderError(f"cannot write {path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                raise RunFolderError(
                    f"{self.path} is in use by process {holder or '?'}; wait for it, or stop it first. If it is paused: "
                    f"discovery pause {self.path} --off"
                ) from None
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(fd)

    def is_locked(self) -> bool:
        """Returns whether a process works on this run now."""
        try:
            fd = os.open(self.path / ".lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False
