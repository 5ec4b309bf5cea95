"""The index of a journal: it tells what the journal tells, whatever happened to either."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from discovery.core.errors import JournalError
from discovery.core.records import FOUNDER, Change, RunInfo
from discovery.storage import index as index_module
from discovery.storage import indexing
from discovery.storage.git.lineage import Lineage
from discovery.storage.git.repository import Repository
from discovery.storage.index import Index, keep_up, open_index
from discovery.storage.indexing import Fact
from discovery.storage.journal import Journal, read_entries
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Objective
from tests.discovery.lineage_runs import made_up_run

RUN = made_up_run(60)
BEST = max(RUN, key=lambda record: record.evaluation.score or 0.0)


def lines() -> list[Mapping[str, Any]]:
    """Returns a journal with lines of several kinds."""
    return [
        {"type": "opened", "at_s": 1.0},
        *({"type": "evaluated", "record": record.to_json()} for record in RUN),
        {"type": "held_out", "program_id": BEST.program_id, "metrics": {"score": 1.5}},
        {"type": "closed", "at_s": 2.0, "reason": "evaluations", "message": "done"},
    ]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.create({"info": RunInfo("toy", objective=Objective("score")).to_json()}, bytes(16))
    return made


def write(folder: RunFolder, some: list[Mapping[str, Any]]) -> None:
    journal = Journal(folder.journal)
    journal.append(some)
    journal.close()


def told(index: Index) -> tuple[Any, ...]:
    """Returns all that an index tells."""
    return (
        list(index.timeline()),
        index.best(),
        index.bests(),
        index.elites(),
        index.find(""),
        list(index.records(0, len(index))),
        list(index.entries(("opened", "held_out", "purged", "evaluated"))),
    )


def told_of(folder: RunFolder) -> tuple[Any, ...]:
    with open_index(folder) as index:
        return told(index)


def from_nothing(folder: RunFolder) -> tuple[Any, ...]:
    folder.index.unlink()
    return told_of(folder)


def test_an_index_tells_what_the_journal_tells(folder: RunFolder) -> None:
    write(folder, lines())
    with open_index(folder) as index:
        assert len(index) == len(RUN)
        facts = [item for item in index.timeline() if isinstance(item, Fact)]
        assert [(f.number, f.program_id, f.parents, f.score, f.operator, f.island) for f in facts] == [
            (r.index, r.program_id, r.parents, r.score, r.operator, r.island) for r in RUN
        ]
        assert [item["type"] for item in index.timeline() if not isinstance(item, Fact)] == [
            "opened",
            "held_out",
            "closed",
        ]
        assert [index.calls(f) != [] for f in facts] == [bool(r.calls) for r in RUN]
        assert index.best() == BEST.index
        assert index.record(BEST.index).evaluation.held_out == {"score": 1.5}
        assert [r.program_id for r in index.records(7, 12)] == [r.program_id for r in RUN[7:12]]
        assert index.find(BEST.program_id[:12]) == [(BEST.index, BEST.program_id)]
        assert index.latest(3, island=1) == [59, 57, 55]
        assert [index.born(island) for island in range(3)] == [29, 30, 0]
        held = {(c.island, c.cell): c.program_id for r in RUN for c in r.changes}
        assert {(island, cell): RUN[n].program_id for island, cell, n in index.elites()} == held
        score, bests = float("-inf"), []
        for record in RUN:
            if record.score is not None and record.score > score:
                score, bests = record.score, [*bests, record.index]
        assert index.bests() == bests


@pytest.mark.parametrize("step", [1, 7, 40])
def test_kept_up_line_by_line_it_is_the_one_made_at_once(folder: RunFolder, step: int) -> None:
    every = lines()
    for start in range(0, len(every), step):
        write(folder, every[start : start + step])
        if start % 2:
            keep_up(folder, lambda score: score)
        else:
            told_of(folder)
    kept = told_of(folder)
    assert kept == from_nothing(folder)


def test_only_what_is_new_is_read(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, lines())
    told_of(folder)
    write(folder, [{"type": "opened", "at_s": 3.0}])
    read: list[bytes] = []
    parse = indexing.parse_line
    monkeypatch.setattr(indexing, "parse_line", lambda line: (read.append(line), parse(line))[1])
    with open_index(folder) as index:
        assert len(index) == len(RUN)
    assert len(read) == 1


@pytest.mark.parametrize("size", [10, 200_000], ids=["a short journal", "a long one"])
def test_another_journal_under_the_same_name_is_noticed(folder: RunFolder, size: int) -> None:
    write(folder, [{"type": "opened", "at_s": 1.0, "more": "x" * size}, *lines()])
    told_of(folder)
    folder.journal.unlink()
    other = [{"type": "opened", "at_s": 1.0, "more": "x" * size}, *lines()]
    other[5] = {"type": "evaluated", "record": RUN[4].to_json() | {"operator": "other"}}
    write(folder, other[:30])
    assert told_of(folder) == from_nothing(folder)
    write(folder, other[30:])
    assert told_of(folder) == from_nothing(folder)


def test_a_line_that_was_taken_back_is_forgotten(folder: RunFolder) -> None:
    write(folder, lines()[:20])
    size = folder.journal.stat().st_size
    write(folder, lines()[20:25])
    told_of(folder)
    os.truncate(folder.journal, size)
    write(folder, lines()[25:])
    assert told_of(folder) == from_nothing(folder)


def test_a_torn_line_waits_and_a_broken_one_is_an_error(folder: RunFolder) -> None:
    write(folder, lines()[:20])
    whole = told_of(folder)
    with folder.journal.open("ab") as file:
        file.write(b'{"type":"evalu')
    assert told_of(folder) == whole
    with folder.journal.open("ab") as file:
        file.write(b'\n{"type":"opened","at_s":1.0}\n')
    with pytest.raises(JournalError, match="line 21 is not a JSON object though lines follow"):
        told_of(folder)


def test_a_purge_changes_what_was_told_before(folder: RunFolder) -> None:
    write(folder, lines())
    told_of(folder)
    write(folder, [{"type": "purged", "program_id": BEST.program_id, "reason": "cheats"}])
    with open_index(folder) as index:
        assert index.has_purges
        assert index.best() != BEST.index
        gone = index.record(BEST.index).evaluation
        assert (gone.score, gone.reason, gone.held_out) == (None, "purged: cheats", None)
        assert BEST.index not in [number for _, _, number in index.elites()]
        found = told(index)
    assert found == from_nothing(folder)


def test_after_a_founder_its_island_holds_nothing_else_in_the_index_and_in_git(folder: RunFolder) -> None:
    last = RUN[-1]
    founder = max((r for r in RUN[:-1] if r.score is not None), key=lambda r: r.score or 0.0)
    changes = (*last.changes, Change(1, 3, founder.program_id, None, FOUNDER))
    records = [*RUN[:-1], replace(last, changes=changes)]
    write(folder, [{"type": "evaluated", "record": record.to_json()} for record in records])
    with open_index(folder) as index:
        elites = index.elites()
    assert [(cell, number) for island, cell, number in elites if island == 1] == [(3, founder.index)]
    assert sum(island == 0 for island, _, _ in elites) > 3
    with Lineage(folder.lineage, Objective("score")) as lineage:
        for record in records:
            lineage.append(record)
    git = Repository(folder.lineage)
    held = git.run("ls-tree", "-r", "--name-only", "island/1").split()
    assert held == ["archive.json", "cells/000/00003/.certificate.json", "cells/000/00003/program.py"]
    assert json.loads(git.run("show", "island/1:archive.json"))["cells"] == 1


@pytest.mark.parametrize("content", [b"no database at all, and longer than its header would be" * 40, b""])
def test_a_damaged_index_is_made_anew(folder: RunFolder, content: bytes) -> None:
    write(folder, lines())
    whole = told_of(folder)
    folder.index.write_bytes(content)
    assert told_of(folder) == whole
    assert folder.index.read_bytes()[:6] == b"SQLite"


def test_one_of_another_version_is_made_anew(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, lines())
    whole = told_of(folder)
    with sqlite3.connect(folder.index) as database:
        database.execute("UPDATE facts SET value = 0 WHERE name = 'version'")
        database.execute("DROP TABLE bests")
    database.close()
    assert told_of(folder) == whole


@pytest.mark.parametrize("held", [0, 30, len(RUN) + 3])
def test_where_nothing_can_be_written_a_copy_in_memory_does(
    folder: RunFolder, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, lines()[:held])
    if held:
        told_of(folder)
    write(folder, lines()[held:])
    before = folder.index.read_bytes() if held else None

    def refuse(*_: object) -> sqlite3.Connection:
        raise PermissionError("read-only")

    monkeypatch.setattr(index_module, "_connect", refuse)
    found = told_of(folder)
    monkeypatch.undo()
    assert (folder.index.read_bytes() if folder.index.exists() else None) == before
    told_of(folder)
    assert found == from_nothing(folder)


def test_whoever_holds_the_index_keeps_nobody_from_reading(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, lines()[:30])
    told_of(folder)
    write(folder, lines()[30:])
    monkeypatch.setattr(index_module, "_WAIT_S", 0.05)
    monkeypatch.setattr(index_module._connect, "__defaults__", (0.05,))
    holder = sqlite3.connect(folder.index, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with open_index(folder) as index:
            assert len(index) == len(RUN)
    finally:
        holder.close()


def test_a_run_that_has_not_begun_has_nothing_to_tell(folder: RunFolder) -> None:
    with open_index(folder) as index:
        assert (len(index), index.best(), list(index.timeline())) == (0, None, [])
    write(folder, lines())
    assert len(told_of(folder)[0]) == len(lines())


def test_a_copied_run_takes_its_index_along(folder: RunFolder, tmp_path: Path) -> None:
    write(folder, lines())
    whole = told_of(folder)
    shutil.copytree(folder.path, tmp_path / "copy")
    assert told_of(RunFolder(tmp_path / "copy")) == whole
    assert len(list(read_entries(folder.journal))) == len(lines())
    assert (os.stat(folder.index).st_mode & 0o777) == 0o600
    assert json.loads(folder.config.read_text())["info"]["problem"] == "toy"
