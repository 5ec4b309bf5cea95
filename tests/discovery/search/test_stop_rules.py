from __future__ import annotations

import json
from pathlib import Path

import pytest

from discovery.core.errors import ConfigError
from discovery.search.stop_rules import make_stop_rules
from discovery.storage.journal import read_entries
from tests.discovery.conftest import Discovery, last_json


def unchanged(run: Path) -> int:
    """How many evaluations in a row changed no archive, counted from the journal's end."""
    records = [
        entry["record"] for entry in read_entries(run / "journal.jsonl") if entry["type"] == "evaluated"
    ]
    count = 0
    for record in reversed(records):
        if record.get("changes"):
            break
        count += 1
    return count


def test_a_stop_rule_ends_a_run_successfully_and_again_when_it_is_resumed(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = discovery(
        "run",
        toy,
        "--evals",
        5000,
        "--seed",
        3,
        "--workers",
        1,
        "--stopper",
        "no_gain=25",
        "--out",
        run,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    found = last_json(done)
    assert found["reason"] == "stopper:no_gain"
    assert unchanged(run) == 25
    closed = [entry for entry in read_entries(run / "journal.jsonl") if entry["type"] == "closed"]
    assert closed[-1]["reason"] == "stopper:no_gain"
    assert closed[-1]["message"] == "no_gain: no archive changed in 25 evaluations"
    again = discovery("resume", run, "--json")
    assert again.returncode == 0, again.stderr
    assert last_json(again)["reason"] == "stopper:no_gain"
    assert last_json(again)["evaluations"] == found["evaluations"] < 5000


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["no_gian=3"], "did you mean 'no_gain'"),
        (["no_gain"], ">= 1, got ''; as in: no_gain=500"),
        (["no_gain=0"], ">= 1, got '0'"),
        (["no_gain=3", "no_gain=4"], "given twice"),
    ],
)
def test_a_wrong_rule_says_what_is_right(rules: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_stop_rules(rules)


def test_a_wrong_rule_leaves_no_run_behind(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    done = discovery("run", toy, "--stopper", "no_gain=often", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "stopper no_gain must be given a number" in done.stderr
    assert not (tmp_path / "run").exists()


def test_rules_may_stand_in_a_file(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('evals = 400\nstopper = ["no_gain=2"]\n')
    done = discovery("run", toy, "--config", tmp_path / "run.toml", "--out", tmp_path / "run", "--json")
    assert last_json(done)["reason"] == "stopper:no_gain", done.stderr
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["stoppers"] == ["no_gain=2"]
