from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest

from discovery.core.errors import ConfigError, RunFolderError
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import (
    derived_secret,
    new_secret,
    paired_secret,
    read_secret,
    shared_secret,
    write_secret,
)


def test_secrets_are_128_bits_and_never_the_same():
    found = {new_secret() for _ in range(1000)}
    assert len(found) == 1000
    assert {len(secret) for secret in found} == {16}


def test_a_file_that_is_not_there_is_made_for_its_owner_alone_and_then_kept(tmp_path: Path):
    path = tmp_path / "shared"
    secret = shared_secret(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert shared_secret(path) == secret == read_secret(path)
    assert shared_secret(None) != shared_secret(None)


@pytest.mark.parametrize("text", ["", "abc", "00" * 15, "00" * 17, "g" * 32, "0x" + "0" * 30, "é" * 16])
def test_what_is_no_secret_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "short"
    path.write_text(text)
    with pytest.raises(ConfigError, match="must hold 32 hexadecimal digits"):
        shared_secret(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="secret file .*gone/secret cannot be used"):
        shared_secret(tmp_path / "gone" / "secret")


def test_a_written_secret_is_not_overwritten(tmp_path: Path):
    write_secret(tmp_path / "secret", bytes(16))
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "secret", bytes(16))


def test_pairs_that_share_a_secret_differ_by_seed():
    assert paired_secret(bytes(16), 1) == paired_secret(bytes(16), 1)
    assert len({paired_secret(shared, seed) for shared in (bytes(16), b"1" * 16) for seed in range(5)}) == 10


class TestOfARun:
    def make(self, tmp_path: Path) -> RunFolder:
        folder = RunFolder(tmp_path / "run")
        folder.create({"config": {"seed": 3}}, bytes(range(16)))
        return folder

    def test_it_is_a_private_file_and_not_in_the_settings(self, tmp_path: Path):
        folder = self.make(tmp_path)
        assert folder.read_secret(3) == bytes(range(16))
        assert stat.S_IMODE(folder.secret.stat().st_mode) == 0o600
        assert bytes(range(16)).hex() not in folder.config.read_text()

    def test_a_lost_or_damaged_one_is_not_replaced_by_what_the_seed_gives(self, tmp_path: Path):
        folder = self.make(tmp_path)
        folder.secret.write_text("damaged")
        with pytest.raises(RunFolderError, match="32 hexadecimal digits.*restore it from a backup"):
            folder.read_secret(3)
        folder.secret.unlink()
        with pytest.raises(RunFolderError, match="is missing.*restore it from a backup"):
            folder.read_secret(3)

    def test_a_run_of_a_former_version_has_what_its_seed_gives_and_warns(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        folder = self.make(tmp_path)
        folder.secret.unlink()
        folder.config.write_text(json.dumps({"format": 1, "config": {"seed": 3}}))
        with caplog.at_level(logging.WARNING):
            assert folder.read_secret(3) == derived_secret(3) != derived_secret(4)
        assert "hidden cases follow from --seed" in caplog.text
