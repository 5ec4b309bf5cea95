from __future__ import annotations

from pathlib import Path

from benchmarks.foreign import find_folders, table, why_not
from tests.foreign_folders import LOONGFLOW, OPENEVOLVE, write_folder


def test_every_folder_with_a_program_and_an_evaluator_is_found(tmp_path: Path) -> None:
    write_folder(tmp_path / "a" / "13", OPENEVOLVE)
    write_folder(tmp_path / "b", LOONGFLOW)
    write_folder(tmp_path / "rust", {"initial_program.rs": "", "evaluator.py": ""})
    write_folder(tmp_path / "tests" / "c", OPENEVOLVE)
    write_folder(tmp_path / "library", {"evaluator.py": ""})
    found = [path.relative_to(tmp_path).as_posix() for path in find_folders(tmp_path)]
    assert found == ["a/13", "b", "rust"]


def test_the_table_counts_what_works_and_says_what_does_not() -> None:
    findings = [{"title": "self-scored"}, {"title": "seed is not repeatable"}]
    good = {"works": True, "seconds": 8.0, "evaluations": 20, "seed_score": 0.25, "best_score": 0.5}
    rows = [
        {"folder": "x/good", "findings": findings, **good},
        {"folder": "x/bad", "works": False, "why": "the seed fails: no root"},
    ]
    text = table(rows)
    assert text.startswith("1 of 2 folders work.")
    assert "| x/good | 0.25 | 0.5 | 0.4 | seed is not repeatable |" in text
    assert "| x/bad | the seed fails: no root |" in text


def test_the_first_thing_in_the_way_is_told() -> None:
    row = {
        "evaluator_fault": "",
        "seed_score": 1.0,
        "seed_reason": "",
        "findings": [],
        "stopped": "",
        "evaluations": 3,
    }
    assert why_not(row, 20) == "3 of 20 evaluations in the time"
    row["stopped"] = "stopped: nothing new"
    assert why_not(row, 20) == "stopped: nothing new"
    row["findings"] = [{"level": "error", "detail": "no measure"}]
    assert why_not(row, 20) == "no measure"
    row |= {"seed_score": None, "seed_reason": "negative"}
    assert why_not(row, 20) == "the seed fails: negative"
    row["evaluator_fault"] = "KeyError: 'x'"
    assert why_not(row, 20) == "the evaluator fails on the seed: KeyError: 'x'"
