from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.errors import JournalError
from discovery.storage import journal as journal_module
from discovery.storage.journal import DiskFull, Journal, read_entries

ENTRIES = [{"type": "evaluated", "n": n, "text": "ü" * n} for n in range(20)]


def written(path: Path, entries=ENTRIES) -> Path:
    journal = Journal(path)
    journal.append(entries)
    journal.close()
    return path


def test_reads_back_what_was_appended(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    assert list(read_entries(path)) == ENTRIES
    written(path, [{"type": "closed"}])
    assert list(read_entries(path))[-1] == {"type": "closed"}


@given(cut=st.integers(1, 400))
def test_a_torn_tail_is_cut_off_and_the_rest_is_kept(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = written(tmp_path_factory.mktemp("torn") / "journal.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    kept = whole[:-cut].count(b"\n")
    assert list(read_entries(path)) == ENTRIES[:kept]
    written(path, [{"type": "opened"}])
    assert list(read_entries(path)) == [*ENTRIES[:kept], {"type": "opened"}]


@pytest.mark.parametrize("garbage", [b"\x00\x00\x00\n", b"{broken}\n", b"[1, 2]\n", b"\xff\xfe", b"12"])
def test_a_corrupt_last_line_is_passed_over(tmp_path: Path, garbage: bytes) -> None:
    path = written(tmp_path / "journal.jsonl")
    with path.open("ab") as file:
        file.write(garbage)
    assert list(read_entries(path)) == ENTRIES
    written(path, [{"type": "opened"}])
    assert list(read_entries(path)) == [*ENTRIES, {"type": "opened"}]


def test_a_corrupt_line_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[4:]]))
    with pytest.raises(JournalError, match="line 4 .* keep its first 3 lines"):
        list(read_entries(path))


def test_a_torn_last_line_longer_than_the_window_is_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path / "journal.jsonl")
    with path.open("ab") as file:
        file.write(b'{"type": "' + b"x" * 200_000)
    written(path, [{"type": "opened"}])
    assert list(read_entries(path)) == [*ENTRIES, {"type": "opened"}]


def test_not_a_number_never_reaches_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.append([{"score": float("nan")}])
    journal.close()
    assert (tmp_path / "journal.jsonl").read_bytes() == b""


class FullDisk:
    """A disk that is full until the reserve is given back (or for ever)."""

    def __init__(self, reserve: Path, *, for_ever: bool = False) -> None:
        self.reserve, self.for_ever, self.write = reserve, for_ever, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.reserve.exists() or self.for_ever:
            self.write(fd, bytes(data)[:5])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.write(fd, data)


def test_a_full_disk_saves_from_the_reserve_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(ENTRIES[:2])
    monkeypatch.setattr(journal_module.os, "write", FullDisk(tmp_path / ".reserve"))
    with pytest.raises(DiskFull, match="all results so far are saved.*discovery resume") as caught:
        journal.append(ENTRIES[2:4])
    assert caught.value.is_saved
    monkeypatch.undo()
    journal.close()
    assert list(read_entries(path)) == ENTRIES[:4]


def test_a_disk_without_even_the_reserve_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append(ENTRIES[:2])
    monkeypatch.setattr(journal_module.os, "write", FullDisk(tmp_path / ".reserve", for_ever=True))
    with pytest.raises(DiskFull, match="could not be saved") as caught:
        journal.append(ENTRIES[2:4])
    assert not caught.value.is_saved
    monkeypatch.undo()
    journal.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == ENTRIES[:2]


def test_an_unreadable_journal_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"cannot read the journal .*nothing\.jsonl"):
        list(read_entries(tmp_path / "nothing.jsonl"))
    with pytest.raises(JournalError, match="cannot open the journal"):
        Journal(tmp_path)
