"""Ways in which one program can tell another something that stay open, for `discovery doctor`.

`python -m benchmarks.channels` measures each way that is known; docs/trust.md lists them all, and where the figures are from.
"""

from __future__ import annotations

from dataclasses import dataclass

_AT_ONCE = "between programs that run at once"
_LATER = "from a program to a later one"


@dataclass(frozen=True, slots=True)
class Channel:
    """A way that is open.

    Attributes:
        name: of what is shared.
        when: between which programs.
        needs_shared_files: whether it is closed where programs have files of their own.
        bits, tried: most bits per evaluation that were measured, and how many were sent.
    """

    name: str
    when: str
    needs_shared_files: bool
    bits: float
    tried: int


OPEN = (
    Channel("processor load", _AT_ONCE, False, 0, 24),
    Channel("processor cache in one judge", _LATER, False, 4.6, 32),
    Channel("pages in memory, by the time of a read", _LATER, True, 64, 64),
    Channel("numbers of processes", _LATER, True, 1, 1),
    Channel("absent names, by the time of a look", _LATER, True, 56.6, 64),
)


def summary(*, is_private: bool) -> str:
    """Returns one line that names what is open, with the bits per evaluation that were measured."""
    found = [channel for channel in OPEN if not (is_private and channel.needs_shared_files)]
    told = (f"{one.name}, {one.when}: {one.bits:g} of {one.tried} bits" for one in found)
    return "open: " + "; ".join(told)
