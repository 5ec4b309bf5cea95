"""Folders of other systems: recognised, called as their own systems do, marked, and refused with the reason."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluators.checking.check import check_problem
from evaluators.checking.findings import Level
from evaluators.contract import Evaluation, Invalid, Program, Status
from evaluators.foreign.layout import MAX_BYTES, find_layout, problem_name
from evaluators.foreign.readout import read_metrics
from evaluators.problems.bundle import Bundle, pack, unpack
from evaluators.problems.loading import Problem, ProblemError, ProblemSource, load_problem, load_source
from evaluators.worker import JudgeProcess
from tests.foreign_folders import (
    FOLDERS,
    LOONGFLOW,
    OPENEVOLVE,
    PROGRAM_FILES,
    SEED_SCORE,
    SHINKA,
    write_folder,
)

LOAD = OPENEVOLVE["evaluator.py"].split("def closeness")[0]
"""The imports and `load(path)` of OpenEvolve's evaluator."""


class Judges:
    """Judge processes, ended when the test ends."""

    def __init__(self) -> None:
        self.open: list[JudgeProcess] = []

    def judge(self, problem: Problem, **options: bool | int) -> JudgeProcess:
        self.open.append(JudgeProcess(problem.source, b"secret", **options))  # type: ignore[arg-type]
        return self.open[-1]

    def evaluate(self, folder: Path, program: str | None = None, **options: bool | int) -> Evaluation:
        problem = load_problem(str(folder))
        judge = self.judge(problem, **options)
        return judge.evaluate(problem.seed if program is None else problem.seed.with_text(program))


@pytest.fixture
def judges() -> Iterator[Judges]:
    made = Judges()
    yield made
    for judge in made.open:
        judge.close()


def cascade(stages: str, **config: object) -> dict[str, str]:
    """Returns an OpenEvolve folder with these stage functions."""
    settings = {"evaluator": {"timeout": 20, "cascade_evaluation": True, **config}}
    return {**OPENEVOLVE, "evaluator.py": LOAD + stages, "config.yaml": json.dumps(settings)}


# --- the three formats ---


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_is_a_problem_whose_scores_are_marked(kind: str, tmp_path: Path, judges: Judges) -> None:
    folder = write_folder(tmp_path / "square_root", FOLDERS[kind])
    problem = load_problem(str(folder))
    assert problem.name == "square_root"
    assert problem.goal.startswith("Return the square root of two.")
    assert problem.seed.entry == PROGRAM_FILES[kind]
    assert problem.limits.wall_s == 20
    assert problem.self_scored
    found = judges.judge(problem).evaluate(problem.seed)
    assert found.status is Status.OK, found.reason
    assert found.score == pytest.approx(SEED_SCORE)
    assert found.self_scored
    assert found.to_json()["self_scored"] is True
    assert Evaluation.from_json(found.to_json()) == found
    better = judges.open[-1].evaluate(problem.seed.with_text("def root():\n    return 1.41421356\n"))
    assert better.score == pytest.approx(1.0, abs=1e-7)


def test_a_problem_of_our_own_is_not_marked(judges: Judges) -> None:
    problem = load_problem("circle_packing")
    assert not problem.self_scored
    assert "self_scored" not in judges.judge(problem).evaluate(problem.seed).to_json()


def test_metrics_artifacts_and_feature_dimensions_of_openevolve(tmp_path: Path, judges: Judges) -> None:
    folder = write_folder(tmp_path / "a", OPENEVOLVE)
    found = judges.evaluate(folder)
    assert [measure.name for measure in load_problem(str(folder)).measures] == ["ast_nodes", "size"]
    assert load_problem(str(folder)).measures[1].bins == 8
    assert found.measures is not None
    assert found.measures[1] == pytest.approx(0.625)
    assert found.metrics["is_fine"] == 1.0
    assert "hint: the square is 1.5625" in found.feedback
    assert "raw: bytes" in found.feedback


