"""The judge: stages, thresholds, gates, oracles, held-out cases, and whose fault it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from evaluators.contract import Case, Evaluation, Limits, Program, Result, Status
from evaluators.judging.breakdown import MOST_BYTES, by_case, by_group
from evaluators.judging.judge import Judge, JudgeError
from evaluators.problems.loading import load_problem
from evaluators.sandbox.base import Outcome, SandboxError

PROGRAM = Program({"program.py": "def f(x):\n    return x\n"})
HEAD = '''"""Do as you are told."""
import numpy as np
from evaluators.contract import Case, Exhausted, Invalid, Limits, Measure, Objective
SEED = "def f(x):\\n    return x\\n"
OBJECTIVE = Objective("value", "maximize")
MEASURES = (Measure("width", 0, 10), Measure("code_bytes", 0, 100, source="code"))
def run(program, inputs): return program.f(inputs)
'''
CASES = "def cases(rng, stage): return [Case(inputs=1.0, answer=1), Case(inputs=3.0, answer=3)]\n"
SCORE = "def score(case, output): return {'value': output, 'width': case.answer}\n"


@dataclass
class ScriptedSandbox:
    """A sandbox that answers with `answer(inputs, oracle)` and remembers what was asked of it."""

    answer: Callable[[Any, Any], Outcome]
    layers: tuple[str, ...] = ("scripted",)
    started: list[int] = field(default_factory=list)
    closed: int = 0
    faults: int = 0

    def start(self, program: Program, limits: Limits, *, cases: int = 1) -> ScriptedSandbox:
        self.started.append(cases)
        if self.faults:
            self.faults -= 1
            raise SandboxError("no fork today")
        return self

    def run(self, inputs: Any, oracle: Any = None) -> Outcome:
        return self.answer(inputs, oracle)

    def close(self) -> float:
        self.closed += 1
        return 0.5


def echo(inputs: Any, oracle: Any = None) -> Outcome:
    return Outcome(Status.OK, inputs)


@pytest.fixture
def judge_of(tmp_path):
    def make(
        body: str, answer: Callable[[Any, Any], Outcome] = echo, secret: bytes = b"s", **options: Any
    ) -> Judge:
        path = tmp_path / "told.py"
        path.write_text(HEAD + body)
        make.sandbox = ScriptedSandbox(answer)
        return Judge(load_problem(str(path)), secret=secret, sandbox=make.sandbox, **options)

    return make


def test_each_evaluation_meets_cases_of_its_own_where_a_problem_varies_them(judge_of):
    vary = "def vary(rng, case): return Case(inputs=case.inputs + rng.random(), answer=case.answer)\n"
    first, same = (
        judge_of(CASES + vary + SCORE, chance=np.random.default_rng(1)).evaluate(PROGRAM).score
        for _ in range(2)
    )
    judge = judge_of(CASES + vary + SCORE)
    scores = {judge.evaluate(PROGRAM).score for _ in range(4)}
    assert first == same
    assert len(scores) == 4
    assert all(2.0 <= score < 3.0 for score in scores)


def test_a_vary_that_gives_no_case_is_the_problems_fault(judge_of):
    with pytest.raises(JudgeError, match=r"vary\(\) must return"):
        judge_of(CASES + "def vary(rng, case): return 3\n" + SCORE).evaluate(PROGRAM)


def test_a_program_is_scored_on_all_cases(judge_of):
    evaluation = judge_of(CASES + SCORE).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.score, evaluation.reason) == ("ok", 2.0, "")
    assert evaluation.metrics == {"value": 2.0, "width": 2.0}
    assert evaluation.measures == (2.0, float(len("def f(x):\n    return x\n")))
    assert (evaluation.cases_done, evaluation.cases_total) == (2, 2)
    assert (evaluation.cpu_s, evaluation.layers) == (1.0, ("scripted",))
    assert evaluation.wall_s > 0


def test_each_case_has_a_child_of_its_own(judge_of):
    evaluation = judge_of(CASES + SCORE).evaluate(PROGRAM)
    assert (judge_of.sandbox.started, judge_of.sandbox.closed) == ([1, 1], 2)
    assert evaluation.cpu_s == 1.0


def test_one_child_serves_a_stage_where_the_problem_asks_for_it(judge_of):
    judge_of("SHARED_PROCESS = True\n" + CASES + SCORE).evaluate(PROGRAM)
    assert (judge_of.sandbox.started, judge_of.sandbox.closed) == ([2], 1)


PHASES = """
def follow(case, output):
    if output == 99.0:
        raise Invalid("that is too much")
    return Case(inputs=output + 10, answer=case.answer + 1) if case.answer < 6 else None
