from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from evaluators.checking.check import SEED_RUNS, Level, check_problem
from evaluators.checking.findings import Finding
from evaluators.contract import Evaluation, Exhausted, Invalid, Program, Result, Status
from evaluators.problems.loading import Problem, load_problem
from evaluators.sandbox import plain
from evaluators.source.files import SourceFiles
from evaluators.source.modules import import_source
from evaluators.text.measures import axis_values
from evaluators.worker import JudgeProcess

TEXT = '''"""Guess the hidden number: guess(hint) is given a list of hints and returns a float."""

import math

from evaluators.contract import Case, Exhausted, Invalid, Limits, Measure, Objective

SEED = """
# EVOLVE-BLOCK-START
def guess(hint):
    return 0.25 * sum(hint)
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("error", "minimize", bound=0.0)
MEASURES = (Measure("size", 0, 4), Measure("ast_nodes", 0, 100, source="code"))
LIMITS = Limits(cpu_s=1)
CALLS = []


def cases(rng, stage):
    numbers = rng.random(4) + 0.5
    return [Case(inputs=numbers[:3].tolist(), answer=float(numbers[3]))]


def run(program, inputs):
    return program.guess(inputs)


def score(case, output):
    if type(output) is not float or not math.isfinite(output) or abs(output) > 1e6:
        raise Invalid("guess() must return a float of at most 1e6")
    return {"error": abs(output - case.answer), "size": abs(output)}
'''
SERVED = (
    TEXT.replace(
        "def run(program, inputs):",
        "def serve(case):\n    return Oracle(case.answer)\n\n\ndef run(program, inputs, oracle):",
    )
    .replace("return program.guess(inputs)", "oracle(program.guess(inputs))")
    .replace("def score(case, output):", "def score(case, output, oracle):\n    output = oracle.best")
    + """

class Oracle:
    def __init__(self, hidden):
        self.hidden, self.best = hidden, None

    def __call__(self, request):
        if type(request) is not float or not abs(request) < 1e6:
            raise Invalid("ask for a float")
        self.best = request
        return request < self.hidden
"""
)


@dataclass
class Judge:
    """Judges in this process: what `check` needs of a judge, without a sandbox."""

    problem: Problem
    cpu_s: float = 0.001
    wall_s: float = 0.002
    calls: int = 0

    def __call__(self, program: Program) -> Evaluation:
        if "_stash" in program.text:  # what it does to a process must not be done to this one: test_stash.py
            program = self.problem.seed
        self.calls += 1
        problem, results, done = self.problem, list[Result](), 0
        try:
            module = import_source(SourceFiles("program", program.entry, program.files))
            for stage in range(problem.stages):
                results = []
                for case in problem.draw_cases(np.random.default_rng([7, stage]), stage):
                    oracle = problem.serve(case) if problem.serve else None
                    try:
                        extras = {"oracle": oracle} if oracle else {}
                        output = plain.decode(plain.encode(problem.run(module, case.inputs, **extras)))
                    except Exhausted:
                        output = None
                    results.append(Result(case, problem.score_output(case, output, oracle)))
                    done += 1
            combined = problem.combine(results)
        except Invalid as error:
            return Evaluation(Status.INVALID, reason=str(error))
        except Exception as error:  # noqa: BLE001  (a program may raise anything)
            return Evaluation(
                Status.ERROR, reason=f"{type(error).__name__}: {error}", feedback="Traceback: line 3"
            )
        return Evaluation(
            Status.OK,
            score=combined[problem.objective.name],
            metrics=combined,
            measures=axis_values(problem.measures, program, combined),
            cases_done=done,
            cases_total=done,
            cpu_s=self.cpu_s,
            wall_s=self.wall_s,
        )


@pytest.fixture
def findings(tmp_path: Path) -> Callable[..., list[Finding]]:
    def check(*changes: tuple[str, str], text: str = TEXT, **judge: float) -> list[Finding]:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "guessing.py"
        path.write_text(text)
        problem = load_problem(str(path))
        return check_problem(problem, Judge(problem, **judge))

    return check


def the(found: list[Finding], title: str) -> Finding:
    matching = [finding for finding in found if finding.title == title]
    assert len(matching) == 1, found
    return matching[0]


def test_a_sound_problem_has_no_findings_but_notes(findings):
    for text in (TEXT, SERVED):
        assert [finding for finding in findings(text=text) if finding.level is not Level.NOTE] == []


def test_every_shipped_seed_is_judged_a_few_dozen_times_at_most(findings, tmp_path: Path):
    (tmp_path / "g.py").write_text(TEXT)
    problem = load_problem(str(tmp_path / "g.py"))
    judge = Judge(problem)
    check_problem(problem, judge)
    assert judge.calls < 40