def test_runs_validation_and_feedback_of_shinka(tmp_path: Path, judges: Judges) -> None:
    folder = write_folder(tmp_path / "a", SHINKA)
    found = judges.evaluate(folder)
    assert found.metrics["runs"] == 3
    assert found.metrics["private.square"] == pytest.approx(1.5625)
    assert "look at the square" in found.feedback
    refused = judges.evaluate(folder, "def root():\n    return 4.0\n")
    assert refused.status is Status.INVALID
    assert "4.0 is too large" in refused.reason
    raised = judges.evaluate(folder, "def root():\n    raise KeyError('lost')\n")
    assert raised.status is Status.INVALID
    assert "KeyError: 'lost'" in raised.reason


def test_statuses_and_target_of_loongflow(tmp_path: Path, judges: Judges) -> None:
    folder = write_folder(tmp_path / "a", LOONGFLOW)
    assert load_problem(str(folder)).objective.target == 0.999
    found = judges.evaluate(folder)
    assert found.metrics["square"] == pytest.approx(1.5625)
    assert "well done" in found.feedback
    negative = judges.evaluate(folder, "def root():\n    return -1.0\n")
    assert (negative.status, negative.reason) == (Status.INVALID, "validation_failed: it is negative")


STAGES = """
def evaluate_stage1(path):
    return {"combined_score": load(path).root(), "first": 1.0}


def evaluate_stage2(path):
    return EvaluationResult({"combined_score": load(path).root() + 10, "second": 2.0})


def evaluate_stage3(path):
    raise RuntimeError("the third stage has a fault")


def evaluate(path):
    raise AssertionError("a cascade never calls evaluate")
"""


def test_a_cascade_goes_on_as_long_as_each_stage_passes(tmp_path: Path, judges: Judges) -> None:
    folder = write_folder(tmp_path / "a", cascade(STAGES, cascade_thresholds=[1.0, 12.0]))
    low = judges.evaluate(folder, "def root():\n    return 0.5\n")
    assert (low.score, low.metrics["first"]) == (0.5, 1.0)
    assert "below the threshold 1" in low.feedback
    middle = judges.evaluate(folder, "def root():\n    return 1.5\n")
    assert (middle.score, middle.metrics["second"]) == (11.5, 2.0)
    high = judges.evaluate(folder, "def root():\n    return 3.0\n")
    assert (high.score, high.metrics["stage3_passed"]) == (13.0, 0.0)
    assert "the third stage has a fault" in high.feedback


def test_without_a_combined_score_the_mean_of_the_numbers_counts(tmp_path: Path, judges: Judges) -> None:
    evaluator = (
        "def evaluate(path):\n    return {'a': 1, 'b': 4.0, 'flag': True, 'words': 'x', 'size': 100.0}\n"
    )
    found = judges.evaluate(write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=evaluator))
    assert found.score == 2.5
    assert found.metrics["flag"] == 1.0


def test_an_asynchronous_evaluator_runs_unless_it_waits(tmp_path: Path, judges: Judges) -> None:
    plain = "async def evaluate(path):\n    return {'combined_score': 2.0, 'size': 0.5}\n"
    assert judges.evaluate(write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=plain)).score == 2.0
    waiting = "import asyncio\nasync def evaluate(path):\n    await asyncio.sleep(0)\n"
    found = judges.evaluate(write_folder(tmp_path / "b", OPENEVOLVE, evaluator_py=waiting))
    assert "is asynchronous and waits" in found.reason


def test_the_first_program_and_a_later_one_do_not_hide_each_other(tmp_path: Path, judges: Judges) -> None:
    evaluator = (
        LOAD + "import initial_program\n"
        "def evaluate(path):\n"
        "    return {'combined_score': load(path).root(), 'seed': initial_program.root(), 'size': 0.0}\n"
    )
    folder = write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=evaluator)
    found = judges.evaluate(folder, "def root():\n    return 7.0\n")
    assert (found.score, found.metrics["seed"]) == (7.0, 1.25)


def test_a_script_without_a_main_guard_and_one_that_exits(tmp_path: Path, judges: Judges) -> None:
    unguarded = """
import json
from pathlib import Path

def main(program_path, results_dir):
    Path(results_dir, "correct.json").write_text(json.dumps({"correct": True, "error": None}))
    Path(results_dir, "metrics.json").write_text(json.dumps({"combined_score": 7, "public": {"n": 2}}))
"""
    assert judges.evaluate(write_folder(tmp_path / "a", SHINKA, evaluate_py=unguarded)).score == 7.0
    leaving = unguarded + "import sys\nmain(sys.argv[2], sys.argv[4])\nsys.exit(0)\n"
    assert judges.evaluate(write_folder(tmp_path / "b", SHINKA, evaluate_py=leaving)).score == 7.0
    failing = "import sys\nsys.exit(3)\n"
    found = judges.evaluate(write_folder(tmp_path / "c", SHINKA, evaluate_py=failing))
    assert (found.status, found.reason) == (Status.INVALID, "evaluate.py raised SystemExit: 3")