"""


def test_phases_follow_one_another_in_fresh_children_and_the_last_one_is_scored(judge_of):
    evaluation = judge_of(CASES + PHASES + SCORE).evaluate(PROGRAM)
    assert judge_of.sandbox.started == [1] * (6 + 4)
    assert evaluation.metrics == {"value": (51.0 + 33.0) / 2, "width": 6.0}
    assert (evaluation.cases_done, evaluation.cases_total, evaluation.cpu_s) == (2, 2, 5.0)


def test_an_output_that_follow_refuses_is_invalid(judge_of):
    evaluation = judge_of(CASES + PHASES + SCORE, lambda *_: Outcome(Status.OK, 99.0)).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.reason, evaluation.cases_done) == ("invalid", "that is too much", 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return case", "more than 8 phases"),
        ("return Cas(1)", r"follow\(\) of the problem failed at told.py"),
    ],
)
def test_a_follow_without_an_end_or_with_a_fault_is_the_problems(judge_of, body, message):
    with pytest.raises(JudgeError, match=message):
        judge_of(CASES + f"def follow(case, output):\n    {body}\n" + SCORE).evaluate(PROGRAM)


def test_a_follow_that_gives_no_case_is_told_of(judge_of):
    evaluation = judge_of(CASES + "def follow(case, output): return 3\n" + SCORE).evaluate(PROGRAM)
    assert "follow() must return a Case or None, got 3" in evaluation.reason


def test_follow_sees_the_oracle_of_its_phase(judge_of):
    body = """
def follow(case, output, oracle):
    return Case({"budget": 9}) if oracle.asked and case.inputs["budget"] < 9 else None
"""
    judge = judge_of(SERVED + body, lambda inputs, oracle: Outcome(Status.OK, oracle(1)))
    assert judge.evaluate(PROGRAM).status == "ok"
    assert len(judge_of.sandbox.started) == 4


@pytest.mark.parametrize(
    "status", [Status.ERROR, Status.TIMEOUT, Status.MEMORY, Status.OUTPUT, Status.CRASHED]
)
def test_a_failed_case_fails_the_program(judge_of, status):
    def answer(inputs, oracle):
        return Outcome(Status.OK, inputs) if inputs < 2 else Outcome(status, reason="why", feedback="trace")

    evaluation = judge_of(CASES + SCORE, answer).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.score, evaluation.reason, evaluation.feedback) == (
        status,
        None,
        "why",
        "trace",
    )
    assert (evaluation.cases_done, evaluation.cases_total, evaluation.metrics) == (1, 2, {})


def test_the_cases_follow_from_the_secret(judge_of):
    drawn = "def cases(rng, stage): return [Case(inputs=float(rng.random()))]\n"
    scores = [
        judge_of(drawn + SCORE.replace("case.answer", "1"), secret=secret).evaluate(PROGRAM).score
        for secret in (b"a", b"a", b"b")
    ]
    assert scores[0] == scores[1] != scores[2]


def test_stages_get_cases_of_their_own(judge_of):
    body = "STAGES = 2\nTHRESHOLDS = (0.0,)\ndef cases(rng, stage): return [Case(inputs=float(rng.random()) + 10 * stage)]\n"
    evaluation = judge_of(body + SCORE.replace("case.answer", "1")).evaluate(PROGRAM)
    assert evaluation.status == "ok"
    assert (evaluation.cases_done, judge_of.sandbox.started) == (2, [1, 1])


TWO_STAGES = """
STAGES = 2
def cases(rng, stage):
    return [Case(inputs=3.0, name="short")] if stage == 0 else [Case(100.0, name="a", group="g"), Case(50.0, name="b")]
"""


def test_the_score_is_that_of_the_last_stage(judge_of):
    evaluation = judge_of(TWO_STAGES + SCORE.replace("case.answer", "1")).evaluate(PROGRAM)
    assert (evaluation.score, evaluation.cases_done, evaluation.cases_total) == (75.0, 3, 3)


def test_aggregate_gets_case_group_and_metrics_of_one_stage_and_may_make_the_measures(judge_of):
    body = """
def score(case, output): return {'raw': output}
def aggregate(results):
    found = {'value': max(one.metrics['raw'] for one in results)}
    if len(results) == 1:  # of a gate only the objective is asked for
        return found
    assert [(one.case.name, one.group) for one in results] == [('a', 'g'), ('b', '')]
    return {**found, 'width': 1.0}
