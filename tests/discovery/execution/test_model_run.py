"""Whole runs that reach a model through litellm and a real HTTP server on loopback."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from discovery.storage.journal import read_entries
from discovery.testing import FAULTS, ChatEndpoint, ScriptedMutator, unused_api_base
from tests.discovery.conftest import Discovery, last_json

KEY = "sk-secret-0123456789abcdef"


def run(
    discovery: Discovery, toy: Path, out: Path, api_base: str, *more: object
) -> subprocess.CompletedProcess[str]:
    arguments = (
        "run",
        toy,
        "--seed",
        2,
        "--out",
        out,
        "--model",
        "scripted",
        "--api-base",
        api_base,
        "--api-key-env",
        "ENDPOINT_KEY",
        "--json",
    )
    return discovery(*arguments, *more, ENDPOINT_KEY=KEY)


def everything(out: Path, done: subprocess.CompletedProcess[str]) -> bytes:
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    return kept + done.stdout.encode() + done.stderr.encode()


def test_a_model_improves_the_program_and_everything_is_accounted_for(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        done = run(discovery, toy, out, endpoint.api_base, "--evals", 40)
        asked = len(endpoint.requests)
        assert all(KEY in request.headers["Authorization"] for request in endpoint.requests)
    assert done.returncode == 0, done.stderr
    summary = last_json(done)
    records = [
        entry["record"] for entry in read_entries(out / "journal.jsonl") if entry["type"] == "evaluated"
    ]
    by = {record["operator"] for record in records}
    assert {"seed", "diff", "tune"} <= by
    assert summary["model_calls"] == summary["unpriced_calls"] <= asked
    assert summary["cost_usd"] is None
    assert summary["tokens"] > 100 * summary["model_calls"]
    assert summary["best_score"] > records[0]["evaluation"]["score"]
    told = next(record for record in records if record.get("texts"))
    assert "Idea" not in told["texts"]["idea"]
    log = subprocess.run(
        ["git", "-C", out / "lineage", "log", "all"], capture_output=True, text=True, check=True
    )
    assert "Cost-USD: unknown" in log.stdout
    assert KEY.encode() not in everything(out, done)


@pytest.mark.parametrize("fault", ["unauthorised", "no_code"])
def test_a_useless_model_ends_the_run_with_its_reason_and_all_is_kept(
    discovery: Discovery, toy: Path, tmp_path: Path, fault: str
) -> None:
    out = tmp_path / "run"
    with ChatEndpoint(FAULTS[fault]) as endpoint:
        done = run(discovery, toy, out, endpoint.api_base, "--evals", 500, "--operators", "diff")
    assert done.returncode == 3
    assert last_json(done)["reason"] == "endpoint"
    assert last_json(done)["evaluations"] == 1
    assert "Traceback" not in done.stderr
    assert KEY.encode() not in everything(out, done)
    with ChatEndpoint(ScriptedMutator(seed=1), port=0) as endpoint:
        resumed = discovery("resume", out, "--evals", 1, "--json", ENDPOINT_KEY=KEY)
    assert last_json(resumed)["evaluations"] == 1


def test_a_run_sends_each_provider_its_own_key_and_a_local_server_none(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    keys = {"ANTHROPIC_API_KEY": "anthropic-secret-1", "OPENAI_API_KEY": "openai-secret-2"}
    with ExitStack() as stack:
        ends = [stack.enter_context(ChatEndpoint(ScriptedMutator(seed=seed))) for seed in range(3)]
        local, claude, gpt = ends
        models = ("--model", "local", "--model", "anthropic/claude-sonnet-4-5", "--model", "openai/gpt-4o")
        where = {"ANTHROPIC_API_BASE": claude.api_base.removesuffix("/v1"), "OPENAI_BASE_URL": gpt.api_base}
        limits = ("--evals", 30, "--operators", "diff", "--out", tmp_path / "run", "--json")
        done = discovery("run", toy, *models, "--api-base", local.api_base, *limits, **keys, **where)
        sent = [
            {name for one in end.requests for name, key in keys.items() if key in str(one)} for end in ends
        ]
    assert done.returncode == 0, done.stderr
    assert sent == [set(), {"ANTHROPIC_API_KEY"}, {"OPENAI_API_KEY"}]
    assert not any("Authorization" in one.headers for one in local.requests)
    summary = last_json(done)
    assert summary["model_calls"] <= sum(len(end.requests) for end in ends)
    assert summary["retired_models"] == {}
    assert not any(key.encode() in everything(tmp_path / "run", done) for key in keys.values())


def test_an_endpoint_that_is_not_there_is_named(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[models]\nretries = 0\noutage_s = 2\n")
    more = ("--evals", 50, "--operators", "diff", "--config", config)
    done = run(discovery, toy, tmp_path / "run", unused_api_base(), *more)
    assert done.returncode == 3
    assert last_json(done)["reason"] == "endpoint"
    assert "127.0.0.1" in done.stderr or "connect" in done.stderr.lower()


def test_a_model_without_a_key_is_told_which_variable_to_set(discovery: Discovery, toy: Path) -> None:
    done = discovery("run", toy, "--model", "anthropic/claude-sonnet-4-5", "--evals", 5, ANTHROPIC_API_KEY="")
    assert done.returncode == 1
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
