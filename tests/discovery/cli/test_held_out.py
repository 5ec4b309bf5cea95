"""What held-out cases say stands wherever a person looks at a program."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import discovery
from discovery.cli.main import cli
from discovery.storage.exams import read_exams
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program
from tests.discovery.pages import report_data

PROBLEM = '''"""Return large numbers; those below 5 and above are good on what is seen, and on nothing else."""
from evaluators.contract import Case, Invalid, Limits, Objective

SEED = "def value():\\n    return 1.0\\n"
OBJECTIVE = Objective("value")
LIMITS = Limits(cpu_s=5, wall_s=20)


def cases(rng, stage):
    return [Case(inputs=1)]


def held_out(rng):
    return [Case(inputs=-1)]


def run(program, inputs):
    return inputs * program.value()


def score(case, output):
    if output < -90:
        raise Invalid("too large for what was not seen")
    return {"value": float(output)}
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run whose visible and held-out scores are at odds, and whose best program fails on the held-out cases."""
    folder = tmp_path_factory.mktemp("held_out")
    problem = folder / "contrary.py"
    problem.write_text(PROBLEM)
    out = folder / "run"
    study = discovery.study(str(problem), seed=1, workers=1, evals=11, out=str(out))
    for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 100):
        question = study.ask()
        study.tell(question, Program({"program.py": f"def value():\n    return {number}.0\n"}))
    study.close()
    return out


def told(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_best_says_that_it_failed_there_and_how_scores_agree(run: Path):
    text = told("best", run)
    assert "held out: failed (too large for what was not seen)" in text
    assert "warning: rank correlation of visible and held-out scores -1.00 over 10 programs" in text
    data = json.loads(told("best", run, "--json").strip().splitlines()[-1])
    assert (data["held_out"], data["score"]) == ({}, 100.0)
    assert "too large" in data["held_out_failed"]


def test_the_best_by_held_out_cases_says_that_they_are_no_longer_held_out(run: Path):
    text = told("best", run, "--by", "held-out")
    assert "no longer held out" in text
    assert "held out: value -1" in text
    assert "return 1.0" in text


def test_log_and_show_tell_it_of_every_program_that_was_examined(run: Path):
    lines = told("log", run).splitlines()
    assert len(lines) == 11
    assert all("held out " in line for line in lines)
    assert "held out failed (too large" in lines[0]
    assert "held out value -1" in told("show", run, read_first(run))


def read_first(run: Path) -> str:
    return next(iter(read_exams(RunFolder(run))))


def test_the_lineage_has_it_as_trailers(run: Path):
    command = [
        "git",
        "-C",
        str(run / "lineage"),
        "log",
        "--all",
        "--format=%N",
        "--notes=refs/notes/held-out",
    ]
    notes = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 'Held-Out: {"value": -10.0}' in notes
    assert "Held-Out-Failed: held-out cases: too large for what was not seen" in notes


def test_verify_tells_that_nothing_is_known_of_cases_that_were_not_seen(run: Path):
    text = told("verify", run)
    assert text.startswith("confirmed")
    assert "held out: failed (too large for what was not seen); nothing is known of it" in text
    assert "too large" in json.loads(told("verify", run, "--json"))["held_out_failed"]


def test_the_report_tells_it_too(run: Path, tmp_path: Path):
    told("report", run, "--out", tmp_path / "report.html")
    facts = report_data(tmp_path / "report.html")["view"]
    assert "too large for what was not seen" in facts["exam_fault"]
    assert "rank correlation of visible and held-out scores -1.00" in facts["agreement"]
