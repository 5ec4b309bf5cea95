from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from discovery.core.errors import ConfigError, RunFolderError
from discovery.core.events import Evaluated, RequestReceived
from discovery.core.requests import Request
from discovery.programs.fingerprint import fingerprint
from discovery.settings.budget import Budget
from discovery.storage.journal import read_entries
from discovery.storage.requests import completed, done, new_request, read_request, send, waiting
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Evaluation, Program, Status
from tests.discovery.conftest import Discovery, last_json
from tests.discovery.search.test_coordinator import SEED, Jitter, World, image

GIVEN = Program({"program.py": "x = 0.7001\n"})


def asked(request: Request) -> RequestReceived:
    return RequestReceived(request, fingerprint(request.program) if request.program else "")


def world(**plan) -> World:
    made = World({"splice": Jitter()}, **plan)
    made.act(made.coordinator.start())
    for _ in range(6):
        made.step()
    return made


def tell(made: World, request: Request) -> None:
    made.act(made.coordinator.handle(asked(request)))
    made.coordinator.validate()


def finish(made: World) -> World:
    while made.finish is None:
        made.step()
    return made


class TestCoordinator:
    def test_an_injected_program_is_evaluated_once_with_its_note(self) -> None:
        made = world()
        request = new_request("inject", program=GIVEN, text="from the literature")
        tell(made, request)
        tell(made, request)
        finish(made)
        found = [record for record in made.records if record["operator"] == "inject"]
        assert [record["program"]["files"] for record in found] == [dict(GIVEN.files)]
        assert found[0]["parents"] == []
        assert found[0]["texts"] == {"request": request.request_id, "idea": "from the literature"}
        assert len(made.records) == 60
        assert sum("asked" in json.loads(line)["type"] for line in made.journal) == 1

    def test_an_injected_program_can_be_the_best_and_a_parent(self) -> None:
        made = world(budget=Budget(evaluations=200))
        tell(made, new_request("inject", program=GIVEN))
        finish(made)
        best = made.coordinator.state.best
        assert best is not None
        assert best.program_id == GIVEN.id
        assert any(GIVEN.id in record["parents"] for record in made.records)

    @pytest.mark.parametrize("cut", range(8))
    def test_a_kill_after_it_was_asked_for_loses_and_doubles_nothing(self, cut: int) -> None:
        made = world(slots=3)
        tell(made, new_request("inject", program=GIVEN))
        at = len(made.journal)
        for _ in range(cut):
            made.step()
        made.restart(max(at, len(made.journal) - 1))
        made.act(made.coordinator.start())
        finish(made)
        assert sum(record["operator"] == "inject" for record in made.records) == 1
        assert len(made.records) == 60

    def test_what_the_run_knows_or_must_not_run_is_not_injected(self) -> None:
        made = world()
        tell(made, new_request("inject", program=SEED))
        refused = new_request("inject", program=GIVEN)
        made.act(
            made.coordinator.handle(
                RequestReceived(refused, fingerprint(GIVEN), "the frozen part is changed")
            )
        )
        finish(made)
        assert not [record for record in made.records if record["operator"] == "inject"]

    def test_a_budget_with_no_room_holds_and_the_program_waits_for_more(self) -> None:
        made = finish(world(budget=Budget(evaluations=9)))
        made.restart(len(made.journal))
        made.act(made.coordinator.start([asked(new_request("inject", program=GIVEN))]))
        finish(made)
        assert len(made.records) == 9
        made.restart(len(made.journal))
        made.act(made.coordinator.start([asked(new_request("budget", budget={"evaluations": 10}))]))
        finish(made)
        assert [record["operator"] for record in made.records][9:] == ["inject"]

    def test_a_pause_begins_nothing_and_what_runs_is_recorded(self) -> None:
        made = world(slots=3)
        tell(made, new_request("pause"))
        while made.inbox:
            made.step()
        assert made.coordinator.is_paused
        assert made.finish is None
        stood = len(made.records)
        tell(made, new_request("hint", text="anything"))
        assert not made.inbox
        tell(made, new_request("resume"))
        assert made.inbox
        finish(made)
        assert stood < len(made.records) == 60

    def test_a_new_session_is_not_paused(self) -> None:
        made = world()
        tell(made, new_request("pause"))
        made.restart(len(made.journal))
        made.coordinator.replay({"type": "opened", "at_s": 1.0})
        made.act(made.coordinator.start())
        assert not made.coordinator.is_paused
        assert made.inbox

    def test_a_pause_of_a_person_outlives_a_restart_of_the_service(self) -> None:
        made = world()
        tell(made, new_request("pause"))
        made.restart(len(made.journal))
        made.coordinator.replay({"type": "opened", "at_s": 1.0, "paused": True})
        made.act(made.coordinator.start())
        assert made.coordinator.is_paused
        assert not made.inbox

    def test_other_limits_hold_at_once_and_after_a_replay(self) -> None:
        made = world()
        tell(made, new_request("budget", budget={"evaluations": 30}))
        finish(made)
        assert len(made.records) == 30
        made.restart(len(made.journal))
        made.act(made.coordinator.start())
        assert finish(made).finish is not None
        assert len(made.records) == 30

    def test_more_budget_revives_a_run_that_is_ending(self) -> None:
        made = world(slots=2, budget=Budget(evaluations=8))
        while made.coordinator.in_flight > 1 or made.coordinator.state.ledger.evaluations < 7:
            made.step()
        tell(made, new_request("budget", budget={"evaluations": 20}))
        finish(made)
        assert len(made.records) == 20

    def test_hints_reach_the_context_of_models_and_can_be_taken_back(self) -> None:
        made = World({"diff": Jitter("diff", needs_model=True)})
        seen: list[tuple[str, ...]] = []
        original = made.operators["diff"].propose
        made.operators["diff"].propose = lambda job, rng, model: (  # type: ignore[method-assign]
            seen.append(job.context.hints),
            original(job, rng, model),
        )[1]
        made.act(made.coordinator.start())
        for _ in range(10):
            made.step()
        tell(made, new_request("hint", text="try symmetry"))
        tell(made, new_request("hint", text="keep it short"))
        for _ in range(10):
            made.step()
        tell(made, new_request("forget-hints"))
        live = image(made.coordinator)
        made.restart(len(made.journal))
        assert image(made.coordinator)["elites"] == live["elites"]
        assert made.coordinator.state.hints == []
        assert seen[0] == ()
        assert ("try symmetry", "keep it short") in seen

    def test_late_results_of_a_paused_run_change_nothing_twice(self) -> None:
        made = world(slots=2)
        tell(made, new_request("pause"))
        event = next(one for one in made.inbox if isinstance(one, Evaluated))
        made.act(made.coordinator.handle(event))
        before = len(made.records)
        made.act(made.coordinator.handle(replace(event, evaluation=Evaluation(Status.ERROR))))
        assert len(made.records) == before


