from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from discovery.core.errors import ConfigError
from discovery.learning.memory.items import Item, item_id_of
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig, check_address
from discovery.service.hosting import Host, HostConfig
from discovery.service.messages import Status
from discovery.storage.journal import read_entries
from evaluators.problems.bundle import pack
from evaluators.problems.loading import load_problem
from tests.discovery.conftest import TOY, Discovery, last_json
from tests.foreign_folders import OPENEVOLVE, SEED_SCORE, write_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of starlette, that it would rather have a later httpx
    from starlette.testclient import TestClient

TOKEN = "a-secret-of-some-length"
LOCAL = "http://127.0.0.1:8420"
JSON = {"Content-Type": "application/json"}


def wait_until(condition: Callable[[], Any], timeout_s: float = 40.0) -> Any:
    end_s = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < end_s, "it did not come to that in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    hosted = Host(HostConfig(tmp_path / "runs", most_runs=2, most_workers=2))
    yield hosted
    hosted.close()


def client_of(host: Host, **config: Any) -> TestClient:
    return TestClient(make_app(host, ServiceConfig(**config), lambda: None), base_url=LOCAL)


@pytest.fixture
def client(host: Host) -> TestClient:
    return client_of(host)


class TestDoor:
    @pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ä"])
    def test_a_wrong_token_opens_nothing_but_health(self, host: Host, token: str) -> None:
        client = client_of(host, token=TOKEN, is_local=False)
        headers = {"Authorization": f"Bearer {token}".encode()}
        for path in ("/runs", "/metrics", "/openapi.json", "/runs/x/lineage.bundle", "/nothing"):
            assert client.get(path, headers=headers).status_code == 401
        assert client.post("/runs", json={}, headers=headers).status_code == 401
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert client.get("/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200

    @pytest.mark.parametrize(
        ("states", "code"),
        [
            ((), 200),
            (("done",), 200),
            (("paused", "done"), 503),
            (("paused", "running"), 200),
            (("running",), 200),
        ],
    )
    def test_it_is_not_ready_while_every_run_waits(
        self, host: Host, monkeypatch: pytest.MonkeyPatch, states: tuple[str, ...], code: int
    ) -> None:
        class Told:
            def __init__(self, state: str) -> None:
                self.state = state

            def status(self) -> dict[str, str]:
                return {"state": self.state, "message": "Redis is away" if self.state == "paused" else ""}

        monkeypatch.setattr(host, "runs", lambda: [Told(state) for state in states])
        answer = client_of(host).get("/readyz")
        assert answer.status_code == code
        assert ("Redis is away" in answer.text) == (code == 503)

    def test_without_a_token_a_page_in_a_browser_reaches_nothing(self, client: TestClient) -> None:
        assert client.get("/runs", headers={"Host": "evil.example:8420"}).status_code == 403
        plain = client.post(
            "/runs", content='{"problem": "circle_packing"}', headers={"Content-Type": "text/plain"}
        )
        assert plain.status_code == 415

    @pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])
    def test_an_address_for_others_demands_a_token(self, address: str) -> None:
        with pytest.raises(ConfigError, match="DISCOVERY_TOKEN"):
            check_address(address, "short")
        check_address(address, TOKEN)

    @pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
    def test_loopback_does_not(self, address: str) -> None:
        check_address(address, "")


def test_a_folder_of_another_system_is_taken_and_its_scores_are_marked(
    client: TestClient, tmp_path: Path
) -> None:
    found = load_problem(str(write_folder(tmp_path / "square_root", OPENEVOLVE)))
    body = {"problem": pack(found).to_json(), "name": "foreign", "evals": 4, "workers": 1, "seed": 1}
    assert client.post("/runs", json=body).status_code == 201
    status = wait_until(lambda: (now := client.get("/runs/foreign").json())["state"] == "done" and now)
    assert status["best_score"] >= SEED_SCORE
    assert status["self_scored"] is True


