"""The file system of a jail: what it holds of the machine, read-only, and three writable folders in memory.

Nothing else has a path there: no home, no run folder, no socket of a service. What is writable has a size and is gone with the jail.
Sources: mount_namespaces(7), pivot_root(2).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from evaluators.sandbox.locks import kernel, namespaces

WORK, HOME, TEMPORARY, TOOLS = "/program", "/home/agent", "/tmp", "/jail"
"""The program's folder, where the command starts; its home; temporary files; what we put there for it to read and to call."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives", "/etc/ssl/certs", "/etc/ssl/openssl.cnf")
_DEVICES = ("null", "zero", "full", "urandom", "random")
_NO_DEVICES = kernel.MS_NOSUID | kernel.MS_NODEV
_HOME_MIB = 256
_BASE_MIB = 16


class WallError(Exception):
    """A wall of a jail cannot be put up; the message names it."""


def python_paths() -> tuple[str, ...]:
    """Returns where this interpreter and its packages lie, which a jail holds so that programs can be tried there."""
    return tuple(dict.fromkeys((sys.base_prefix, sys.base_exec_prefix, sys.prefix)))


def build(
    *,
    readable: Iterable[str],
    hidden: Iterable[str],
    tools: Iterable[tuple[str, str, int]],
    uid: int,
    scratch_mib: int,
) -> None:
    """Makes a new root of this process, which must be in mount, pid and network namespaces of its own.

    Args:
        readable: files and folders of the machine that it holds beside the system's, at the same paths.
        hidden: files and folders that are not to be seen, wherever the others would show them.
        tools: files in `/jail`: name, text, mode.
        uid: whose the writable folders are.
        scratch_mib: how much the program's folder holds.

    Raises:
        OSError: mounting is not allowed here.
        WallError: something readable is not there.
    """
    root = namespaces.SHARED_MEMORY
    # opened before anything lies upon them
    sources = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in _present(readable)]
    hidden = [os.path.realpath(path) for path in hidden]
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", _NO_DEVICES, f"size={_BASE_MIB}m,mode=0755")
    for folder in (WORK, HOME, TEMPORARY, TOOLS, "/proc", "/dev/shm", "/etc"):
        os.makedirs(root + folder, 0o755)
    writable = ((WORK, scratch_mib), (HOME, _HOME_MIB), (TEMPORARY, scratch_mib), ("/dev/shm", scratch_mib))
    for folder, size in writable:  # before what is shown, of which something may lie below
        options = f"size={size}m,nr_inodes=65536,mode=0700,uid={uid},gid={uid}"
        kernel.mount("tmpfs", root + folder, "tmpfs", _NO_DEVICES, options)
    for name in _DEVICES:
        _bind(os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC), f"{root}/dev/{name}", is_folder=False)
    for name, target in (
        ("fd", "self/fd"),
        ("stdin", "self/fd/0"),
        ("stdout", "self/fd/1"),
        ("stderr", "self/fd/2"),
    ):
        os.symlink(f"/proc/{target}", f"{root}/dev/{name}")
    for path, held in sources:
        _place(root, path, held)
    _write(f"{root}/etc/passwd", f"root:x:0:0::/:/bin/sh\nagent:x:{uid}:{uid}::{HOME}:/bin/sh\n", 0o644)
    _write(f"{root}/etc/group", f"root:x:0:\nagent:x:{uid}:\n", 0o644)
    _write(f"{root}/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644)
    for name, text, mode in tools:
        _write(f"{root}{TOOLS}/{name}", text, mode)
    for path in hidden:
        _cover(root + path)
    os.chdir(root)
    kernel.pivot_root(".", ".")
    kernel.unmount(".")  # the old root, which lies upon the new one
    os.chdir("/")
    kernel.make_read_only("/")
    kernel.mount("proc", "/proc", "proc", _NO_DEVICES | kernel.MS_NOEXEC)
    for folder, _ in writable:
        kernel.make_writable(folder)


def _present(readable: Iterable[str]) -> list[str]:
    found = [path for path in (*_SYSTEM, *_FILES, *python_paths()) if os.path.exists(path)]
    for path in readable:
        if not os.path.isabs(path) or os.path.realpath(path) == "/":
            raise WallError(f"a jail shows single files and folders by their whole paths, got {path!r}")
        if not os.path.exists(path):
            raise WallError(f"{path} is to be readable in the jail, and is not there")
        found.append(path)
    return sorted(dict.fromkeys(os.path.normpath(path) for path in found), key=len)


def _place(root: str, path: str, held: int) -> None:
    """Shows what `held` names at `path`; a link on the way there stays a link, and what it leads to is shown, too."""
    target = root + path
    if os.path.lexists(target):
        os.close(held)
        return  # below a folder that is shown already
    real = os.path.realpath(path)
    if real != path and os.path.islink(path):
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.symlink(real, target)
        _place(root, real, held)
        return
    os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
    _bind(held, target, is_folder=os.path.isdir(path))


def _bind(held: int, target: str, *, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    kernel.mount(f"/proc/self/fd/{held}", target, None, kernel.MS_BIND | kernel.MS_REC)
    os.close(held)


def _cover(path: str) -> None:
    """Lays something empty upon what a jail is not to see."""
    if os.path.isdir(path):
        kernel.mount("tmpfs", path, "tmpfs", _NO_DEVICES, "size=4k,mode=0500")
    elif os.path.exists(path):
        kernel.mount("/dev/null", path, None, kernel.MS_BIND)


def _write(path: str, text: str, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(fd, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)
    os.chmod(path, mode)
