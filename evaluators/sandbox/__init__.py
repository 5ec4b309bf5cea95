"""Where a program runs: a process that is locked before the program's first line.

The names below load on first use: the zygote lives in this package too, and every module it does not import
is a page that its children need not map.

Exceptions:
    SandboxError              the sandbox itself failed (never the program)
        SandboxUnavailable    a layer of tier 1 is missing here, and `unsafe` was not asked for
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluators.sandbox.base import Outcome, Sandbox, SandboxError, SandboxUnavailable, Session
    from evaluators.sandbox.linux import Harness, LinuxSandbox
    from evaluators.sandbox.probe import Layer, probe

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


def __getattr__(name: str) -> Any:
    if name in ("Harness", "LinuxSandbox"):
        from evaluators.sandbox import linux as module
    elif name in ("Layer", "probe"):
        from evaluators.sandbox import probe as module  # type: ignore[no-redef]
    elif name in __all__:
        from evaluators.sandbox import base as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)