# --- what evaluators do beside scoring ---

WORKSHOP = '''
import concurrent.futures, multiprocessing, os, signal, subprocess, sys, tempfile


def square(x):
    return x * x


def evaluate(path):
    with tempfile.NamedTemporaryFile("w", suffix=".py", delete=False) as script:
        script.write(f"""
import importlib.util, numpy
from openevolve.evaluation_result import EvaluationResult
spec = importlib.util.spec_from_file_location("program", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.root())
""")
    done = subprocess.run([sys.executable, script.name], capture_output=True, text=True, timeout=15)
    if done.returncode:
        return {"combined_score": 0.0, "error": done.stderr[-300:]}
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(10)
    signal.alarm(0)
    with concurrent.futures.ProcessPoolExecutor(max_workers=2) as pool:
        squares = sum(pool.map(square, [1, 2]))
    with multiprocessing.Pool(2) as pool:
        squares += sum(pool.map(square, [3])) + pool.apply_async(square, (4,)).get(timeout=5)
        squares += sum(pool.starmap(pow, [(5, 1)])) + sum(pool.imap_unordered(square, [0]))
    table = open(os.path.join(os.path.dirname(__file__), "data", "table.bin"), "rb").read()
    print("chatter " * 100_000)
    os.write(1, b"raw chatter " * 100_000)
    return {"combined_score": float(done.stdout), "squares": squares, "bytes": len(table), "size": 0.1}
'''


@pytest.mark.parametrize("tier", [1, 2])
def test_an_evaluator_may_start_python_and_read_the_folder(tier: int, tmp_path: Path, judges: Judges) -> None:
    files = {**OPENEVOLVE, "evaluator.py": WORKSHOP, "data/table.bin": bytes(range(256))}
    found = judges.evaluate(write_folder(tmp_path / "a", files), tier=tier)
    assert found.status is Status.OK, (found.reason, found.feedback)
    assert found.score == 1.25
    assert (found.metrics["squares"], found.metrics["bytes"]) == (35, 256)
    assert len(found.feedback) < 1000


def test_a_confined_judge_runs_a_folder_too(tmp_path: Path, judges: Judges) -> None:
    found = judges.evaluate(write_folder(tmp_path / "a", OPENEVOLVE), untrusted=True)
    assert found.score == pytest.approx(SEED_SCORE), found.reason
    folders = "import os\nos.mkdir('shut', 0)\nos.makedirs('deep/shut')\nos.mkdir('deep/none', 0)\ndef root():\n    return 1.0\n"
    judge = judges.open[-1]
    for _ in range(2):
        again = judge.evaluate(Program({"initial_program.py": folders}, "initial_program.py"))
        assert again.status in (Status.OK, Status.OUTPUT), (
            again.reason
        )  # a shut folder cannot be measured there
    assert judge.evaluate(load_problem(str(tmp_path / "a")).seed).score == pytest.approx(SEED_SCORE)


def test_a_refused_connection_is_told_as_such(tmp_path: Path, judges: Judges) -> None:
    evaluator = "import socket\ndef evaluate(path):\n    socket.create_connection(('127.0.0.1', 9))\n"
    found = judges.evaluate(write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=evaluator))
    assert found.status is Status.INVALID
    assert "the sandbox refuses network" in found.reason


# --- the rule of trust does not hold here, the walls do ---

FORGERS = {
    "openevolve": "import sys\nsys.modules['evaluation_module'].closeness = lambda value: 999.0\ndef root():\n    return 1.0\n",
    "shinka": """
import json, os, sys
folder = sys.argv[sys.argv.index("--results_dir") + 1]
json.dump({"correct": True}, open(os.path.join(folder, "correct.json"), "w"))
json.dump({"combined_score": 999.0}, open(os.path.join(folder, "metrics.json"), "w"))
sys.exit(0)
""",
    "loongflow": "import sys\nsys.modules['evaluator_code'].abs = lambda value: -998.0\ndef root():\n    return 1.0\n",
}