"""
    evaluation = judge_of(TWO_STAGES + "THRESHOLDS = (2.0,)\n" + body).evaluate(PROGRAM)
    assert (evaluation.score, evaluation.metrics) == (100.0, {"value": 100.0, "width": 1.0})
    assert evaluation.measures is not None


GROUPS = """
def cases(rng, stage):
    return [Case(float(n), 1, name=f"case {n}", group="even" if n % 2 == 0 else "odd") for n in range(5)]
def held_out(rng): return [Case(100.0, 1, group="far"), Case(7.0, 1, group="near")]
def score(case, output):
    return {'value': output, 'width': 1, '_hidden': 9}
"""


def test_metrics_are_told_by_group_and_by_case(judge_of):
    evaluation = judge_of(GROUPS).evaluate(PROGRAM, held_out=True)
    assert [(part.name, part.cases, part.metrics) for part in evaluation.by_group] == [
        ("even", 3, {"value": 2.0, "width": 1.0}),
        ("odd", 2, {"value": 2.0, "width": 1.0}),
    ]
    assert [(part.name, part.group, part.metrics["value"]) for part in evaluation.by_case][:2] == [
        ("case 0", "even", 0.0),
        ("case 1", "odd", 1.0),
    ]
    assert [(part.name, part.metrics["value"]) for part in evaluation.held_out_by_group] == [
        ("far", 100.0),
        ("near", 7.0),
    ]
    assert Evaluation.from_json(json.loads(json.dumps(evaluation.to_json()))) == evaluation


def test_a_failed_program_is_told_the_cases_that_it_passed(judge_of):
    def answer(inputs, oracle):
        return Outcome(Status.OK, inputs) if inputs < 3 else Outcome(Status.TIMEOUT, reason="slow")

    evaluation = judge_of(GROUPS, answer).evaluate(PROGRAM)
    assert (evaluation.status, [part.name for part in evaluation.by_case]) == (
        "timeout",
        ["case 0", "case 1", "case 2"],
    )


def test_one_case_has_no_parts(judge_of):
    body = CASES.replace(", Case(inputs=3.0, answer=3)", "") + SCORE
    evaluation = judge_of(body).evaluate(PROGRAM)
    assert (evaluation.by_case, evaluation.by_group) == ((), ())


@pytest.mark.parametrize(("cases", "metrics"), [(64, 1), (5000, 1), (60, 30), (2000, 40)])
def test_parts_stay_small_whatever_there_is(cases, metrics):
    results = [
        Result(
            Case(None, name="n" * 500, group=f"group {n}"),
            {"value": n / 3, **{f"metric {m}": n / 7 for m in range(metrics)}},
        )
        for n in range(cases)
    ]
    for parts in (by_case(results, "value"), by_group(results, "value")):
        assert parts
        assert len(json.dumps([part.to_json() for part in parts])) <= MOST_BYTES
        assert all("value" in part.metrics for part in parts)


def test_an_aggregate_of_the_first_edition_gets_the_metrics_of_the_last_stage(judge_of):
    body = "def aggregate(metrics): return {'value': sum(one['value'] for one in metrics), 'width': 1}\n"
    with pytest.warns(FutureWarning, match=r"aggregate\(results\).*the last one alone make the score"):
        judge = judge_of(TWO_STAGES + SCORE.replace("case.answer", "1") + body)
    assert judge.evaluate(PROGRAM).score == 150.0


@pytest.mark.parametrize(
    ("direction", "threshold", "word"), [("maximize", 2.5, "below"), ("minimize", 1.5, "above")]
)
def test_a_missed_threshold_stops_the_cascade(judge_of, direction, threshold, word):
    body = f"STAGES = 2\nTHRESHOLDS = ({threshold},)\nOBJECTIVE = Objective('value', '{direction}')\n"
    evaluation = judge_of(body + CASES + SCORE).evaluate(PROGRAM)
    assert evaluation.status == "rejected"
    assert evaluation.reason == f"stage 1 of 2: value 2 is {word} the threshold {threshold}"
    assert (evaluation.cases_done, evaluation.cases_total) == (2, 4)
    assert evaluation.metrics["value"] == 2.0


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ("Objective('value', bound=1.5)", "value 2 is better than the proven bound 1.5"),
        ("Objective('value', 'minimize', bound=2.5)", "value 2 is better than the proven bound 2.5"),
        ("Objective('value', plausible=1.5)", "value 2 is better than what is plausible, 1.5"),
    ],
)
def test_a_score_beyond_a_gate_is_rejected(judge_of, objective, reason):
    evaluation = judge_of(f"OBJECTIVE = {objective}\n" + CASES + SCORE).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.score) == ("rejected", None)
    assert evaluation.reason.startswith(reason)


def test_a_score_at_the_bound_is_fine(judge_of):
    assert (
        judge_of("OBJECTIVE = Objective('value', bound=2.0)\n" + CASES + SCORE).evaluate(PROGRAM).score == 2.0
    )


def test_zero_and_negative_scores_are_ordinary(judge_of):
    assert (
        judge_of(CASES + "def score(case, output): return {'value': -5.0, 'width': 0}\n")
        .evaluate(PROGRAM)
        .score
        == -5.0
    )
    assert (
        judge_of(CASES + "def score(case, output): return {'value': 0, 'width': 0}\n").evaluate(PROGRAM).score
        == 0.0
    )


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        ("raise Invalid('circles 3 and 4\\n overlap\\x1b[0m')", "circles 3 and 4 overlap[0m"),
        ("raise Invalid('')", "rejected by the scorer"),
        (
            "return {'value': 1 / (output - output), 'width': 1}",
            "score() of the problem failed at told.py:9 on ZeroDivisionError",
        ),
        (
            "return {'value': output['x'], 'width': 1}",
            "score() of the problem failed at told.py:9 on TypeError",
        ),
        ("return {'value': float('nan'), 'width': 1}", "score() must return finite numbers"),
        ("return {'value': 10 ** 400, 'width': 1}", "score() must return finite numbers"),
        ("raise MemoryError", "score() of the problem failed at told.py:9 on MemoryError"),
        ("return score(case, output)", "score() of the problem failed at told.py:9 on RecursionError"),
    ],
)
def test_what_an_output_provokes_is_invalid(judge_of, score, reason):
    evaluation = judge_of(CASES + f"def score(case, output): {score}\n").evaluate(PROGRAM)
    assert (evaluation.status, evaluation.score) == ("invalid", None)
    assert reason in evaluation.reason
    assert "\n" not in evaluation.reason


def test_a_scorer_that_hangs_makes_the_output_invalid(judge_of):
    body = (
        CASES
        + "def score(case, output):\n    while True:\n        try: sum(range(1000))\n        except Exception: pass\n"
    )
    evaluation = judge_of(body, score_timeout_s=0.2).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.reason) == (
        "invalid",
        "score needs more than 0.2 s for this output",
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            CASES + "def score(case, output): return {'value': undefined}\n",
            r"score\(\) of the problem failed at told.py:9 on NameError",
        ),
        (
            CASES + "def score(case, output): import nothing_there\n",
            r"score\(\) of the problem failed .* on ModuleNotFoundError",
        ),
    ],
)
def test_a_broken_scorer_is_the_problems_fault(judge_of, body, message):
    with pytest.raises(JudgeError, match=message):
        judge_of(body).evaluate(PROGRAM)


def test_broken_cases_are_the_problems_fault(judge_of):
    with pytest.raises(JudgeError, match=r"cases\(\) of the problem failed at told.py:8 on IndexError"):
        judge_of("def cases(rng, stage): return [][1]\n" + SCORE)
    with pytest.raises(JudgeError, match="non-empty list of Case"):
        judge_of("def cases(rng, stage): return []\n" + SCORE)
    with pytest.raises(JudgeError, match=r"held_out\(\) of the problem failed .* on KeyError"):
        judge_of(CASES + SCORE + "def held_out(rng): return {}[1]\n")


def test_a_failing_sandbox_gets_a_second_try(judge_of):
    judge = judge_of(CASES + SCORE)
    judge_of.sandbox.faults = 1
    assert judge.evaluate(PROGRAM).score == 2.0
    judge_of.sandbox.faults = 2
    with pytest.raises(SandboxError, match="no fork today"):
        judge.evaluate(PROGRAM)


SERVED = """
LIMITS = Limits(cpu_s=1)
def run(program, inputs, oracle): return program.f(oracle)
class Counter:
    def __init__(self, budget): self.budget, self.asked = budget, []
    def __call__(self, request):
        if len(self.asked) >= self.budget: raise Exhausted("spent")
        if request == "cheat": raise Invalid("asked for the answer")
        if request == "hang":
            while True: pass
        self.asked.append(request)
        return -request
