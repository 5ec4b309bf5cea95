"""What decides hidden cases, seen from the command line: nothing that a program could know or search."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from discovery.storage.secret import derived_secret
from tests.discovery.conftest import Discovery, last_json

HIDDEN = '''"""Return a number; the hidden one is scored."""
from evaluators.contract import Case, Invalid, Objective

SEED = """# EVOLVE-BLOCK-START
def guess():
    return 0.5
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("distance", "minimize", bound=0.0)


def cases(rng, stage):
    return [Case(None, rng.random())]


def run(program, inputs):
    return program.guess()


def score(case, output):
    if type(output) is not float:
        raise Invalid("a float is asked for")
    return {"distance": abs(case.answer - output)}
'''


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    path = tmp_path / "hidden.py"
    path.write_text(HIDDEN)
    (tmp_path / "guess.py").write_text("def guess():\n    return 0.5\n")
    return path


def first_score(run: Path) -> float:
    lines = (run / "journal.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    score = next(entry for entry in entries if entry["type"] == "evaluated")["record"]["evaluation"]["score"]
    assert isinstance(score, float)
    return score


def test_one_seed_makes_the_same_choices_on_other_cases(discovery: Discovery, hidden: Path, tmp_path: Path):
    for name in ("a", "b"):
        done = discovery("run", hidden, "--seed", 3, "--evals", 3, "--workers", 1, "--out", name)
        assert done.returncode == 0, done.stderr
    assert first_score(tmp_path / "a") != first_score(tmp_path / "b")


def test_a_shared_secret_makes_runs_evaluations_and_certificates_comparable(
    discovery: Discovery, hidden: Path, tmp_path: Path
):
    for name, seed in (("a", 3), ("b", 4)):
        shared = ("--secret-file", "shared", "--seed", seed)
        done = discovery("run", hidden, *shared, "--evals", 3, "--workers", 1, "--out", name)
        assert done.returncode == 0, done.stderr
    assert first_score(tmp_path / "a") == first_score(tmp_path / "b")
    alone = ("evaluate", hidden, "guess.py", "--json")
    assert (
        last_json(discovery(*alone, "--secret-file", "a/secret"))["score"]
        == last_json(discovery(*alone, "--secret-file", "shared"))["score"]
        == first_score(tmp_path / "a")
    )
    fresh = {last_json(discovery(*alone))["score"] for _ in range(2)}
    assert len(fresh | {first_score(tmp_path / "a")}) == 3


def test_a_seed_no_longer_decides_the_cases_of_an_evaluation(discovery: Discovery, hidden: Path):
    done = [discovery("evaluate", hidden, "guess.py", "--seed", 1, "--json") for _ in range(2)]
    assert len({last_json(one)["score"] for one in done}) == 2
    assert (
        "--seed decides nothing here any more; to meet the same cases again: --secret-file" in done[0].stderr
    )


def test_the_secret_stands_in_its_file_only(discovery: Discovery, hidden: Path, tmp_path: Path):
    run = tmp_path / "run"
    done = discovery("run", hidden, "--seed", 3, "--evals", 30, "--out", run, "--json")
    said = [
        done,
        discovery("verify", run, "--json"),
        discovery("report", run),
        discovery("log", run, "--json"),
    ]
    assert [one.returncode for one in said] == [0] * 4, said
    secret = bytes.fromhex((run / "secret").read_text())
    objects = subprocess.run(
        ["git", "-C", run / "lineage", "cat-file", "--batch-all-objects", "--batch"],
        capture_output=True,
        check=True,
    ).stdout
    told = [one.stdout.encode() + one.stderr.encode() for one in said] + [objects]
    told += [path.read_bytes() for path in run.rglob("*") if path.is_file() and path != run / "secret"]
    assert not any(form in text for form in (secret, secret.hex().encode()) for text in told)


def test_a_run_of_a_former_version_is_resumed_and_verified_with_a_warning(
    discovery: Discovery, hidden: Path, tmp_path: Path
):
    run = tmp_path / "run"
    (tmp_path / "old").write_text(derived_secret(3).hex())
    begun = discovery(
        "run", hidden, "--seed", 3, "--secret-file", "old", "--evals", 3, "--workers", 1, "--out", run
    )
    assert begun.returncode == 0, begun.stderr
    (run / "secret").unlink()
    lost = discovery("resume", run, "--evals", 5)
    assert lost.returncode == 1
    assert "is missing, so the run's hidden cases are lost" in lost.stderr
    settings = json.loads((run / "config.json").read_text())
    del settings["has_secret"]
    (run / "config.json").write_text(json.dumps(settings))
    resumed = discovery("resume", run, "--evals", 5)
    assert resumed.returncode == 0, resumed.stderr
    assert "hidden cases follow from --seed" in resumed.stderr
    assert last_json(discovery("verify", run, "--json"))["verdict"] == "confirmed"


def test_the_runs_of_a_pair_meet_the_same_cases(discovery: Discovery, hidden: Path, tmp_path: Path):
    (tmp_path / "a.toml").write_text(f'problem = "{hidden}"\nworkers = 1\n')
    asked = ("compare", "a.toml", "random", "--seeds", 2, "--evals", 2, "--secret-file", "shared")
    done = [discovery(*asked, "--out", out) for out in ("one", "two")]
    assert [one.returncode for one in done] == [0, 0], done
    scores = [
        [first_score(tmp_path / out / f"{which}-{seed}") for out in ("one", "two") for which in "ab"]
        for seed in (0, 1)
    ]
    assert [len(set(each)) for each in scores] == [1, 1]
    assert scores[0] != scores[1]
    (tmp_path / "shared").unlink()
    other = discovery(*asked, "--out", "one")
    assert other.returncode == 2
    assert "was begun with another secret" in other.stderr
