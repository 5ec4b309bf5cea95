"""Scratch folders: a fresh one for each child, and removing it, whatever a program has done to it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable

from evaluators.sandbox.locks import kernel

FIRST_UID = 2_000_000_000
"""Users from here on are nobody's but programs'."""

_PREFIX = "discovery-scratch-"
_STALE_S = 60.0
_MAX_COUNTED = 10_000
_BLOCK_BYTES = 512
_ENTRY_BYTES = 512
_HUGE = 1 << 62
_CLOSED = 0o111
"""The mode of the folder that holds the scratch folders: they are reached by name, and none can be made or listed."""


class Folders:
    """Makes a scratch folder for each child, and removes it.

    A folder is new for each child: in a tier with mounts it is a file system of its own, so that neither its contents
    nor its mode, times, inode numbers or free space tell of the child before.

    Args:
        parent: the folder that they are made in; programs must not be able to write there.
        uid: whose they are; None: this process's user's.
        mount_mib: the size of the file system that each one is; None: they are plain folders.
        native: whether what is written there may be executed.
    """

    def __init__(
        self, parent: str, *, uid: int | None, mount_mib: int | None = None, native: bool = True
    ) -> None:
        self.parent = parent
        self._uid, self._mount_mib = uid, mount_mib
        self._flags = kernel.MS_NOSUID | kernel.MS_NODEV | (0 if native else kernel.MS_NOEXEC)
        self._alive: set[str] = set()
        self._is_open = False
        self._set_mode(_CLOSED)

    def make(self, name: str = "scratch") -> str:
        """Returns a new folder, the only one of that name.

        Raises:
            OSError: it cannot be made.
        """
        folder = os.path.join(self.parent, name)
        self._set_mode(0o700)
        try:
            if self._mount_mib is None or not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
        finally:
            self._set_mode(_CLOSED)
        if self._mount_mib is not None:
            owner = "" if self._uid is None else f",uid={self._uid},gid={self._uid}"
            options = f"size={self._mount_mib}m,nr_inodes=4096,mode=0700{owner}"
            kernel.mount("tmpfs", folder, "tmpfs", self._flags, options)
        elif self._uid is not None:
            os.chown(folder, self._uid, self._uid)
        self._alive.add(folder)
        return folder

    def remove(self, folder: str) -> None:
        """Removes a folder and all in it, whatever became of it. No process may use it any more.

        Raises:
            OSError: something cannot be deleted.
        """
        self._alive.discard(folder)
        if self._mount_mib is not None:
            kernel.unmount(folder)
            return
        self._set_mode(0o700)
        try:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                empty(folder)
                os.rmdir(folder)
            if not self._alive:  # without a user id of its own, a child may have written beside its folder
                empty(self.parent)
        finally:
            self._set_mode(_CLOSED)

    def used_bytes(self, folder: str, pid: int) -> int:
        """Returns the space that the child `pid` takes here; 0 where the file system has a limit of its own."""
        if self._mount_mib is not None:
            return 0
        return used_bytes(self.parent if self._is_open else folder, pid)

    def close(self) -> None:
        """Removes what is left, and the parent."""
        for folder in tuple(self._alive):
            self.remove(folder)
        if self._mount_mib is None:
            self._set_mode(0o700)
            with contextlib.suppress(OSError):
                os.rmdir(self.parent)

    def _set_mode(self, mode: int) -> None:
        if self._mount_mib is None:
            try:
                os.chmod(self.parent, mode)
            except PermissionError:  # under a confined judge nobody may change modes
                self._is_open = True


def used_bytes(folder: str, pid: int | None = None) -> int:
    """Returns the space that a scratch folder takes, with files that `pid` holds open but has deleted.

    Entries count for at least 512 bytes. More than 10,000 entries, or paths too long to follow, count as a huge
    number.
    """
    total = count = 0
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    count += 1
                    if count > _MAX_COUNTED:
                        return _HUGE
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * _BLOCK_BYTES + _ENTRY_BYTES
                    if stat.S_ISDIR(status.st_mode):
                        stack.append(entry.path)
        except OSError as error:  # gone in the meantime; or hidden from us, or too deep to follow
            if error.errno in (errno.ENAMETOOLONG, errno.EACCES):
                return _HUGE
    return total + (_deleted_bytes(pid) if pid is not None else 0)


def _deleted_bytes(pid: int) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{pid}/fd/{name}")
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    total += status.st_blocks * _BLOCK_BYTES
    return total


def make(parents: Iterable[str]) -> str:
    """Returns a new private folder in the first of `parents` that takes one, locked while this process lives.

    (Not by tempfile, whose imports every child would carry along.) Folders that killed processes left there go.

    Raises:
        OSError: none takes one.
    """
    for parent in parents:
        folder = os.path.join(parent, _PREFIX + os.urandom(12).hex())
        with contextlib.suppress(OSError):
            os.mkdir(folder, 0o700)
            fcntl.flock(
                os.open(folder, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX
            )  # open until the process ends
            _sweep(parent)
            return folder
    raise OSError(errno.EACCES, "no folder can be made")


def _sweep(parent: str) -> None:
    """Removes scratch folders that nobody holds any more. Never touches what another user may have planted."""
    for name in os.listdir(parent):
        if not name.startswith(_PREFIX):
            continue
        path = os.path.join(parent, name)
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            is_ours = status.st_uid == os.geteuid() or (os.geteuid() == 0 and status.st_uid >= FIRST_UID)
            if is_ours and stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > _STALE_S:
                remove(path)


def remove(folder: str) -> None:
    """Deletes a scratch folder, unless another process holds it.

    Raises:
        OSError: it is held, or cannot be deleted.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        empty(folder)
        os.rmdir(folder)
    finally:
        os.close(held)


def empty(folder: str) -> None:
    """Deletes everything in `folder`. Nothing may write there any more; depth and links do no harm.

    A folder's subfolders are moved up to the top before it goes, so that no path becomes long.

    Raises:
        OSError: something cannot be deleted.
    """
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(PermissionError):  # under a confined judge nobody may change modes
            os.fchmod(top, 0o700)
        moved = 0
        while names := os.listdir(top):
            for name in names:
                try:
                    os.unlink(name, dir_fd=top)
                    continue
                except (IsADirectoryError, PermissionError):
                    pass
                moved = _dissolve(name, top, moved)
    finally:
        os.close(top)


def _dissolve(name: str, top: int, moved: int) -> int:
    """Deletes the folder `name` of `top`; its subfolders become folders of `top`."""
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=top)
        return moved
    with contextlib.suppress(PermissionError):
        os.chmod(name, 0o700, dir_fd=top)
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for child in os.listdir(inner):
            try:
                os.unlink(child, dir_fd=inner)
                continue
            except (IsADirectoryError, PermissionError):
                pass
            with contextlib.suppress(OSError):
                os.rmdir(child, dir_fd=inner)
                continue
            with contextlib.suppress(PermissionError):
                os.chmod(child, 0o700, dir_fd=inner)  # a folder must be writable to change its parent
            while True:
                moved += 1
                try:
                    os.rename(child, f".moved-{moved}", src_dir_fd=inner, dst_dir_fd=top)
                    break
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY):
                        raise
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)
    return moved
