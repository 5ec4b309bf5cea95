"""What parts that learn may see of a run's state: who lives in its archives, and their programs."""

from __future__ import annotations

from typing import Protocol

from discovery.core.records import Record
from discovery.core.types import Individual
from islands.archipelago import Archipelago, Change


class Population(Protocol):
    """The programs of a run that can become parents. Contract: only read, in the run's own thread."""

    @property
    def archipelago(self) -> Archipelago:
        """The archives of program ids."""
        ...

    @property
    def best(self) -> Individual | None:
        """The best program so far; None before the first that has a score."""
        ...

    def individual(self, program_id: str) -> Individual:
        """Returns a program that can be a parent.

        Raises:
            KeyError: it is no elite, and was not one recently.
        """
        ...


class RecordFold(Protocol):
    """Takes a run's records in, one after the other."""

    def fold(self, record: Record) -> tuple[Change, ...]:
        """Folds a record in and returns the changes it made to the archives."""
        ...
