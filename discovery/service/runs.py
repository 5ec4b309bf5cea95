"""What the service's doors need of runs, whoever holds them: a host that works on them, or a watcher that only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from discovery.reporting.run_view import RunView
from discovery.settings.config import RunConfig
from discovery.settings.launch import LaunchConfig
from discovery.storage.run_folder import RunFolder
from evaluators.problems.bundle import Bundle


class RunLike(Protocol):
    """One run. Thread-safe.

    Attributes:
        name, folder: which; settings: what its folder says of it; facts: its figures.
        lineage: the repository that a reader of the page can open, "" where it must be fetched first.
        is_active: whether somebody works on it; state: running, paused, stopping, or how it ended.
    """

    name: str
    lineage: str
    folder: RunFolder
    settings: dict[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Its figures."""
        ...

    @property
    def is_active(self) -> bool:
        """Whether somebody works on it."""
        ...

    @property
    def state(self) -> str:
        """What it does, or how it ended."""
        ...

    def status(self) -> dict[str, Any]:
        """Returns what a person wants to know, as JSON."""
        ...

    def stop(self, *, for_good: bool, message: str = "") -> None:
        """Asks the run to end."""
        ...

    def purge(self, program: str, reason: str) -> list[str]:
        """Takes a program out of a run that nobody works on, and returns the ids of all that went."""
        ...

    def events_after(self, number: int, timeout_s: float) -> list[tuple[int, dict[str, Any]]]:
        """Returns the events after the one of a number; waits for one if there is none yet."""
        ...


class HostLike(Protocol):
    """Runs by name. Thread-safe; a name that is not there raises `NoSuchRunError`."""

    def runs(self) -> Sequence[RunLike]:
        """Returns all runs, oldest first."""
        ...

    def run(self, name: str) -> RunLike:
        """Returns the run of a name."""
        ...

    def view(self, run: RunLike) -> RunView:
        """Returns what the page shows of a run."""
        ...

    def create(
        self,
        name: str | None,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig = ...,
    ) -> RunLike:
        """Returns a new run, begun."""
        ...

    def resume(self, name: str, changes: Mapping[str, Any]) -> RunLike:
        """Goes on with a run that has ended."""
        ...
