from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.problems.bundle import Bundle, hash_of, pack, unpack
from evaluators.problems.loading import ProblemError, ProblemSource, load_problem, load_source
from tests.discovery.conftest import TOY


def travelled(path: Path, below: Path) -> None:
    """Packs a problem, unpacks it elsewhere, and loads it there under the same version."""
    problem = load_problem(str(path))
    data = pack(problem).encode()
    there = unpack(data, below)
    assert unpack(data, below) == there
    found = load_source(ProblemSource("path", str(there), problem.name, problem.version))
    assert found.version == problem.version
    assert found.seed == problem.seed
    assert found.name == problem.name


def test_a_module_its_sibling_and_its_seed_travel(tmp_path: Path) -> None:
    text = TOY.split('SEED = """')
    seed, rest = text[1].split('"""\n', 1)
    (tmp_path / "toy.py").write_text(
        f'{text[0]}from pathlib import Path\nimport beside\nSEED = Path("first.txt")\n{rest}'
    )
    (tmp_path / "first.txt").write_text(seed)
    (tmp_path / "beside.py").write_text("value = 1\n")
    travelled(tmp_path / "toy.py", tmp_path / "there")


def test_a_folder_travels_with_what_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "toys"
    (folder / "data").mkdir(parents=True)
    (folder / "problem.py").write_text(TOY)
    (folder / "data" / "table.bin").write_bytes(bytes(range(256)))
    travelled(folder, tmp_path / "there")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../up.py",
        "a/../../b.py",
        ".hidden",
        "a//b",
        "",
        "a\0b",
        "a\\b",
        "é.py",
        "a/.git/config",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ProblemError, match="plain relative path"):
        Bundle.from_json({"name": "toy", "module": "toy.py", "files": {"toy.py": "", path: "x"}})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be an object"),
        ({"files": {}}, "say which"),
        ({"files": {"a.py": "", "b.py": ""}}, "say which"),
        ({"files": {"a.py": 3}}, "must be a text"),
        ({"files": {"a.py": {"base64": "%"}}}, "not valid base64"),
        ({"files": {"a.py": ""}, "name": "../x"}, "letters, digits"),
        ({"files": {"a.py": ""}, "name": 3}, "letters, digits"),
        ({"files": {"a.py": ""}, "module": "b.py"}, "must be a .py file among"),
        ({"files": {"a.py": ""}, "extra": 1}, "unknown keys"),
        ({"files": {f"f{number}.py": "" for number in range(1001)}, "module": "f0.py"}, "1..1000 files"),
    ],
)
def test_what_is_no_bundle_is_refused_with_the_rule(data: object, message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        Bundle.from_json(data)


def test_equal_bundles_have_equal_ids_and_a_module_alone_names_itself() -> None:
    one = Bundle.from_json({"files": {"b.txt": "1", "a.py": "2"}, "module": "a.py"})
    other = Bundle.from_json(json.loads(one.encode()))
    assert one == other
    assert one.id == other.id == hash_of(one.encode())
    assert one.name == "a"
    assert replace(one, name="z").id != one.id
