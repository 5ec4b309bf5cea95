"""Rows of groups and cases, worst first."""

from __future__ import annotations

from discovery.reporting.part_lines import MOST_ROWS, part_lines
from evaluators.contract import Evaluation, Objective, Part, Status

PARTS = (Part("easy", {"cost": 1.0}, cases=3), Part("hard\x1b[2J", {"cost": 7.25, "width": 2.0}, cases=2))
CASES = tuple(Part("", {"cost": float(n)}, "easy") for n in range(MOST_ROWS + 5))


def test_the_worst_comes_first_and_what_is_foreign_is_made_safe() -> None:
    evaluation = Evaluation(Status.OK, 4.0, by_group=PARTS, by_case=CASES, held_out_by_group=PARTS[:1])
    lines = list(part_lines(evaluation, Objective("cost", "minimize")))
    assert lines[1] == "group easy (3 cases): cost 1"
    assert lines[0].startswith("group hard")
    assert lines[0].endswith("(2 cases): cost 7.25, width 2")
    assert "\x1b" not in lines[0]
    assert lines[2] == "case 25 of easy: cost 24"
    assert lines[-2:] == ["5 more, all better", "held-out group easy (3 cases): cost 1"]
    assert next(iter(part_lines(evaluation, Objective("cost")))) == lines[1]


def test_where_there_is_one_case_there_is_nothing_to_tell() -> None:
    assert list(part_lines(Evaluation(Status.OK, 4.0), Objective())) == []