def test_a_slow_problem_is_not_tried_with_everything(
    findings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "g.py").write_text(TEXT)
    problem = load_problem(str(tmp_path / "g.py"))
    judge = Judge(problem)
    monkeypatch.setattr("evaluators.checking.check.TRIALS_S", -1.0)
    assert the(check_problem(problem, judge), "not everything was tried").level is Level.NOTE
    assert judge.calls == SEED_RUNS


def test_of_a_score_that_can_be_forged_it_is_told_and_the_rest_is_milder(findings):
    noisy = (
        ("return {", "CALLS.append(1)\n    return {'noise': 0.0, "),
        ('"error": abs', '"error": len(CALLS) + abs'),
    )
    hard = findings(*noisy)
    assert the(hard, "seed is not repeatable").level is Level.ERROR
    soft = findings(("CALLS = []", "CALLS = []\nSELF_SCORED = True"), *noisy)
    assert the(soft, "seed is not repeatable").level is Level.WARNING
    assert the(soft, "self-scored").level is Level.WARNING
    assert "self-scored" not in {finding.title for finding in hard}


class TestText:
    def test_a_goal_that_does_not_name_the_function(self, findings):
        found = the(
            findings(("guess(hint) is given a list of hints and returns", "take")), "goal names no function"
        )
        assert found.level is Level.WARNING
        assert "program.guess" in found.detail

    def test_a_seed_without_markers(self, findings):
        found = findings(("# EVOLVE-BLOCK-START\n", ""), ("# EVOLVE-BLOCK-END\n", ""))
        assert the(found, "nothing is frozen").level is Level.NOTE

    def test_empty_blocks(self, findings):
        body = "def guess(hint):\n    return 0.25 * sum(hint)\n"
        found = findings((body, ""), ("# EVOLVE-BLOCK-END\n", "# EVOLVE-BLOCK-END\n" + body))
        assert the(found, "nothing may change").level is Level.ERROR

    def test_a_run_that_cannot_be_loaded_without_the_scorer(self, findings):
        factor = ("def run(program", "FACTOR = 1.0 if vars()['cases'] else 2.0\n\n\ndef run(program")
        found = the(
            findings(factor, ("guess(inputs)", "guess(inputs) * FACTOR")), "run() cannot be loaded alone"
        )
        assert found.level is Level.ERROR
        assert "KeyError: 'cases'" in found.detail


class TestCases:
    def test_cases_that_differ_from_call_to_call(self, findings):
        found = the(
            findings(("numbers = rng", "CALLS.append(1)\n    numbers = len(CALLS) + rng")),
            "cases() is not repeatable",
        )
        assert found.level is Level.ERROR

    def test_answers_that_do_not_come_from_the_rng(self, findings):
        found = the(
            findings(("rng.random(4) + 0.5", "__import__('numpy').arange(4) * 0.3")), "answers are not secret"
        )
        assert found.level is Level.WARNING

    def test_cases_that_fail(self, findings):
        found = findings(("numbers = rng", "numbers = rngg"))
        assert "NameError" in the(found, "cases() fails").detail
        assert "guessing.py:" in the(found, "cases() fails").detail

    def test_inputs_that_are_no_plain_data(self, findings):
        for made in ("rng", "{1, 2}", "lambda: 0"):
            found = the(
                findings(("inputs=numbers[:3].tolist()", f"inputs={made}")), "inputs are not plain data"
            )
            assert found.level is Level.ERROR

    @pytest.mark.parametrize(
        ("change", "level"),
        [
            (("inputs=numbers[:3].tolist()", "inputs=numbers.tolist()"), Level.ERROR),
            (("inputs=numbers[:3].tolist()", "inputs=numbers"), None),  # inside an array: not looked for
            (("answer=float(numbers[3])", "answer=[float(numbers[3]), numbers[0], 3.0]"), Level.WARNING),
            (("answer=float(numbers[3])", "answer={'values': numbers[:3]}"), Level.WARNING),
            (("answer=float(numbers[3])", "answer=numbers[:3]"), Level.ERROR),
        ],
    )
    def test_answers_within_the_inputs(self, findings, change: tuple[str, str], level: Level | None):
        found = [f for f in findings(change) if f.title == "secret in the inputs"]
        assert [f.level for f in found] == ([level] if level else [])

    def test_held_out_cases_that_are_not(self, findings):
        same = "__import__('numpy').random.default_rng([0, 0, 0])"
        held_out = f"def held_out(rng):\n    return cases({same}, 0)\n\n\ndef run("
        assert the(findings(("def run(", held_out)), "held-out cases are not held out").level is Level.ERROR
        good = held_out.replace(same, "rng")
        assert not [f for f in findings(("def run(", good)) if "held" in f.title]


