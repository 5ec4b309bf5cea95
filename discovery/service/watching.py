"""Runs that another process works on, or nobody: read from their folders, and asked by leaving requests there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from discovery.analysis.purging import purge_program
from discovery.reporting.facts import Story
from discovery.reporting.run_view import RunView
from discovery.search.coordinator import BUDGET_ENDS
from discovery.service.hosted_run import BusyError
from discovery.service.hosting import NoSuchRunError
from discovery.service.runs import RunLike
from discovery.settings.budget import stored_limits
from discovery.settings.config import RunConfig
from discovery.settings.launch import LaunchConfig
from discovery.storage.run_folder import RunFolder
from evaluators.problems.bundle import Bundle

_LOOK_S = 0.5
_GOOD_ENDS = (*BUDGET_ENDS, "target", "exhausted")


class WatchedRun:
    """One run, seen through its folder."""

    def __init__(self, path: Path) -> None:
        """Opens the folder.

        Raises:
            RunFolderError: it is no run folder.
        """
        self.folder = RunFolder(path.expanduser().absolute())
        self.settings = self.folder.read_settings()
        self.name = self.folder.path.name
        self.view = RunView(self.folder.path)
        self.lineage = str(self.folder.lineage)
        self._lock = threading.Lock()
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._told = -1
        self._active: bool | None = None

    @property
    def is_active(self) -> bool:
        """Whether a process works on it."""
        return self.folder.is_locked()

    @property
    def state(self) -> str:
        """Running, paused, or how it ended."""
        return self._state(self.view.story(), is_active=self.is_active)

    @property
    def facts(self) -> dict[str, Any]:
        """Its figures."""
        story = self.view.story()
        best, total = story.best, story.total
        statuses: dict[str, int] = {}
        for point in story.points:
            statuses[point.status] = statuses.get(point.status, 0) + 1
        return {
            "evaluations": len(story.points),
            "best_score": best.score if best else None,
            "best_id": best.program_id if best else None,
            "self_scored": story.is_self_scored,
            "statuses": statuses,
            "seconds": round(story.worked_s, 1),
            "model_calls": total.calls,
            "tokens": total.tokens,
            "cost_usd": round(total.cost_usd, 6),
            "unpriced_calls": total.unpriced,
            "in_flight": 0,
        }

    def status(self) -> dict[str, Any]:
        """Returns what a person wants to know, as JSON."""
        story = self.view.story()
        is_active = self.is_active
        state = self._state(story, is_active=is_active)
        killed = "no process works on it, and it did not end by itself; go on with: discovery resume"
        return {
            "name": self.name,
            "problem": self.settings["info"]["problem"],
            "state": state,
            "message": ("paused on request" if state == "paused" else "")
            if is_active
            else story.reason or killed,
            "created_at": self.settings["info"]["started_at"],
            "budget": stored_limits(self.settings["config"]["budget"]) | dict(story.limits),
            "watched": True,
            **self.facts,
        }

    def stop(self, *, for_good: bool, message: str = "") -> NoReturn:
        """Refuses.

        Raises:
            BusyError: always: it is another process that works on it.
        """
        raise BusyError(
            f"this page only watches run {self.name}: stop it with Ctrl-C where it works, or let it begin nothing new with Pause"
        )

    def purge(self, program: str, reason: str) -> list[str]:
        """Takes a program out of the run, and returns the ids of all that went.

        Raises:
            RunError: there is no such program. RunFolderError: a process works on the run.
        """
        return purge_program(self.folder, program, reason)

    def events_after(self, number: int, timeout_s: float) -> list[tuple[int, dict[str, Any]]]:
        """Returns what happened since the event of a number; waits a little where nothing did."""
        end_s = time.monotonic() + timeout_s
        while True:
            with self._lock:
                self._look()
                last = self._events[-1][0] if self._events else 0
                found = [event for event in self._events if event[0] > (number if number <= last else 0)]
            if found or time.monotonic() >= end_s:
                return found
            time.sleep(min(_LOOK_S, max(end_s - time.monotonic(), 0.0)))

    def _look(self) -> None:
        story, is_active = self.view.story(), self.is_active
        bests = {best.index for best in story.bests}
        for point in story.points[self._told if self._told >= 0 else len(story.points) :]:
            self._tell(
                {
                    "event": "best" if point.index in bests else "evaluated",
                    "index": point.index,
                    "program_id": point.program_id,
                    "operator": point.operator,
                    "island": point.island,
                    "status": point.status,
                    "score": point.score,
                }
            )
        self._told = len(story.points)
        if self._active and not is_active:
            self._tell(
                {"event": "ended", "state": self._state(story, is_active=False), "message": story.reason}
            )
        self._active = is_active

    def _tell(self, event: dict[str, Any]) -> None:
        number = self._events[-1][0] + 1 if self._events else 1
        self._events.append((number, event))
        del self._events[:-1000]

    def _state(self, story: Story, *, is_active: bool) -> str:
        if is_active:
            return "paused" if story.is_paused else "running"
        if story.end in _GOOD_ENDS or story.end.startswith("stopper:"):
            return "done"
        return "stopped" if story.end in ("", "interrupted") else "failed"


class Watch:
    """The runs at some folders, to be looked at; none is begun or gone on with here."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Opens the folders.

        Raises:
            RunFolderError: one is no run folder.
        """
        self._runs = {run.name: run for run in map(WatchedRun, paths)}

    def runs(self) -> list[RunLike]:
        """Returns all runs, oldest first."""
        return sorted(self._runs.values(), key=lambda run: float(run.settings["info"]["started_at"]))

    def run(self, name: str) -> WatchedRun:
        """Returns the run of a name.

        Raises:
            NoSuchRunError: there is none.
        """
        if (found := self._runs.get(name)) is None:
            raise NoSuchRunError(f"there is no run {name!r:.80}; GET /runs lists them")
        return found

    def view(self, run: RunLike) -> RunView:
        """Returns what the page shows of a run."""
        return self.run(run.name).view

    def create(
        self,
        name: str | None,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig | None = None,
    ) -> NoReturn:
        """Refuses.

        Raises:
            BusyError: always.
        """
        raise BusyError(
            "this page only watches; begin runs with: discovery run, or over the page of: discovery serve"
        )

    def resume(self, name: str, changes: Mapping[str, Any]) -> NoReturn:
        """Refuses.

        Raises:
            BusyError: always.
        """
        raise BusyError(f"this page only watches; go on with: discovery resume {self.run(name).folder.path}")
