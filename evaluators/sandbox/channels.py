"""Ways in which one program can tell another something, and which of them are open here.

`python -m benchmarks.channels` measures each; docs/trust.md explains them. What is open is named by `discovery doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass

BETWEEN_JUDGES = "between programs that run at the same moment"
ONE_AFTER_ANOTHER = "from a program to a later one"


@dataclass(frozen=True, slots=True)
class Channel:
    """A way that is open.

    Attributes:
        name: of what is shared.
        when: between which programs.
        needs_shared_files: whether it is closed where programs have files of their own.
        bits: measured bits per evaluation (docs/trust.md: machine and program).
    """

    name: str
    when: str
    needs_shared_files: bool
    bits: int


OPEN = (
    Channel("processor load", BETWEEN_JUDGES, False, 0),
    Channel("processor cache", ONE_AFTER_ANOTHER, False, 0),
    Channel("pages in memory, by the time of a read", ONE_AFTER_ANOTHER, True, 64),
    Channel("absent names, by the time of a look", ONE_AFTER_ANOTHER, True, 64),
)


def summary(*, is_private: bool) -> str:
    """Returns one line that names what is open, with its measured bits per evaluation."""
    found = [channel for channel in OPEN if not (is_private and channel.needs_shared_files)]
    return "open: " + "; ".join(f"{one.name}, {one.when}: {one.bits} bits" for one in found)
