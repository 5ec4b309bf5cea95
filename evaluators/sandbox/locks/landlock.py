"""Which files a program may reach: a Landlock ruleset, built once and entered by every child.

Everything is refused but reading the interpreter, its packages and the system's libraries, and using the
scratch folder; TCP is refused from ABI 4 on, signals and abstract sockets to the outside from ABI 6 on.
Source: docs.kernel.org/userspace-api/landlock.html.
"""

from __future__ import annotations

import ctypes
import os
import site
import sys
import sysconfig
from collections.abc import Iterable

from evaluators.sandbox.locks import kernel

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15
_HANDLED_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ONLY_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_MAKE_DEVICES = (1 << 6) | (1 << 11)  # character and block devices
_MAKE_SOCKETS = 1 << 9
_ALL_NETWORK = 3
_ALL_SCOPES = 3
_RULE_PATH_BENEATH = 1
_CREATE_RULESET_VERSION = 1

_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero")
_SYSTEM_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_NATIVE_FOLDERS = ("/bin", "/sbin", "/usr", "/etc/alternatives", "/etc/ld.so.conf.d")


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("fd", ctypes.c_int32))


def abi() -> int:
    """Returns the kernel's Landlock version, 0 where there is none."""
    try:
        return kernel.syscall(
            kernel.SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _CREATE_RULESET_VERSION
        )
    except OSError:
        return 0


def readable_paths(*, native: bool) -> tuple[str, ...]:
    """Returns the paths that any program may read: interpreter, packages, libraries, time zones."""
    paths = sysconfig.get_paths()
    found = [paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    found += [os.path.join(prefix, "lib") for prefix in (sys.base_prefix, sys.prefix)]
    found += [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    found += [
        *_SYSTEM_FILES,
        *_SYSTEM_FOLDERS,
        *((site.getusersitepackages(),) if site.ENABLE_USER_SITE else ()),
    ]
    if native:
        found += [*_NATIVE_FOLDERS, os.path.join(sys.base_prefix, "bin"), os.path.join(sys.prefix, "bin")]
        found += [sys.base_prefix, os.path.join(sys.prefix, "pyvenv.cfg")]
    return tuple(dict.fromkeys(os.path.realpath(path) for path in found if os.path.exists(path)))


def build(
    scratch: str | None, *, native: bool, readable: Iterable[str] | None = None, listable: Iterable[str] = ()
) -> int:
    """Returns the descriptor of a ruleset: `readable` read-only, `scratch` read and write, nothing else.

    Of the folders in `listable`, and all below, the names may be read but no file.

    Raises:
        KernelError: the kernel has no Landlock.
    """
    version = abi()
    if version < 1:
        raise kernel.KernelError(38, "the kernel has no Landlock (Linux 5.13), or it is not enabled (lsm=)")
    handled = _HANDLED_BY_ABI[min(version, 5)]
    network = _ALL_NETWORK if version >= 4 else 0
    scopes = _ALL_SCOPES if version >= 6 else 0
    attributes = _RulesetAttributes(handled, network, scopes)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = kernel.syscall(
        kernel.SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(attributes), ctypes.c_size_t(size), 0
    )
    read = _READ_FILE | _READ_DIR | (_EXECUTE if native else 0)
    for path in readable_paths(native=native) if readable is None else readable:
        _allow(ruleset, path, read & handled)
    for path in listable:
        _allow(ruleset, path, _READ_DIR & handled)
    _allow(ruleset, "/dev/null", (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled)
    if scratch is not None:
        denied = _MAKE_DEVICES | _MAKE_SOCKETS | _IOCTL_DEV | (0 if native else _EXECUTE)
        _allow(ruleset, scratch, handled & ~denied)
    return ruleset


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _ONLY_FILES
        rule = _PathBeneath(rights, fd)
        kernel.syscall(kernel.SYS_LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)
