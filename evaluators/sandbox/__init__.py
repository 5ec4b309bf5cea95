"""Where a program runs: a process that is locked before the program's first line.

The names below load on first use: the zygote lives in this package too, and every module it does not import
is a page that its children need not map.

Exceptions:
    SandboxError              the sandbox itself failed (never the program)
        SandboxUnavailable    a layer of tier 1 is missing here, and `unsafe` was not asked for

base      what any sandbox offers
channels  ways in which one program can tell another something that stay open, for `discovery doctor`
child     what a child does once it is locked: load the program, serve the cases, answer, and go
clean     text of a program made harmless for a terminal, a prompt, a git trailer and a log
confine   walls round a judge whose problem came from outside, and round all that it starts
control   messages between the judge and its zygote
frames    messages between the judge and a child
jail      a jail for a whole command of this machine, such as a coding agent
layers    what this machine's sandbox consists of, found out by starting one. For `discovery doctor`
linux     the sandbox: a zygote per slot, a locked child per case
locks     what a child puts on before the program's first line: Landlock, seccomp, namespaces, rights
plain     plain data as bytes: what may cross between a program and the side that judges it
prepare   how a zygote makes itself ready: namespaces, a user id and a scratch folder, warm modules, locks
programs  importing a program's files from memory: `program.py` as `program`, `lib/util.py` as `lib.util`
restart   a zygote that begins anew from a file system of its own
scratch   scratch folders: a fresh one for each child, and removing it, whatever a program has done to it
selftest  whether the locks hold, found out by trying: a locked child does what it must not be able to do
session   the judge's side of one child: messages out and in, deadlines, and a true word for how it ended
sweep     ending what a child that could start processes may have left behind
tree      the processes below a process: what they use, and ending all of them. The one door to psutil
zygote    the warm process that forks one child for each program
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluators.sandbox.base import Outcome, Sandbox, SandboxError, SandboxUnavailable, Session
    from evaluators.sandbox.layers import Layer, probe
    from evaluators.sandbox.linux import Harness, LinuxSandbox

__all__ = [
    "Harness",
    "Layer",
    "LinuxSandbox",
    "Outcome",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailable",
    "Session",
    "probe",
]


_HOMES = {"Harness": "linux", "LinuxSandbox": "linux", "Layer": "layers", "probe": "layers"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'base')}"), name)
