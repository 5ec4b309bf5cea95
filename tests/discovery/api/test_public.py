"""The public surface: what `import discovery` offers, how quickly, and that its documentation is true."""

from __future__ import annotations

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import discovery
import discovery.search.coordinator  # the room of that name must not hide the function

NAMES = [
    "BestFound",
    "Context",
    "DiscoveryError",
    "Elite",
    "Evaluation",
    "Individual",
    "ModelCall",
    "ModelCalled",
    "Program",
    "ProgramEvaluated",
    "Question",
    "Record",
    "Run",
    "RunEnded",
    "RunEvent",
    "Study",
    "StudyOver",
    "Told",
    "evaluate",
    "open",
    "problem",
    "search",
    "study",
]


def test_the_surface_is_what_it_is() -> None:
    assert discovery.__all__ == NAMES
    assert sorted(discovery._HOMES) == NAMES
    assert all(getattr(discovery, name) is not None for name in NAMES)
    assert set(NAMES) <= set(dir(discovery))
    assert not isinstance(discovery.search, ModuleType)
    with pytest.raises(AttributeError, match="has no attribute 'serch'"):
        _ = discovery.serch  # type: ignore[attr-defined]


def test_type_checkers_see_every_name_from_where_it_is_loaded() -> None:
    tree = ast.parse(Path(str(discovery.__file__)).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {name: home if ":" in home else f"{home}:{name}" for name, home in discovery._HOMES.items()}
    assert seen == homes


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, discovery; heavy = {'numpy', 'scipy', 'ribs', 'litellm', 'git', 'click', 'asyncio'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_typed_and_documented() -> None:
    for name in NAMES:
        found = getattr(discovery, name)
        if name == "RunEvent":
            continue
        assert inspect.getdoc(found), name
        if inspect.isfunction(found):
            signature = inspect.signature(found)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())


EXAMPLES = [
    test
    for name in NAMES
    for test in doctest.DocTestFinder(recurse=False).find(getattr(discovery, name), f"discovery.{name}")
    if test.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda test: test.name)
def test_the_examples_do_what_they_say(example: doctest.DocTest, tmp_path: Path) -> None:
    example.globs = {"folder": tmp_path, "found": []}
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example).failed == 0


def test_every_function_has_an_example() -> None:
    assert {test.name.rpartition(".")[2] for test in EXAMPLES} >= {
        "evaluate",
        "open",
        "problem",
        "search",
        "study",
    }
