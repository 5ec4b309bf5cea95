"""The command line on folders of other systems: run, check, what is shown of it, and convert."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from discovery.cli import conversion
from discovery.core.errors import ConfigError
from discovery.core.texts import SELF_SCORED
from discovery.storage.journal import read_entries
from evaluators.problems.loading import ProblemError, load_problem
from tests.discovery.conftest import Discovery, discovery, last_json
from tests.discovery.pages import report_data
from tests.foreign_folders import FOLDERS, LOONGFLOW, OPENEVOLVE, SEED_SCORE, SHINKA, write_folder

__all__ = ["discovery"]


def test_a_run_on_a_folder_is_marked_wherever_its_scores_are_shown(
    discovery: Discovery, tmp_path: Path
) -> None:
    write_folder(tmp_path / "square_root", OPENEVOLVE)
    done = discovery(
        "run", "./square_root", "--evals", 12, "--workers", 1, "--seed", 1, "--out", "out", "--json"
    )
    assert done.returncode == 0, done.stderr
    summary = last_json(done)
    assert (summary["problem"], summary["evaluations"], summary["self_scored"]) == ("square_root", 12, True)
    assert summary["best_score"] > SEED_SCORE
    assert "self-scored" in done.stderr
    entries = list(read_entries(tmp_path / "out" / "journal.jsonl"))
    records = [entry["record"] for entry in entries if entry["type"] == "evaluated"]
    assert all(record["evaluation"]["self_scored"] is True for record in records)
    logged = discovery("log", "out")
    assert logged.stdout.count("self-scored") == sum("score" in record["evaluation"] for record in records)
    assert all(entry["self_scored"] for entry in json.loads(discovery("log", "out", "--json").stdout))
    assert "(self-scored)" in discovery("best", "out").stderr
    shown = discovery("show", "out", "best").stdout
    assert SELF_SCORED in shown
    assert "hint: the square is" in shown
    discovery("report", "out", "--out", "report.html")
    data = report_data(tmp_path / "report.html")
    assert "which could have forged it" in data["view"]["trust"]
    assert data["programs"]
    assert all(program["self_scored"] for program in data["programs"].values())


def test_a_run_on_a_problem_of_our_own_is_not_marked(discovery: Discovery, toy: Path) -> None:
    done = discovery("run", toy, "--evals", 3, "--workers", 1, "--seed", 1, "--out", "out", "--json")
    assert last_json(done)["self_scored"] is False
    assert "self-scored" not in discovery("log", "out").stdout + discovery("show", "out", "best").stdout
    discovery("report", "out", "--out", "report.html")
    data = report_data(toy.parent / "report.html")
    assert data["view"]["trust"] == ""
    assert not any(program["self_scored"] for program in data["programs"].values())


@pytest.mark.parametrize("kind", FOLDERS)
def test_check_passes_and_tells_that_scores_can_be_forged(
    kind: str, discovery: Discovery, tmp_path: Path
) -> None:
    write_folder(tmp_path / "square_root", FOLDERS[kind])
    done = discovery("check", "./square_root", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    findings = {finding["title"]: finding for finding in last_json(done)["findings"]}
    assert "discovery convert" in findings["self-scored"]["remedy"]


def test_a_folder_with_half_a_format_is_refused_in_one_line(discovery: Discovery, tmp_path: Path) -> None:
    write_folder(tmp_path / "half", {"initial_program.py": "x = 1\n"})
    for command in (("check", "./half"), ("run", "./half", "--evals", 1)):
        done = discovery(*command)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "has no evaluator beside it" in done.stderr


SCORES = {
    "openevolve": "    return {'combined_score': closeness(float(output))}\n",
    "shinka": "    return {'combined_score': 1.0 - abs(float(output) ** 2 - 2.0)}\n",
    "loongflow": "    return {'score': 1.0 - abs(float(output) ** 2 - 2.0)}\n",
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_converted_folder_needs_its_score_and_nothing_else(
    kind: str, discovery: Discovery, tmp_path: Path
) -> None:
    write_folder(tmp_path / "square_root", FOLDERS[kind])
    done = discovery("convert", "square_root", "--json")
    assert done.returncode == 0, done.stderr
    assert last_json(done)["missing"] == ["score(): judge what root() returns, as the text in it says"]
    problem = load_problem(str(tmp_path / "square_root_native"))
    assert not problem.self_scored
    assert problem.goal.startswith("Return the square root of two.")
    assert problem.limits.wall_s == 20
    checked = discovery("check", "./square_root_native")
    assert checked.returncode == 1
    assert "score() is still to be written" in checked.stdout
    assert (
        checked.stdout.count("ERROR") == 2
    )  # the seed has no score, which is said of the seed and of score()
    module = tmp_path / "square_root_native" / "problem.py"
    text = module.read_text()
    assert ("def closeness(value):" in text) == (kind == "openevolve")
    guard = "    if type(output) is not float or not 0 <= output <= 9:\n        raise Invalid('a number is asked for')\n"
    module.write_text(text[: text.rindex("    raise Invalid(")] + guard + SCORES[kind])
    done = discovery("check", "./square_root_native", "--json")
    assert done.returncode == 0, done.stdout
    evaluated = last_json(
        discovery("evaluate", "./square_root_native", "square_root_native/" + problem.seed.entry, "--json")
    )
    assert evaluated["score"] == pytest.approx(SEED_SCORE)
    assert "self_scored" not in evaluated


def test_parts_that_name_the_other_system_stay_behind(tmp_path: Path) -> None:
    more = "\n\ndef failed(why):\n    return EvaluationResult({'combined_score': 0.0}, {'error': why})\n"
    evaluator = OPENEVOLVE["evaluator.py"] + more + "\n\nLIMIT = 9.0\n"
    found = conversion.convert(
        write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=evaluator), tmp_path / "out"
    )
    text = (found.path / "problem.py").read_text()
    assert "LIMIT = 9.0" in text
    assert "failed" not in text
    assert not load_problem(str(found.path)).self_scored


def test_what_a_converted_function_must_be_given_is_named(tmp_path: Path) -> None:
    program = "def root(of, steps=3, *, start):\n    return start\n"
    folder = write_folder(tmp_path / "a", LOONGFLOW, initial_program_py=program)
    found = conversion.convert(folder, tmp_path / "out")
    assert found.missing[0] == "cases(): root() must be given of, start; see eval_program.py for the values"
    assert 'inputs={"of": None, "start": None}' in (tmp_path / "out" / "problem.py").read_text()


def test_modules_of_the_folder_that_the_program_imports_come_with_it(tmp_path: Path) -> None:
    program = "import pieces.one\n# EVOLVE-BLOCK-START\ndef root():\n    return 1.25\n# EVOLVE-BLOCK-END\n"
    more = {"pieces/one.py": "import two\n", "two.py": "x = 1\n", "unused.py": "x = 1\n"}
    folder = write_folder(tmp_path / "a", OPENEVOLVE | more, initial_program_py=program)
    found = conversion.convert(folder, tmp_path / "out")
    problem = load_problem(str(found.path))
    assert set(problem.seed.files) == {"initial_program.py", "pieces/one.py", "two.py"}
    assert not (found.path / "unused.py").exists()


def test_a_task_with_quotes_and_backslashes_is_told_as_it_stands(tmp_path: Path) -> None:
    task = 'Say """hello""" with a \\n in it, and end in "quotes"'
    config = f"search_task_sys_msg = {task!r}\n"
    found = conversion.convert(write_folder(tmp_path / "a", SHINKA, run_evo_py=config), tmp_path / "out")
    assert load_problem(str(found.path)).goal.startswith(task)


def test_nothing_is_overwritten_and_a_plain_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", OPENEVOLVE)
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        conversion.convert(folder, tmp_path / "out")
    with pytest.raises(ProblemError, match="is no folder of OpenEvolve"):
        conversion.convert(tmp_path / "out")
