"""`discovery doctor`: which protections and tools this machine has, and what to do about what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from evaluators.sandbox import Layer, probe

PACKAGES = (
    "celery",
    "click",
    "gitpython",
    "litellm",
    "numpy",
    "psutil",
    "redis",
    "ribs",
    "rich",
    "scipy",
    "numba",
    "triton",
)
PROGRAMS = ("gcc", "valgrind")
"""What kernels in C are compiled with, and what tells where they spend their instructions."""
KEY_SUFFIX = "_API_KEY"


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found.

    Attributes:
        layers: of the sandbox, in force or not.
        tools: name -> version, or None where it is missing.
        keys: names (never values) of the API keys in the environment.
    """

    layers: tuple[Layer, ...]
    tools: dict[str, str | None]
    keys: tuple[str, ...]

    @property
    def tier(self) -> int:
        """Returns the highest tier in force: 2, 1, or 0 where the required layers are not complete."""
        if not all(layer.is_active for layer in self.layers if layer.tier == 1 and layer.name != "user id"):
            return 0
        return 2 if any(layer.is_active for layer in self.layers if layer.tier == 2) else 1

    @property
    def can_run(self) -> bool:
        """Returns whether runs will start without --unsafe."""
        return self.tier > 0 and self.tools["git"] is not None

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {
            "tier": self.tier,
            "can_run": self.can_run,
            "layers": [asdict(layer) for layer in self.layers],
            "tools": self.tools,
            "keys": list(self.keys),
        }

    def text(self) -> str:
        """Returns the examination as lines for a person."""
        lines = [
            f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} CPUs"
        ]
        lines.append(f"sandbox: tier {self.tier}" if self.tier else "sandbox: NOT SAFE, runs refuse to start")
        for layer in self.layers:
            mark = "on " if layer.is_active else "off"
            tier = f"tier {layer.tier}" if layer.tier else "      "
            lines.append(f"  {mark} {tier}  {layer.name:18} {layer.detail}")
            if layer.remedy:
                lines.append(f"{'':32}{layer.remedy}")
        lines.append(
            "tools: " + ", ".join(f"{name} {found or 'missing'}" for name, found in self.tools.items())
        )
        if self.tools["git"] is None:
            lines.append("  git is missing: install git 2.30 or later, it keeps the lineage")
        keys = ", ".join(self.keys) or "none, so runs use the operators that need no model"
        lines.append(f"model keys in the environment: {keys}")
        return "\n".join(lines)


def examine() -> Examination:
    """Returns what this machine has; starts and ends a sandbox."""
    tools: dict[str, str | None] = {"git": _git_version()}
    for name in PROGRAMS:
        tools[name] = "found" if shutil.which(name) else None
    for package in PACKAGES:
        try:
            tools[package] = version(package)
        except PackageNotFoundError:
            tools[package] = None
    keys = tuple(sorted(name for name, value in os.environ.items() if name.endswith(KEY_SUFFIX) and value))
    return Examination(tuple(probe()), tools, keys)


def _git_version() -> str | None:
    path = shutil.which("git")
    if path is None:
        return None
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return shown.stdout.removeprefix("git version").strip() or None
