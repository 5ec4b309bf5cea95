"""The scratch folder: how much is in it, and emptying it, whatever a program has put there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterable

FIRST_UID = 2_000_000_000
"""Users from here on are nobody's but programs'."""

_PREFIX = "discovery-scratch-"
_STALE_S = 60.0
_MAX_COUNTED = 10_000
_BLOCK_BYTES = 512
_ENTRY_BYTES = 512
_HUGE = 1 << 62


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
