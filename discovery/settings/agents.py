"""What operators may use that work for a while: coding agents of the command line, and the light one that ships."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.schema import LISTS, STRICT, checked, setting

_STARTS = "programs of this machine would be started"
_Part = Annotated[str, Field(min_length=1, max_length=4000)]


@checked("agents")
@dataclass(frozen=True, slots=True, config=STRICT)
class AgentConfig:
    """What one child of an agent may use, and how a coding agent is started."""

    command: Annotated[
        tuple[_Part, ...],
        setting(
            "The coding agent to start and its arguments, of which {task} stands for what it is asked and {model} for the "
            "model's name; the adapter's own if left out.",
            operator_only=_STARTS,
            max_length=100,
        ),
        LISTS,
    ] = ()
    adapter: Annotated[
        Literal["command", "claude", "codex", "gemini", "opencode", "aider"],
        setting(
            "Whose ways the agent has: what it is told of the model's address, and how.",
            operator_only=_STARTS,
        ),
    ] = "command"
    readable: Annotated[
        tuple[_Part, ...],
        setting(
            "Files and folders of this machine that the agent's jail shows, read-only, beside the system's and Python's: "
            "where the agent itself is installed.",
            operator_only="files of this machine would be shown",
            max_length=100,
        ),
        LISTS,
    ] = ()
    evaluations: Annotated[
        int,
        setting(
            "Programs that one job may have judged while it works, beside the child that it leaves.",
            ge=0,
            le=1000,
        ),
    ] = 8
    calls: Annotated[int, setting("Calls of models of one job.", ge=1, le=10_000)] = 60
    tokens: Annotated[int, setting("Tokens of one job, asked and answered.", ge=1000, le=10**9)] = 2_000_000
    cost_usd: Annotated[
        float | None,
        setting("Money of one job; needs a model whose price is known.", unit="USD", gt=0, le=10**6),
    ] = None
    minutes: Annotated[float, setting("Longest work on one job.", unit="min", gt=0, le=24 * 60)] = 10.0
    memory_mib: Annotated[
        int, setting("Memory of an agent and all that it starts.", unit="MiB", ge=64, le=10**6)
    ] = 4096
    folder_mib: Annotated[
        int, setting("What the folder holds that an agent works in.", unit="MiB", ge=1, le=10**5)
    ] = 256

    def __post_init__(self) -> None:
        for path in self.readable:
            if not path.startswith("/"):
                raise ConfigError(f"agents.readable must hold whole paths, as /opt/agent, got {path!r:.80}")
