"""The README is held to what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from discovery.cli.main import COMMANDS, cli
from discovery.core import plugins
from tests.discovery.conftest import Discovery, discovery, last_json

__all__ = ["discovery"]

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FEATURES = re.findall(r"^\| ([^|]+) \| (yes|partly|not yet) \| ([^|]+) \|$", README, re.MULTILINE)


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize(("feature", "state", "where"), FEATURES, ids=[row[0][:40] for row in FEATURES])
def test_what_is_said_to_be_there_is_there_and_nothing_else(feature: str, state: str, where: str) -> None:
    modules = re.findall(r"`([\w.]+)`", where)
    assert modules, feature
    assert all(exists(module) == (state != "not yet") for module in modules), (feature, state)


def test_the_table_tells_of_both() -> None:
    assert {state for _, state, _ in FEATURES} >= {"yes", "not yet"}
    assert len(FEATURES) > 8


def test_every_command_is_named_and_every_named_command_exists() -> None:
    named = set()
    for cell in re.findall(r"^\| `discovery ([^`]+)` \|", README, re.MULTILINE):
        named |= set(re.findall(r"\b[a-z]+\b", cell))
    commands = {*COMMANDS, *plugins.names("discovery.commands")}
    assert named == commands
    for name in re.findall(r"^    discovery (\w+)", README, re.MULTILINE):
        assert name in commands


def test_every_option_of_run_in_the_readme_exists() -> None:
    shown = CliRunner().invoke(cli, ["run", "--help"]).output
    row = next(line for line in README.splitlines() if line.startswith("| `discovery run PROBLEM`"))
    options = re.findall(r"--[a-z-]+", row)
    assert len(options) > 10
    assert [option for option in options if option not in shown] == []


def test_every_linked_document_and_benchmark_exists() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for module in re.findall(r"python -m (benchmarks\.\w+)", README):
        assert exists(module), module


def test_the_problem_in_the_readme_gives_a_result(discovery: Discovery, tmp_path: Path) -> None:
    source = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert source is not None
    (tmp_path / "sqrt_two.py").write_text(source[1])
    checked = discovery("check", "sqrt_two.py", "--json")
    assert checked.returncode == 0, checked.stderr
    assert not [finding for finding in last_json(checked)["findings"] if finding["level"] != "note"]
    done = discovery("run", "sqrt_two.py", "--evals", 150, "--seed", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert last_json(done)["best_score"] < 0.05


def test_the_python_in_the_readme_does_the_same_in_six_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem, script = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(script.splitlines()) == 6
    (tmp_path / "sqrt_two.py").write_text(problem)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert 0 < float(lines[0].split()[0]) < 0.05
    assert lines[1:][-1].endswith(lines[0].split()[0])
    assert (tmp_path / "runs" / "sqrt_two-1" / "journal.jsonl").exists()
