"""The lineage: every evaluated program a commit in the run's git repository, written beside the run.

The journal is the truth and git is its projection: `append` hands a record to a writer thread and returns,
records that git already holds are passed over, and where git holds others, the journal's take their place.
What a kill leaves behind is swept up when the repository is opened next.

Measured (2 cores, 10,000 records of 3 KB with a certificate each): a checkpoint every 50 records costs 0.75
ms of CPU per record, every 200 records 0.44 ms; hence `CHECKPOINT_RECORDS`.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from discovery.core.errors import LineageError
from discovery.core.held_out import Exam
from discovery.core.records import Record
from discovery.storage.git.commits import exam_text, note_text
from discovery.storage.git.fast_import import EXAMS, NOTES, Importer
from discovery.storage.git.repository import Repository
from evaluators.contract import Objective

CHECKPOINT_S = 1.0
CHECKPOINT_RECORDS = 200
QUEUE_RECORDS = 2000
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class _Memory:
    """What was learned when a record was made."""

    text: str
    record: Record


@dataclass(frozen=True, slots=True)
class _Note:
    """What was said of a program after its evaluation."""

    program_id: str
    text: str
    at_s: float
    ref: str = NOTES


_Item: TypeAlias = Record | _Memory | _Note | threading.Event | None


class Lineage:
    """The git repository of one run, opened for writing.

    Contract: one writer per repository (a second one waits, then fails); the methods may be called from one
    thread at a time; they raise `LineageError` when the writer thread has failed, and nothing is lost then:
    a later run of the journal's records through `append` brings git up to date.
    """

    def __init__(self, path: Path, objective: Objective, *, checkpoint_s: float = CHECKPOINT_S) -> None:
        """Opens (or creates) the repository; the work is done in the background.

        Args:
            path: the repository's folder.
            objective: decides which program the branch `best` shows.
            checkpoint_s: records are visible to readers at most about this long after `append`.
        """
        self.path = path
        self._checkpoint_s = checkpoint_s
        self._repository = Repository(path)
        self._objective = objective
        self._queue: queue.Queue[_Item] = queue.Queue(QUEUE_RECORDS)
        self._importer: Importer | None = None
        self._error: LineageError | None = None
        self._opened = threading.Event()
        self._expected: int | None = None
        self._is_replay = True
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
        self._thread.start()

    def recorded(self) -> int:
        """Returns how many records git holds: the first ones of the run, without gaps.

        Raises:
            LineageError: the repository cannot be opened.
        """
        return self._open_importer().next_index

    def append(self, record: Record) -> None:
        """Hands over the next record; one that git holds already costs a look-up.

        Blocks while more than `QUEUE_RECORDS` wait.

        Raises:
            LineageError: the writer failed, or the record does not follow the one before.
        """
        if self._expected is not None and record.index != self._expected:
            raise LineageError(f"record {record.index} was appended where {self._expected} was due")
        if self._is_replay and self._is_written(record):
            self._expected = record.index + 1
            return
        self._is_replay = False
        self._put(record)
        self._expected = record.index + 1

    def remember(self, text: str, record: Record) -> None:
        """Hands over what the run had learned when `record` was made; the branch `memory` shows the latest.

        Raises:
            LineageError: the writer failed.
        """
        self._put(_Memory(text, record))

    def noted(self) -> frozenset[str]:
        """Returns the ids of the programs on whose commits git holds a note.

        Raises:
            LineageError: the repository cannot be opened or read.
        """
        return self._open_importer().noted()

    def examined(self) -> frozenset[str]:
        """Returns the ids of the programs on whose commits git holds what became of them on the held-out cases.

        Raises:
            LineageError: the repository cannot be opened or read.
        """
        return self._open_importer().noted(EXAMS)

    def examine(self, program_id: str, exam: Exam, at_s: float) -> None:
        """Hands over what became of a program on the held-out cases; it becomes a note of its own on its commit.

        Raises:
            LineageError: the writer failed.
        """
        self._put(_Note(program_id, exam_text(exam), at_s, EXAMS))

    def note(self, program_id: str, texts: Mapping[str, str], at_s: float) -> None:
        """Hands over what was said of a program after its evaluation; it becomes a note on its commit.

        Raises:
            LineageError: the writer failed.
        """
        self._put(_Note(program_id, note_text(texts), at_s))

    def flush(self, timeout_s: float = 60.0) -> None:
        """Returns when everything appended is visible in git.

        Raises:
            LineageError: the writer failed, or needs longer than `timeout_s`.
        """
        done = threading.Event()
        self._put(done)
        deadline = time.monotonic() + timeout_s
        while not done.wait(_POLL_S):
            self._raise_failure()
            if time.monotonic() > deadline:
                raise LineageError(
                    f"git in {self.path} did not catch up within {timeout_s:g} s; is the disk slow?"
                )
        self._raise_failure()

    def close(self, timeout_s: float = 60.0) -> None:
        """Writes what is left, tidies the repository and gives it free. Closing twice is harmless.

        Raises:
            LineageError: the writer failed, or needs longer than `timeout_s`.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._put(None)
        except LineageError:
            self._thread.join(timeout_s)
            raise
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise LineageError(f"git in {self.path} did not finish within {timeout_s:g} s; is the disk slow?")
        self._raise_failure()

    def __enter__(self) -> Lineage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_written(self, record: Record) -> bool:
        importer = self._open_importer()
        return record.index < importer.next_index and importer.holds(record)

    def _open_importer(self) -> Importer:
        while not self._opened.wait(_POLL_S):
            self._raise_failure()
        self._raise_failure()
        assert self._importer is not None
        return self._importer

    def _put(self, item: _Item) -> None:
        while True:
            self._raise_failure()
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def _raise_failure(self) -> None:
        if self._error is not None:
            raise LineageError(str(self._error)) from self._error

    def _work(self) -> None:
        lock: int | None = None
        try:
            self._repository.create()
            lock = self._repository.lock()
            importer = Importer(self._repository, lock, self._objective)
            importer.open()
            self._importer = importer
            self._opened.set()
            self._serve(importer)
        except LineageError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - the outermost loop of a thread: nobody else would see it
            self._error = LineageError(f"the writer of {self.path} stopped: {type(error).__name__}: {error}")
            self._error.__cause__ = error
        finally:
            if lock is not None:
                os.close(lock)

    def _serve(self, importer: Importer) -> None:
        is_open = True
        while is_open:
            items = self._collect()
            records = [item for item in items if isinstance(item, Record)]
            if records:
                _write(importer, records)
            for ref in (NOTES, EXAMS):
                notes = {one.program_id: one for one in items if isinstance(one, _Note) and one.ref == ref}
                if notes:
                    texts = {program_id: item.text for program_id, item in notes.items()}
                    latest_s = max(item.at_s for item in notes.values())
                    _insist(importer, lambda: importer.note(texts, latest_s, ref))  # noqa: B023 - called at once
            memories = [item for item in items if isinstance(item, _Memory)]
            if memories:
                memory = memories[-1]
                _insist(importer, lambda: importer.remember(memory.text, memory.record))  # noqa: B023 - as above
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()
            is_open = None not in items
            if not is_open or importer.is_untidy:
                importer.tidy()

    def _collect(self) -> list[_Item]:
        """Returns what is due: at most one checkpoint's records, fewer when somebody waits for them."""
        items = [self._queue.get()]
        deadline = time.monotonic() + self._checkpoint_s
        while isinstance(items[-1], Record | _Memory | _Note) and len(items) < CHECKPOINT_RECORDS:
            try:
                items.append(self._queue.get(timeout=max(deadline - time.monotonic(), 0)))
            except queue.Empty:
                break
        return items


