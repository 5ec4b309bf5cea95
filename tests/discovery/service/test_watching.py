from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from discovery.core.errors import RunFolderError
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig
from discovery.service.messages import Status
from discovery.service.watching import Watch, WatchedRun
from discovery.settings.config import RunConfig
from discovery.storage.requests import waiting
from tests.discovery.reporting.test_report import INFO, RUN, entries, write_run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = write_run(tmp_path / "mine", entries())
    settings = {"format": 1, "info": INFO.to_json(), "config": RunConfig(problem="none", seed=1).to_json()}
    (path / "config.json").write_text(json.dumps(settings))
    return path


def client_of(*paths: Path) -> TestClient:
    return TestClient(
        make_app(Watch(paths), ServiceConfig(), lambda: None),
        base_url="http://127.0.0.1:1",
        raise_server_exceptions=False,
    )


def test_a_run_is_shown_from_its_folder_alone(folder: Path) -> None:
    client = client_of(folder)
    (status,) = client.get("/runs").json()["runs"]
    assert Status.model_validate(status)
    assert (status["name"], status["state"], status["watched"]) == ("mine", "done", True)
    assert status["evaluations"] == len(RUN)
    assert status["best_score"] == max(record.evaluation.score or 0.0 for record in RUN)
    assert client.get("/runs/mine/view").json()["status"] == status
    assert client.get("/runs/other").status_code == 404
    with client.stream("GET", "/runs/mine/events") as stream:
        assert "event: status" in stream.read().decode()


def test_what_it_is_asked_waits_in_the_folder_and_what_it_cannot_do_says_how(folder: Path) -> None:
    client = client_of(folder)
    assert client.post("/runs/mine/requests", json={"kind": "hint", "text": "be brief"}).status_code == 202
    assert [request.text for _, request in waiting(WatchedRun(folder).folder)] == ["be brief"]
    for path, remedy in (("resume", "discovery resume"), ("stop", "is not under way")):
        answer = client.post(f"/runs/mine/{path}", json={})
        assert answer.status_code == 409
        assert remedy in answer.json()["error"]
    answer = client.post("/runs", json={"problem": "circle_packing"})
    assert answer.status_code == 409
    assert "discovery run" in answer.json()["error"]


def test_it_tells_what_happens_while_another_process_works(folder: Path) -> None:
    lines = [json.dumps(entry) + "\n" for entry in entries()]
    journal = folder / "journal.jsonl"
    journal.write_text("".join(lines[:10]))
    run = WatchedRun(folder)
    with run.folder.lock():
        assert run.events_after(0, 0.0) == []
        assert (run.state, run.status()["message"]) == ("running", "")
        with journal.open("a") as file:
            file.writelines(lines[10:14])
        events = run.events_after(0, 10.0)
        assert [event["index"] for _, event in events] == [9, 10, 11, 12]
        assert {event["event"] for _, event in events} <= {"best", "evaluated"}
        assert run.events_after(events[-1][0], 0.0) == []
        with pytest.raises(Exception, match="Ctrl-C"):
            run.stop(for_good=True)
        journal.write_text("".join(lines))
    assert [event["event"] for _, event in run.events_after(events[-1][0], 10.0)][-1] == "ended"
    assert run.state == "done"


def test_a_run_that_was_killed_says_so(folder: Path) -> None:
    journal = folder / "journal.jsonl"
    journal.write_text("".join(json.dumps(entry) + "\n" for entry in entries()[:-1]))
    status = WatchedRun(folder).status()
    assert status["state"] == "stopped"
    assert "discovery resume" in status["message"]


def test_no_run_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder"):
        Watch([tmp_path / "nothing"])