class TestSeed:
    def test_a_seed_that_fails(self, findings):
        found = the(findings(("return 0.25 * sum(hint)", "return hint.x")), "seed fails")
        assert found.level is Level.ERROR
        assert "AttributeError" in found.detail
        assert "Traceback: line 3" in found.detail

    def test_a_seed_that_scores_differently_each_time(self, findings):
        random = ("return 0.25 * sum(hint)", "import os\n    return 0.25 * sum(hint) + os.urandom(1)[0]")
        assert the(findings(random), "seed is not repeatable").level is Level.ERROR

    def test_measures_that_differ_each_time(self, findings):
        random = ('"size": abs(output)', '"size": __import__("os").urandom(1)[0]')
        assert the(findings(random), "measures are not repeatable").level is Level.WARNING

    def test_a_target_that_the_seed_reaches(self, findings):
        found = the(findings(("bound=0.0", "target=50.0")), "target already reached")
        assert found.level is Level.ERROR
        assert "the target is 50" in found.detail

    def test_tight_limits(self, findings):
        found = the(findings(cpu_s=0.6), "limit is tight")
        assert "0.60 s per case of LIMITS cpu_s = 1" in found.detail
        assert "LIMITS wall_s" in the(findings(wall_s=11.0), "limit is tight").detail
        assert "a thousand take 3.1 hours" in the(findings(wall_s=11.0), "evaluations are slow").detail
        assert not [f for f in findings(cpu_s=0.4) if "tight" in f.title]

    def test_tight_output(self, findings):
        big = ("return 0.25 * sum(hint)", "return [0.0] * 800_000"), ("type(output) is not float or", "")
        found = findings(
            *big,
            ("not math.isfinite(output) or abs(output) > 1e6", "False"),
            ("abs(output - case.answer)", "1.0"),
            ("abs(output)}", "1.0}"),
        )
        assert the(found, "output limit is tight").level is Level.WARNING


class TestTrivialPrograms:
    def test_one_that_beats_the_seed(self, findings):
        found = the(findings(("0.25 * sum(hint)", "-5.0 * sum(hint)")), "a trivial program beats the seed")
        assert found.level is Level.ERROR
        assert "guess() returns 1.0" in found.detail

    def test_ones_that_score_like_the_seed(self, findings):
        blind = ("abs(output - case.answer)", "2.0")
        found = the(findings(blind), "a trivial program equals the seed")
        assert found.level is Level.WARNING

    def test_ones_that_get_a_score(self, findings):
        assert the(findings(), "trivial programs get a score").level is Level.NOTE

    def test_copies_of_the_input_and_empty_programs(self, findings):
        lenient = (
            (
                "if type(output) is not float or not math.isfinite(output) or abs(output) > 1e6:",
                "if output is None:",
            ),
            ("abs(output - case.answer)", "0.0 if output == case.inputs else 9.0"),
            ('"size": abs(output)', '"size": 1'),
        )
        found = the(findings(*lenient), "a trivial program beats the seed")
        assert "returns its first argument: 0" in found.detail


class TestMeasures:
    def test_one_that_lies_outside_its_range(self, findings):
        found = the(findings(('Measure("size", 0, 4)', 'Measure("size", 50, 90)')), "measure out of range")
        assert found.level is Level.WARNING
        assert "9 of 9" in found.detail

    def test_one_that_stays_in_the_cell_at_the_edge(self, findings):
        found = the(findings(('Measure("size", 0, 4)', 'Measure("size", 0, 100)')), "measure may be idle")
        assert found.level is Level.NOTE

    def test_a_novelty_is_not_told_by_the_judge_and_not_looked_at(self, findings):
        axis = 'Measure("new", 0, 0.5, source="novelty")'
        found = findings(('Measure("size", 0, 4)', axis))
        assert [one.title for one in found if one.title.startswith("measure")] == []


