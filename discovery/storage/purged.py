"""The journal as it counts now: what was purged, with all that descends from it, reads as rejected."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from discovery.core.errors import JournalError
from discovery.core.population import RecordFold
from discovery.core.records import Record
from discovery.storage.journal import Follower, read_entries
from evaluators.contract import Status

PURGED = "purged"


_MARK = b'{"type":"purged"'


_KEPT = ("cases_done", "cases_total", "cpu_s", "wall_s", "layers")


Entry = dict[str, Any]


def current_entries(path: Path) -> Iterator[Entry]:
    """Yields the entries of a journal as they count now: what was purged reads as rejected.

    Without a purge, these are the entries of `read_entries`, at the price of a search for the word.

    Raises:
        JournalError: the file cannot be read, or a line before the last is broken.
    """
    reasons = find_purges(path)
    if not reasons:
        yield from read_entries(path)
        return
    for entry in read_entries(path):
        if (current := as_current(entry, reasons)) is not None:
            yield current


def as_current(entry: Entry, reasons: dict[str, str]) -> Entry | None:
    """Returns an entry as it counts now, None where it counts no more.

    Args:
        entry: the next one of the journal.
        reasons: what was purged and why; descendants are added as they come.
    """
    kind = entry["type"]
    if kind == "evaluated":
        return _record(entry, reasons)
    if kind == "proposed" and (reason := _reason(entry["parents"], reasons)):
        rest = {key: value for key, value in entry.items() if key not in ("program", "texts", "turns")}
        return rest | {"type": "unproposed", "reason": f"purged: {reason}"}
    if kind == "noted" and entry.get("program_id") in reasons:
        return entry | {"texts": {}, "turns": []}
    if kind == "held_out" and entry["program_id"] in reasons:
        return None
    if "items" in entry:
        kept = [item for item in entry["items"] if not _reason(item["origin"]["programs"], reasons)]
        return entry | {"items": kept}
    return entry


class CurrentFollower:
    """Reads a journal while another process writes it: each call of `entries` gives what is new, as it counts now.

    Attributes:
        at: the byte where the entry given last begins.
    """

    def __init__(self, path: Path, purged: Mapping[str, str] | None = None) -> None:
        """Begins at the start of a journal; `purged` are programs known to be purged, and why."""
        self._path = path
        self._reasons = {**(purged or {}), **(find_purges(path) if path.exists() else {})}
        self._follower = Follower(path)
        self.at = 0

    def entries(self) -> Iterator[Entry]:
        """Yields what is new.

        Raises:
            Purge: a program was purged since: what was read before counts no more, begin with a new follower.
            JournalError: the file cannot be read.
        """
        for entry in self._follower.entries():
            self.at = self._follower.at
            if entry["type"] == PURGED and entry["program_id"] not in self._reasons:
                raise Purge(entry["program_id"], entry["reason"])
            if (counted := as_current(entry, self._reasons)) is not None:
                yield counted

    def entry_at(self, at: int) -> Entry:
        """Returns the entry that begins at a byte, as it counts now.

        Raises:
            JournalError: the file cannot be read, or none begins there.
        """
        try:
            with self._path.open("rb") as file:
                file.seek(at)
                entry = json.loads(file.readline())
        except (OSError, ValueError) as error:
            raise JournalError(f"cannot read the journal {self._path} at byte {at}: {error}") from error
        return as_current(entry, self._reasons) or entry


class Purge(Exception):
    """A program was purged while a journal was followed: its id, and why."""

    def __init__(self, program_id: str, reason: str) -> None:
        super().__init__(program_id, reason)
        self.program_id, self.reason = program_id, reason


def current_records(path: Path, state: RecordFold) -> Iterator[Record]:
    """Yields a run's records as they count now, with the changes that they make to the archives now.

    Args:
        path: the journal.
        state: a new one, into which they are folded.
    """
    for entry in current_entries(path):
        if entry["type"] == "evaluated":
            record = Record.from_json(entry["record"])
            changes = state.fold(record)
            own = [c.cell for c in changes if c.program_id == record.program_id and c.island == record.island]
            yield replace(record, cell=own[0] if own else None, changes=changes)


def has_purges(path: Path) -> bool:
    """Returns whether anything was purged.

    Raises:
        JournalError: the journal cannot be read.
    """
    return bool(find_purges(path))


def is_purged(record: Record) -> bool:
    """Returns whether a record counts as rejected because it was purged."""
    evaluation = record.evaluation
    return evaluation.status is Status.REJECTED and evaluation.reason.startswith("purged: ")


def _record(entry: Entry, reasons: dict[str, str]) -> Entry:
    record = entry["record"]
    reason = reasons.get(record["program_id"])
    ancestors = [
        *record["parents"],
        record["evaluation"].get("start_id", ""),
    ]  # and whose output it was handed
    if reason is None and (inherited := _reason(ancestors, reasons)):
        reason = reasons[record["program_id"]] = _of_ancestor(inherited)
    if reason is None:
        return entry
    evaluation = {key: value for key, value in record["evaluation"].items() if key in _KEPT}
    evaluation |= {"status": str(Status.REJECTED), "reason": f"purged: {reason}"}
    kept = {key: value for key, value in record.items() if key not in ("changes", "texts")}
    return entry | {"record": kept | {"evaluation": evaluation, "cell": None}}


def _of_ancestor(reason: str) -> str:
    return (
        reason
        if reason.startswith("descends from ")
        else f"descends from a program that was purged ({reason})"
    )


def _reason(program_ids: list[str], reasons: Mapping[str, str]) -> str:
    return next((reasons[one] for one in program_ids if one in reasons), "")


def find_purges(path: Path) -> dict[str, str]:
    """Returns the purged programs and why, without reading the rest.

    Raises:
        JournalError: the journal cannot be read.
    """
    found: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            if not file.seek(0, 2):
                return found
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                at = data.find(_MARK)
                while at >= 0:
                    if at == 0 or data[at - 1 : at] == b"\n":
                        data.seek(at)
                        line = data.readline()
                        if line.endswith(b"\n"):
                            entry = json.loads(line)
                            found[entry["program_id"]] = entry["reason"]
                    at = data.find(_MARK, at + 1)
    except OSError as error:
        raise JournalError(f"cannot read the journal {path}: {error.strerror}") from error
    return found