BAD = [
    ({}, 400, "problem must be"),
    ({"problem": "circle_packin"}, 400, "no problem"),
    ({"problem": "/etc/passwd"}, 400, "no problem"),
    ({"problem": "discovery.cli.main"}, 400, "no problem"),
    ({"problem": "circle_packing", "evalz": 3}, 400, "did you mean 'evals'"),
    ({"problem": "circle_packing", "evals": 0}, 400, "evals must be > 0"),
    ({"problem": "circle_packing", "evals": "x"}, 400, "must be"),
    ({"problem": "circle_packing", "workers": 3}, 400, "at most 2"),
    (
        {"problem": "circle_packing", "api_base": "http://evil"},
        400,
        "api_base may only be set by who operates",
    ),
    (
        {"problem": "circle_packing", "models": {"api_base": "http://evil"}},
        400,
        "api_base may only be set by",
    ),
    ({"problem": "circle_packing", "unsafe": True}, 400, "unsafe may only be set by who operates"),
    ({"problem": "circle_packing", "out": "/tmp/x"}, 400, "out may only be set by who operates"),
    ({"problem": "circle_packing", "broker": "redis://evil"}, 400, "broker may only be set by who operates"),
    ({"problem": "circle_packing", "from_best": 1, "start": "/etc/passwd"}, 400, "the content, not a path"),
    ({"problem": "circle_packing", "memory": "/etc/passwd"}, 400, "the content, not a path"),
    ({"problem": "circle_packing", "memory": {"items": [{"x": 1}]}}, 400, ""),
    ({"problem": "circle_packing", "from_best": 1, "start": {"x": 1}}, 400, ""),
    ({"problem": "circle_packing", "minutes": float("inf")}, 400, "minutes must be a finite number, got inf"),
    ({"problem": "circle_packing", "target": float("nan")}, 400, "target must be a finite number, got nan"),
    ({"problem": "circle_packing", "minutes": 10**400}, 400, "minutes must be"),
    ({"problem": "circle_packing", "evals": True}, 400, "evals must be an integer, got True"),
    ({"problem": "circle_packing", "evals": [1]}, 400, "evals must be an integer, got [1]"),
    ({"problem": "circle_packing", "islands": 1_000_000}, 400, "islands must be in 1..1024"),
    ({"problem": "circle_packing", "islands": [1]}, 400, "islands must be an integer, got [1]"),
    (
        {"problem": "circle_packing", "operators": {"tune": float("inf")}},
        400,
        "weight of operator tune must be in",
    ),
    ({"problem": "circle_packing", "operators": [1]}, 400, "operators must be a text"),
    ({"problem": "circle_packing", "model": {"gpt": float("inf")}}, 400, "model"),
    ({"problem": "circle_packing", "model": "x" * 300}, 400, "model"),
    ({"problem": "circle_packing", "bandit": {"floor": "x"}}, 400, "bandit.floor must be a number, got 'x'"),
    ({"problem": "circle_packing", "name": "x" * 300}, 400, "up to 64 letters"),
    ({"problem": "x" * 300}, 400, "no problem"),
    ({"problem": "x\0y"}, 400, "no problem"),
    ({"problem": {"name": "x" * 300, "files": {"a.py": TOY}}}, 400, "name"),
    ({"problem": {"name": 3, "files": {"a.py": TOY}}}, 400, "name"),
    ({"problem": {"files": {"a.py": 3}}}, 400, ""),
    ({"problem": "circle_packing", "target": 1e9}, 400, "target"),
    ({"problem": 3}, 400, "problem"),
    ({"problem": ["x"]}, 400, "problem"),
    ({"problem": "circle_packing", "name": "../x"}, 400, "letters, digits"),
    ({"problem": "circle_packing", "name": 3}, 400, "must be a text"),
    ({"problem": "circle_packing", "operators": "diff"}, 400, "need a model"),
    ({"problem": {"files": {"../x.py": "", "a.py": ""}}}, 400, "plain relative path"),
    ({"problem": {"files": {"a.py": "", "a.py/b.py": ""}, "module": "a.py"}}, 400, "do not fit together"),
    ({"problem": {"files": {"a.py": "1 / 0"}}}, 400, "ZeroDivisionError"),
    ({"problem": {"files": {"a.py": "import os; os._exit(0)"}}}, 400, "exit code 0"),
]


@pytest.mark.parametrize(("body", "status", "message"), BAD)
def test_a_bad_request_is_told_what_is_wrong_and_leaves_nothing(
    client: TestClient, host: Host, body: dict, status: int, message: str
) -> None:
    answer = client.post("/runs", content=json.dumps(body), headers=JSON)
    assert answer.status_code == status
    assert message in answer.json()["error"]
    assert host.runs() == []
    left = [path.name for path in host.config.folder.iterdir() if not path.name.startswith(".")]
    assert left == []