class TestRequest:
    @pytest.mark.parametrize(
        ("data", "match"),
        [
            ({"kind": "explode"}, "kind"),
            ({"kind": "inject"}, "program"),
            ({"kind": "pause", "program": GIVEN.to_json()}, "program"),
            ({"kind": "hint", "text": "  "}, "1 to 2000"),
            ({"kind": "hint", "text": "x" * 2001}, "2001"),
            ({"kind": "budget"}, "no new limit"),
            ({"kind": "budget", "budget": {"evalz": 3}}, "unknown limits"),
            ({"kind": "budget", "budget": {"minutes": -1}}, "minutes must be > 0"),
            ({"kind": "budget", "budget": {"minutes": "3"}}, "a number, got '3'"),
            ({"kind": "budget", "budget": {"minutes": True}}, "a number, got True"),
            ({"kind": "budget", "budget": {"minutes": float("inf")}}, "a finite number, got inf"),
            ({"kind": "budget", "budget": {"evaluations": float("nan")}}, "an integer, got nan"),
            ({"kind": "inject", "program": 3}, "no request"),
            ([], "no request"),
        ],
    )
    def test_what_is_wrong_is_named(self, data, match: str) -> None:
        if isinstance(data, dict):
            data = {"request_id": "a" * 16, **data}
        with pytest.raises(ConfigError, match=match):
            read_request(data)

    def test_the_json_form_is_read_back_whole(self) -> None:
        for request in (
            new_request("inject", program=GIVEN, text="why"),
            new_request("budget", budget={"tokens": 5}),
            new_request("pause"),
        ):
            assert Request.from_json(json.loads(json.dumps(request.to_json()))) == request

    def test_a_program_gets_the_names_of_the_seed(self) -> None:
        seed = Program({"kernel.c": "int x;", "lib.h": "//"}, "kernel.c")
        assert completed(Program({"my.c": "int y;"}, "my.c"), seed).files == {
            "kernel.c": "int y;",
            "lib.h": "//",
        }
        whole = Program({"lib.h": "1", "kernel.c": "2"}, "lib.h")
        assert completed(whole, seed).entry == "kernel.c"
        with pytest.raises(ConfigError, match=r"consists of kernel\.c, lib\.h"):
            completed(Program({"a.c": "", "b.c": ""}, "a.c"), seed)


