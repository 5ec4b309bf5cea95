from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from discovery.core.errors import RunFolderError
from discovery.storage.run_folder import RunFolder

SECRET = bytes(range(16))


def test_settings_survive_and_are_private(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({"config": {"seed": 3}}, SECRET)
    assert folder.read_settings() == {"config": {"seed": 3}, "has_secret": True}
    assert folder.config.stat().st_mode & 0o077 == 0


def test_a_used_folder_is_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({}, SECRET)
    with pytest.raises(RunFolderError, match=r"not empty; continue it with: discovery resume .*--out"):
        folder.create({}, SECRET)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "config.json is missing"),
        ("{", "cannot read"),
        ("[]", "this version"),
        ('{"format": 99}', "this version"),
    ],
)
def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunFolderError, match=message):
        RunFolder(tmp_path).read_settings()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder at .*gone"):
        RunFolder(tmp_path / "gone").read_settings()


def test_an_unwritable_place_is_named() -> None:
    with pytest.raises(RunFolderError, match="--out"):
        RunFolder(Path("/proc/nothing/here")).create({}, SECRET)


def test_a_full_disk_keeps_nobody_from_holding_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = RunFolder(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with folder.lock():
            assert folder.is_locked()
        patched.setattr(os, "open", full)
        with pytest.raises(RunFolderError, match="No space left on device; make room"):
            with folder.lock():
                pass


def test_a_second_process_is_kept_out_and_told_who_is_in(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from discovery.storage.run_folder import RunFolder\n"
        "with RunFolder(pathlib.Path(sys.argv[1])).lock():\n"
        "    print('locked', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "locked\n"
        with (
            pytest.raises(RunFolderError, match=f"in use by process {holder.pid}"),
            RunFolder(tmp_path).lock(),
        ):
            pass
        holder.kill()
    with RunFolder(tmp_path).lock():
        assert (tmp_path / ".lock").exists()