class TestScore:
    def test_scorers_that_raise_on_junk(self, findings):
        found = the(findings(("type(output) is not float or", "")), "score() raises TypeError")
        assert found.level is Level.WARNING
        assert "on None: TypeError" in found.detail
        assert "guessing.py:" in found.detail

    def test_scorers_that_let_nan_through(self, findings):
        found = the(
            findings(("not math.isfinite(output) or abs(output) > 1e6", "False")),
            "score() breaks the contract",
        )
        assert "on NaN" in found.detail

    def test_scorers_that_reward_junk(self, findings):
        lenient = (
            "if type(output) is not float or",
            "if output is None:\n        output = case.answer\n    if",
        )
        found = the(findings(lenient), "an odd output beats the seed")
        assert found.level is Level.ERROR
        assert "None scores 0" in found.detail

    def test_scorers_that_reward_damaged_outputs(self, findings):
        unpack = (
            "    if type(output)",
            "    (output,) = output if isinstance(output, list) and len(output) == 1 else [None]\n"
            "    output = case.answer if output is True else output\n"
            "    if type(output)",
        )
        found = findings(("return program.guess(inputs)", "return [program.guess(inputs)]"), unpack)
        odd = the(found, "an odd output beats the seed")
        assert odd.level is Level.WARNING
        assert odd.detail == "the seed's output with True as its first entry scores 0"

    def test_shorter_outputs_may_be_better(self, findings):
        last = (
            "    if type(output)",
            "    output = output[-1] if isinstance(output, list) and len(output) in (1, 2) else None\n"
            "    if type(output)",
        )
        two = ("return program.guess(inputs)", "return [program.guess(inputs), 90.0]")
        odd = the(findings(two, last), "an odd output beats the seed")
        assert (odd.level, "without its last entry" in odd.detail) == (Level.NOTE, True)

    def test_scorers_that_take_too_long(self, findings):
        slow = (
            "    if type(output)",
            "    while isinstance(output, list) and len(output) > 1000:\n        pass\n    if type(output)",
        )
        found = the(findings(slow), "score() takes too long")
        assert found.level is Level.ERROR
        assert "100,000 zeros: 1.0 s" in found.detail

    def test_scorers_that_refuse_without_a_reason(self, findings):
        found = the(
            findings(('Invalid("guess() must return a float of at most 1e6")', "Invalid()")),
            "score() rejects without a reason",
        )
        assert found.level is Level.WARNING

    def test_scorers_that_forget_nothing(self, findings):
        remember = ("    return {", "    CALLS.append(output)\n    return {")
        assert "CALLS" in the(findings(remember), "state in the module").detail
        assert "not repeatable" not in str(findings(remember))

    def test_scorers_that_are_not_repeatable(self, findings):
        drift = ("    return {", "    CALLS.append(1)\n    output += 1e-3 * len(CALLS)\n    return {")
        assert the(findings(drift), "score() is not repeatable").level is Level.ERROR

    def test_scorers_that_change_the_case(self, findings):
        change = ("    return {", "    case.inputs.append(1.0)\n    return {")
        assert the(findings(change), "score() changes its case").level is Level.ERROR

    def test_scorers_that_fail_on_the_seed(self, findings):
        found = the(
            findings(("abs(output - case.answer)", "abs(output - case.anser)")), "score() fails on the seed"
        )
        assert "AttributeError" in found.detail

    def test_outputs_that_cannot_leave_the_sandbox(self, findings):
        found = findings(("return program.guess(inputs)", "return {1, 2}"))
        assert the(found, "output is not plain data").level is Level.ERROR

    def test_oracles_that_raise_on_junk(self, findings):
        found = findings(
            ("type(request) is not float or not abs(request) < 1e6", "request > 1e6"), text=SERVED
        )
        assert "on the request None: TypeError" in the(found, "the oracle raises TypeError").detail

    def test_oracles_that_reply_with_what_cannot_cross(self, findings):
        found = findings(
            ("return request < self.hidden", "return {request}"),
            ("type(request) is not float or not abs(request) < 1e6", "type(request) not in (float, int)"),
            text=SERVED,
        )
        assert the(found, "the oracle breaks the contract").level is Level.ERROR


def test_errors_come_first(findings):
    found = findings(("bound=0.0", "target=50.0"), ('Measure("size", 0, 4)', 'Measure("size", 50, 90)'))
    levels = [list(Level).index(f.level) for f in found]
    assert levels == sorted(levels)
    assert len(set(levels)) > 1


SQL = '''"""Write a query over the table `t` (one column `x`) that gives the sum of the squares of its numbers."""

import sqlite3

from evaluators.contract import Case, Invalid, Measure, Objective

ENTRY = "query.sql"
SEED = """-- EVOLVE-BLOCK-START
select sum(x * x) from t -- where 1
-- EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("error", "minimize")
MEASURES = (Measure("code_bytes", 0, 200, source="code"),)


def cases(rng, stage):
    numbers = rng.integers(1, 9, 5).tolist()
    return [Case(inputs=numbers, answer=sum(number**2 for number in numbers))]


def run(program, inputs):
    table = sqlite3.connect(":memory:")
    table.execute("create table t (x)")
    table.executemany("insert into t values (?)", [(number,) for number in inputs])
    return table.execute(program.text).fetchone()[0]


def score(case, output):
    if type(output) is not int:
        raise Invalid("the query must give one whole number")
    return {"error": abs(output - case.answer)}
'''


def test_a_problem_whose_programs_are_no_python_is_judged_in_the_sandbox_and_checked(tmp_path: Path):
    path = tmp_path / "squares.py"
    path.write_text(SQL)
    problem = load_problem(str(path))
    with closing(JudgeProcess(problem.source, b"secret of a test")) as judge:
        assert judge.evaluate(problem.seed).score == 0
        found = check_problem(problem, judge.evaluate)
    assert [one for one in found if one.level is Level.ERROR] == []
