"""Runs in which each program is handed the best output so far: what is handed out, what counts, who made it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from discovery.certify.claims import chain
from discovery.core.records import Record, RunInfo
from discovery.core.types import Individual
from discovery.search.state import Statement, credit, improved
from discovery.storage.index import open_index
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Evaluation, Incumbent, Objective, Program, Status
from evaluators.judging.judge import JudgeError
from evaluators.problems.loading import Problem, ProblemError, ProblemSource, load_problem, load_source
from evaluators.worker import JudgeProcess
from tests.discovery.certify.test_certificates import CONSTRUCTIVE, certificate

ROOTS = '''"""Return three numbers with answer(); the closer their squares are to 0.5, the better."""
from fractions import Fraction
from evaluators.contract import Case, Invalid, Limits, Measure, Objective

SEED = """# EVOLVE-BLOCK-START
def answer():
    return [0.25, 0.35, 0.45]
# EVOLVE-BLOCK-END
"""
HEURISTIC_SEED = """# EVOLVE-BLOCK-START
RATE = 0.02
TURNS = 1


def improve(inputs, best, report, deadline_s):
    for _ in range(int(TURNS)):
        best = [x + RATE * (0.5 - x * x) for x in best]
    return best
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("closeness", "maximize", bound=0.0)
MEASURES = (Measure("first", 0, 1, bins=16),)
LIMITS = Limits(cpu_s=2, wall_s=5)
CERTIFICATE = True


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    if not isinstance(output, list) or [type(x) for x in output] != [float] * 3:
        raise Invalid("three floats are asked for")
    return {"closeness": -sum((x * x - 0.5) ** 2 for x in output), "first": output[0]}
