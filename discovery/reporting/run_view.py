"""A run's folder read for the page, while it works or after: its facts are kept, and only what is new is read again."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from discovery.core import plugins
from discovery.core.errors import LineageError, RunFolderError
from discovery.core.records import Record, RecordError, RunInfo
from discovery.reporting import parts
from discovery.reporting.drawings import Drawing, checked
from discovery.reporting.facts import Story
from discovery.reporting.view import Data, ReportPage, program_of, view_of
from discovery.storage.git import history
from discovery.storage.purged import CurrentFollower, Purge
from evaluators.problems.loading import load_source
from evaluators.problems.problem import ProblemSource

_CONFIG, _JOURNAL = "config.json", "journal.jsonl"
FOREIGN = "problem.json"
"""Stands in the folder of a run whose problem came from outside: nothing of it is executed here."""
_log = logging.getLogger(__name__)


class NoSuchProgramError(LineageError):
    """No program of the run has that name, or several have."""


class RunView:
    """What a run's page shows, from its folder. Thread-safe.

    Attributes:
        path: of the folder; settings: what it says of its run.
        edition: rises when what was told before counts no more, because a program was purged.
    """

    def __init__(self, path: Path) -> None:
        """Opens a run's folder.

        Raises:
            RunFolderError: it is no run folder, or was written by another version.
        """
        self.path = path
        self.settings = read_settings(path)
        self.edition = 0
        self._info = RunInfo.from_json(self.settings["info"])
        self._lock = threading.Lock()
        self._purged: dict[str, str] = {}
        self._draw: Callable[[Any], Any] | None = None
        self._begin()

    def to_json(self, after: int = 0, edition: int | None = None) -> Data:
        """Returns the run as it is now; only the programs from number `after`, if the reader has those before.

        Args:
            after: how many programs the reader has.
            edition: of which they are; where it is not this one any more, all programs are given.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self._lock:
            self._read()
            is_known = edition in (None, self.edition) and after <= len(self._story.points)
            data = view_of(self._story, self._pages, after=after if is_known else 0)
            return {
                **data,
                "edition": self.edition,
                "budget": self.settings.get("config", {}).get("budget", {}),
            }

    def story(self) -> Story:
        """Returns the facts as they are now; they are not to be changed."""
        with self._lock:
            self._read()
            return self._story

    def record(self, name: str) -> Record:
        """Returns the program of an id, or of its beginning, or "best".

        Raises:
            NoSuchProgramError: there is none, or several.
        """
        with self._lock:
            self._read()
            if name == "best" and self._story.best is not None:
                name = self._story.best.program_id
            found = (
                [name]
                if name in self._places
                else [one for one in self._places if one.startswith(name.lower())]
            )
            if len(found) != 1:
                how_many = f"{len(found)} programs have ids that begin" if found else "no program's id begins"
                raise NoSuchProgramError(f"{how_many} with {name!r:.40}; the log lists them")
            return Record.from_json(self._follower.entry_at(self._places[found[0]])["record"])

    def program(self, name: str) -> Data:
        """Returns everything on a program, and its commit ("" until git has it).

        Raises:
            NoSuchProgramError: there is none of that name, or several.
        """
        record = self.record(name)
        data = program_of(self._story, record, held_out=self._story.held_out.get(record.program_id))
        try:
            commit = history.commit_of(self.path, record.program_id)
        except LineageError:
            commit = ""
        return {**data, "commit": commit, "drawings": self._shown(record)}

    def programs(self, ids: Iterable[str], most_bytes: int) -> dict[str, Data]:
        """Returns what is known of programs by id, the first ones, as long as they take no more than so many bytes."""
        found: dict[str, Data] = {}
        for program_id in dict.fromkeys(ids):
            record = self.record(program_id)
            data = program_of(self._story, record, held_out=self._story.held_out.get(program_id))
            data["drawings"] = self._shown(record)
            most_bytes -= len(json.dumps(data))
            if most_bytes < 0:
                break
            found[program_id] = data
        return found

    def _shown(self, record: Record) -> list[Drawing]:
        tables = checked([*parts.tables(record.evaluation, self._info.objective)])
        return [*self._drawings(record), *tables]

    def _drawings(self, record: Record) -> list[Drawing]:
        """Returns how a program's output looks, where the problem says; never of a problem from outside."""
        if record.evaluation.certificate is None or (self.path / FOREIGN).exists():
            return []
        try:
            if self._draw is None:
                problem = load_source(ProblemSource.from_json(self.settings["problem"]))
                self._draw = problem.picture or (lambda _: [])
            return checked(self._draw(record.evaluation.certificate))
        except Exception as error:  # noqa: BLE001 - a picture that fails is no reason to show nothing of a program
            _log.warning("%s: no drawing of %s: %s", self.path, record.program_id, error)
            self._draw = self._draw or (lambda _: [])
            return []

    def _begin(self) -> None:
        self._story = Story(self._info)
        self._pages: list[ReportPage] = [make() for make in plugins.load("discovery.report_pages").values()]
        self._places: dict[str, int] = {}
        self._follower = CurrentFollower(self.path / _JOURNAL, self._purged)

    def _read(self) -> None:
        while True:
            try:
                for entry in self._follower.entries():
                    self._fold(entry)
                return
            except Purge as purge:
                self._purged[purge.program_id] = purge.reason
                self.edition += 1
                self._begin()

    def _fold(self, entry: dict[str, Any]) -> None:
        if entry["type"] == "evaluated":
            self._places[entry["record"]["program_id"]] = self._follower.at
        self._story.fold(entry)
        for page in self._pages:
            page.fold(entry)


def read_settings(path: Path) -> dict[str, Any]:
    """Returns what a run folder says of its run.

    Raises:
        RunFolderError: it is no run folder, or was written by another version.
    """
    file = path / _CONFIG
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        RunInfo.from_json(settings["info"])
    except FileNotFoundError:
        raise RunFolderError(f"{path} is no run folder: {_CONFIG} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecordError) as error:
        raise RunFolderError(f"cannot read {file}: {error}; restore it from a backup") from error
    return settings