class TestInbox:
    def make(self, tmp_path: Path) -> RunFolder:
        folder = RunFolder(tmp_path / "run")
        folder.create({"config": {}, "info": {}, "problem": {}}, bytes(16))
        return folder

    def test_requests_wait_in_order_until_they_are_done(self, tmp_path: Path) -> None:
        folder = self.make(tmp_path)
        sent = [new_request("hint", text=f"hint {n}") for n in range(5)]
        for request in sent:
            send(folder, request)
        found = waiting(folder)
        assert [request for _, request in found] == sent
        done(folder, found[0][0])
        assert [request for _, request in waiting(folder)] == sent[1:]

    def test_a_file_that_is_no_request_is_put_aside(self, tmp_path: Path) -> None:
        folder = self.make(tmp_path)
        send(folder, new_request("pause"))
        (folder.requests / "0-bad.json").write_text("{")
        assert [request.kind for _, request in waiting(folder)] == ["pause"]
        assert (folder.requests / "0-bad.refused").exists()

    def test_a_place_that_is_no_run_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(RunFolderError, match="no run folder"):
            send(RunFolder(tmp_path / "nothing"), new_request("pause"))


def test_a_person_steers_a_live_run(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "discovery",
        "run",
        toy,
        "--evals",
        "100000",
        "--workers",
        "1",
        "--out",
        run,
    ]
    child = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        journal = run / "journal.jsonl"

        def entries(kind: str) -> list[dict]:
            return (
                [entry for entry in read_entries(journal) if entry["type"] == kind]
                if journal.exists()
                else []
            )

        def wait_for(condition) -> None:
            end_s = time.monotonic() + 60
            while not condition():
                assert child.poll() is None
                assert time.monotonic() < end_s, "it did not come to that in time"
                time.sleep(0.05)

        wait_for(lambda: len(entries("evaluated")) > 3)
        better = tmp_path / "mine.py"
        unmarked = tmp_path / "unmarked.py"
        unmarked.write_text("def answer():\n    return [0.1, 0.2, 0.3]\n")
        refused = discovery("inject", run, unmarked)
        assert refused.returncode == 2
        assert "cannot be taken in" in refused.stderr
        better.write_text(f"# EVOLVE-BLOCK-START\n{unmarked.read_text()}# EVOLVE-BLOCK-END\n")
        assert discovery("inject", run, better, "--note", "my own").returncode == 0
        wait_for(lambda: any(e["record"]["operator"] == "inject" for e in entries("evaluated")))
        assert discovery("pause", run).returncode == 0
        wait_for(lambda: any(e["request"]["kind"] == "pause" for e in entries("asked")))
        time.sleep(0.6)
        stood = len(entries("evaluated"))
        time.sleep(0.6)
        assert len(entries("evaluated")) == stood
        refused = discovery("resume", run)
        assert refused.returncode == 1
        assert "--off" in refused.stderr
        assert discovery("budget", run, "--evals", stood + 5).returncode == 0
        assert discovery("pause", run, "--off").returncode == 0
        assert child.wait(60) == 0
        assert len(entries("evaluated")) == stood + 5
        assert not list((run / "requests").glob("*.json"))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    shown = discovery("log", run, "-n", 500, "--json")
    assert "inject" in {entry["operator"] for entry in json.loads(shown.stdout)}
    more = discovery("resume", run, "--evals", stood + 8, "--json")
    assert last_json(more)["evaluations"] == stood + 8
    again = discovery("resume", run, "--json")
    assert last_json(again)["evaluations"] == stood + 8