BAD_REQUESTS = [
    ({"kind": "budget", "budget": {"minutes": float("inf")}}, "minutes must be a finite number, got inf"),
    ({"kind": "budget", "budget": {"evaluations": float("nan")}}, "evals must be an integer, got nan"),
    ({"kind": "budget", "budget": {"evals": 10**30}}, "evals must be <= 1000000000, got 1000"),
    ({"kind": "budget", "budget": [1]}, "budget"),
    ({"kind": "budget", "budget": 3}, "budget"),
    ({"kind": "budget"}, "no new limit"),
    ({"kind": ["pause"]}, "kind"),
    ({"kindd": "pause"}, "did you mean 'kind'"),
    ({"kind": "hint", "text": 3}, "text must be a valid string, got 3"),
    ({"kind": "hint", "text": "x" * 30_000}, "text"),
    (
        {"kind": "inject", "program": {"files": {"a": 3}, "entry": "a"}},
        "program.files.a must be a valid string",
    ),
    ({}, "kind must be given"),
]


def test_a_bad_request_of_a_run_is_refused_at_the_door_and_poisons_nothing(
    host: Host, client: TestClient
) -> None:
    body = {
        "problem": {"name": "toy", "files": {"toy.py": TOY}},
        "name": "up",
        "workers": 1,
        "evals": 100_000,
    }
    assert client.post("/runs", json=body).status_code == 201
    run = host.run("up")
    wait_until(lambda: run.facts["evaluations"] >= 2)
    for asked, message in BAD_REQUESTS:
        answer = client.post("/runs/up/requests", content=json.dumps(asked), headers=JSON)
        assert answer.status_code == 400, asked
        assert message in answer.json()["error"]
    for changes in (
        {"minutes": float("inf")},
        {"workers": 3},
        {"workers": True},
        {"seed": 3},
        {"evals": "5"},
    ):
        assert client.post("/runs/up/resume", content=json.dumps(changes), headers=JSON).status_code in (
            400,
            409,
        )
    poison = {"request_id": "a" * 16, "kind": "budget", "at_s": 1.0, "budget": {"minutes": float("inf")}}
    run.folder.requests.mkdir(exist_ok=True)
    (run.folder.requests / "00000000000000000000-a.json").write_text(json.dumps(poison))
    wait_until(lambda: (run.folder.requests / "00000000000000000000-a.refused").exists())
    assert (
        client.post("/runs/up/requests", json={"kind": "budget", "budget": {"evals": 90_000}}).status_code
        == 202
    )
    wait_until(lambda: client.get("/runs/up").json()["budget"]["evaluations"] == 90_000)
    client.post("/runs/up/stop", json={})
    wait_until(lambda: not run.is_active)
    with run.folder.journal.open("a") as journal:  # as an earlier version took it
        journal.write(
            json.dumps({"type": "asked", "at_s": 1.0, "request": poison, "fingerprint": "", "refusal": ""})
            + "\n"
        )
    done = run.facts["evaluations"] + 5
    assert (
        client.post("/runs/up/resume", json={"evals": done, "target": 0.0, "workers": 2}).status_code == 202
    )
    wait_until(lambda: not run.is_active)
    status = client.get("/runs/up").json()
    assert status["state"] == "done", status
    assert status["evaluations"] >= done
    assert status["budget"]["evaluations"] == done  # not the 90,000 that were asked for before


def test_a_run_with_an_endless_budget_of_an_earlier_version_is_listed_and_goes_on(tmp_path: Path) -> None:
    config = HostConfig(tmp_path / "runs", most_workers=2)
    host = Host(config)
    client = client_of(host)
    assert (
        client.post("/runs", json={"problem": "circle_packing", "name": "old", "evals": 3}).status_code == 201
    )
    wait_until(lambda: not host.run("old").is_active)
    host.close()
    path = tmp_path / "runs" / "old" / "config.json"
    settings = json.loads(path.read_text())
    settings["config"]["budget"] |= {"minutes": float("inf")}
    path.write_text(json.dumps(settings))
    service = json.loads((path.parent / "service.json").read_text())
    (path.parent / "service.json").write_text(
        json.dumps({**service, "facts": {"evaluations": 3, "best_score": float("inf")}})
    )
    again = Host(config)
    try:
        client = client_of(again)
        listed = client.get("/runs")
        assert listed.status_code == 200
        assert listed.json()["runs"][0]["budget"]["minutes"] is None
        assert client.post("/runs/old/resume", json={"evals": 5}).status_code == 202
        wait_until(lambda: not again.run("old").is_active)
        assert client.get("/runs/old").json()["state"] == "done"
    finally:
        again.close()


