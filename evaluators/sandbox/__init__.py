"""Where a program runs: a process that is locked before the program's first line.

The names below load on first use: the zygote lives in this package too, and every module it does not import
is a page that its children need not map.

Exceptions:
    SandboxError              the sandbox itself failed (never the program)
        SandboxUnavailable    a layer of tier 1 is missing here, and `unsafe` was not asked for
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
