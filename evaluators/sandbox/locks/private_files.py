"""A file system of a zygote's own: copies of what programs read, in memory that no other judge shares.

Files that two judges read lie in one page cache: which pages are in memory, who holds a lock on them, when they were
read is a memory and a wire between programs that should not know of each other. So the zygote mounts a tmpfs, copies
the interpreter, the packages that programs may import and the libraries that these link to, makes it its root, and
starts the interpreter anew from there; nothing else of the machine has a path in it. A tmpfs keeps no absent names,
reads from no disk and writes no access times.

The zygote itself needs /proc. It lies behind a folder that only the rights of the zygote open.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import os
import re
import stat
import sys
import sysconfig
from collections.abc import Iterable

from evaluators.sandbox.locks import elf, kernel, namespaces

ALWAYS = ("evaluators", "numpy", "scipy", "psutil")
"""The top-level packages that are copied for every problem, where they are installed."""

_BEHIND = "/zygote"
_MARK = f"{_BEHIND}/proc"
_SIZE_MIB = 4096
_NO_FOLDERS = frozenset(
    ("test", "tests", "idlelib", "turtledemo", "ensurepip", "site-packages", "dist-packages", "include")
)
_NO_ENDINGS = (".pyi", ".a", ".h", ".hpp", ".f90", ".pxd", ".pyx", ".exe", ".whl")
_DEVICES = ("null", "zero", "urandom", "random")
_FILES = ("/etc/ld.so.cache", "/etc/localtime")
_LIBRARIES = ("libgcc_s.so.1",)  # opened by name when a thread is cancelled
_LIBRARY_FOLDERS = (
    f"/lib/{os.uname().machine}-linux-gnu",
    "/lib64",
    "/lib",
    f"/usr/lib/{os.uname().machine}-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
)


def proc() -> str:
    """Returns where this process finds /proc."""
    return _MARK if os.path.isdir(_MARK) else "/proc"


def is_inside() -> bool:
    """Returns whether this process's root is such a file system."""
    return os.path.isdir(_MARK)


def enter(packages: Iterable[str]) -> None:
    """Makes the copy this process's root. It must be in a mount namespace of its own, with the rights to mount.

    Raises:
        OSError: there is no room, or mounting is not allowed; the root is then as before.
    """
    root = namespaces.SHARED_MEMORY
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"size={_SIZE_MIB}m,mode=0755")
    try:
        _fill(root, packages)
        os.makedirs(f"{root}{namespaces.PROGRAMS}/scratch")
        os.chmod(root + namespaces.PROGRAMS, 0o111)
        for name in _DEVICES:
            _bind(f"/dev/{name}", f"{root}/dev/{name}")
        os.mkdir(root + _BEHIND, 0o700)
        os.mkdir(root + _MARK)
        kernel.mount("/proc", root + _MARK, None, kernel.MS_BIND | kernel.MS_REC)
        os.chmod(root + _BEHIND, 0)
        os.chdir(root)
        kernel.pivot_root(".", ".")
    except OSError:
        os.chdir("/")
        kernel.unmount(root)
        raise
    kernel.unmount(".")  # the old root, which lies upon the new one
    os.chdir("/")
    kernel.make_read_only("/")


def _fill(root: str, packages: Iterable[str]) -> None:
    copier = _Copier(root)
    for folder in ("/tmp", "/dev/shm", "/proc", "/dev"):
        os.makedirs(root + folder, 0o755, exist_ok=True)
    for path in (sys.executable, *_FILES, os.path.join(sys.prefix, "pyvenv.cfg")):
        copier.file(path)
    paths = sysconfig.get_paths()
    for folder in dict.fromkeys((paths["stdlib"], paths["platstdlib"])):
        if folder.startswith((sys.base_prefix, sys.base_exec_prefix)):
            copier.folder(folder)
    copier.folder(os.path.join(sys.base_prefix, "lib"), depth=0)  # libpython, where there is one
    for path in package_paths(packages):
        (copier.folder if os.path.isdir(path) else copier.file)(path)
    copier.libraries()


