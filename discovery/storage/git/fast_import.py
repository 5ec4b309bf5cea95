"""Records written into git: one batch is one piece of a `git fast-import` stream and ends in a checkpoint.

Branches:
    all         one commit per record, in order: first parent the one before, second parent the program's
                commit; its tree is that program's. So every program is reachable, and its log is the log of
                the run.
    best        the commit of the best program.
    memory      one commit per change of what the run learned, where it learns: items.jsonl (memory/store.py).
    island/<k>  one commit per change of that archive: `cells/<cell // 32>/<cell>/` holds the elite's files,
                `archive.json` the counts; the other parents are the new elites' commits.

Notes (refs/notes/summaries): what was said of a program after its evaluation, on its commit; (refs/notes/held-out): trailers that
tell what became of it on the held-out cases.

What `all` holds is written; on opening, the other branches are brought back to it.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from discovery.core.errors import LineageError
from discovery.core.records import FOUNDER, ChangeLike, Record
from discovery.storage.git.commits import (
    CERTIFICATE,
    COMMITTER,
    EMPTY_TREE,
    commit_id,
    island_message,
    object_id,
    program_files,
    program_message,
    signatures,
)
from discovery.storage.git.repository import BRANCH, Repository, explained
from evaluators.contract import Objective

ALL = "refs/heads/all"
BEST = f"refs/heads/{BRANCH}"
ISLANDS = "refs/heads/island/"
MEMORY = "refs/heads/memory"
NOTES = "refs/notes/summaries"
EXAMS = "refs/notes/held-out"
MEMORY_FILE = "items.jsonl"
CELLS_PER_FOLDER = 32
MAX_PACKS = 40
_MERGED_ELITES = 15
_TIP_MARK = 1
_FIRST_MARK = 2
_MEMORY_MARK = 2**40
_KNOWN = struct.Struct(">I20s20sd")
_NO_SCORE = float("nan")


@dataclass(frozen=True, slots=True)
class Known:
    """What must be remembered of a program that is in git."""

    index: int
    commit: bytes
    tree: bytes
    score: float | None


@dataclass(slots=True)
class _Island:
    """The counts of an island's summary, and whether the stream must take up its branch."""

    cells: int = 0
    changes: int = 0
    is_resumed: bool = False


@dataclass(slots=True)
class _Batch:
    """The stream of one batch: blobs first, so that programs become deltas of each other; then commits."""

    blobs: bytearray = field(default_factory=bytearray)
    commits: bytearray = field(default_factory=bytearray)

    def blob(self, data: bytes) -> str:
        """Returns the id of a blob that the batch sends ahead."""
        self.blobs += b"blob\ndata %d\n%s\n" % (len(data), data)
        return object_id(b"blob", data).hex()

    def write(self, text: str) -> None:
        """Adds command lines."""
        self.commits += text.encode() + b"\n"

    def data(self, data: bytes) -> None:
        """Adds counted data."""
        self.commits += b"data %d\n%s\n" % (len(data), data)


