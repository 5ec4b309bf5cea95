"""Whole runs that learn: choice of models, memory, its export and import, and purging."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from discovery.cli.main import cli
from discovery.core.errors import DiscoveryError
from discovery.learning.memory.store import read_items
from discovery.storage.journal import read_entries
from discovery.testing import Answer, ChatEndpoint
from discovery.testing.endpoint import ChatRequest
from discovery.testing.mutator import mutated_reply, perturb_number
from tests.discovery.conftest import Discovery, last_json

CONFIG = """
[bandit]
enabled = true
floor = 0.3
[memory]
enabled = true
batch = 2
least_gain = 0.01
control = 0.05
starts = true
"""
IDEAS = (
    "round the last number upwards",
    "balance all three numbers",
    "search near one half",
    "try larger first steps",
)


def thinker(request: ChatRequest) -> Answer:
    """Changes a number and says why; the model "poor" only ever breaks the program."""
    rng = np.random.default_rng([7, request.number])
    if request.model.endswith("poor"):
        return Answer("Idea: return nothing at all\n\n```python\ndef answer():\n    return None\n```\n")
    reply = mutated_reply(request.prompt, perturb_number, rng)
    return Answer(reply.replace("change a number, to see which way it helps", IDEAS[request.number % 4]))


def started(discovery: Discovery, toy: Path, out: Path, api_base: str, *more: object) -> dict:
    config = out.with_name(f"{out.name}.toml")
    config.write_text(CONFIG)
    done = discovery(
        "run", toy, "--seed", 2, "--out", out, "--model", "fair", "--model", "poor", "--api-base", api_base,
        "--operators", "diff=3,rewrite=1", "--config", config, "--json", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return last_json(done)


def evaluated(out: Path) -> list[dict]:
    return [entry["record"] for entry in read_entries(out / "journal.jsonl") if entry["type"] == "evaluated"]


def git(out: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", out / "lineage", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def told(*arguments: object) -> str:
    """Returns what a command prints that asks no model and runs no program; in this process, which is quicker."""
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if isinstance(done.exception, DiscoveryError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def texts_of(run: Path) -> set[str]:
    return {item["text"] for item in json.loads(told("memory", "show", run, "--json"))}


def test_a_run_learns_and_hands_on_what_it_learned(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    first, second, file = tmp_path / "first", tmp_path / "second", tmp_path / "memory.jsonl"
    with ChatEndpoint(thinker) as endpoint:
        started(discovery, toy, first, endpoint.api_base, "--evals", 40)
        asked = [entry.get("model") for entry in read_entries(first / "journal.jsonl") if entry.get("calls")]
        asked += [record["model"] for record in evaluated(first) if record.get("calls")]
        assert asked.count("fair") > 1.2 * asked.count("poor") > 0
        cited = {
            one
            for record in evaluated(first)
            for one in record.get("texts", {}).get("advice", "").split(", ")
        }

        told("memory", "export", first, file)
        items = read_items(file)
        assert {item.text.rstrip(".") for item in items if item.kind == "do"} & set(IDEAS)
        assert cited - {""}, "no prompt showed an item"
        assert all(item.origin.problem == "toy" and item.origin.programs for item in items)
        assert git(first, "show", "memory:items.jsonl") == file.read_text()
        assert git(first, "fsck", "--full", "--strict") == ""
        assert texts_of(first) == {item.text for item in items}

        # The seed alone: what a question shows may be found useless, and dropped.
        started(discovery, toy, second, endpoint.api_base, "--evals", 1, "--memory", file)
    assert texts_of(second) == {item.text for item in items}
    told("memory", "import", second, file)
    taken = [entry for entry in read_entries(second / "journal.jsonl") if entry["type"] == "remembered"]
    assert [[item["text"] for item in entry["items"]] for entry in taken] == [
        [item.text for item in items]
    ] * 2
    assert texts_of(second) <= {item.text for item in items}, "twice the evidence may show an item useless"


def test_a_program_that_cheats_goes_with_all_that_came_of_it(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "run", tmp_path / "memory.jsonl"
    with ChatEndpoint(thinker) as endpoint:
        started(discovery, toy, out, endpoint.api_base, "--evals", 25)
    records = evaluated(out)
    parents = {parent for record in records for parent in record["parents"]}
    cheat = next(record["program_id"] for record in records[1:] if record["program_id"] in parents)
    gone = {cheat}
    for record in records:
        if gone & set(record["parents"]):
            gone.add(record["program_id"])
    before = (out / "journal.jsonl").read_bytes()

    said = told("purge", out, cheat[:10], "--reason", "it read the\nclock")
    assert f"{len(gone) - 1} of its descendants" in said
    after = (out / "journal.jsonl").read_bytes()
    assert after.startswith(before), "nothing that was evaluated may be lost"

    held = json.loads(told("archive", out, "--elites", "--json"))
    assert not gone & {cell["program_id"] for island in held for cell in island["cells"]}
    shown = json.loads(told("show", out, cheat, "--json"))
    assert (shown["status"], shown["reason"]) == ("rejected", "purged: it read the clock")
    best_left = json.loads(told("best", out, "--json"))
    scores = [
        r["evaluation"]["score"]
        for r in records
        if r["program_id"] not in gone and "score" in r["evaluation"]
    ]
    assert best_left["score"] == max(scores)
    told("memory", "export", out, file)
    assert not gone & {one for item in read_items(file) for one in item.origin.programs}
    assert git(out, "fsck", "--full", "--strict") == ""

    told("purge", out, cheat, "--reason", "twice")
    assert (out / "journal.jsonl").read_bytes() == after
    with pytest.raises(DiscoveryError, match="first program"):
        told("purge", out, records[0]["program_id"], "--reason", "no")
    with pytest.raises(DiscoveryError, match="no program"):
        told("purge", out, "0123456789abcdef", "--reason", "no")