def test_what_a_run_begins_with_can_be_sent(client: TestClient, host: Host, tmp_path: Path) -> None:
    first = {
        "problem": "circle_packing",
        "name": "first",
        "evals": 2,
        "workers": 1,
        "from_best": 2.0,
        "seed": 1,
        "tier": 1,
    }
    answer = client.post("/runs", json=first)
    assert answer.status_code == 201, answer.text
    settings = host.run("first").settings
    assert settings["problem"]["improve_s"] == 2.0
    assert settings["config"]["tier"] == 1
    assert "start" in settings
    wait_until(lambda: not host.run("first").is_active)
    item = Item(item_id_of("do", "be brief"), "do", "be brief")
    second = {
        "problem": "circle_packing",
        "name": "second",
        "evals": 2,
        "memory": {"items": [item.to_json()], "capacity": 9},
    }
    answer = client.post(
        "/runs", json={**second, "workers": 1, "models": {"retries": 0}, "operators": {"tune": 1}}
    )
    assert answer.status_code == 201, answer.text
    run = host.run("second")
    config = run.settings["config"]
    assert (config["memory"]["enabled"], config["memory"]["capacity"], config["models"]["retries"]) == (
        True,
        9,
        0,
    )
    wait_until(lambda: not run.is_active)
    assert run.state == "done", run.status()
    assert any(entry["type"] == "remembered" for entry in read_entries(run.folder.journal))
    problem = {"name": "toy", "files": {"toy.py": TOY}}
    refused = client.post("/runs", json={"problem": problem, "from_best": 2.0})
    assert refused.status_code == 400
    assert "the service's own problems only" in refused.json()["error"]


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"[" * 100_000, b"\xff"])
def test_a_body_that_is_no_object_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/runs", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(host: Host) -> None:
    client = client_of(host, most_bytes=1000)
    answer = client.post("/runs", json={"problem": {"files": {"a.py": "#" * 2000}}})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["/runs/none", "/runs/none/best", "/runs/none/events", "/runs/none/lineage.bundle", "/nothing"]
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_document_names_every_route(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    described = {(path, method) for path, item in found["paths"].items() for method in item}
    app = client.app._app
    assert described == {(route.path, method.lower()) for route in app.routes for method in route.methods}
    known = found["components"]["schemas"]
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(found)):
        assert reference in known


def test_an_uploaded_problem_is_searched_stopped_resumed_and_read(client: TestClient, host: Host) -> None:
    body = {
        "problem": {"name": "toy", "files": {"toy.py": TOY}},
        "name": "up",
        "evals": 100_000,
        "workers": 1,
        "seed": 1,
    }
    made = client.post("/runs", json=body)
    assert made.status_code == 201, made.text
    assert made.headers["Location"] == "/runs/up"
    assert client.post("/runs", json=body).status_code == 409
    run = host.run("up")
    wait_until(lambda: run.facts["evaluations"] >= 20)
    assert client.post("/runs/up/resume", json={}).status_code == 409
    assert client.post("/runs/up/requests", json={"kind": "explode"}).status_code == 400
    assert client.post("/runs/up/requests", json={"kind": "hint", "text": "be brief"}).status_code == 202
    asked = wait_until(lambda: [event for _, event in run.events_after(0, 0.0) if event["event"] == "asked"])
    assert asked == [{"event": "asked", "kind": "hint", "text": "be brief", "refusal": ""}]
    assert client.post("/runs/up/stop", json={}).status_code == 202
    wait_until(lambda: not run.is_active)
    status = client.get("/runs/up").json()
    assert status["state"] == "stopped"
    done = status["evaluations"]
    assert client.post("/runs/up/stop", json={}).status_code == 409
    assert client.post("/runs/up/resume", json={"evals": -1}).status_code == 400
    assert client.post("/runs/up/resume", json={"evals": done + 5}).status_code == 202
    with client.stream("GET", "/runs/up/events") as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[-1]["event"] == "ended"
    assert events[-1]["state"] == "done"
    status = client.get("/runs/up").json()
    assert Status.model_validate(status)
    assert status["state"] == "done"
    assert status["evaluations"] == done + 5
    best = client.get("/runs/up/best").json()
    assert best["program_id"] == status["best_id"]
    assert "def answer" in best["files"]["program.py"]
    archive = client.get("/runs/up/archive").json()
    elites = [elite for island in archive["islands"] for elite in island["elites"]]
    assert status["best_score"] == max(elite["score"] for elite in elites)
    assert archive["measures"] == ["first"]
    check_what_the_page_reads(client, best["program_id"], done + 5)
    metrics = client.get("/metrics").text
    assert f'discovery_evaluations_total{{run="up"}} {done + 5}' in metrics
    assert 'discovery_runs{state="done"} 1' in metrics
    layers = [
        e["record"]["evaluation"]["layers"]
        for e in read_entries(run.folder.journal)
        if e["type"] == "evaluated"
    ]
    assert all("seccomp" in entry for entry in layers)


