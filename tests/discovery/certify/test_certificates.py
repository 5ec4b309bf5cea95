"""Certificates: made for every problem whose outputs speak for themselves, and refused after any change."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from discovery.certify import certificates, claims
from discovery.core.errors import CertificateError
from discovery.core.records import Record
from evaluators.contract import BestKnown, ContractError, Evaluation, Invalid, Program, Status
from evaluators.exact import Ball, exact_text
from evaluators.judging.kept import certificate as _certificate
from evaluators.judging.scoring import Scored, object_cases, score_apart, score_output
from evaluators.problems.loading import Problem, load_problem
from tests.discovery.conftest import Discovery, discovery, last_json

__all__ = ["discovery"]

CONSTRUCTIVE = (
    "cap_set",
    "circle_packing",
    "circles_in_rectangle",
    "erdos_minimum_overlap",
    "first_autocorrelation",
    "heilbronn_convex",
    "heilbronn_triangle",
    "hexagon_packing",
    "kissing_number",
    "matrix_multiplication",
    "max_min_distance_ratio",
    "prism_placement",
    "second_autocorrelation",
    "sums_and_differences",
    "third_autocorrelation",
    "uncertainty_inequality",
)
OTHERS = (
    "expert_placement",
    "function_minimization",
    "multicloud_broadcast",
    "online_bin_packing",
    "optimizer_update",
    "prefix_caching",
    "psro_meta_solver",
    "regret_minimisation",
    "spot_deadline",
    "transaction_scheduling",
    "tsp_local_search",
    "vm_packing",
)


@cache
def seed_object(name: str) -> Any:
    """What the seed gives, in the form in which evaluations keep it."""
    problem = load_problem(name)
    names: dict[str, Any] = {"__name__": "program"}
    exec(problem.seed.text, names)
    cases = object_cases(problem)
    assert cases is not None
    return json.loads(
        json.dumps(_certificate([problem.run(SimpleNamespace(**names), c.inputs) for c in cases]))
    )


def certificate(problem: Problem) -> dict[str, Any]:
    output = seed_object(problem.name)
    cases = object_cases(problem)
    assert cases is not None
    scored = score_output(problem, cases, output)
    made = certificates.make(problem, program=problem.seed, commit="", scored=scored, output=output)
    return json.loads(certificates.render(made))


@pytest.mark.parametrize("name", CONSTRUCTIVE)
def test_a_certificate_of_every_constructive_problem_is_checked_without_a_program(name: str, tmp_path: Path):
    problem = load_problem(name)
    made = certificate(problem)
    assert made["score"]["exact"] is not None
    assert made["verdict"] == "below"
    assert made["baseline"] is not None
    path = tmp_path / "certificate.json"
    claims.write(path, made)
    found = claims.check(path)
    assert (found.claim, found.is_reproduced, found.verdict) == ("object", True, "below")
    assert found.score == made["score"]["float"]
    assert found.exact == made["score"]["exact"]


@pytest.mark.parametrize("name", OTHERS)
def test_where_a_claim_rests_on_running_no_output_speaks_for_itself(name: str):
    assert object_cases(load_problem(name)) is None


def test_the_exact_score_is_the_objects():
    problem = load_problem("circle_packing")
    exact = certificate(problem)["score"]["exact"]["fraction"]
    assert Fraction(exact) == sum(Fraction(r) for _, _, r in seed_object(problem.name))
    side = certificate(load_problem("hexagon_packing"))["score"]
    assert abs(Fraction(side["exact"]["midpoint"]) - Fraction(side["float"])) < Fraction(1, 10**14)
    assert float(side["exact"]["radius"]) < 1e-39


# ---- what is altered

Change = Callable[[dict[str, Any]], object]


def put(*path_and_value: Any) -> Change:
    *path, last, value = path_and_value

    def change(data: dict[str, Any]) -> None:
        for key in path:
            data = data[key]
        data[last] = value

    return change


FORGERIES: dict[str, tuple[Change, str]] = {
    "overlap": (put("object", 0, 2, 0.2), "the object is refused: overlap of"),
    "out of the square": (put("object", 0, 0, 1.5), "the object is refused: x of circle 0 must lie in"),
    "no number": (put("object", 0, 0, "1"), "the object is refused: x of circle 0 must be a plain float"),
    "other object": (put("object", 0, 2, 0.0), "states the score"),
    "no object": (put("object", None), "must rest on an object"),
    "score": (put("score", "float", 2.7), "states the score"),
    "exact": (put("score", "exact", "fraction", "27/10"), "states the score"),
    "more exact": (put("score", "exact", "note", "checked"), "states the score"),
    "verdict": (put("verdict", "improves"), "states the verdict 'improves', but it is 'below'"),
    "best known": (put("best_known", []), "entry 'best_known' is not what circle_packing states"),
    "baseline": (put("baseline", "value", 0.5), "entry 'baseline'"),
    "bound": (put("bound", 3.0), "entry 'bound'"),
    "objective": (put("objective", "direction", "minimize"), "entry 'objective'"),
    "version": (put("problem", "version", "0" * 16), "is about version 0000000000000000 of circle_packing"),
    "terminal escapes": (put("problem", "version", "\x1b[2J" * 100), "is about version \ufffd[2J"),
    "package of another kind": (put("package", 3), "an entry is not of the kind"),
    "other problem": (put("problem", "name", "cap_set"), "is about version"),
    "a path": (put("problem", "name", "/tmp/evil.py"), "which is not shipped; name it with --problem"),
    "claim": (put("claim", "program"), "must rest on an object"),
    "claim of neither kind": (put("claim", "trust me"), "an entry is not of the kind"),
    "program": (put("program", "files", "program.py", "pass"), "id is not that of its text"),
    "score as text": (put("score", "float", "2.7"), "an entry is not of the kind"),
    "format": (put("format", "code-discovery certificate 9"), "is no certificate of the form"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_though_its_hashes_are_right(name: str, tmp_path: Path):
    change, reason = FORGERIES[name]
    made = certificate(load_problem("circle_packing"))
    change(made)
    made["sha256"] = certificates.hashes(made)
    path = tmp_path / "forged.json"
    path.write_bytes(certificates.render(made))
    with pytest.raises(CertificateError) as caught:
        claims.check(path)
    assert reason in str(caught.value)


@pytest.mark.parametrize(("key", "part"), [("object", "object"), ("program", "program"), ("package", "rest")])
def test_a_change_is_seen_by_its_hash(key: str, part: str, tmp_path: Path):
    made = certificate(load_problem("circle_packing"))
    made[key] = {"object": [], "program": {**made["program"], "commit": "x"}, "package": "x"}[key]
    path = tmp_path / "altered.json"
    path.write_bytes(certificates.render(made))
    with pytest.raises(CertificateError, match=f"the hash of the {part}"):
        claims.check(path)


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda raw: raw + b" ", "canonical form"),
        (lambda raw: raw.replace(b'"bound": ', b'"bound": 3.0,\n"bound": '), "canonical form"),
        (lambda raw: raw.replace(b'"cases": null', b'"cases": NaN'), "is no certificate"),
        (lambda raw: raw.replace(b'"cases": null', b'"cases": 1e999'), "is no certificate"),
        (
            lambda raw: raw.replace(b'"cases": null', b'"cases": ' + b"[" * 10**5 + b"]" * 10**5),
            "nested too deep",
        ),
        (lambda raw: raw.replace(b'"cases": null', b'"cases": ' + b"9" * 5000), "is no certificate"),
        (lambda raw: raw + b" " * certificates.MAX_BYTES, "larger than 4 MiB"),
        (lambda raw: raw[:-200], "is no certificate"),
        (lambda _: b"\xff\xfe", "is no certificate"),
        (lambda _: b"[1]", "is no certificate of the form"),
        (lambda _: b'{"format": "code-discovery certificate 1"}', "is no certificate of the form"),
    ],
)
def test_a_malformed_file_is_refused(alter: Callable[[bytes], bytes], reason: str, tmp_path: Path):
    path = tmp_path / "malformed.json"
    path.write_bytes(alter(certificates.render(certificate(load_problem("circle_packing")))))
    with pytest.raises(CertificateError) as caught:
        claims.check(path)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_not_there_is_told_of(tmp_path: Path):
    with pytest.raises(CertificateError, match="cannot read"):
        claims.check(tmp_path / "none.json")


HEAVY = '''"""Return a word with say()."""
from fractions import Fraction
from evaluators.contract import Baseline, BestKnown, Case, Invalid, Objective

SEED = "def say():\\n    return [3]\\n"
OBJECTIVE = Objective("worth", "maximize", bound=100)
CERTIFICATE = True
BEST_KNOWN = (BestKnown(4, "a book", "1999", certified=True), BestKnown(9, "a rumour", "2001-05", certified=False, scope="all words"))

def cases(rng, stage):
    return [Case(None)]

def run(program, inputs):
    return program.say()

def score(case, output):
    if output == "hang":
        while True:
            pass
    if output == "grow":
        output = [0] * 10**12
    if output == "exit":
        import os
        os._exit(3)
    if output == "print":
        print('{"score": 99, "exact": null}', flush=True)
        raise SystemExit
    if output == "fault":
        raise KeyError("no such word")
    if not isinstance(output, list) or [type(x) for x in output] != [int]:
        raise Invalid("a list of one whole number is asked for")
    return {"worth": output[0]}

def exact(case, output):
    return Fraction(output[0]) if output[0] < 50 else Fraction(output[0] + 1)
'''


@pytest.fixture
def heavy(tmp_path: Path) -> Problem:
    (tmp_path / "heavy.py").write_text(HEAVY)
    return load_problem(str(tmp_path / "heavy.py"))


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("hang", "scoring it takes longer than 2 s|the scorer died"),
        ("grow", "MemoryError"),
        ("exit", r"the scorer died of it \(exit code 3\)"),
        ("print", "the scorer died of it"),
        ("fault", "the scorer cannot stand it .KeyError"),
        ([1, 2], "one whole number"),
        ([101], "better than the proven bound, 100"),
    ],
)
def test_what_a_hostile_object_does_to_the_scorer_ends_there(heavy: Problem, output: Any, reason: str):
    begun = time.monotonic()
    with pytest.raises(Invalid, match=reason):
        score_apart(heavy.source, output, wall_s=2.0 if output == "hang" else 60.0)
    assert time.monotonic() - begun < 30


def test_an_exact_score_must_agree_with_the_metric(heavy: Problem):
    assert score_apart(heavy.source, [3]) == Scored(3.0, {"fraction": "3"})
    with pytest.raises(Exception, match="they must agree"):
        score_apart(heavy.source, [60])


@pytest.mark.parametrize(
    ("score", "verdict"),
    [(3.0, "below"), (4.0, "ties"), (4.0 * (1 - 9e-10), "ties"), (4.1, "improves"), (10.0, "improves")],
)
def test_the_verdict_compares_with_the_best_value_of_just_this_problem(
    heavy: Problem, score: float, verdict: str
):
    assert certificates.verdict(heavy, score) == verdict


def test_a_smaller_value_improves_where_smaller_is_better():
    problem = load_problem("hexagon_packing")
    assert certificates.verdict(problem, 3.93) == "below"
    assert certificates.verdict(problem, 3.92) == "improves"
    assert certificates.verdict(load_problem("vm_packing"), 0.0) == "nothing to compare with"


def test_long_fractions_become_balls_that_hold_them():
    value = Fraction(10**4000 + 1, 3**8000)
    text = exact_text(value)
    assert text is not None
    assert abs(Fraction(text["midpoint"]) - value) <= Fraction(text["radius"])
    assert exact_text(Ball(Fraction(-1, 3), Fraction(1, 10**60))) == {
        "midpoint": "-0." + "3" * 40,
        "radius": "0." + "0" * 40 + "34",
    }
    assert exact_text(None) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            'BEST_KNOWN = BestKnown(101, "a", "2020", certified=True)',
            "BEST_KNOWN 101 is better than the proven bound 100",
        ),
        ('BEST_KNOWN = ["the best"]', "must be a BestKnown, or a tuple of them"),
        ("BASELINE = 3.0", "BASELINE must be a Baseline"),
        ('BASELINE = Baseline(200.0, "a")', "BASELINE 200.0 is better than the proven bound 100"),
        ('BASELINE = Baseline(2.0, "")', "Baseline source must be a non-empty text"),
        ('BASELINE = Baseline(2.0, "a", seconds=0)', "Baseline seconds must be > 0"),
        ("def exact(case): pass", "must take case, output"),
        ("BEST_KNOW = 3", "did you mean BEST_KNOWN"),
    ],
)
def test_what_a_module_declares_of_records_is_checked_when_it_is_loaded(
    line: str, reason: str, tmp_path: Path
):
    text = HEAVY.replace("BEST_KNOWN = ", "_KNOWN = ") if line.startswith("BEST_KNOW ") else HEAVY
    (tmp_path / "heavy.py").write_text(f"{text}\n\n{line}\n")
    with pytest.raises(ContractError, match=re.escape(reason)):
        load_problem(str(tmp_path / "heavy.py"))


def test_a_value_of_another_scope_may_lie_beyond_the_bound(tmp_path: Path):
    line = 'BEST_KNOWN = BestKnown(101, "a", "2020", certified=True, scope="all words")'
    (tmp_path / "heavy.py").write_text(f"{HEAVY}\n\n{line}\n")
    problem = load_problem(str(tmp_path / "heavy.py"))
    assert certificates.verdict(problem, 3.0) == "nothing to compare with"


def test_best_known_values_keep_their_rules():
    for bad in (
        {"date": "99"},
        {"source": ""},
        {"value": float("nan")},
        {"certified": 1.5},
        {"date": "2020-13"},
    ):
        with pytest.raises(Exception, match="BestKnown"):
            BestKnown(**{"value": 1.0, "source": "a", "date": "2020", "certified": True} | bad)


# ---- claims that rest on a program


def test_a_claim_on_hidden_cases_is_checked_by_judging_the_program(discovery: Discovery, tmp_path: Path):
    problem = Path(tmp_path, "hidden.py")
    problem.write_text(
        '''"""Guess the hidden number between 0 and 1 with guess()."""
from evaluators.contract import Case, Invalid, Objective

SEED = """# EVOLVE-BLOCK-START
def guess():
    return 0.25
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("distance", "minimize", bound=0.0)

