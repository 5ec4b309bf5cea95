from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from evaluators.contract import Program, Status
from evaluators.problems.describe import describe
from evaluators.problems.loading import ProblemError, ProblemSource, load_problem
from evaluators.worker import JudgeProcess
from tests.discovery.conftest import TOY

GOOD = Program({"program.py": "def answer():\n    return [0.7, 0.7, 0.7]\n"})
ATTACKS = {
    "reads a file": "open({secret!r}).read()",
    "writes a file": "open({secret!r} + '.new', 'w')",
    "writes to /tmp": "open('/tmp/discovery-confine-test', 'w')",
    "changes a mode": "__import__('os').chmod({secret!r}, 0o777)",
    "connects": "__import__('socket').create_connection(('127.0.0.1', {port}), 2)",
    "reads its owner's environment": "open(f'/proc/{pid}/environ').read()",
    "reads its owner's command line": "open(f'/proc/{pid}/cmdline').read()",
    "reads any command line": "open('/proc/1/cmdline').read()",
    "reads its own command line": "open('/proc/self/cmdline').read()",
    "lists the processes": "__import__('os').listdir('/proc')",
    "signals its owner": "__import__('os').kill({pid}, 0)",
}


@pytest.fixture
def listener() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize("place", ["module", "score", "run"])
def test_the_code_of_a_problem_from_outside_reaches_nothing(
    place: str, tmp_path: Path, listener: socket.socket
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = tmp_path / "problem"
    folder.mkdir()
    facts = {"secret": str(secret), "port": listener.getsockname()[1], "pid": os.getpid()}
    attacks = {name: code.format(**facts) for name, code in ATTACKS.items()}
    tried = """def attack():
    done = []
    for name, code in ATTACKS.items():
        try:
            exec(code)
        except OSError:
            continue
        done.append(name)
    return float(len(done))


def cases"""
    text = TOY.replace("def cases", f"ATTACKS = {attacks!r}\n\n\n{tried}", 1)
    text = text.replace("from evaluators", "import os\nfrom evaluators", 1)
    if place == "module":
        text = text.replace("def cases", "DONE = attack()\n\n\ndef cases", 1)
        text = text.replace('"first": output[0]', '"first": DONE')
    elif place == "score":
        text = text.replace('"first": output[0]', '"first": attack()')
    else:
        text = text.replace("return program.answer()", "return [*program.answer()[:2], attack()]")
        text = text.replace('"first": output[0]', '"first": output[2]')
    (folder / "problem.py").write_text(text)
    found = describe(str(folder), "problem")
    judge = JudgeProcess(found.source, b"secret", untrusted=True)
    try:
        evaluation = judge.evaluate(GOOD)
    finally:
        judge.close()
    assert evaluation.status is Status.OK, evaluation
    assert evaluation.metrics["first"] == 0.0
    assert "landlock" in " ".join(evaluation.layers)


def test_a_description_says_what_the_problem_says_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    problem, found = load_problem(str(path)), describe(str(path), "toy")
    assert (found.goal, found.seed, found.objective, found.measures) == (
        problem.goal, problem.seed, problem.objective, problem.measures,
    )  # fmt: skip
    assert found.version == problem.version
    assert found.source == ProblemSource("path", str(path), "toy", problem.version)
    assert found.held_out is None
    assert describe(str(path), "toy") == type(found).from_json(found.to_json())
    assert threading.active_count() < 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SEED = 1", "docstring|goal|statement|SEED|OBJECTIVE"),
        ("import os\nos._exit(3)", "exit code 3"),
        (
            "import sys\nsys.stdout.write('{\"description\": 3}')\nsys.stdout.flush()\nimport os\nos._exit(0)",
            "cannot be read",
        ),
        ("print('['*1000000)\nimport os\nos._exit(0)", "exit code 0"),
    ],
)
def test_a_problem_that_misbehaves_when_loaded_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(ProblemError, match=message):
        describe(str(path), "bad")