class Importer:
    """Writes records into one repository. Not thread-safe; the caller holds the repository's lock.

    Attributes:
        next_index: the index of the record that git lacks.
    """

    def __init__(self, repository: Repository, lock: int, objective: Objective) -> None:
        self.repository = repository
        self.next_index = 0
        self._lock = lock
        self._objective = objective
        self._known: dict[str, bytes] = {}
        self._tip: bytes | None = None
        self._is_tip_marked = False
        self._best: str | None = None
        self._islands: dict[int, _Island] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._session_start = 0
        self._packs = 0

    def open(self, keep: int | None = None) -> None:
        """Reads what git holds, sweeps up what a killed writer left, and makes all branches agree.

        Args:
            keep: how many records git may go on holding; later ones are cut off. All by default.

        Raises:
            LineageError: the repository cannot be read or written.
        """
        self.stop()
        self.repository.sweep()
        self._forget()
        listing = self.repository.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        tips = dict(line.split(" ") for line in listing.splitlines())
        self._read_all(tips, keep)
        for ref, tip in tips.items():
            if ref.startswith(ISLANDS):
                self._read_island(ref, tip)
        best = self._best
        self._move(BEST, tips.get(BEST), None if best is None else self.known(best).commit.hex())
        self._packs = self._count_packs()

    def write(self, records: Sequence[Record]) -> None:
        """Writes records that follow those in git; they are there, and visible, when it returns.

        Raises:
            LineageError: git ended or refused, or a record does not follow.
        """
        process = self._process or self._start()
        batch = _Batch()
        best = self._best
        for record in records:
            self._write_program(batch, record)
            for island in sorted({change.island for change in record.changes}):
                self._write_island(batch, record, [c for c in record.changes if c.island == island])
        if self._best != best and self._best is not None:
            batch.write(f"reset {BEST}\nfrom {self._reference(self.known(self._best))}\n")
        batch.write(f"checkpoint\n\nget-mark :{_TIP_MARK}")
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(batch.blobs + batch.commits)
            process.stdin.flush()
            answer = process.stdout.readline().decode("ascii", "replace").strip()
        except OSError:
            answer = ""
        if not answer:
            raise LineageError(explained("git fast-import", self._end()))
        if self._tip is None or answer != self._tip.hex():
            raise LineageError(
                f"git made commit {answer} where {self._tip.hex() if self._tip else None} was due: "
                "this version of git writes other objects; report it, and rebuild the lineage"
            )
        self._packs += 1

    def remember(self, text: str, record: Record) -> None:
        """Writes what the run had learned when `record` was made; nothing where git holds the same already.

        Raises:
            LineageError: git ended or refused.
        """
        data = text.encode("utf-8", "surrogatepass")
        held = self.repository.run("for-each-ref", "--format=%(objectname)", MEMORY).strip()
        if (
            held
            and self.repository.run("rev-parse", f"{held}:{MEMORY_FILE}").strip()
            == object_id(b"blob", data).hex()
        ):
            return
        process = self._process or self._start()
        batch = _Batch()
        when = signatures(record)[1].decode()
        batch.write(f"commit {MEMORY}\nmark :{_MEMORY_MARK}\ncommitter {when}")
        batch.data(b"%d items\n\nIndex: %d\n" % (max(text.count("\n") - 1, 0), record.index))
        if held:
            batch.write(f"from {held}")
        batch.write(f"M 100644 inline {MEMORY_FILE}")
        batch.data(data)
        batch.write(f"checkpoint\n\nget-mark :{_MEMORY_MARK}")
        self._deliver(process, batch)

    def _deliver(self, process: subprocess.Popen[bytes], batch: _Batch) -> None:
        """Sends a batch that ends with a question for a mark, and waits for the answer."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(batch.commits)
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = b""
        if not answer.strip():
            raise LineageError(explained("git fast-import", self._end()))
        self._packs += 1

    def noted(self, ref: str = NOTES) -> frozenset[str]:
        """Returns the ids of the programs that have a note under `ref`.

        Raises:
            LineageError: the repository cannot be read.
        """
        if not self.repository.run("for-each-ref", "--format=%(objectname)", ref).strip():
            return frozenset()
        subjects = self.repository.run("log", "--format=%s", ref)
        return frozenset(word for line in subjects.splitlines() for word in line.split())

    def note(self, notes: Mapping[str, str], at_s: float, ref: str = NOTES) -> None:
        """Writes notes (program id -> text) under `ref` on the commits of programs; unknown programs are passed over.

        Raises:
            LineageError: git ended or refused.
        """
        notes = {program_id: text for program_id, text in notes.items() if program_id in self._known}
        if not notes:
            return
        held = self.repository.run("for-each-ref", "--format=%(objectname)", ref).strip()
        process = self._process or self._start()
        batch = _Batch()
        batch.write(f"commit {ref}\nmark :{_MEMORY_MARK}\ncommitter {COMMITTER} {max(int(at_s), 0)} +0000")
        batch.data(" ".join(notes).encode() + b"\n")
        if held:
            batch.write(f"from {held}")
        for program_id, text in notes.items():
            batch.write(f"N inline {self.known(program_id).commit.hex()}")
            batch.data(text.encode("utf-8", "replace"))
        batch.write(f"checkpoint\n\nget-mark :{_MEMORY_MARK}")
        self._deliver(process, batch)

    def tidy(self) -> None:
        """Puts small packs together and brings the commit graph up to date; cheap where little is new."""
        self.stop()
        if self._packs > 1:
            self.repository.run("repack", "--geometric=2", "-d", "-q")
            self._packs = self._count_packs()
        self.repository.run("commit-graph", "write", "--reachable", "--split", "--no-progress")

    @property
    def is_untidy(self) -> bool:
        """Returns whether there are so many small packs that reading gets slow."""
        return self._packs >= MAX_PACKS

    def stop(self) -> None:
        """Ends the stream; what was written stays."""
        if self._process is not None:
            self._end()

    def known(self, program_id: str) -> Known:
        """Returns what is remembered of a program.

        Raises:
            LineageError: it was never written.
        """
        if (packed := self._known.get(program_id)) is None:
            raise LineageError(f"program {program_id} is named by a record but was never recorded itself")
        index, commit, tree, score = _KNOWN.unpack(packed)
        return Known(index, commit, tree, None if math.isnan(score) else score)

    def holds(self, record: Record) -> bool:
        """Returns whether a record is in git under its index. May be called from any thread."""
        packed = self._known.get(record.program_id)
        return packed is not None and _KNOWN.unpack(packed)[0] == record.index

    def _write_program(self, batch: _Batch, record: Record) -> None:
        if record.index != self.next_index:
            raise LineageError(f"record {record.index} was given where record {self.next_index} was due")
        files = program_files(record)
        parents = [self.known(parent) for parent in dict.fromkeys(record.parents)]
        author, committer = signatures(record)
        message = program_message(record, parents[0].score if parents else None)
        commit = commit_id(files.tree, [parent.commit for parent in parents], author, committer, message)
        mark = _FIRST_MARK + record.index
        if not parents:
            batch.write(f"reset {ALL}")
        batch.write(f"commit {ALL}\nmark :{mark}\nauthor {author.decode()}\ncommitter {committer.decode()}")
        batch.data(message)
        for word, parent in zip(("from", *["merge"] * len(parents)), parents, strict=False):
            batch.write(f"{word} {self._reference(parent)}")
        batch.write("deleteall")
        for path, (_, data) in files.blobs.items():
            if path == CERTIFICATE:
                batch.write(f"M 100644 {batch.blob(data)} {path}")
            else:
                batch.write(f"M 100644 inline {path}")
                batch.data(data)
        self._extend_all(batch, record, commit, files.tree)

    def _extend_all(self, batch: _Batch, record: Record, commit: bytes, tree: bytes) -> None:
        score = record.evaluation.score
        shown = "-" if score is None else repr(float(score))
        message = f"{record.index} {record.program_id} {record.evaluation.status} {shown}\n".encode()
        committer = signatures(record)[1]
        if self._tip is None:
            root = b"the run, one commit per evaluated program\n"
            self._tip = commit_id(EMPTY_TREE, [], committer, committer, root)
            self._is_tip_marked = True
            batch.write(f"reset {ALL}\ncommit {ALL}\nmark :{_TIP_MARK}\ncommitter {committer.decode()}")
            batch.data(root)
        batch.write(f"commit {ALL}\nmark :{_TIP_MARK}\ncommitter {committer.decode()}")
        batch.data(message)
        batch.write(f"from {f':{_TIP_MARK}' if self._is_tip_marked else self._tip.hex()}")
        batch.write(f'merge :{_FIRST_MARK + record.index}\nM 040000 {tree.hex()} ""')
        self._tip = commit_id(tree, [self._tip, commit], committer, committer, message)
        self._is_tip_marked = True
        self._remember(record.program_id, Known(record.index, commit, tree, score))

    def _write_island(self, batch: _Batch, record: Record, changes: Sequence[ChangeLike]) -> None:
        number = changes[0].island
        island = self._islands.get(number)
        if island is None:  # a root of its own, so that the first parents are the island's steps alone
            island = self._islands[number] = _Island()
            batch.write(f"commit {ISLANDS}{number}\ncommitter {signatures(record)[1].decode()}")
            batch.data(f"island {number} opens\n\nIndex: {record.index}\n".encode())
        named = {c.program_id for c in changes} | {c.displaced for c in changes if c.displaced}
        scores = {program_id: self.known(program_id).score for program_id in named}
        founded = [place for place, change in enumerate(changes) if change.cause == FOUNDER]
        present = changes[founded[-1] :] if founded else changes
        elites = {change.cell: self.known(change.program_id) for change in present}
        island.cells = (0 if founded else island.cells) + sum(one.displaced is None for one in present)
        island.changes += len(changes)
        summary = {
            "cells": island.cells,
            "changes": island.changes,
            "last": [
                {"cell": c.cell, "program": c.program_id, "score": scores[c.program_id], "cause": c.cause}
                for c in changes
            ],
        }
        batch.write(f"commit {ISLANDS}{number}\ncommitter {signatures(record)[1].decode()}")
        batch.data(island_message(record, changes, scores))
        if island.is_resumed:
            batch.write(f"from {ISLANDS}{number}^0")
            island.is_resumed = False
        for elite in list(dict.fromkeys(elites.values()))[:_MERGED_ELITES]:
            batch.write(f"merge {self._reference(elite)}")
        if founded:  # all others are gone
            batch.write("deleteall")
        for cell, elite in elites.items():
            batch.write(f"M 040000 {elite.tree.hex()} {cell_path(cell)}")
        blob = batch.blob(json.dumps(summary, indent=1).encode() + b"\n")
        batch.write(f"M 100644 {blob} archive.json")

    def _reference(self, known: Known) -> str:
        return f":{_FIRST_MARK + known.index}" if known.index >= self._session_start else known.commit.hex()

    def _remember(self, program_id: str, known: Known) -> None:
        score = _NO_SCORE if known.score is None else known.score
        self._known[program_id] = _KNOWN.pack(known.index, known.commit, known.tree, score)
        if known.score is not None:
            best = None if self._best is None else self.known(self._best).score
            if best is None or self._objective.fitness(known.score) > self._objective.fitness(best):
                self._best = program_id
        self.next_index = known.index + 1

    def _forget(self) -> None:
        self._known.clear()
        self._islands.clear()
        self._best, self._tip, self.next_index = None, None, 0

    def _read_all(self, tips: Mapping[str, str], keep: int | None) -> None:
        if ALL not in tips:
            return
        log = self.repository.run("log", "--first-parent", "--format=%H %T %P%x09%s", tips[ALL])
        entries: list[tuple[str, str, Known]] = []
        for line in log.splitlines():
            objects, _, subject = line.partition("\t")
            index, program_id, _, score = subject.split(" ")
            tip, tree, *parents = objects.split()
            known = Known(
                int(index),
                bytes.fromhex(parents[-1]),
                bytes.fromhex(tree),
                None if score == "-" else float(score),
            )
            if keep is None or known.index < keep:
                entries.append((tip, program_id, known))
            if known.index == 0:  # the root follows
                break
        for _, program_id, known in reversed(entries):
            self._remember(program_id, known)
        self._tip = bytes.fromhex(entries[0][0]) if entries else None
        self._move(ALL, tips[ALL], entries[0][0] if entries else None)

    def _read_island(self, ref: str, tip: str) -> None:
        """Takes an island back to its last commit that `all` knows of: a kill may have left later ones."""
        trailer = "%(trailers:key=Index,valueonly,separator=%x20)"
        log = self.repository.run("log", "--first-parent", f"--format=%H %P {trailer}", "-n", "1000", tip)
        for line in log.splitlines():
            commit, *_, index = line.split(" ")
            if int(index) < self.next_index:
                summary = json.loads(self.repository.run("show", f"{commit}:archive.json"))
                number = int(ref.removeprefix(ISLANDS))
                self._islands[number] = _Island(summary["cells"], summary["changes"])
                self._move(ref, tip, commit)
                return
        self._move(ref, tip, None)

    def _move(self, ref: str, now: str | None, to: str | None) -> None:
        if to is None and now is not None:
            self.repository.run("update-ref", "-d", ref)
        elif to is not None and to != now:
            self.repository.run("update-ref", ref, to)

    def _count_packs(self) -> int:
        return sum(1 for _ in (self.repository.path / "objects" / "pack").glob("*.pack"))

    def _start(self) -> subprocess.Popen[bytes]:
        # --done: a stream that a kill cut off between two commands must not move a branch to half of a record
        options = ("--quiet", "--force", "--done", "--date-format=raw", "--active-branches=1000")
        self._process = self.repository.start("fast-import", *options, inherit=(self._lock,))
        self._session_start, self._is_tip_marked = self.next_index, False
        for island in self._islands.values():
            island.is_resumed = True
        return self._process

    def _end(self) -> str:
        """Closes the stream, waits for the process, and returns what it complained of."""
        process, self._process = self._process, None
        if process is None:
            return ""
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.write(b"done\n")
        _, complaint = process.communicate()
        return complaint.decode("utf-8", "replace")


def cell_path(cell: int) -> str:
    """Returns the folder of a cell in its island's tree."""
    return f"cells/{cell // CELLS_PER_FOLDER:03d}/{cell:05d}"
