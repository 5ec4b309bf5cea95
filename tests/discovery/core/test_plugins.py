"""Another package's operator and stop rule: those of docs/extending.md, installed as any package is, search for real."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.discovery.conftest import Discovery, last_json

DOCS = Path(__file__).parents[3] / "docs" / "extending.md"
LINES = '''"""Return as large a number as possible."""
from evaluators.contract import Case, Measure, Objective

SEED = """def answer():
    number = 2
    number = number + 3
    number = number * 5
    number = number - 7
    return number
"""
OBJECTIVE = Objective("number", bound=18.0)
MEASURES = (Measure("last", 0, 10, bins=10),)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    return {"number": float(output), "last": float(output) % 10}
'''


def install(
    place: Path, package: str, modules: Mapping[str, str], entries: Mapping[str, Mapping[str, str]]
) -> None:
    """Puts a package and what pip writes beside it into a folder."""
    (place / package).mkdir(parents=True)
    (place / package / "__init__.py").write_text("")
    for name, text in modules.items():
        (place / package / f"{name}.py").write_text(text)
    info = place / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items())
        for group, names in entries.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))


@pytest.fixture
def guests(tmp_path: Path) -> Path:
    """A folder with the package of docs/extending.md."""
    swap, steps, first = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    entries = {
        "discovery.operators": {"swap": "my_package.swap:Swap"},
        "discovery.stoppers": {"first": "my_package.first:First"},
        "discovery.languages": {"steps": "my_package.steps:STEPS"},
    }
    install(tmp_path / "guests", "my_package", {"swap": swap, "first": first, "steps": steps}, entries)
    return tmp_path / "guests"


def test_a_run_with_the_operator_and_the_stop_rule_of_another_package(
    discovery: Discovery, guests: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines.py").write_text(LINES)
    arguments = ("run", tmp_path / "lines.py", "--operators", "swap", "--stopper", "first=4", "--seed", 1)
    done = discovery(*arguments, "--out", tmp_path / "run", "--json", PYTHONPATH=str(guests))
    assert done.returncode == 0, done.stderr
    assert last_json(done)["reason"] == "stopper:first"
    assert last_json(done)["best_score"] > 18 - 7
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    records = [entry["record"] for entry in map(json.loads, lines) if entry["type"] == "evaluated"]
    assert {record["operator"] for record in records} == {"seed", "swap"}
    assert json.loads(lines[-1])["message"] == "first: 4 values seen"
    again = discovery("resume", tmp_path / "run", "--json", PYTHONPATH=str(guests))
    assert again.returncode == 0, again.stderr
    assert last_json(again)["evaluations"] == len(records)
    missing = discovery("resume", tmp_path / "run")
    assert missing.returncode == 2
    assert "unknown stopper 'first'" in missing.stderr


WALK = '''"""Walk as far as 20 steps, and no further."""
from evaluators.contract import Case, Measure, Objective

ENTRY = "walk.steps"
SEED = """# a walk
forward 9.0
onward 8.0
"""
OBJECTIVE = Objective("nearness", bound=0.0)
MEASURES = (Measure("steps", 0, 40, bins=10),)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs, files):
    lines = [line.split() for line in files["walk.steps"].splitlines() if not line.startswith("#")]
    return sum(float(words[1]) for words in lines)


def score(case, output):
    return {"nearness": -abs(output - 20.0), "steps": float(output)}
'''


def test_a_run_in_the_language_of_another_package(discovery: Discovery, guests: Path, tmp_path: Path) -> None:
    """Its numbers are tuned as those of a shipped language are, and what it finds faulty is not evaluated."""
    (tmp_path / "walk.py").write_text(WALK)
    arguments = ("run", tmp_path / "walk.py", "--operators", "tune=3,swap=1", "--seed", 1, "--evals", 40)
    done = discovery(*arguments, "--out", tmp_path / "run", "--json", PYTHONPATH=str(guests))
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    records = [entry["record"] for entry in map(json.loads, lines) if entry["type"] == "evaluated"]
    assert {record["operator"] for record in records} >= {"seed", "tune"}
    assert last_json(done)["best_score"] > -1.0 > -abs(20.0 - 9.0 - 8.0)
    missing = discovery(*arguments, "--out", tmp_path / "other", PYTHONPATH="")
    assert missing.returncode != 0
    assert "swap" in missing.stderr


def test_a_run_whose_operator_is_not_installed_here_says_so(
    discovery: Discovery, guests: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines.py").write_text(LINES)
    run = (
        "run",
        tmp_path / "lines.py",
        "--operators",
        "swap",
        "--evals",
        3,
        "--seed",
        1,
        "--out",
        tmp_path / "run",
    )
    assert discovery(*run, PYTHONPATH=str(guests)).returncode == 0
    missing = discovery("resume", tmp_path / "run", "--evals", 4)
    assert missing.returncode == 1
    assert "operators swap are not installed here" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert discovery("report", tmp_path / "run").returncode == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            "nowhere.swap:Swap",
            "the package other registers 'mine' under discovery.operators, which cannot be loaded",
        ),
        ("other:Nothing", "which cannot be loaded"),
    ],
)
def test_a_broken_package_is_named(
    discovery: Discovery, tmp_path: Path, toy: Path, value: str, words: str
) -> None:
    install(tmp_path / "guests", "other", {}, {"discovery.operators": {"mine": value}})
    done = discovery("run", toy, "--evals", 2, PYTHONPATH=str(tmp_path / "guests"))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_two_packages_under_one_name_are_both_named(discovery: Discovery, guests: Path, toy: Path) -> None:
    install(guests, "other", {}, {"discovery.operators": {"swap": "other:Swap"}})
    done = discovery("run", toy, "--evals", 2, PYTHONPATH=os.fspath(guests))
    assert done.returncode == 2
    assert "my_package.swap:Swap and other:Swap" in done.stderr + done.stdout


def test_a_command_of_another_package(discovery: Discovery, tmp_path: Path) -> None:
    text = "import click\n\n@click.command()\ndef greet():\n    'Say hello.'\n    click.echo('hello')\n"
    install(
        tmp_path / "guests",
        "polite",
        {"greet": text},
        {"discovery.commands": {"greet": "polite.greet:greet"}},
    )
    path = str(tmp_path / "guests")
    assert re.search(r"greet +Say hello\.", discovery("--help", PYTHONPATH=path).stdout)
    assert discovery("greet", PYTHONPATH=path).stdout == "hello\n"