def test_a_program_that_cannot_be_taken_in_is_refused_at_once(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert discovery("run", toy, "--evals", 3, "--seed", 3, "--out", run).returncode == 0
    missing = discovery("inject", run, tmp_path / "nothing.py")
    assert missing.returncode == 2
    assert "nothing.py" in missing.stderr
    away = discovery("hint", "no-such-run", "x", "--server", "http://127.0.0.1:9")
    assert away.returncode == 1
    assert "does not answer" in away.stderr
    assert discovery("hint", run).returncode == 2


def test_what_was_paused_is_no_working_time_after_a_resume_either(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert discovery("run", toy, "--evals", 3, "--seed", 3, "--out", run).returncode == 0
    entries = list(read_entries(run / "journal.jsonl"))
    opened, closed = entries[0], entries[-1]
    assert (opened["type"], closed["type"]) == ("opened", "closed")
    at_s = closed["at_s"]
    asked = [
        {
            "type": "asked",
            "request": {**new_request(kind).to_json(), "at_s": 9e9},  # its clock was set on
            "fingerprint": "",
            "refusal": "",
            "at_s": at_s + shift_s,
        }
        for kind, shift_s in (("pause", 0.0), ("resume", 3600.0))
    ]
    told = [*entries[:-1], *asked, {**closed, "at_s": at_s + 3600.5}]
    (run / "journal.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in told))
    more = last_json(discovery("resume", run, "--evals", 4, "--json"))
    assert 0.5 <= more["seconds"] < 60
    assert more["evaluations"] == 4


@pytest.mark.parametrize("why", ["in use", "no operators' model", "no such broker"])
def test_a_resume_that_is_refused_leaves_nothing_behind(
    discovery: Discovery, toy: Path, tmp_path: Path, why: str
) -> None:
    out = tmp_path / "run"
    assert discovery("run", toy, "--evals", 5, "--out", out).returncode == 0
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file() and path.name != ".lock"}
    arguments = ["resume", out, "--evals", 90]
    folder = RunFolder(out)
    if why == "in use":
        with folder.lock():
            done = discovery(*arguments)
    elif why == "no such broker":
        done = discovery(*arguments, "--broker", "redis://127.0.0.1:1/0")
    else:
        config = folder.config.read_text()
        folder.config.write_text(config.replace('"operators": {}', '"operators": {"diff": 1.0}'))
        before[folder.config] = folder.config.read_bytes()
        done = discovery(*arguments)
    assert done.returncode == 1, done.stderr
    assert {path: path.read_bytes() for path in out.iterdir() if path in before} == before
    assert not list(folder.requests.glob("*")) if folder.requests.exists() else True


def test_a_resume_that_another_limit_forbids_says_which_and_is_no_success(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert discovery("run", toy, "--minutes", 0.03, "--out", out).returncode == 0
    done = discovery("resume", out, "--evals", 100_000)
    assert done.returncode == 3
    assert "0.03 minutes are used up" in done.stderr
    assert discovery("resume", out).returncode == 0  # what was asked for is done
    done = discovery("resume", out, "--minutes", 0.08)
    assert done.returncode == 0
    assert "nothing was done" not in done.stderr


@pytest.mark.parametrize("value", ["inf", "nan", "-1"])
def test_a_limit_that_cannot_be_journalled_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="cost_usd must be "):
        new_request("budget", budget={"cost_usd": float(value)})
    with pytest.raises(ConfigError, match="must be an integer"):
        new_request("budget", budget={"evaluations": 1.5})