'''


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    path = tmp_path / "roots.py"
    path.write_text(ROOTS)
    return path


# ---- what is earned

BEGUN = Incumbent([1.0], 10.0)


def statement(direction: str) -> Statement:
    seed = Program({"program.py": "pass"})
    return Statement("toy", "goal", "", Objective("s", direction), seed, start=BEGUN)  # type: ignore[arg-type]


def reached(score: float | None, start_score: float | None, output: Any = (2.0,)) -> Evaluation:
    status = Status.ERROR if score is None else Status.OK
    return Evaluation(
        status, score, measures=(), certificate=list(output), start_id="a", start_score=start_score
    )


@pytest.mark.parametrize(
    ("direction", "score", "start_score", "earned"),
    [
        ("maximize", 12.0, 10.0, 12.0),  # better than what it was handed
        ("maximize", 12.0, 11.9, 12.0),
        (
            "maximize",
            12.0,
            12.0,
            10.0,
        ),  # gave back what it was handed: nothing but the first output is its own
        ("maximize", 11.999, 12.0, 10.0),  # spoilt it a little to look different
        ("maximize", 7.0, 12.0, 7.0),  # worse than the first output
        ("maximize", None, 12.0, None),
        ("minimize", 8.0, 9.0, -8.0),
        ("minimize", 8.0, 8.0, -10.0),
        ("minimize", 30.0, 8.0, -30.0),
    ],
)
def test_only_an_improvement_earns_more_than_the_first_output(
    direction: str, score: float | None, start_score: float, earned: float | None
):
    assert credit(statement(direction), reached(score, start_score)) == earned


def test_the_best_output_is_handed_on_and_only_a_better_one_takes_its_place():
    told = statement("maximize")

    def after(start: Incumbent | None, evaluation: Evaluation) -> Incumbent | None:
        return improved(told, start, Individual(Program({}), evaluation, "b", {}))

    assert after(BEGUN, reached(11.0, 10.0)) == Incumbent([2.0], 11.0, "b")
    assert after(BEGUN, reached(10.0, 10.0)) is BEGUN
    assert after(BEGUN, reached(9.0, 10.0)) is BEGUN
    assert (
        after(BEGUN, Evaluation(Status.OK, 12.0, measures=())) is BEGUN
    )  # its output was too large to be kept
    assert after(None, reached(11.0, 10.0)) is None


def test_the_chain_goes_back_from_one_program_to_the_one_whose_output_it_was_handed(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    folder.create({"info": RunInfo("toy").to_json()}, bytes(16))
    program = Program({"program.py": ""})

    def record(name: str, start_id: str, start_score: float, score: float | None) -> Record:
        status = Status.ERROR if score is None else Status.OK
        evaluation = Evaluation(status, score, start_id=start_id, start_score=start_score)
        return Record("abcde".index(name), program, name, (), evaluation, "tune", 0, None, 0)

    records = [
        record("a", "", 1.0, 2.0),
        record("b", "a", 2.0, 1.5),
        record("c", "a", 2.0, 3.0),
        record("d", "c", 3.0, None),
        record("e", "c", 3.0, 4.0),
    ]
    lines = [{"type": "opened", "at_s": 0}, *({"type": "evaluated", "record": r.to_json()} for r in records)]
    folder.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with open_index(folder) as index:
        assert [(link.program_id, link.start_score, link.score) for link in chain(index, "e")] == [
            ("a", 1.0, 2.0),
            ("c", 2.0, 3.0),
            ("e", 3.0, 4.0),
        ]
        assert chain(index, "d") == []


# ---- in the sandbox


@pytest.fixture
def judged(roots: Path) -> Any:
    problem = load_problem(str(roots))
    search = load_source(ProblemSource.from_json(problem.source.to_json() | {"improve_s": 0.5}))
    with closing(JudgeProcess(search.source, b"secret")) as judge:
        yield search, judge


def program(body: str) -> Program:
    return Program({"program.py": "import time\n\n\ndef improve(inputs, best, report, deadline_s):\n" + body})


HANDED = Incumbent([0.7, 0.7, 0.7], -0.0003, "f" * 16)


def test_what_was_reported_counts_when_the_time_is_over(judged: tuple[Problem, JudgeProcess]):
    _, judge = judged
    body = (
        "    report([0.7, 0.7, 0.70710678])\n    report([0.7, 0.70710678, 0.70710678])\n    time.sleep(60)\n"
    )
    evaluation = judge.evaluate(program(body), start=HANDED)
    assert evaluation.is_ok, evaluation.reason
    assert evaluation.certificate == [0.7, 0.70710678, 0.70710678]
    assert (evaluation.start_id, evaluation.start_score) == ("f" * 16, -0.0003)
    assert evaluation.wall_s < 5


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("    return best\n", [0.7, 0.7, 0.7]),
        ("    pass\n", [0.7, 0.7, 0.7]),
        ("    report([0.5, 0.5, 0.5])\n", [0.5, 0.5, 0.5]),
        (
            "    assert inputs is None and deadline_s == 0.5\n    best[0] = 0.5\n    return best\n",
            [0.5, 0.7, 0.7],
        ),
    ],
)
def test_what_a_program_makes_of_what_it_is_handed(
    judged: tuple[Problem, JudgeProcess], body: str, output: list[float]
):
    _, judge = judged
    evaluation = judge.evaluate(program(body), start=HANDED)
    assert evaluation.certificate == output, evaluation.reason
    assert HANDED.output == [0.7, 0.7, 0.7]


def test_a_failure_tells_what_it_was_handed_too(judged: tuple[Problem, JudgeProcess]):
    _, judge = judged
    late = judge.evaluate(program("    time.sleep(60)\n"), start=HANDED)
    assert (late.status, late.start_score) == (Status.TIMEOUT, -0.0003)
    wrong = judge.evaluate(program("    return [1]\n"), start=HANDED)
    assert (wrong.status, wrong.reason) == (Status.INVALID, "three floats are asked for")
    assert Evaluation.from_json(wrong.to_json()) == wrong


def test_a_program_is_handed_something_exactly_where_the_problem_asks_for_it(
    judged: tuple[Problem, JudgeProcess], roots: Path
):
    _, judge = judged
    with pytest.raises(JudgeError, match="exactly where the problem asks for that"):
        judge.evaluate(program("    return best\n"))
    with closing(JudgeProcess(load_problem(str(roots)).source, b"secret")) as plain:
        with pytest.raises(JudgeError, match="exactly where the problem asks for that"):
            plain.evaluate(load_problem(str(roots)).seed, start=HANDED)


@pytest.mark.parametrize("name", CONSTRUCTIVE)
def test_the_heuristic_seed_of_every_constructive_problem_improves_on_the_plain_seed(name: str):
    problem = load_problem(name)
    made = certificate(problem)
    search = load_source(ProblemSource.from_json(problem.source.to_json() | {"improve_s": 1.0}))
    assert "improve(inputs, best, report, deadline_s)" in search.goal
    assert search.seed == problem.heuristic_seed
    start = Incumbent(made["object"], made["score"]["float"])
    with closing(JudgeProcess(search.source, b"secret")) as judge:
        evaluation = judge.evaluate(search.seed, start=start)
    assert evaluation.score is not None, evaluation.reason
    gain = problem.objective.fitness(evaluation.score) - problem.objective.fitness(start.score)
    assert (
        gain >= 0 if name == "matrix_multiplication" else gain > 0
    )  # which needs a second or two on a busy machine


def test_any_problem_with_outputs_that_speak_for_themselves_can_be_searched_so(tmp_path: Path):
    (tmp_path / "bare.py").write_text(ROOTS.replace("HEURISTIC_SEED", "_UNUSED"))
    problem = load_problem(str(tmp_path / "bare.py"))
    search = load_source(ProblemSource.from_json(problem.source.to_json() | {"improve_s": 0.5}))
    with closing(JudgeProcess(search.source, b"secret")) as judge:
        assert judge.evaluate(search.seed, start=HANDED).certificate == HANDED.output


@pytest.mark.parametrize("name", ["function_minimization", "online_bin_packing", "regret_minimisation"])
def test_problems_without_such_outputs_are_refused(name: str):
    with pytest.raises(ProblemError, match="keeps no output that a program could improve on"):
        load_source(ProblemSource.from_json(load_problem(name).source.to_json() | {"improve_s": 1.0}))


def test_the_time_must_be_in_range(roots: Path):
    for seconds in (0.0, 1e9):
        with pytest.raises(ProblemError, match="time to improve must be in"):
            load_source(
                ProblemSource.from_json(load_problem(str(roots)).source.to_json() | {"improve_s": seconds})
            )


def test_a_heuristic_seed_keeps_the_rules_of_seeds(tmp_path: Path):
    for bad, reason in (
        ("3", "must be a str"),
        (
            '"def improve(best):\\n    return best"',
            "must define def improve.inputs, best, report, deadline_s.",
        ),
        ('"X = 1"', "must define def improve"),
        ('"def improve(:"', "no Python"),
        ('"# EVOLVE-BLOCK-START\\ndef improve(inputs, best, report, deadline_s): pass"', "HEURISTIC_SEED: "),
    ):
        (tmp_path / "bad.py").write_text(ROOTS + f"\n\nHEURISTIC_SEED = {bad}\n")
        with pytest.raises(ProblemError, match=reason):
            load_problem(str(tmp_path / "bad.py"))


# ---- a run


def told(run: Path) -> list[tuple[Any, ...]]:
    """What must not depend on kills: programs, what they were handed, what they gave."""
    records = [
        entry["record"] for entry in read_entries(run / "journal.jsonl") if entry["type"] == "evaluated"
    ]
    keys = ("score", "start_id", "start_score", "certificate")
    return [
        (r["program_id"], r["parents"], r["cell"], *(r["evaluation"].get(key) for key in keys))
        for r in records
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of equal seed: `whole`, and `parts`, which was ended and resumed."""
    folder = tmp_path_factory.mktemp("improvement")
    (folder / "roots.py").write_text(ROOTS)
    asked = ("run", "roots.py", "--from-best", "0.5", "--seed", "3", "--workers", "1")
    for rest in (
        (*asked, "--evals", "10", "--out", "whole"),
        (*asked, "--evals", "4", "--out", "parts"),
        ("resume", "parts", "--evals", "10"),
    ):
        call(folder, *rest)
    return folder


def call(folder: Path, *arguments: object, code: int = 0) -> str:
    """Runs the command line in a folder; returns its output."""
    command = [sys.executable, "-m", "discovery", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def chain_of(folder: Path) -> list[str]:
    """The programs that made the best output of `whole`, the first first."""
    return [
        entry["program_id"] for entry in json.loads(call(folder, "log", "whole", "--of", "chain", "--json"))
    ][::-1]


def test_each_program_is_handed_the_best_output_before_it_also_over_a_resume(place: Path):
    assert told(place / "whole") == told(place / "parts")
    handed, best = None, float("-inf")
    for number, (program_id, _, _, score, start_id, start_score, _) in enumerate(told(place / "whole")):
        best = best if number else start_score
        assert (start_id, start_score) == (handed, best)
        if score is not None and score > best:
            handed, best = program_id, score
    assert handed is not None
    assert chain_of(place)[-1] == handed


def test_the_makers_of_the_best_output_are_named_and_certified(place: Path):
    makers = chain_of(place)
    assert len(makers) > 2
    shown = call(place, "show", "whole", "best")
    assert "chain    the start" in shown
    assert f"{makers[0][:8]} " in shown
    verified = json.loads(call(place, "verify", "whole", "--json"))
    assert (verified["verdict"], verified["program_id"]) == ("confirmed", makers[-1])
    made = json.loads((place / "whole" / "certificate.json").read_bytes())
    assert [link["program_id"] for link in made["found_by"]] == makers
    assert made["score"]["float"] == verified["score"]


def test_a_run_begins_with_the_output_of_a_certificate(place: Path):
    made = json.loads(call(place, "verify", "whole", "--out", "start.json", "--json"))
    options = ("run", "roots.py", "--start", "start.json", "--evals", 2, "--workers", 1, "--seed", 4)
    call(place, *options, "--from-best", 0.5, "--out", "onward")
    assert told(place / "onward")[0][5] == made["score"]
    assert "give that too" in call(place, *options, code=2)


def test_what_was_made_from_the_output_of_a_purged_program_goes_with_it(place: Path):
    shutil.copytree(place / "parts", place / "purged")
    first, cheat, *others = chain_of(place)
    call(place, "purge", "purged", cheat, "--reason", "it cheats")
    left = json.loads(call(place, "verify", "purged", "--json"))
    assert left["program_id"] not in (cheat, *others)
    made = json.loads((place / "purged" / "certificate.json").read_bytes())
    assert made["found_by"][0]["program_id"] == first