def check_what_the_page_reads(client: TestClient, best: str, evaluations: int) -> None:
    view = client.get("/runs/up/view").json()
    assert len(view["programs"]["id"]) == evaluations
    assert view["programs"]["id"][view["bests"][-1]] == best
    assert next(text for _, text in view["asked"]) == "hint to the models: be brief"
    rest = client.get(f"/runs/up/view?after={evaluations - 2}&edition=0").json()
    assert rest["programs"]["id"] == view["programs"]["id"][-2:]
    program = client.get(f"/runs/up/programs/{best[:9]}").json()
    assert program["program_id"] == best
    assert len(program["commit"]) == 40
    assert any(program["commit"] in command for _, command in program["commands"])
    seed = view["programs"]["id"][0]
    changed = client.get(f"/runs/up/diff?before={seed}&after={best}")
    assert changed.headers["content-type"].startswith("text/plain")
    assert changed.text.startswith("diff --git a/program.py")
    newest = client.get("/runs/up/log?limit=3").json()["programs"]
    assert [entry["program_id"] for entry in newest] == view["programs"]["id"][:-4:-1]
    report = client.get("/runs/up/report")
    assert report.headers["content-disposition"] == 'attachment; filename="up.html"'
    assert "Content-Security-Policy" in report.text
    for path in ("programs/ffffffffffff", "diff?before=best&after=ffffffffffff", "log?of=island/99"):
        assert client.get(f"/runs/up/{path}").status_code == 404, path
    for path in ("view?after=-1", "log?limit=0", "diff?before=best"):
        assert client.get(f"/runs/up/{path}").status_code == 400, path


