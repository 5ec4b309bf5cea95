from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from discovery.core.errors import ConfigError, RunFolderError
from discovery.execution import ending
from discovery.execution.broker import BrokerConfig
from discovery.service import hosted_run, hosting
from discovery.service.hosted_run import BusyError, HostedRun, write_json
from discovery.service.hosting import Host, HostConfig
from discovery.settings.doors import make_config
from discovery.storage.journal import read_entries
from discovery.storage.requests import new_request, send
from discovery.testing import ChatEndpoint, ScriptedMutator
from discovery.testing.redis_server import RedisServer, find_server
from tests.discovery.service.test_service import wait_until


def begin(host: Host, name: str | None = None, **settings: object) -> HostedRun:
    return host.create(
        name,
        lambda spec: make_config({"problem": spec, "workers": 1, **settings}, "a test"),
        "circle_packing",
    )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    hosted = Host(HostConfig(tmp_path / "runs", most_runs=1))
    yield hosted
    hosted.close()


@pytest.mark.skipif(find_server() is None, reason="there is no redis-server")
def test_a_run_whose_broker_is_away_can_be_stopped_and_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "PAUSED_STOP_S", 0.1)
    with RedisServer() as gone:
        broker = BrokerConfig(gone.url)
    config = HostConfig(tmp_path / "runs", broker)
    host = Host(config)
    run = begin(host, "away", evals=5)
    wait_until(lambda: run.state == "paused")
    assert "does not answer" in run.status()["message"]
    run.stop(for_good=True)
    assert not run.is_wanted  # at once: a service that is killed now does not go on with it
    wait_until(lambda: not run.is_active)
    assert run.state == "stopped"
    host.close()
    again = Host(config)
    assert again.resume_unfinished() == []
    again.close()


def test_a_run_that_cannot_be_written_leaves_its_name_free(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, data: object) -> None:
        raise RunFolderError(f"cannot write {path}: No space left on device; make room")

    with monkeypatch.context() as patch:
        patch.setattr(hosting, "write_json", fail)
        with pytest.raises(RunFolderError, match="No space left"):
            begin(host, "mine", evals=2)
    assert host.runs() == []
    run = begin(host, "mine", evals=2)
    wait_until(lambda: not run.is_active)
    assert run.state == "done"


def test_a_run_whose_end_cannot_be_written_has_ended_all_the_same(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = begin(host, evals=1)

    def fail(path: Path, data: object) -> None:
        raise RunFolderError(f"cannot write {path}: No space left on device; make room")

    monkeypatch.setattr(hosted_run, "write_json", fail)
    wait_until(lambda: not run.is_active)
    assert "No space left" in caplog.text
    assert run.state == "done"


def test_what_cannot_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"cannot write .*none/x.json: No such file.*make room"):
        write_json(tmp_path / "none" / "x.json", {})


def test_going_on_with_a_run_needs_room_too(host: Host) -> None:
    first = begin(host, evals=1)
    wait_until(lambda: not first.is_active)
    second = begin(host, evals=100_000)
    with pytest.raises(BusyError, match="1 runs are under way"):
        host.resume(first.name, {"evaluations": 5})
    with pytest.raises(BusyError, match="is under way"):
        host.resume(second.name, {})


def test_a_listener_of_an_earlier_process_hears_the_new_ones_events(host: Host) -> None:
    run = begin(host, evals=1)
    wait_until(lambda: not run.is_active)
    assert run.status()["in_flight"] == 0
    events = run.events_after(1_000_000, 0.0)
    assert [event["event"] for _, event in events][-1] == "ended"
    assert run.events_after(events[-1][0], 0.0) == []


def test_what_a_call_costs_at_most_is_told_before_the_first(host: Host) -> None:
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        run = begin(host, evals=3, model="gpt-4o", api_base=endpoint.api_base, operators="diff", cost_usd=5.0)
        wait_until(lambda: not run.is_active)
    told = [
        event for _, event in run.events_after(0, 0.0) if event["event"] in ("warned", "evaluated", "best")
    ]
    assert told[0]["event"] == "warned"
    assert told[0]["text"].startswith("a call of gpt-4o costs at most $")
    assert "$5 pay for at least" in told[0]["text"]
    assert run.state == "done", run.status()


def test_a_run_stopped_for_good_while_the_service_closes_stays_stopped(tmp_path: Path) -> None:
    config = HostConfig(tmp_path / "runs")
    for first in ("stop", "close"):
        host = Host(config)
        run = begin(host, first, minutes=5)
        wait_until(lambda run=run: run.facts["evaluations"] > 0)
        if first == "stop":
            run.stop(for_good=True)
            host.close()
        else:
            run.stop(for_good=False, message="the service ends")
            run.stop(for_good=True)
            host.close()
        again = Host(config)
        assert again.resume_unfinished() == []
        again.close()


def test_a_run_goes_on_after_a_restart_and_one_that_a_person_paused_stays_paused(tmp_path: Path) -> None:
    config = HostConfig(tmp_path / "runs")
    host = Host(config)
    run = begin(host, "held", minutes=5)
    wait_until(lambda: run.facts["evaluations"] > 0)
    send(run.folder, new_request("pause"))
    wait_until(lambda: any(event["event"] == "asked" for _, event in run.events_after(0, 0.0)))
    host.close()
    again = Host(config)
    assert again.resume_unfinished() == ["held"]
    run = again.run("held")
    wait_until(lambda: run.facts.get("in_flight") == 0 and run.facts.get("seconds") is not None)
    count = run.facts["evaluations"]
    wait_until(lambda: len(list(read_entries(run.folder.journal))) > 0)
    again.close()
    assert run.facts["evaluations"] == count
    assert [e for e in read_entries(run.folder.journal) if e["type"] == "opened"][-1]["paused"]


def test_limits_of_a_resume_are_checked_before_anything_is_written_and_shown_from_then_on(host: Host) -> None:
    run = begin(host, evals=2)
    wait_until(lambda: not run.is_active)
    before = (run.folder.path / "service.json").read_bytes()
    with pytest.raises(ConfigError, match="evals must be "):
        host.resume(run.name, {"budget": {"evaluations": float("inf")}})
    assert (run.folder.path / "service.json").read_bytes() == before
    host.resume(run.name, {"budget": {"evaluations": 4}})
    wait_until(lambda: not run.is_active)
    assert run.status()["budget"]["evaluations"] == 4 == run.facts["evaluations"]