def rebuild(path: Path, records: Iterable[Record], objective: Objective) -> None:
    """Writes a run's lineage anew from its records; the old one is replaced when the new one is whole.

    Raises:
        LineageError: the repository cannot be written.
    """
    new, old = path.with_name(path.name + ".new"), path.with_name(path.name + ".old")
    try:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        with Lineage(new, objective) as lineage:
            for record in records:
                lineage.append(record)
        if path.exists():
            path.rename(old)
        new.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise LineageError(f"cannot replace {path}: {error.strerror}") from error


def _write(importer: Importer, records: list[Record]) -> None:
    """Writes the records that git lacks; a process that ended is started again, once."""
    for attempt in (1, 2):
        held = next((n for n, record in enumerate(records) if not importer.holds(record)), len(records))
        missing = records[held:]
        if not missing:
            return
        try:
            if missing[0].index < importer.next_index:  # git holds another record under this index
                importer.open(keep=missing[0].index)
            importer.write(missing)
        except LineageError:
            importer.stop()
            if attempt == 2:
                raise
            importer.open()
        else:
            return


def _insist(importer: Importer, write: Callable[[], None]) -> None:
    """Writes something; a process that ended is started again, once."""
    for attempt in (1, 2):
        try:
            write()
        except LineageError:
            importer.stop()
            if attempt == 2:
                raise
            importer.open()
        else:
            return
