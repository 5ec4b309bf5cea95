from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.analysis.comparison import OPPONENTS, Course, compare_courses, opponent, read_course
from discovery.core.errors import ConfigError
from discovery.settings.config import RunConfig
from discovery.settings.models import ModelConfig
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Objective
from tests.discovery.conftest import Discovery, last_json


def course(*best: float, tokens_each: float = 10.0) -> Course:
    count = len(best)
    spent = tuple(tokens_each * (n + 1) for n in range(count))
    return Course(best, tuple(float(n + 1) for n in range(count)), spent, (0.0,) * count)


def test_the_faster_of_two_that_end_alike_is_told_by_its_costs() -> None:
    fast = [course(0, 1, 1, 1, 1) for _ in range(8)]
    slow = [course(0, 0, 0, 0, 1) for _ in range(8)]
    found = compare_courses(("fast", "slow"), range(8), (fast, slow))
    assert found.target == 1
    assert found.final.verdict() == "not told apart"
    assert found.costs["evaluations"] == ((2.0,) * 8, (5.0,) * 8)
    assert found.cost_tests["evaluations"].verdict() == "better"
    assert found.cost_tests["tokens"].verdict() == "better"
    assert "cost_usd" not in found.costs
    points, first, second = found.curves["evaluations"]
    assert points[0] == 0
    assert points[-1] == 5
    assert first[0] == second[0] == 1
    assert first[-1] == second[-1] == 0
    assert all(a <= b for a, b in zip(first, second, strict=True))


def test_never_reaching_the_target_is_worse_than_reaching_it_late() -> None:
    late = [course(0, 0, 0, 2) for _ in range(7)]
    never = [course(0, 0, 0, 1) for _ in range(7)]
    found = compare_courses(("late", "never"), range(7), (late, never), target=2)
    assert found.costs["evaluations"][1] == (math.inf,) * 7
    assert found.cost_tests["evaluations"].verdict() == "better"
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["cost_to_target"]["evaluations"][1] == [None] * 7
    assert data["final"]["verdict"] == "better"


def test_a_run_without_a_score_is_the_worst_and_breaks_nothing() -> None:
    some = [course(-math.inf, 1.0 + n) for n in range(7)]
    none = [course(-math.inf, -math.inf) for _ in range(7)]
    found = compare_courses(("some", "none"), range(7), (some, none))
    assert found.final.verdict() == "better"
    assert math.isfinite(found.final.difference.middle)


@pytest.mark.parametrize("name", OPPONENTS)
def test_an_opponent_differs_in_its_search_alone(name: str) -> None:
    config = RunConfig("toy", 1, models=ModelConfig(models=(("m", 1.0),)))
    other = opponent(name, config)
    assert other != config
    assert (other.problem, other.budget, other.models, other.seed) == (
        config.problem,
        config.budget,
        config.models,
        config.seed,
    )
    assert other.islands.islands == 1


@pytest.mark.parametrize("name", OPPONENTS)
def test_the_simplest_opponents_evaluate_every_reply_as_it_came(name: str) -> None:
    config = RunConfig("toy", 1, models=ModelConfig(models=(("m", 1.0),)))
    other = opponent(name, config)
    is_simplest = name in ("best-of-n", "single-agent")
    assert (other.screening.enabled, other.rebase) == (not is_simplest, not is_simplest)


def test_opponents_that_ask_a_model_say_so_and_unknown_ones_are_named() -> None:
    config = RunConfig("toy", 1)
    for name in ("best-of-n", "single-agent"):
        with pytest.raises(ConfigError, match="asks a model"):
            opponent(name, config)
    with pytest.raises(ConfigError, match="best-of-n, single-agent, greedy, random"):
        opponent("genius", config)
    assert replace(opponent("greedy", config), parents="boltzmann", islands=config.islands) == config


def test_the_course_of_a_journal_counts_every_paid_call_once(tmp_path: Path) -> None:
    call = {"model": "m", "prompt_tokens": 90, "completion_tokens": 10, "cost_usd": 0.5, "seconds": 1.0}

    def record(index: int, score: float | None, calls: list[dict]) -> dict:
        return {
            "type": "evaluated",
            "record": {"index": index, "evaluation": {"score": score}, "calls": calls},
        }

    entries = [
        record(0, 3.0, []),
        {"type": "proposed", "calls": [call]},
        {"type": "unproposed", "calls": [call, call]},
        record(1, None, [call]),
        record(2, 1.0, [{**call, "cost_usd": None}]),
    ]
    folder = RunFolder(tmp_path)
    folder.journal.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    found = read_course(folder, Objective("error", "minimize"))
    assert found.best == (-3.0, -3.0, -1.0)
    assert found.evaluations == (1.0, 2.0, 3.0)
    assert found.tokens == (0.0, 300.0, 400.0)
    assert found.cost_usd == (0.0, 1.5, math.inf)


def test_two_configurations_are_compared_and_the_comparison_goes_on_where_it_was(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    a = tmp_path / "a.toml"
    a.write_text(f'problem = "{toy}"\nevals = 500\nworkers = 1\n')
    asked = ("compare", a, "random", "--seeds", 2, "--evals", 25, "--out", tmp_path / "runs", "--json")
    done = discovery(*asked)
    assert done.returncode == 0, done.stderr
    found = last_json(done)
    assert found["names"] == [str(a), "random"]
    assert found["seeds"] == [0, 1]
    assert found["final"]["verdict"] == "not told apart"
    assert all(math.isfinite(value) for each in found["final_fitness"] for value in each)
    assert (
        "no result can be significant with fewer than 6 pairs" in done.stderr or found["final"]["wins"] == 0
    )
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/journal.jsonl")}
    assert len(stamps) == 4
    again = discovery(*asked)
    assert last_json(again)["final_fitness"] == found["final_fitness"]
    other = discovery(*asked[:6], 30, *asked[7:])
    assert other.returncode == 2
    assert "other settings" in other.stderr
    for bad in (("compare", "greedy", "random"), ("compare", a, "nothing.toml")):
        assert discovery(*bad).returncode == 2