def package_paths(names: Iterable[str]) -> list[str]:
    """Returns the files and folders of top-level packages and of all that these require, where installed."""
    found: dict[str, None] = {}
    left, seen = list(names), set[str]()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            distribution = None
        spec = importlib.machinery.PathFinder.find_spec(name.replace("-", "_"), sys.path)
        if spec is not None:
            found |= dict.fromkeys(spec.submodule_search_locations or [spec.origin or ""])
        elif distribution is None:
            left += [owner for owner in _owners(name) if owner not in seen]
        if distribution is not None and name not in ALWAYS[:1]:
            tops = {
                file.parts[0]
                for file in distribution.files or ()
                if file.parts[0] not in ("..", "__pycache__")
            }
            found |= dict.fromkeys(str(distribution.locate_file(top)) for top in sorted(tops))
            left += [_required(text) for text in distribution.requires or () if "extra ==" not in text]
    return [path for path in found if os.path.exists(path)]


def _owners(name: str) -> list[str]:
    return list(importlib.metadata.packages_distributions().get(name, ()))


def _required(text: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]


class _Copier:
    """Copies files to the same path below `root`, readable for all, each once; symbolic links stay links."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._needed: set[str] = set(_LIBRARIES)
        self._made: set[str] = set()

    def folder(self, path: str, depth: int = 64) -> None:
        """Copies a folder with what programs can import of it, to a depth of `depth` folders below it."""
        place = self._place(path)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if depth and entry.name not in _NO_FOLDERS and not entry.name.startswith("config-"):
                        self.folder(entry.path, depth - 1)
                elif entry.is_symlink():
                    self._place(entry.path)
                elif (depth or ".so" in entry.name) and _is_wanted(entry):
                    self._copy(entry.path)

    def file(self, path: str) -> None:
        """Copies one file, if it is there."""
        if os.path.isfile(path):
            self._copy(self._place(path))

    def libraries(self) -> None:
        """Copies the libraries of the system that what was copied needs, and that these need."""
        done: set[str] = set()
        while left := self._needed - done:
            for name in left:
                done.add(name)
                places = (
                    [name] if name.startswith("/") else [os.path.join(at, name) for at in _LIBRARY_FOLDERS]
                )
                if place := next((one for one in places if os.path.isfile(one)), None):
                    self.file(place)

    def _place(self, path: str) -> str:
        """Makes the folders and links on the way to `path`; returns where it really lies."""
        at, parts = "/", [part for part in path.split("/") if part]
        for index, part in enumerate(parts):
            at = os.path.join(at, part)
            if at in self._made:
                continue
            if os.path.islink(at):
                target = os.readlink(at)
                if not os.path.lexists(self._root + at):
                    os.symlink(target, self._root + at)
                rest = os.path.join(os.path.dirname(at), target, *parts[index + 1 :])
                return self._place(os.path.normpath(rest)) if os.path.exists(rest) else at
            if os.path.isdir(at):
                os.makedirs(self._root + at, 0o755, exist_ok=True)
                self._made.add(at)
        return at

    def _copy(self, path: str) -> None:
        if path in self._made:
            return
        self._made.add(path)
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(source)
            mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            target = os.open(self._root + path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            try:
                left = status.st_size
                while left and (sent := os.sendfile(target, source, None, left)):
                    left -= sent
            finally:
                os.close(target)
            os.utime(
                self._root + path, ns=(status.st_mtime_ns, status.st_mtime_ns)
            )  # compiled modules name it
        finally:
            os.close(source)
        if ".so" in path or mode == 0o755:
            self._needed.update(elf.needed(path))


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    return entry.is_file() and not entry.name.endswith(_NO_ENDINGS) and not entry.name.startswith("_tkinter.")


def _bind(source: str, target: str) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
    kernel.mount(source, target, None, kernel.MS_BIND)
