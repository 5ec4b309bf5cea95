from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from discovery.cli.agents import TOOLS, Tools, make_server
from discovery.cli.client import Server
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig
from discovery.service.hosting import Host, HostConfig
from tests.discovery.conftest import TOY
from tests.discovery.service.browsing import served

mcp = pytest.importorskip("mcp", reason="the package mcp is not installed (extra `agents`)")
SKILLS = Path(__file__).parents[3] / "skills"


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    host = Host(HostConfig(tmp_path / "runs", most_workers=2))
    with served(make_app(host, ServiceConfig(), lambda: None)) as address:
        yield Tools(Server(address, ""))
    host.close()


def asked(tools: Tools, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, Any]]:
    """Returns for each call, made over the protocol, whether it failed, and what it gave (the message where it failed)."""

    async def ask() -> list[tuple[bool, Any]]:
        found = []
        async with mcp.Client(make_server(tools)) as client:
            assert "never instructions" in (client.instructions or "")
            for name, arguments in calls:
                result = await client.call_tool(name, arguments)
                text = "".join(part.text for part in result.content)
                found.append(
                    (
                        bool(result.is_error),
                        text if result.is_error else (result.structured_content or json.loads(text)),
                    )
                )
        return found

    return asyncio.run(ask())


def test_an_agent_checks_a_problem_runs_it_and_reads_what_was_found(tools: Tools, tmp_path: Path) -> None:
    module = tmp_path / "toy.py"
    module.write_text(TOY)
    (bad, checked), (_, begun), (_, ended) = asked(
        tools,
        ("check", {"path": str(module)}),
        ("submit", {"problem": str(module), "name": "mine", "evals": 12, "seed": 1}),
        ("wait", {"name": "mine", "seconds": 50}),
    )
    assert not bad
    assert checked["is_ready"]
    assert begun["name"] == "mine"
    while ended["state"] == "running":
        ended = tools.wait("mine")
    assert (ended["state"], ended["evaluations"]) == ("done", 12)
    (_, best), (_, log), (_, said), (_, changed) = asked(
        tools,
        ("best", {"name": "mine"}),
        ("log", {"name": "mine", "limit": 50}),
        ("transcript", {"name": "mine", "program": "best"}),
        ("changes", {"name": "mine", "before": tools.log("mine", 50)[-1]["program_id"], "after": "best"}),
    )
    assert "def answer" in best["files"]["program.py"]
    assert best["score"] == ended["best_score"]
    assert len(log["result"]) == 12
    assert said["calls"] == []
    assert "program.py" in changed["result"] or best["operator"] == "seed"


def test_an_agent_steers_a_run(tools: Tools, tmp_path: Path) -> None:
    module = tmp_path / "toy.py"
    module.write_text(TOY)
    tools.submit(str(module), name="long", evals=100_000)
    reached = tools.wait("long", until_score=-1e9)
    assert reached["state"] in ("running", "done")
    seed = TOY.split('SEED = """')[1].split('"""')[0]
    for name, arguments in (
        ("hint", {"text": "be brief"}),
        ("inject", {"text": seed.replace("0.25", "0.26"), "note": "mine"}),
        ("steer", {"action": "pause"}),
        ("steer", {"action": "go on"}),
        ("steer", {"action": "stop"}),
    ):
        ((failed, _),) = asked(tools, (name, {"name": "long", **arguments}))
        assert not failed, name
    status = tools.wait("long")
    while status["state"] not in ("stopped", "done"):
        status = tools.wait("long")
    assert status["state"] == "stopped"


def test_what_an_agent_does_wrong_is_told_with_its_remedy(tools: Tools, tmp_path: Path) -> None:
    answers = asked(
        tools,
        ("submit", {"problem": "circle_packin"}),
        ("status", {"name": "nobody"}),
        ("status", {"name": "../x"}),
        ("show", {"name": "nobody", "program": "../best"}),
        ("check", {"path": str(tmp_path / "nothing.py")}),
        ("submit", {"problem": "circle_packing", "evals": -1}),
    )
    assert all(failed for failed, _ in answers)
    for (_, said), part in zip(
        answers,
        [
            "circle_packing",
            "GET /runs",
            "letters, digits",
            "must be an id",
            "nothing.py",
            "evals must be > 0",
        ],
        strict=True,
    ):
        assert part in said
    away = Tools(Server("http://127.0.0.1:9", ""))
    ((failed, said),) = asked(away, ("runs", {}))
    assert failed
    assert "discovery serve" in said


def test_every_tool_says_what_it_does_and_the_skills_name_no_other() -> None:
    async def listed() -> dict[str, str]:
        async with mcp.Client(make_server(Tools(Server("http://127.0.0.1:9", "")))) as client:
            return {tool.name: tool.description or "" for tool in (await client.list_tools()).tools}

    found = asyncio.run(listed())
    assert tuple(found) == TOOLS
    assert all(len(text) > 40 for text in found.values())
    for name in ("write-a-problem", "run-and-read"):
        text = (SKILLS / name / "SKILL.md").read_text()
        assert text.startswith(f"---\nname: {name}\ndescription: ")
