"""The sealed test of a small run, from the command line's point of view."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from discovery.cli.history import best, report
from discovery.execution.runs import run_folder
from discovery.families.alphas.unseal import unseal
from discovery.families.alphas.unsealing import ASKED, SealError, open_test, openings, panel_of
from discovery.storage.git.repository import Repository
from discovery.storage.journal import read_entries
from evaluators.alphas.markets.panel import save_panel
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.problem_text import with_panel
from problems.alphas import alpha_single
from tests.discovery.conftest import Discovery
from tests.discovery.pages import report_data


@pytest.fixture(scope="module")
def small_problem(tmp_path_factory) -> Path:
    text = Path(str(alpha_single.__file__)).read_text()
    text = text.replace("sealed=not SEALED", "days=560, names=60, sealed=not SEALED")
    path = tmp_path_factory.mktemp("problem") / "small_alpha.py"
    path.write_text(text.replace("THRESHOLDS = (-0.03,)", "THRESHOLDS = (-1.0,)"))
    return path


def call(command, *arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout if "--json" in arguments else result.output


def test_the_test_is_opened_once_and_everything_says_so(
    discovery: Discovery, small_problem: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = discovery("run", small_problem, "--evals", 4, "--seed", 3, "--workers", 1, "--out", run)
    assert done.returncode == 0, done.stderr
    folder = run_folder(run)
    entries = list(read_entries(folder.journal))
    ids = [entry["record"]["program_id"] for entry in entries if entry["type"] == "evaluated"]
    exams = [entry for entry in entries if entry["type"] == "held_out"]
    assert exams[-1]["exhibit"]
    said = call(best, run)
    assert "after 4 trials" in said
    assert "sealed test" not in said

    opened = json.loads(call(unseal, run, "--program", "best", "--json"))
    assert opened["number"] == 1
    assert opened["trials"] == 4
    assert opened["metrics"]["rank_ic"] != exams[-1]["metrics"]["rank_ic"]
    kinds = [entry["type"] for entry in read_entries(folder.journal)]
    assert kinds[-2:] == ["unsealing", "unsealed"]
    asked_again = open_test(folder, "best")
    assert asked_again.metrics == opened["metrics"]  # the same question: the same answer, no second look
    assert len(openings(read_entries(folder.journal))) == 1
    other = next(program_id for program_id in ids if program_id != opened["program_id"])
    with pytest.raises(SealError, match="A second look would choose by it"):
        open_test(folder, other)

    again = open_test(folder, other, again=True)
    assert again.number == 2
    assert "look number 2: no longer an independent test" in call(best, run)
    call(report, run)
    assert "look number 2" in json.dumps(report_data(run / "report.html"))
    tags = Repository(folder.lineage).run("tag", "-n12", "--list", "sealed-test-*")
    assert "Trials: 4" in tags
    assert "sealed-test-2" in tags
    Repository(folder.lineage).run("fsck", "--strict")
    shown = json.loads(call(best, run, "--json"))
    assert [look["number"] for look in shown["sealed_test"]] == [1, 2]
    assert shown["admission"]["trials"] == 4
    resumed = discovery("resume", run, "--evals", 6)
    assert resumed.returncode == 0, resumed.stderr
    assert "after 6 trials" in call(best, run)


def test_a_look_that_crashed_counts() -> None:
    asked = {
        "number": 1,
        "at_s": 0.0,
        "program_id": "a",
        "trials": 9,
        "effective_trials": None,
        "deflated": None,
        "admitted": False,
    }
    (found,) = openings([{"type": ASKED, "opening": asked}])
    assert found.metrics is None
    assert found.text.endswith("for a, a not admitted program, after 9 trials: never answered")


def test_looks_of_other_runs_at_the_same_panel_count(
    discovery: Discovery, small_problem: Path, tmp_path: Path
) -> None:
    panel = save_panel(synthesize(5, days=560, names=60).panel, tmp_path / "panel")
    problem = tmp_path / "mine.py"
    problem.write_text(with_panel(small_problem.read_text(), panel))
    assert panel_of(problem.read_text()) == panel
    assert panel_of(small_problem.read_text()) is None
    runs = [run_folder(tmp_path / name) for name in ("one", "two")]
    for seed, folder in enumerate(runs):
        done = discovery("run", problem, "--evals", 1, "--seed", seed, "--workers", 1, "--out", folder.path)
        assert done.returncode == 0, done.stderr
    assert open_test(runs[0], "best").looks_elsewhere == 0
    with pytest.raises(SealError, match=r"opened 1 times by other runs, last by .*one"):
        open_test(runs[1], "best")
    second = open_test(runs[1], "best", again=True)
    assert (second.number, second.looks_elsewhere) == (1, 1)
    assert "look number 2: no longer an independent test" in call(best, runs[1].path)