class TestPage:
    def test_anybody_may_load_it_and_its_policy_lets_no_other_script_in(self, host: Host) -> None:
        client = client_of(host, token=TOKEN, is_local=False)
        page = client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script>|<style|style=|\son\w+=|https?:", page.text)
        for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert client.get(f"/{name}").status_code == 200
        script = client.get("/page/main.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert client.get("/page/../app.py").status_code in (401, 404)
        assert client.get("/page/none.js").status_code == 404

    def test_it_shows_nothing_without_the_token(self, host: Host) -> None:
        client = client_of(host, token=TOKEN, is_local=False)
        for path in ("/problems", "/runs", "/runs/x/view", "/runs/x/programs/best", "/runs/x/report"):
            assert client.get(path).status_code == 401

    def test_problems_are_listed(self, client: TestClient) -> None:
        assert "circle_packing" in client.get("/problems").json()["problems"]


def test_a_person_pauses_purges_and_is_told_so(client: TestClient, host: Host) -> None:
    body = {"problem": {"name": "toy", "files": {"toy.py": TOY}}, "name": "p", "evals": 100_000, "workers": 1}
    assert client.post("/runs", json=body).status_code == 201
    run = host.run("p")
    wait_until(lambda: run.facts["evaluations"] >= 10)
    before = client.get("/runs/p/view").json()
    cheat = before["programs"]["id"][1]
    purge = {"program": cheat, "reason": "it cheats"}
    refused = client.post("/runs/p/purge", json=purge)
    assert refused.status_code == 409
    assert "under way" in refused.json()["error"]
    assert client.post("/runs/p/requests", json={"kind": "pause"}).status_code == 202
    wait_until(lambda: client.get("/runs/p").json()["state"] == "paused")
    assert client.get("/runs/p").json()["message"] == "paused on request"
    client.post("/runs/p/stop", json={})
    wait_until(lambda: not run.is_active)
    assert client.post("/runs/p/purge", json={"program": "ffff", "reason": "x"}).status_code == 400
    assert client.post("/runs/p/purge", json={"program": "", "reason": "x"}).status_code == 400
    gone = client.post("/runs/p/purge", json=purge)
    assert gone.status_code == 200, gone.text
    assert gone.json()["program_ids"][0] == cheat
    after = client.get(f"/runs/p/view?after=5&edition={before['edition']}").json()
    assert (after["after"], after["edition"]) == (0, before["edition"] + 1)
    assert after["programs"]["score"][1] is None
    assert client.get(f"/runs/p/programs/{cheat}").json()["reason"] == "purged: it cheats"


def test_too_many_runs_and_a_second_service_are_refused(client: TestClient, host: Host) -> None:
    for name in ("a", "b"):
        assert (
            client.post("/runs", json={"problem": "circle_packing", "name": name, "workers": 1}).status_code
            == 201
        )
    full = client.post("/runs", json={"problem": "circle_packing", "name": "c"})
    assert full.status_code == 409
    assert "2 runs are under way" in full.json()["error"]
    with pytest.raises(Exception, match="in use by process"):
        Host(host.config)


class TestProcess:
    """The service as a person starts it."""

    @pytest.fixture
    def serve(self, tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], str]]]:
        running: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        def start(*options: str) -> tuple[subprocess.Popen[bytes], str]:
            command = [
                sys.executable,
                "-m",
                "discovery",
                "serve",
                "--port",
                str(port),
                "--runs",
                str(tmp_path / "runs"),
            ]
            process = subprocess.Popen([*command, *options], cwd=tmp_path, start_new_session=True)
            running.append(process)

            def listens() -> bool:
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            wait_until(listens)
            return process, f"http://127.0.0.1:{port}"

        yield start
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def test_runs_survive_kill_9_and_sigterm_and_the_lineage_can_be_fetched(
        self, serve: Callable[..., Any], discovery: Discovery, toy: Path, tmp_path: Path
    ) -> None:
        process, url = serve("--demo", "circle_packing", "--demo-evals", "100000")
        server = ("--server", url)
        made = discovery("submit", toy, "--name", "mine", "--evals", 60, "--workers", 1, *server, "--json")
        assert made.returncode == 0, made.stderr
        followed = discovery("status", "mine", "--follow", *server)
        assert "done: budget used up: evaluations" in followed.stdout, followed.stdout + followed.stderr
        journal = tmp_path / "runs" / "demo" / "journal.jsonl"

        def recorded() -> list[str]:
            return [e["record"]["program_id"] for e in read_entries(journal) if e["type"] == "evaluated"]

        wait_until(lambda: len(recorded()) > 5)
        process.kill()
        process.wait()
        before = recorded()
        process, _ = serve()
        wait_until(lambda: len(recorded()) > len(before) + 5)
        listed = last_json(discovery("list", *server, "--json"))
        assert {run["name"]: run["state"] for run in listed} == {"demo": "running", "mine": "done"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        process, _ = serve()
        after = recorded()
        assert after[: len(before)] == before
        stopped = discovery("stop", "demo", *server)
        assert stopped.returncode == 0, stopped.stderr
        wait_until(lambda: last_json(discovery("status", "demo", *server, "--json"))["state"] == "stopped")
        fetched = discovery("fetch", "mine", "--out", tmp_path / "mine.git", *server)
        assert fetched.returncode == 0, fetched.stderr
        log = ["git", "-C", str(tmp_path / "mine.git"), "log", "--format=%H", "best"]
        assert subprocess.run(log, check=True, capture_output=True).stdout
        clone = ["git", "clone", "-q", str(tmp_path / "runs" / "demo" / "lineage"), str(tmp_path / "clone")]
        subprocess.run(clone, check=True)
        missing = discovery("status", "nobody", *server)
        assert missing.returncode == 1
        assert "there is no run 'nobody'" in missing.stderr

    def test_a_client_without_a_service_says_what_to_do(self, discovery: Discovery) -> None:
        done = discovery("list", "--server", "http://127.0.0.1:9")
        assert done.returncode == 1
        assert "discovery serve" in done.stderr
        assert "Traceback" not in done.stderr


def test_no_address_but_loopback_without_a_token(discovery: Discovery) -> None:
    done = discovery("serve", "--host", "0.0.0.0", DISCOVERY_TOKEN="")
    assert done.returncode == 2
    assert "DISCOVERY_TOKEN" in done.stderr
