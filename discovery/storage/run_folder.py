"""The run folder: config.json, secret, journal.jsonl, lineage/ and a lock that keeps a second process out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.core.errors import ConfigError, RunFolderError
from discovery.core.records import RecordError, RunInfo
from discovery.storage.files import sync_folder
from discovery.storage.secret import derived_secret, read_secret, write_secret

FORMAT = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The places of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """Returns the file that holds the settings the run was started with."""
        return self.path / "config.json"

    @property
    def secret(self) -> Path:
        """Returns the file that holds what hidden cases are drawn from (secret.py)."""
        return self.path / "secret"

    @property
    def journal(self) -> Path:
        """Returns the journal."""
        return self.path / "journal.jsonl"

    @property
    def index(self) -> Path:
        """Returns the index of the journal, which readers make and keep up (storage/index.py)."""
        return self.path / "index.sqlite"

    @property
    def lineage(self) -> Path:
        """Returns the git repository."""
        return self.path / "lineage"

    @property
    def calls(self) -> Path:
        """Returns the file that holds the model calls of jobs under way."""
        return self.path / "calls.jsonl"

    @property
    def requests(self) -> Path:
        """Returns the folder in which requests wait."""
        return self.path / "requests"

    def create(self, settings: Mapping[str, Any], secret: bytes) -> None:
        """Makes a new run folder, whose hidden cases are drawn from `secret`.

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
            write_secret(self.secret, secret)
            draft = self.config.with_suffix(".new")
            with open(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump({"format": FORMAT, "has_secret": True, **settings}, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.config)
            sync_folder(self.path)
            sync_folder(self.path.parent)
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

    def read_info(self) -> RunInfo:
        """Returns what the run is about.

        Raises:
            RunFolderError: this is no run folder, or its settings do not say.
        """
        try:
            return RunInfo.from_json(self.read_settings()["info"])
        except (KeyError, TypeError, RecordError) as error:
            raise RunFolderError(f"cannot read {self.config}: {error}; restore it from a backup") from error

    def read_secret(self, seed: int) -> bytes:
        """Returns the secret that the run's hidden cases are drawn from.

        Runs of former versions have none of their own: it derives from `seed`, the run's, and a warning is logged.

        Raises:
            RunFolderError: the file is missing or damaged.
        """
        try:
            return read_secret(self.secret)
        except FileNotFoundError:
            if self.read_settings().get("has_secret"):
                raise RunFolderError(
                    f"{self.secret} is missing, so the run's hidden cases are lost; restore it from a backup"
                ) from None
        except (OSError, ConfigError) as error:
            raise RunFolderError(
                f"{self.secret} cannot be read: {error}; restore it from a backup"
            ) from error
        _log.warning(
            "%s was begun by a version whose hidden cases follow from --seed, so a program that tries seeds can know them",
            self.path,
        )
        return derived_secret(seed)

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
            raise RunFolderError(
                f"cannot write {path}: {error.strerror}; make room, or look at who owns the folder"
            ) from error
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                raise RunFolderError(
                    f"{self.path} is in use by process {holder or '?'}; wait for it, or stop it first. If it is paused: "
                    f"discovery pause {self.path} --off"
                ) from None
            with contextlib.suppress(OSError):  # a full disk: only the name of the holder is missing
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
