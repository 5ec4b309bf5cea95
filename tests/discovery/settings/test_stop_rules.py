"""`calls` and `patience` end runs, warnings and the estimate are told, and limits outlast a resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from discovery.llm.estimate import estimate
from discovery.settings.doors import make_config
from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, ScriptedMutator
from tests.discovery.conftest import Discovery, last_json


def test_a_run_ends_where_nothing_gets_better_and_that_is_success(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    options = ("--workers", 1, "--seed", 1, "--json")
    done = discovery("run", toy, "--patience", 3, "--operators", "perturb", "--out", run, *options)
    assert done.returncode == 0, done.stderr
    found = last_json(done)
    assert found["reason"] == "patience"
    assert "no better program in 3 evaluations" in done.stderr
    records = [
        entry["record"] for entry in read_entries(run / "journal.jsonl") if entry["type"] == "evaluated"
    ]
    scores = [record["evaluation"].get("score") for record in records]
    best = max(score for score in scores if score is not None)
    assert len(records) - 1 - scores.index(best) >= 3
    again = discovery("resume", run, "--json")
    assert last_json(again)["reason"] == "patience"
    assert last_json(again)["evaluations"] == found["evaluations"]
    more = discovery("resume", run, "--patience", 40, "--json")
    assert last_json(more)["evaluations"] > found["evaluations"]
    kept = discovery("resume", run, "--json")
    assert last_json(kept)["evaluations"] == last_json(more)["evaluations"]


GPT = "a call of gpt-4o costs at most $0.18 (8000 tokens asked, 16000 answered)"


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"model": "gpt-4o,price=2.5:10", "cost_usd": 5.0}, f"{GPT}; $5 pay for at least 27 calls"),
        ({"model": "gpt-4o,price=2.5:10"}, GPT),
        ({"model": "openai/never-heard-of", "cost_usd": 5.0}, "the price of openai/never-heard-of is unknown"),
    ],
)  # fmt: skip
def test_what_a_call_costs_is_known_before_the_first(settings: dict[str, object], text: str) -> None:
    assert estimate(make_config({"problem": "circle_packing", **settings}, "a test")) == text


def test_no_more_calls_are_made_than_allowed_and_more_can_be_allowed_later(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        model = ("--model", "scripted", "--api-base", endpoint.api_base, "--operators", "diff")
        done = discovery("run", toy, "--seed", 2, "--out", run, "--calls", 4, *model, "--json")
        assert done.returncode == 0, done.stderr
        assert last_json(done)["reason"] == "calls"
        assert len(endpoint.requests) == last_json(done)["model_calls"] == 4
        assert "the price of scripted is unknown" in done.stderr
        more = discovery("resume", run, "--calls", 6, "--json")
        assert len(endpoint.requests) == last_json(more)["model_calls"] == 6


def test_a_person_is_told_of_the_money(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        model = (
            "--model",
            "gpt-4o",
            "--api-base",
            endpoint.api_base,
            "--operators",
            "diff",
            "--model-slots",
            1,
        )
        limits = ("--cost-usd", 0.2, "--evals", 400)
        done = discovery("run", toy, "--seed", 2, "--out", tmp_path / "run", *limits, *model, "--json")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("a call of", "50%", "80%"))]
    shares = [
        line[:9] for line in told[1:]
    ]  # one call may lead past both, and the last may not be affordable
    assert told[0].startswith("a call of")
    assert shares in (["50% of th", "80% of th"], ["50% of th"], ["80% of th"])
    assert "of $0.2" in told[1]