def serve(case): return Counter(case.inputs["budget"])
def cases(rng, stage): return [Case(inputs={"budget": 3}), Case(inputs={"budget": 5})]
def score(case, output, oracle): return {"value": sum(oracle.asked), "width": 0 if output is None else 1}
"""


def test_an_oracle_keeps_the_record_that_is_scored(judge_of):
    def answer(inputs, oracle):
        assert [oracle(1), oracle(2)] == [-1, -2]
        return Outcome(Status.OK, "done")

    evaluation = judge_of(SERVED, answer).evaluate(PROGRAM)
    assert evaluation.metrics == {"value": 3.0, "width": 1.0}


def test_a_spent_oracle_ends_the_case_but_not_the_stage(judge_of):
    def answer(inputs, oracle):
        while True:
            oracle(1)

    evaluation = judge_of("SHARED_PROCESS = True\n" + SERVED, answer).evaluate(PROGRAM)
    assert (evaluation.status, evaluation.metrics) == ("ok", {"value": 4.0, "width": 0.0})
    assert judge_of.sandbox.started == [2, 1]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("cheat", "asked for the answer"),
        (None, "the oracle of the problem failed at told.py:19 on TypeError"),
        ("hang", "the oracle needs more than 0.2 s"),
    ],
)
def test_a_request_the_oracle_refuses_is_invalid(judge_of, request_, reason):
    evaluation = judge_of(SERVED, lambda inputs, oracle: oracle(request_), score_timeout_s=0.2).evaluate(
        PROGRAM
    )
    assert evaluation.status == "invalid"
    assert reason in evaluation.reason


def test_a_partial_output_counts_and_the_next_case_gets_a_fresh_child(judge_of):
    evaluation = judge_of(
        "SHARED_PROCESS = True\n" + CASES + SCORE,
        lambda inputs, oracle: Outcome(Status.OK, inputs, is_partial=True),
    ).evaluate(PROGRAM)
    assert (evaluation.score, judge_of.sandbox.started) == (2.0, [2, 1])


HELD = "def held_out(rng): return [Case(inputs=100.0, answer=7)]\n"


def test_held_out_cases_are_scored_on_request_only(judge_of):
    judge = judge_of(CASES + SCORE + HELD)
    assert judge.evaluate(PROGRAM).held_out is None
    evaluation = judge.evaluate(PROGRAM, held_out=True)
    assert (evaluation.score, evaluation.held_out) == (2.0, {"value": 100.0, "width": 7.0})


def test_a_program_that_fails_on_held_out_cases_keeps_its_score(judge_of):
    def answer(inputs, oracle):
        return Outcome(Status.OK, inputs) if inputs < 50 else Outcome(Status.TIMEOUT, reason="slow")

    evaluation = judge_of(CASES + SCORE + HELD, answer).evaluate(PROGRAM, held_out=True)
    assert (evaluation.status, evaluation.score, evaluation.held_out) == ("ok", 2.0, None)


def test_the_certificate_is_kept_as_json(judge_of):
    one = "CERTIFICATE = True\ndef cases(rng, stage): return [Case(inputs=1.0, answer=1)]\n"
    evaluation = judge_of(
        one + SCORE.replace("output,", "1,"), lambda i, o: Outcome(Status.OK, {"a": [np.arange(3.0)]})
    ).evaluate(PROGRAM)
    assert json.loads(json.dumps(evaluation.certificate)) == {"a": [[0.0, 1.0, 2.0]]}
    evaluation = judge_of("CERTIFICATE = True\n" + CASES + SCORE).evaluate(PROGRAM)
    assert evaluation.certificate == [1.0, 3.0]
    assert judge_of(CASES + SCORE).evaluate(PROGRAM).certificate is None


def test_a_certificate_that_is_too_large_is_left_out(judge_of):
    one = "CERTIFICATE = True\ndef cases(rng, stage): return [Case(inputs=1.0, answer=1)]\n"
    evaluation = judge_of(
        one + SCORE.replace("output,", "1,"), lambda i, o: Outcome(Status.OK, "x" * 140_000)
    ).evaluate(PROGRAM)
    assert (evaluation.score, evaluation.certificate) == (1.0, None)


def test_the_time_that_an_evaluation_can_take_is_known(judge_of):
    judge = judge_of("LIMITS = Limits(wall_s=10)\n" + CASES + SCORE + HELD, score_timeout_s=5)
    assert judge.limit_s() == 2 * 15 + 30
    assert judge.limit_s(held_out=True) == 3 * 15 + 30


def test_a_held_out_case_that_asks_for_more_has_more_time(judge_of):
    held = "def held_out(rng): return [Case(inputs=1.0, answer=[0] * 6)]\n"
    cases = "LIMITS = Limits(wall_s=10)\ndef cases(rng, stage): return [Case(inputs=1.0, answer=[0] * 3)]\n"
    assert judge_of(cases + SCORE + held, score_timeout_s=5).limit_s(held_out=True) == 15 + (20 + 5) + 30
