"""An index beside the journal: where each program's line stands, and what lists, reports and best programs are made of.

It is never the truth. Whoever reads a run brings it up to date with what the journal has beyond it; one that does not fit
the journal (another file under its name, a purge, another version of this module, damage) is made anew. Where the folder
cannot be written, a copy in memory does.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from heapq import merge
from pathlib import Path
from typing import IO, Any, TypeAlias

from discovery.core.errors import JournalError
from discovery.core.held_out import Exam, exam_of
from discovery.core.records import Record
from discovery.storage.indexing import Fact, take_in
from discovery.storage.journal import parse_line
from discovery.storage.purged import Entry, as_current
from discovery.storage.run_folder import RunFolder

_WAIT_S = 20.0
_ROWS_AT_ONCE = 2000
_COLUMNS = (
    "number, at, size, id, score, status, operator, island, at_s, parents, layers, self_scored, opened, improved, "
    "calls, reason"
)


Item: TypeAlias = Fact | Entry


@contextlib.contextmanager
def open_index(folder: RunFolder) -> Iterator[Index]:
    """Opens the index of a run, up to date with its journal.

    Raises:
        RunFolderError: this is no run folder. JournalError: the journal cannot be read.
    """
    fitness = folder.read_info().objective.fitness
    index = _opened(folder, fitness)
    try:
        yield index
    finally:
        index.close()


def keep_up(folder: RunFolder, fitness: Callable[[float], float]) -> None:
    """Brings the file up to date, if that is possible at once; whoever works on the run calls it now and then."""
    with contextlib.suppress(sqlite3.Error, OSError, JournalError):
        index = Index(_connect(folder.index, wait_s=0.0), folder.journal, fitness)
        try:
            index.catch_up()
        finally:
            index.close()


def _opened(folder: RunFolder, fitness: Callable[[float], float]) -> Index:
    try:
        return _caught_up(_connect(folder.index), folder, fitness)
    except sqlite3.OperationalError:  # read-only, in use for long, no room
        pass
    except sqlite3.DatabaseError:  # damaged
        with contextlib.suppress(sqlite3.Error, OSError):
            folder.index.unlink()
            return _caught_up(_connect(folder.index), folder, fitness)
    except OSError:
        pass
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_connect_to_read(folder.index)) as found:
        found.backup(memory, progress=_wait_for_nobody)
    return _caught_up(memory, folder, fitness)


def _caught_up(connection: sqlite3.Connection, folder: RunFolder, fitness: Callable[[float], float]) -> Index:
    index = Index(connection, folder.journal, fitness)
    try:
        index.catch_up()
    except BaseException:
        index.close()
        raise
    return index


def _wait_for_nobody(status: int, _: int, __: int) -> None:
    """Ends a copy that others keep from going on; by itself, it would wait without end."""
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise sqlite3.OperationalError("the index is in use")


def _connect(path: Path, wait_s: float = _WAIT_S) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class Index:
    """The index of one journal, to ask. One caller at a time; `open_index` makes one."""

    def __init__(
        self, connection: sqlite3.Connection, journal: Path, fitness: Callable[[float], float]
    ) -> None:
        """Takes over an open database; `fitness` turns a score so that larger is better."""
        self._db = connection
        self._journal = journal
        self._fitness = fitness
        self._words: dict[int, str] = {}
        self._file: IO[bytes] | None = None
        self._reasons: dict[str, str] | None = None

    def close(self) -> None:
        """Closes the files."""
        self._db.close()
        if self._file is not None:
            self._file.close()

    # --- what it tells

    def __len__(self) -> int:
        """Returns how many programs were evaluated."""
        return int(self._db.execute("SELECT count(*) FROM programs").fetchone()[0])

    @property
    def has_purges(self) -> bool:
        """Whether anything was purged: the elites are then those of before."""
        return bool(self._purged())

    def best(self) -> int | None:
        """Returns the number of the best program (the first among equals); None before any has a score."""
        row = self._db.execute("SELECT max(number) FROM bests").fetchone()
        return None if row is None else row[0]

    def bests(self) -> list[int]:
        """Returns the numbers of the programs that were the best when they were recorded, in order."""
        return [number for (number,) in self._db.execute("SELECT number FROM bests ORDER BY number")]

    def fact(self, number: int) -> Fact:
        """Returns the fact of a program of the run."""
        return self._fact(
            self._db.execute(f"SELECT {_COLUMNS} FROM programs WHERE number = ?", (number,)).fetchone()
        )

    def find(self, beginning: str, at_most: int = 1000) -> list[tuple[int, str]]:
        """Returns number and id of the programs whose ids begin so, in the order of the ids."""
        asked = "SELECT number, id FROM programs WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        return list(self._db.execute(asked, (beginning, beginning + "\x7f", at_most)))

    def latest(self, count: int, island: int | None = None) -> list[int]:
        """Returns the numbers of the newest programs, of one island or of all, newest first."""
        where = "" if island is None else f"WHERE island = {int(island)}"
        asked = f"SELECT number FROM programs {where} ORDER BY number DESC LIMIT ?"
        return [number for (number,) in self._db.execute(asked, (count,))]

    def born(self, island: int) -> int:
        """Returns how many programs were born on an island, the seed program aside."""
        asked = "SELECT count(*) FROM programs WHERE island = ? AND parents != ''"
        return int(self._db.execute(asked, (island,)).fetchone()[0])

    def islands(self) -> list[int]:
        """Returns the islands on which programs were born."""
        return [island for (island,) in self._db.execute("SELECT DISTINCT island FROM programs ORDER BY 1")]

    def count_scored(self) -> int:
        """Returns how many programs have a score."""
        return int(self._db.execute("SELECT count(score) FROM programs").fetchone()[0])

    def elites(self) -> list[tuple[int, int, int]]:
        """Returns island, cell and number of the program of every elite that has a score, in order."""
        asked = (
            "SELECT island, cell, max(number) FROM (SELECT e.island, e.cell, p.number FROM elites e JOIN programs p "
            "ON p.id = e.id WHERE p.score IS NOT NULL) GROUP BY island, cell ORDER BY island, cell"
        )
        return list(self._db.execute(asked))

    def record(self, number: int) -> Record:
        """Returns the record of a program of the run, with what the held-out cases said of it."""
        return next(self.records(number, number + 1))

    def records(self, start: int, stop: int) -> Iterator[Record]:
        """Yields the records with numbers from `start` on and below `stop`, in order, likewise."""
        asked = (
            "SELECT p.at, p.size, p.exam, l.size FROM programs p LEFT JOIN lines l ON l.at = p.exam "
            "WHERE p.number >= ? AND p.number < ? ORDER BY p.number"
        )
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = self._db.execute(asked, (first, min(first + _ROWS_AT_ONCE, stop))).fetchall()
            for at, size, exam, exam_size in rows:
                record = Record.from_json(self._entry(at, size)["record"])
                if exam is not None:
                    told = self._entry(exam, exam_size)
                    reason = record.evaluation.reason or told.get("reason", "")
                    found = replace(record.evaluation, held_out=told["metrics"], reason=reason)
                    record = replace(record, evaluation=found)
                yield record

    def exam(self, number: int) -> Exam | None:
        """Returns what became of a program of the run on the held-out cases; None where that is not known."""
        asked = "SELECT p.exam, l.size FROM programs p JOIN lines l ON l.at = p.exam WHERE p.number = ?"
        row = self._db.execute(asked, (number,)).fetchone()
        return None if row is None else exam_of(self._entry(*row))

    def calls(self, fact: Fact) -> list[Mapping[str, Any]]:
        """Returns the model calls of a program, in their JSON form."""
        return list(self._entry(fact.at, fact.size)["record"]["calls"]) if fact.calls else []

    def timeline(self) -> Iterator[Item]:
        """Yields what happened, in order: a fact for each program, and the entries of every other kind."""
        programs: Iterator[tuple[int, Item]] = self._placed_facts()
        others: Iterator[tuple[int, Item]] = self._read("SELECT at, size FROM lines")
        return (item for _, item in merge(programs, others, key=lambda one: one[0]))

    def entries(self, kinds: Collection[str]) -> Iterator[Entry]:
        """Yields the entries of some kinds, in order."""
        marks = ", ".join("?" * len(kinds))
        asked = f"SELECT at, size FROM lines WHERE kind IN ({marks})"
        if "evaluated" in kinds:
            asked += " UNION ALL SELECT at, size FROM programs"
        return (entry for _, entry in self._read(f"SELECT at, size FROM ({asked})", tuple(kinds)))

    def _placed_facts(self) -> Iterator[tuple[int, Fact]]:
        for row in self._paged(f"SELECT {_COLUMNS} FROM programs", "number"):
            yield row[1], self._fact(row)

    def _read(self, asked: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[int, Entry]]:
        for at, size in self._paged(asked, "at", values):
            if (entry := self._current(at, size)) is not None:
                yield at, entry

    def _paged(self, asked: str, key: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Yields rows in the order of their first column, a page at a time: nobody who writes has to wait for long."""
        last = -1
        while True:
            page = f"{asked} WHERE {key} > ? ORDER BY {key} LIMIT {_ROWS_AT_ONCE}"
            rows = self._db.execute(page, (*values, last)).fetchall()
            yield from rows
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1][0]

    def _fact(self, row: tuple[Any, ...]) -> Fact:
        (
            number,
            at,
            size,
            name,
            score,
            status,
            operator,
            island,
            at_s,
            parents,
            layers,
            own,
            new,
            up,
            calls,
            why,
        ) = row
        return Fact(
            number,
            name,
            tuple(parents.split()),
            score,
            self._word(status),
            self._word(operator),
            island,
            at_s,
            tuple(self._word(layers).split()),
            bool(own),
            new,
            up,
            calls,
            why or "",
            at,
            size,
        )

    def _word(self, number: int) -> str:
        if number not in self._words:  # it came while we read
            self._words = dict(self._db.execute("SELECT number, word FROM words"))
        return self._words[number]

    def _entry(self, at: int, size: int) -> Entry:
        entry = self._current(at, size)
        if entry is None:
            raise JournalError(f"{self._journal} changed while it was read; try again")
        return entry

    def _current(self, at: int, size: int) -> Entry | None:
        if self._file is None:
            self._file = self._journal.open("rb")
        self._file.seek(at)
        entry = parse_line(self._file.read(size))
        if entry is None:
            raise JournalError(f"{self._journal} changed while it was read; try again")
        reasons = self._purged()
        return as_current(entry, reasons) if reasons else entry

    def _purged(self) -> dict[str, str]:
        if self._reasons is None:
            self._reasons = dict(self._db.execute("SELECT id, reason FROM purged"))
        return self._reasons

    # --- how it keeps up

    def catch_up(self) -> None:
        """Takes in what the journal has beyond the index.

        Raises:
            JournalError: the journal cannot be read, or a line before the last is broken.
            sqlite3.Error: the database cannot be read or written.
        """
        take_in(self._db, self._journal, self._fitness)
        self._reasons = None
