"""The structure of the code: arrows, circles, sizes, tables of contents, and the guide to where things are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from benchmarks.house import MOST_LINES, MOST_MODULES, House, circles, read_house

ROOT = Path(__file__).parents[1]
ROOMS = sorted(
    init
    for package in ("discovery", "evaluators")
    for init in (ROOT / package).rglob("__init__.py")
    if init.parent != ROOT / package and "shims" not in init.parts
)


@pytest.fixture(scope="module")
def house() -> House:
    files = [*(ROOT / "tests").parent.glob("pyproject.toml")]
    for package in ("discovery", "islands", "evaluators", "problems", "benchmarks"):
        files += [
            path for path in (ROOT / package).rglob("*") if path.suffix in {".py", ".txt", ".html", ".css"}
        ]
    return House({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in files})


def test_no_arrow_points_up_and_no_modules_import_each_other_in_a_circle(house: House) -> None:
    assert house.arrows_up() == []
    assert house.circles() == []


def test_no_module_is_too_long_and_no_folder_too_full(house: House) -> None:
    assert house.longest()[1] <= MOST_LINES, house.longest()
    assert house.fullest()[1] <= MOST_MODULES, house.fullest()


@pytest.mark.parametrize("init", ROOMS, ids=lambda init: init.parent.relative_to(ROOT).as_posix())
def test_a_room_says_what_it_is_for_and_lists_what_is_in_it(init: Path) -> None:
    text = ast.get_docstring(ast.parse(init.read_text("utf-8")))
    assert text is not None
    inside = {path.stem for path in init.parent.glob("*.py")} - {"__init__"}
    inside |= {path.parent.name for path in init.parent.glob("*/__init__.py")}
    rows = set(re.findall(r"^ *(\w+)(?:\.py)?  +\S", text, re.MULTILINE))
    named = set(re.findall(r"\b(\w+)\.py\b", text)) | rows
    assert inside <= named, f"add a line to the docstring of {init} for: {sorted(inside - named)}"
    assert not {row for row in rows - inside if row.islower()}, "a line for what is not there"


def test_the_guide_to_where_things_are_names_what_there_is() -> None:
    guide = (ROOT / "docs/design.md").read_text("utf-8").partition("## Where is it?")[2]
    questions = re.findall(r"^\| (.*\?) \| (.*) \|$", guide, re.MULTILINE)
    assert len(questions) >= 20
    for question, answer in questions:
        for path in re.findall(r"`([^`]+)`", answer):
            assert (ROOT / path).exists(), f"{question}: {path}"


def test_the_meter_sees_circles_and_arrows_that_point_up() -> None:
    assert set(circles("abc", [("a", "b"), ("b", "a"), ("b", "c")])) == {frozenset("ab"), frozenset("c")}
    contract = '[[tool.importlinter.contracts]]\ntype = "layers"\ncontainers = ["discovery"]\nlayers = ["cli", "core"]'
    house = House(
        {
            "pyproject.toml": contract,
            "discovery/cli/__init__.py": "",
            "discovery/core/__init__.py": "import discovery.cli",
        }
    )
    assert house.arrows_up() == [("discovery.core", "discovery.cli")]


def test_the_meter_reads_what_git_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert "discovery/core/types.py" in read_house().files