@pytest.mark.hostile
@pytest.mark.parametrize("kind", FORGERS)
def test_a_program_can_forge_its_score_which_is_why_it_is_marked(
    kind: str, tmp_path: Path, judges: Judges
) -> None:
    found = judges.evaluate(write_folder(tmp_path / "a", FOLDERS[kind]), FORGERS[kind])
    assert found.score == 999.0
    assert found.self_scored


@pytest.mark.hostile
@pytest.mark.parametrize("tier", [1, 2])
def test_a_program_cannot_escape_even_where_it_may_start_others(
    tier: int, tmp_path: Path, judges: Judges
) -> None:
    folder = write_folder(
        tmp_path / "a", {**OPENEVOLVE, "evaluator.py": "import subprocess\n" + OPENEVOLVE["evaluator.py"]}
    )
    (tmp_path / "secret").write_text("the secret")
    before = sorted(path.name for path in tmp_path.iterdir())
    tries = f"""
import os, socket, subprocess, sys
won = 0
for what in (
    lambda: open({str(tmp_path / "secret")!r}).read(),
    lambda: open({str(folder / "evaluator.py")!r}, "a").write("# changed"),
    lambda: open({str(tmp_path / "new")!r}, "w").write("x"),
    lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
    lambda: os.kill({os.getpid()}, 0),
    lambda: subprocess.run(["cat", {str(tmp_path / "secret")!r}], check=True, capture_output=True),
    lambda: subprocess.run([sys.executable, "-c", "open({str(tmp_path / "new")!r}, 'w')"], check=True, capture_output=True),
):
    try:
        what()
        won += 1
    except (OSError, subprocess.CalledProcessError):
        pass
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
def root():
    return 2.0 ** 0.5 + won
"""
    found = judges.evaluate(folder, tries, tier=tier)
    assert found.score == pytest.approx(1.0), (found.reason, found.feedback)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert "changed" not in (folder / "evaluator.py").read_text()
    assert judges.open[-1].evaluate(load_problem(str(folder)).seed).score == pytest.approx(SEED_SCORE)


# --- bad folders ---


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({**OPENEVOLVE, "evaluator.py": None}, "initial_program.py has no evaluator beside it"),
        ({**OPENEVOLVE, "initial_program.py": None}, "evaluator.py has no first program beside it"),
        ({**LOONGFLOW, "initial_program.py": None}, "eval_program.py has no first program beside it"),
        (
            {**OPENEVOLVE, **LOONGFLOW},
            "the parts of 2 formats (OpenEvolve: evaluator.py; LoongFlow: eval_program.py)",
        ),
        (
            {**OPENEVOLVE, **SHINKA},
            "the parts of 2 formats (OpenEvolve: evaluator.py; ShinkaEvolve: evaluate.py)",
        ),
        (
            {**OPENEVOLVE, "initial_program.py": None, "initial_program.rs": "fn main() {}"},
            "initial_program.rs is Rust",
        ),
        (
            {**OPENEVOLVE, "initial_program.py": None, "initial_program/a.cpp": "int x;"},
            "is a folder of several files",
        ),
        ({**SHINKA, "initial.py": None, "initial.jl": "x = 1"}, "initial.jl is Julia"),
        (
            {
                **OPENEVOLVE,
                "initial_program.r": "x <- 1",
                "initial_program.rs": "",
                "initial_program.py": None,
            },
            "2 first",
        ),
        ({**OPENEVOLVE, "initial_program.py": "def root(:\n"}, "initial_program.py:1: is no Python"),
        ({**OPENEVOLVE, "evaluator.py": "x = 1\ndef (:\n"}, "evaluator.py:2: is no Python"),
        ({**OPENEVOLVE, "initial_program.py": "\n"}, "initial_program.py: is empty"),
        ({**OPENEVOLVE, "initial_program.py": b"x = '\xff'"}, "initial_program.py: is not UTF-8 text"),
        ({**OPENEVOLVE, "config.yaml": "a: [1,\n"}, "config.yaml:2: is no YAML"),
        (
            {**OPENEVOLVE, "config.yaml": "evaluator: {timeout: soon}"},
            "timeout must be a number of seconds > 0",
        ),
        (
            {**OPENEVOLVE, "config.yaml": "evaluator: {timeout: -1}"},
            "timeout must be a number of seconds > 0",
        ),
        (
            {**OPENEVOLVE, "config.yaml": "evaluator: {cascade_thresholds: [a]}"},
            "cascade_thresholds must be a list",
        ),
        ({**OPENEVOLVE, "evaluator.py": "import no_such_thing, cv9\n"}, "pip install cv9 no_such_thing"),
        (
            {**OPENEVOLVE, "evaluator.py": "import helper\n", "helper.py": "import not_there\n"},
            "pip install not_there",
        ),
        ({**SHINKA, "evaluate.py": "from shinka.llm import LLMClient\n"}, "asks a language model"),
        (
            {**OPENEVOLVE, "initial_program.py": "# EVOLVE-BLOCK-START\ndef root(): ...\n"},
            "initial_program.py, line 1: EVOLVE-BLOCK-START is never",
        ),
        ({**OPENEVOLVE, "big.bin": b"x" * (MAX_BYTES + 1)}, "big.bin (16 MiB) is too much"),
    ],
)
def test_a_bad_folder_is_refused_with_the_reason(
    files: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ProblemError) as caught:
        load_problem(str(write_folder(tmp_path / "bad", files)))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", OPENEVOLVE)
    (tmp_path / "secret").write_text("x")
    (folder / "inside.txt").symlink_to(folder / "config.yaml")
    assert load_problem(str(folder)).name == "a"
    for link, target in (("data.txt", tmp_path / "secret"), ("data", tmp_path)):
        (folder / link).symlink_to(target)
        with pytest.raises(ProblemError, match="is a link that leads out of the folder"):
            load_problem(str(folder))
        (folder / link).unlink()