def cases(rng, stage):
    return [Case(None, rng.random()) for _ in range(3)]

def run(program, inputs):
    return program.guess()

def score(case, output):
    if type(output) is not float:
        raise Invalid("a float")
    return {"distance": abs(case.answer - output)}
'''
    )
    done = discovery("run", problem, "--evals", 5, "--seed", 7, "--workers", 1, "--out", "guessed", "--json")
    assert done.returncode == 0, done.stderr
    made = last_json(discovery("verify", "guessed", "--json"))
    assert (made["verdict"], made["standing"]) == ("confirmed", "nothing to compare with")
    path = tmp_path / "guessed" / "certificate.json"
    data = json.loads(path.read_bytes())
    assert (data["claim"], data["object"]) == ("program", None)
    assert "secret_sha256" in data["cases"]

    unnamed = discovery("verify", "--certificate", path)
    assert unnamed.returncode == 1
    assert "name it with --problem" in unnamed.stderr
    fresh = last_json(discovery("verify", "--certificate", path, "--problem", problem, "--json"))
    assert (fresh["is_reproduced"], fresh["stated"]) == (False, made["score"])
    assert fresh["score"] != made["score"]
    told = tmp_path / "guessed" / "secret"
    same = last_json(
        discovery("verify", "--certificate", path, "--problem", problem, "--secret-file", told, "--json")
    )
    assert (same["is_reproduced"], same["score"]) == (True, made["score"])
    (tmp_path / "other").write_text("0" * 32)
    other = discovery(
        "verify", "--certificate", path, "--problem", problem, "--secret-file", tmp_path / "other"
    )
    assert "not drawn from this secret" in other.stderr

    data["score"]["float"] = made["score"] / 2
    data["sha256"] = certificates.hashes(data)
    path.write_bytes(certificates.render(data))
    forged = discovery("verify", "--certificate", path, "--problem", problem, "--secret-file", told)
    assert forged.returncode == 1
    assert "states the score" in forged.stderr


class Scripted:
    """A judge that gives these scores in turn."""

    def __init__(self, *scores: float | None) -> None:
        self.scores = list(scores)

    def evaluate(self, program: Program, *, held_out: bool = False, start: object = None) -> Evaluation:
        score = self.scores.pop(0)
        return (
            Evaluation(Status.OK, score)
            if score is not None
            else Evaluation(Status.ERROR, reason="fell over")
        )

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("repeats", "scores", "is_confirmed"),
    [
        (1, [2.0], True),
        (1, [2.0000000001], False),
        (1, [None], False),
        (3, [2.1, 2.3, 1.9], True),
        (3, [1.9, 2.05, 1.95], True),  # 1.967 +- 0.044: 2 is not out of reach
        (3, [1.5, 1.52, 1.48], False),
        (3, [2.5, None, 2.5], False),
    ],
)
def test_a_score_that_varies_is_confirmed_within_its_error(
    repeats: int, scores: list[float | None], is_confirmed: bool
):
    problem = load_problem("cap_set")
    problem = replace(problem, objective=replace(problem.objective, repeats=repeats))
    recorded = Evaluation(Status.OK, 2.0)
    record = Record(0, problem.seed, problem.seed.id, (), recorded, "seed", 0, None, 0)
    judge = Scripted(*scores)
    again, found = claims.judged_again(judge, problem, record)
    assert found == is_confirmed
    assert again.is_ok == (None not in scores)
    assert judge.scores == []


def test_the_commitment_tells_secrets_apart():
    assert certificates.commitment(b"a") != certificates.commitment(b"b")
    rng = np.random.default_rng(0)
    assert len({certificates.commitment(rng.bytes(16)) for _ in range(50)}) == 50


def test_a_program_in_a_certificate_is_the_one_that_its_id_names():
    made = certificate(load_problem("cap_set"))
    assert certificates.program_of(made) == Program(made["program"]["files"], made["program"]["entry"])
