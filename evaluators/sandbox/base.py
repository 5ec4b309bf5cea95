"""What any sandbox offers: run one program on the cases of one stage, and say truly how each case ended.

Exceptions:
    SandboxError              the sandbox itself failed (never the program)
        SandboxUnavailable    a layer of tier 1 is missing here, and `unsafe` was not asked for
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from evaluators.contract import Limits, Oracle, PlainData, Program, Status


class SandboxError(Exception):
    """The sandbox failed, whatever the program did."""


class SandboxUnavailable(SandboxError):
    """A required layer is missing on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case ended.

    Attributes:
        status: OK, ERROR, TIMEOUT, MEMORY, OUTPUT or CRASHED.
        output: what `run` returned, or the last report; plain data, unjudged. Only where status is OK.
        reason: one line; "" when OK.
        feedback: cleaned excerpt of what the program printed and of its traceback.
        is_partial: whether the output is a report of a program that the time limit ended.
    """

    status: Status
    output: PlainData = None
    reason: str = ""
    feedback: str = ""
    is_partial: bool = False


class Session(Protocol):
    """One child that runs one program. Not thread-safe.

    After an outcome other than a complete OK the child is dead, and no further case can be run.
    """

    def run(self, inputs: PlainData, oracle: Oracle | None = None) -> Outcome:
        """Returns how the next case ended. What `oracle` raises ends the child and passes through.

        Raises:
            SandboxError: the sandbox failed.
        """
        ...

    def close(self) -> float:
        """Ends the child and all it started; returns the CPU seconds it took. May be called twice."""
        ...


class Sandbox(Protocol):
    """Runs programs, one at a time. Not thread-safe; owns its processes until `close`.

    Nothing of a program outlives its session, and no program can tell that another was there before.
    """

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the names of the layers in force."""
        ...

    def start(self, program: Program, limits: Limits, *, cases: int = 1) -> Session:
        """Returns a session for a program that will get up to `cases` cases.

        Raises:
            SandboxError: no child can be started.
        """
        ...

    def close(self) -> None:
        """Ends everything. May be called twice."""
        ...
