"""What the judge asks of a language.

Exceptions:
    NotBuiltError    a program does not compile; holds the reason and the compiler's words
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from evaluators.contract import Program
from evaluators.kernel_task import KernelTask
from evaluators.kernels.bench.client import Bench


class NotBuiltError(Exception):
    """A program does not compile."""

    def __init__(self, reason: str, feedback: str = "", *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.feedback, self.timed_out = reason, feedback, timed_out


@dataclass(frozen=True, slots=True)
class Built:
    """A program that is ready in its bench.

    Attributes:
        remarks: what the compiler said, for the next author.
        metrics: sizes and counts for behaviour axes.
        record: how it was built, for the lineage.
        parsed: the text that was compiled, where it is another than the program's: a checked build starts from it.
    """

    remarks: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    parsed: Program | None = None


class Backend(Protocol):
    """A language. Stateless; the bench holds what is built, for the children that are started next."""

    @property
    def language(self) -> str:
        """Returns the language of the bench that it needs: "c" or "python"."""
        ...

    def missing(self, bench: Bench) -> str:
        """Returns what this machine lacks and how to get it, "" if nothing."""
        ...

    def build(self, bench: Bench, program: Program, task: KernelTask, *, is_checked: bool = False) -> Built:
        """Makes a program ready; `is_checked` asks for a slow build that tells of undefined behaviour.

        Raises:
            NotBuiltError: the program does not compile.
            SandboxError: the bench fails.
        """
        ...
