"""How the index of a journal (index.py) is made and kept up: what stands in its tables, and how a line gets there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from discovery.core.errors import JournalError
from discovery.core.records import FOUNDER
from discovery.storage.journal import broken_line, parse_line
from discovery.storage.purged import PURGED, Entry, as_current, find_purges

VERSION = 1
_MARK_BYTES = 4096
_BYTES_AT_ONCE = 64 << 20
_ROWS_AT_ONCE = 2000
_REASON_CHARS = 240
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    "CREATE TABLE words (word TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID",
    "CREATE TABLE programs (number INTEGER PRIMARY KEY, at INTEGER, size INTEGER, id TEXT, score REAL, status INTEGER, "
    "operator INTEGER, island INTEGER, at_s REAL, parents TEXT, layers INTEGER, self_scored INTEGER, opened INTEGER, "
    "improved INTEGER, calls INTEGER, reason TEXT, exam INTEGER)",
    "CREATE INDEX ids ON programs (id)",
    "CREATE TABLE bests (number INTEGER PRIMARY KEY)",
    "CREATE TABLE elites (island INTEGER, cell INTEGER, id TEXT, PRIMARY KEY (island, cell)) WITHOUT ROWID",
    "CREATE TABLE lines (at INTEGER PRIMARY KEY, size INTEGER, kind TEXT)",
    "CREATE INDEX kinds ON lines (kind)",
    "CREATE TABLE purged (id TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID",
)
_TABLES = ("facts", "words", "programs", "bests", "elites", "lines", "purged")
_INSERT = "INSERT OR REPLACE INTO programs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"


class Fact(NamedTuple):
    """One evaluated program, as far as lists and figures need it.

    Attributes:
        number: the index of its record; program_id, parents, score, status, operator, island, at_s: as there.
        layers, is_self_scored, reason: of its evaluation; the reason is cut.
        opened, improved: cells that it opened, and elites that it replaced, by birth.
        calls: how many model calls it took.
        at, size: the bytes of the journal where its line stands.
    """

    number: int
    program_id: str
    parents: tuple[str, ...]
    score: float | None
    status: str
    operator: str
    island: int
    at_s: float
    layers: tuple[str, ...] = ()
    is_self_scored: bool = False
    opened: int = 0
    improved: int = 0
    calls: int = 0
    reason: str = ""
    at: int = 0
    size: int = 0


def fact_of(record: Mapping[str, Any], at: int = 0, size: int = 0) -> Fact:
    """Returns the fact of a record in its JSON form, whose line stands at some place of the journal."""
    evaluation = record["evaluation"]
    births = [change for change in record.get("changes", ()) if change[4] == "birth"]
    opened = sum(change[3] is None for change in births)
    return Fact(
        record["index"],
        record["program_id"],
        tuple(record["parents"]),
        evaluation.get("score"),
        evaluation["status"],
        record["operator"],
        record["island"],
        record["at_s"],
        tuple(evaluation.get("layers", ())),
        bool(evaluation.get("self_scored", False)),
        opened,
        len(births) - opened,
        len(record.get("calls", ())),
        evaluation.get("reason", "")[:_REASON_CHARS],
        at,
        size,
    )


class _State(NamedTuple):
    """How far the index has come: bytes and lines taken in, what these begin and end with, the best fitness in them."""

    version: int = VERSION
    at: int = 0
    lines: int = 0
    head: str = ""
    tail: str = ""
    best: float | None = None

    def fits(self, file: IO[bytes]) -> bool:
        """Returns whether the journal still begins with what was taken in."""
        return (self.version, self.head, self.tail) == (VERSION, *_marks(file, self.at))


def take_in(db: sqlite3.Connection, journal: Path, fitness: Callable[[float], float]) -> None:
    """Takes in what the journal has beyond the index.

    Raises:
        JournalError: the journal cannot be read, or a line before the last is broken.
        sqlite3.Error: the database cannot be read or written.
    """
    try:
        with journal.open("rb") as file:
            while _is_behind(db, file):
                with _transaction(db):
                    is_all = _take_in(db, journal, file, fitness)
                if is_all:
                    return
    except FileNotFoundError:
        with _transaction(db):
            _empty(db)  # there is nothing to tell of
    except OSError as error:
        raise JournalError(f"cannot read the journal {journal}: {error.strerror}") from error


def _is_behind(db: sqlite3.Connection, file: IO[bytes]) -> bool:
    state = _read_state(db)
    return state is None or not state.fits(file) or os.fstat(file.fileno()).st_size > state.at


def _take_in(
    db: sqlite3.Connection, journal: Path, file: IO[bytes], fitness: Callable[[float], float]
) -> bool:
    """Takes in the next lines, and returns whether these were all."""
    state = _read_state(db)  # again, now that nobody else writes
    if state is None or not state.fits(file):
        _empty(db)
        state = _State()
        reasons = find_purges(journal)
        db.executemany("INSERT INTO purged VALUES (?, ?)", reasons.items())
    else:
        reasons = dict(db.execute("SELECT id, reason FROM purged"))
    writer = _Writer(db, fitness, state, reasons)
    file.seek(state.at)
    broken = is_all = False
    for line in file:
        if broken:
            raise JournalError(broken_line(journal, writer.lines + 1))
        if (entry := parse_line(line)) is None:
            broken = True
        elif entry["type"] == PURGED and entry["program_id"] not in reasons:
            _empty(db)  # what counts changes from the first line on
            return False
        else:
            writer.take(entry, len(line))
            if writer.at - state.at > _BYTES_AT_ONCE:
                break
    else:
        is_all = True
    writer.finish(*_marks(file, writer.at))
    return is_all


class _Writer:
    """Turns lines into rows. `at` and `lines` count the bytes and the lines that were taken in."""

    def __init__(
        self,
        db: sqlite3.Connection,
        fitness: Callable[[float], float],
        state: _State,
        reasons: dict[str, str],
    ) -> None:
        self.at, self.lines = state.at, state.lines
        self._db = db
        self._fitness = fitness
        self._best = state.best
        self._reasons = reasons
        self._words: dict[str, int] = dict(db.execute("SELECT word, number FROM words"))
        self._programs: list[tuple[Any, ...]] = []

    def take(self, entry: Entry, size: int) -> None:
        """Takes in the next line, of so many bytes."""
        at = self.at
        self.at += size
        self.lines += 1
        current = as_current(entry, self._reasons) if self._reasons else entry
        if entry["type"] == "evaluated":
            assert current is not None, "a purged program stays, as rejected"
            self._take_program(current["record"], at, size)
            return
        self._db.execute("INSERT OR REPLACE INTO lines VALUES (?, ?, ?)", (at, size, entry["type"]))
        if entry["type"] == "held_out" and current is not None:
            self._flush()
            self._db.execute("UPDATE programs SET exam = ? WHERE id = ?", (at, entry["program_id"]))

    def finish(self, head: str, tail: str) -> None:
        """Writes what is left, and how far it came."""
        self._flush()
        self._db.executemany("INSERT OR REPLACE INTO purged VALUES (?, ?)", self._reasons.items())
        state = _State(VERSION, self.at, self.lines, head, tail, self._best)
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", state._asdict().items())

    def _take_program(self, record: Mapping[str, Any], at: int, size: int) -> None:
        fact = fact_of(record, at, size)
        self._programs.append(
            (
                fact.number,
                at,
                size,
                fact.program_id,
                fact.score,
                self._number(fact.status),
                self._number(fact.operator),
                fact.island,
                fact.at_s,
                " ".join(fact.parents),
                self._number(" ".join(fact.layers)),
                int(fact.is_self_scored),
                fact.opened,
                fact.improved,
                fact.calls,
                fact.reason or None,
            )
        )
        if fact.score is not None:
            level = self._fitness(fact.score)
            if self._best is None or level > self._best:
                self._best = level
                self._db.execute("INSERT OR REPLACE INTO bests VALUES (?)", (fact.number,))
        for island, cell, program_id, _, cause in record.get("changes", ()):
            if cause == FOUNDER:
                self._db.execute("DELETE FROM elites WHERE island = ?", (island,))
            self._db.execute("INSERT OR REPLACE INTO elites VALUES (?, ?, ?)", (island, cell, program_id))
        if len(self._programs) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._db.executemany(_INSERT, self._programs)
        self._programs.clear()

    def _number(self, word: str) -> int:
        if (number := self._words.get(word)) is None:
            number = self._words[word] = len(self._words)
            self._db.execute("INSERT INTO words VALUES (?, ?)", (word, number))
        return number


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _read_state(db: sqlite3.Connection) -> _State | None:
    """Returns how far the index has come; None where there is none, or one of another version."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
        return None
    facts = dict(db.execute("SELECT name, value FROM facts"))
    return _State(**facts) if facts.get("version") == VERSION else None


def _empty(db: sqlite3.Connection) -> None:
    for name in _TABLES:
        db.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in _SCHEMA:
        db.execute(statement)


def _marks(file: IO[bytes], end: int) -> tuple[str, str]:
    """Returns the hashes of the first and of the last bytes before `end`."""
    marks = []
    for start in (0, max(0, end - _MARK_BYTES)):
        file.seek(start)
        marks.append(hashlib.sha256(file.read(min(_MARK_BYTES, end))).hexdigest())
    return marks[0], marks[1]