@pytest.mark.parametrize(
    ("evaluator", "reason"),
    [
        ("def evaluate(path):\n    raise KeyError('lost')\n", "evaluator.py raised KeyError: 'lost'"),
        ("raise OSError('at the top')\n", "evaluator.py raised OSError: at the top"),
        ("x = 1\n", "the evaluator must define evaluate(program_path)"),
        ("def evaluate(path):\n    return 3\n", "must return a dict or an EvaluationResult, got int"),
        ("def evaluate(path):\n    return {}\n", "gave no number 'combined_score'"),
        (
            "def evaluate(path):\n    return {'words': 'many', 'flag': True}\n",
            "gave no number 'combined_score'",
        ),
        ("def evaluate(path):\n    return {'combined_score': float('nan')}\n", "combined_score is nan"),
        ("def evaluate(path):\n    return {'combined_score': 1e999}\n", "combined_score is inf"),
        (
            "def evaluate(path):\n    return {'combined_score': 10 ** 400}\n",
            "gave no number 'combined_score'",
        ),
        ("def evaluate(path):\n    return {'combined_score': 0.0, 'error': 'no root'}\n", "no root"),
        ("def evaluate(path):\n    return {'combined_score': 1.0}  # 'size'\n", "gave no number 'size'"),
        ("import os\ndef evaluate(path):\n    os._exit(0)\n", "left with exit code 0"),
        ("def evaluate(path):\n    while True:\n        pass\n", "ran longer than 1 s"),
    ],
)
def test_an_evaluator_that_gives_no_score_says_why(
    evaluator: str, reason: str, tmp_path: Path, judges: Judges
) -> None:
    config = OPENEVOLVE["config.yaml"].replace("timeout: 20", "timeout: 1")
    found = judges.evaluate(
        write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py=evaluator, config_yaml=config)
    )
    assert not found.is_ok
    assert reason in found.reason
    assert found.self_scored


def test_what_arrives_is_checked_whatever_it_is() -> None:
    for junk in (None, 3, [], {"metrics": 3}, {"metrics": {}}, {"metrics": {"combined_score": "1"}}):
        with pytest.raises(Invalid):
            read_metrics(junk, "combined_score", takes_mean=True)
    partial = {"metrics": {"combined_score": 0.4}, "error": "one of five failed"}
    assert read_metrics(partial, "combined_score", takes_mean=True) == {"combined_score": 0.4}
    with pytest.raises(Invalid, match="one of five failed"):
        read_metrics(partial, "combined_score")


