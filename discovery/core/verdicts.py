"""What a family of problems has to say of a program beyond its score: whether it is better than luck, for one.

A family registers a `VerdictSource` under `discovery.verdicts`; what it says stands beside the program wherever a person is
shown the best one of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from discovery.core import plugins


class Account(Protocol):
    """What a run's journal says for and against one program."""

    @property
    def lines(self) -> Sequence[str]:
        """The account in sentences; foreign text in it is made printable by whoever shows them."""
        ...

    def to_json(self) -> Mapping[str, Any]:
        """Returns the account as JSON data, under keys of the family's own."""
        ...


class VerdictSource(Protocol):
    """Gives accounts of a family's programs. Contract: made without arguments; quick to import and to make; only reads."""

    def applies_to(self, metrics: Mapping[str, float]) -> bool:
        """Returns whether a program with these metrics asks for a verdict, which counts how many were examined."""
        ...

    def account(self, journal: Path, program_id: str, metrics: Mapping[str, float]) -> Account:
        """Returns the account of a program to whose metrics the source applies."""
        ...


def sources() -> tuple[VerdictSource, ...]:
    """Returns all that are registered, by name."""
    return tuple(make() for make in plugins.load("discovery.verdicts").values())


def accounts(journal: Path, program_id: str, metrics: Mapping[str, float]) -> list[Account]:
    """Returns what every family that has something to say says of a program of a run."""
    found = (source for source in sources() if source.applies_to(metrics))
    return [source.account(journal, program_id, metrics) for source in found]