# --- round about ---


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_travels_to_a_worker(kind: str, tmp_path: Path, judges: Judges) -> None:
    files = {**FOLDERS[kind], "data/table.bin": bytes(range(256)), "notes.md": "ümlaut"}
    problem = load_problem(str(write_folder(tmp_path / "here" / "square_root", files)))
    bundle = pack(problem)
    assert Bundle.from_json(json.loads(bundle.encode())) == bundle
    there = unpack(bundle.encode(), tmp_path / "there")
    assert find_layout(there) is not None
    found = load_source(ProblemSource("path", str(there), problem.name, problem.version))
    assert (found.version, found.name, found.seed) == (problem.version, problem.name, problem.seed)
    assert judges.judge(found).evaluate(found.seed).score == pytest.approx(SEED_SCORE)


def test_the_keys_of_a_configuration_reach_neither_programs_nor_workers(
    tmp_path: Path, judges: Judges
) -> None:
    keys = """
llm:
  api_key: "sk-not-for-programs"
  max_tokens: 4096
models:
  - {name: a}
  - api_key: sk-nor-this
    secret_name : hush, hush
  - {name: b, "api-key": "sk-a,b", weight: 2}
  - {password: sk-pass}
"""
    looks = "import pathlib\nTEXT = pathlib.Path('config.yaml').read_text()\nassert 'max_tokens: 4096' in TEXT, TEXT\n"
    looks += "assert 'sk-' not in TEXT and 'hush' not in TEXT, TEXT\ndef root():\n    return 1.0\n"
    folder = write_folder(tmp_path / "a", OPENEVOLVE, config_yaml=OPENEVOLVE["config.yaml"] + keys)
    assert judges.evaluate(folder, looks).score == 0.0
    problem = load_problem(str(folder))
    there = unpack(pack(problem).encode(), tmp_path / "there")
    assert b"sk-" not in pack(problem).encode()
    assert load_source(ProblemSource("path", str(there), "a", problem.version)).seed == problem.seed
    assert "sk-not-for-programs" in (folder / "config.yaml").read_text()


def test_every_file_counts_for_the_version(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", OPENEVOLVE)
    problem = load_problem(str(folder))
    (folder / "helper.py").write_text("x = 1\n")
    assert load_problem(str(folder)).version != problem.version
    with pytest.raises(ProblemError, match="has changed"):
        load_source(problem.source)


def test_a_problem_of_our_own_in_the_folder_goes_first(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "a", OPENEVOLVE)
    text = 'SEED = "def f(): return 1"\ndef run(program, inputs): return program.f()\n'
    text += "def cases(rng, stage): return [Case(None)]\ndef score(case, output): return {'score': 1.0}\n"
    head = '"""Mine."""\nfrom evaluators.contract import Case, Objective\nOBJECTIVE = Objective()\n'
    (folder / "problem.py").write_text(head + text)
    assert load_problem(str(folder)).goal == "Mine."
    assert not load_problem(str(folder)).self_scored


@pytest.mark.parametrize(
    ("path", "name"), [("convex/13", "convex_13"), ("a b", "a_b"), ("42/7", "problem_7")]
)
def test_a_folder_gives_a_usable_name(path: str, name: str) -> None:
    assert problem_name(Path("/x") / path) == name


def test_check_tells_that_scores_can_be_forged_and_goes_easy_on_the_evaluator(
    tmp_path: Path, judges: Judges
) -> None:
    evaluator = OPENEVOLVE["evaluator.py"].replace(
        "closeness(value),", "closeness(value) + time.perf_counter() % 1,"
    )
    problem = load_problem(
        str(write_folder(tmp_path / "a", OPENEVOLVE, evaluator_py="import time\n" + evaluator))
    )
    findings = {finding.title: finding for finding in check_problem(problem, judges.judge(problem).evaluate)}
    assert findings["self-scored"].level is Level.WARNING
    assert "can forge it" in findings["self-scored"].detail
    assert findings["seed is not repeatable"].level is Level.WARNING
    assert all(finding.level is not Level.ERROR for finding in findings.values())
