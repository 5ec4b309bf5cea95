from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discovery.cli.main import COMMANDS
from discovery.core import plugins
from discovery.storage.journal import read_entries
from tests.discovery.conftest import Discovery, last_json


def records(run: Path) -> list[dict]:
    return [entry["record"] for entry in read_entries(run / "journal.jsonl") if entry["type"] == "evaluated"]


def git(run: Path, *arguments: str) -> str:
    command = ["git", "-C", str(run / "lineage"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def unread(*arguments: object) -> tuple[int, str]:
    """Returns exit code and stderr of a command whose stdout nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "discovery", *map(str, arguments)]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    return done.returncode, done.stderr


def test_a_run_goes_on_when_nobody_reads_how_it_fares(toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert unread("run", toy, "--evals", 12, "--seed", 3, "--out", run) == (0, "")
    assert len(records(run)) == 12


def test_a_run_from_seed_to_report_and_back(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = discovery("run", toy, "--evals", 60, "--seed", 3, "--out", run, "--json")
    assert done.returncode == 0, done.stderr
    summary = last_json(done)
    assert len(done.stdout.splitlines()) == 1
    assert summary["evaluations"] == 60 == len(records(run))
    assert summary["best_score"] > records(run)[0]["evaluation"]["score"]
    assert summary["cost_usd"] == 0.0
    assert Path(summary["lineage"]) == run / "lineage"

    assert git(run, "rev-parse", "best").strip()
    git(run, "fsck", "--full")
    best = discovery("best", run, "--out", tmp_path / "best.py")
    assert best.returncode == 0, best.stderr
    judged = discovery("evaluate", toy, tmp_path / "best.py", "--json")
    assert last_json(judged)["score"] == summary["best_score"]
    assert last_json(judged)["status"] == "ok"
    assert "seconds" in last_json(judged)

    verified = discovery("verify", run, "--json")
    assert last_json(verified)["verdict"] == "confirmed"
    listed = json.loads(discovery("log", run, "-n", 5, "--json").stdout)
    assert [entry["index"] for entry in listed] == [59, 58, 57, 56, 55]
    shown = discovery("show", run, summary["best_id"][:10])
    assert summary["best_id"] in shown.stdout
    assert "def answer" in shown.stdout
    seed_id = records(run)[0]["program_id"]
    changed = discovery("diff", run, seed_id, "best")
    assert "-    return [0.25, 0.35, 0.45]" in changed.stdout
    for command in (("log", run), ("log", run, "--json"), ("show", run, "best"), ("archive", run)):
        assert unread(*command) == (0, ""), command
    reported = discovery("report", run)
    assert reported.returncode == 0, reported.stderr
    assert (run / "report.html").read_text().startswith("<!doctype html>")


def test_more_evaluations_after_the_end(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    discovery("run", toy, "--evals", 20, "--seed", 3, "--workers", 1, "--out", run)
    again = discovery("resume", run, "--evals", 40, "--json")
    assert again.returncode == 0, again.stderr
    assert last_json(again)["evaluations"] == 40
    whole = tmp_path / "whole"
    discovery("run", toy, "--evals", 40, "--seed", 3, "--workers", 1, "--out", whole)
    ids = [record["program_id"] for record in records(run)]
    assert ids == [record["program_id"] for record in records(whole)]
    assert git(run, "rev-list", "--count", "all") == git(whole, "rev-list", "--count", "all")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_has_all_saved_and_goes_on(
    discovery: Discovery, toy: Path, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "discovery",
        "run",
        str(toy),
        "--evals",
        "100000",
        "--seed",
        "5",
        "--out",
        str(run),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (run / "journal.jsonl").exists() or (run / "journal.jsonl").stat().st_size < 20_000:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number
        assert "discovery resume" in stderr
    before = [record["program_id"] for record in records(run)]
    git(run, "fsck", "--full")
    done = discovery("resume", run, "--evals", len(before) + 10, "--json")
    assert done.returncode == 0, done.stderr
    after = [record["program_id"] for record in records(run)]
    assert after[: len(before)] == before
    assert len(after) == len(set(after)) == len(before) + 10
    assert len(json.loads(discovery("log", run, "-n", 100000, "--json").stdout)) == len(after)


def test_options_may_stand_in_a_file(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        f'problem = "{toy}"\nevals = 15\nseed = 4\nworkers = 1\noperators = "tune=2,prune"\nout = "{tmp_path}/from_file"\n'
        "[islands]\nislands = 2\n[tuning]\nsigma0 = 0.3\n"
    )
    done = discovery("run", "--config", config, "--evals", 12, "--json")
    assert done.returncode == 0, done.stderr
    assert last_json(done)["evaluations"] == 12
    settings = json.loads((tmp_path / "from_file" / "config.json").read_text())["config"]
    assert settings["islands"]["islands"] == 2
    assert settings["tuning"]["sigma0"] == 0.3
    assert settings["operators"] == {"tune": 2.0, "prune": 1.0}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run"], 2, "no problem is named"),
        (["run", "nothing_like_this"], 1, "there is no problem 'nothing_like_this'"),
        (["run", "circle_packing", "--evals", "0"], 2, "evals must be > 0"),
        (["run", "circle_packing", "--evals", "x"], 2, "not a valid integer"),
        (["run", "circle_packing", "--minutes", "inf"], 2, "minutes must be a finite number, got inf"),
        (["run", "circle_packing", "--target", "nan"], 2, "target must be a finite number"),
        (["run", "circle_packing", "--islands", "1000000"], 2, "islands must be in 1..1024"),
        (["run", "circle_packing", "--bandit.floor", "2"], 2, "bandit.floor must be in [0, 1], got 2.0"),
        (["run", "circle_packing", "--name", "x" * 300], 2, "up to 64 letters"),
        (["compare", "a.toml", "b.toml", "--target", "nan"], 2, "nan is not a finite number"),
        (["distil", "run", "--epsilon", "inf"], 2, "inf is not a finite number"),
        (["run", "circle_packing", "--start", "c.json"], 2, "start is what from_best begins with"),
        (["run", "circle_packing", "--evalz", "3"], 2, "evalz"),
        (["run", "circle_packing", "--workers", "0"], 2, "workers must be in 1..1024"),
        (["run", "circle_packing", "--seed", "-1"], 2, "seed must be in"),
        (["run", "circle_packing", "--islands", "0"], 2, "islands must be in 1..1024"),
        (["run", "circle_packing", "--operators", "tunee"], 2, "did you mean 'tune'"),
        (["run", "circle_packing", "--operators", "tune=x"], 2, "must be a number"),
        (["run", "circle_packing", "--operators", "diff"], 1, "need a model"),
        (["run", "circle_packing", "--out", "/proc/none/run"], 1, "--out"),
        (["run", "--config", "missing.toml"], 2, "cannot read missing.toml"),
        (["resume", "missing"], 1, "no run folder"),
        (["best", "missing"], 1, "no run folder"),
        (["evaluate", "circle_packing", "missing.py"], 2, "cannot read missing.py"),
        (["new", "not a name"], 2, "name"),
        (["walk"], 2, "there is no command"),
    ],
)
def test_bad_input_gets_one_clear_line(
    discovery: Discovery, arguments: list[str], code: int, message: str
) -> None:
    done = discovery(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evalz = 3\n", "unknown key 'evalz' (did you mean"),
        ("evals = 'many'\n", "line 2: evals must be an integer, got 'many'"),
        ("[islands]\ntau = 1\n", "unknown key 'tau'"),
        ("[islands]\ntau0 = -1.0\n", "line 3: islands.tau0 must be > 0, got -1.0"),
        ("minutes = inf\n", "line 2: minutes must be a finite number, got inf"),
        ("workers = true\n", "line 2: workers must be an integer, got True"),
        ("bandit = {prior = 0}\n", "line 2: bandit.prior must be > 0, got 0"),
        ("[tuning]\n\nsigma0 = nan\n", "line 4: tuning.sigma0 must be a finite number, got nan"),
        ("evals = \n", "not valid TOML"),
    ],
)
def test_a_bad_file_names_itself_the_key_and_the_rule(
    discovery: Discovery, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "run.toml").write_text('problem = "circle_packing"\n' + text)
    done = discovery("run", "--config", "run.toml")
    assert done.returncode == 2
    assert "run.toml" in done.stderr
    assert message in done.stderr


def test_a_used_run_folder_is_not_overwritten_and_a_locked_one_not_entered(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    discovery("run", toy, "--evals", 3, "--out", run)
    again = discovery("run", toy, "--evals", 3, "--out", run)
    assert again.returncode == 1
    assert "discovery resume" in again.stderr
    with open(run / ".lock", "r+b") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        held = discovery("resume", run, "--evals", 5)
    assert held.returncode == 1
    assert "in use by process" in held.stderr


def test_a_changed_problem_is_not_mixed_into_an_old_run(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    discovery("run", toy, "--evals", 3, "--out", run)
    toy.write_text(toy.read_text().replace("0.5)", "0.6)"))
    done = discovery("resume", run, "--evals", 5)
    assert done.returncode == 1
    assert "has changed" in done.stderr


def test_a_seed_that_fails_says_so_and_exits_with_3(discovery: Discovery, toy: Path, tmp_path: Path) -> None:
    toy.write_text(toy.read_text().replace("return [0.25, 0.35, 0.45]", "return [0.25]"))
    done = discovery("run", toy, "--evals", 3, "--out", tmp_path / "run", "--json")
    assert done.returncode == 3
    assert "the seed program fails" in done.stderr
    assert "three floats are asked for" in done.stderr
    assert last_json(done)["reason"] == "seed"


def test_a_scorer_that_raises_is_the_problems_fault_and_says_where(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    toy.write_text(
        toy.read_text().replace('return {"closeness"', 'raise KeyError("oops")\n    return {"closeness"')
    )
    done = discovery("run", toy, "--evals", 3, "--out", tmp_path / "run")
    assert done.returncode == 3
    assert "oops" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_seed_on_one_worker_gives_the_same_lineage(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        done = discovery("run", toy, "--evals", 50, "--seed", 9, "--workers", 1, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
    a, b = ([record["program_id"] for record in records(tmp_path / name)] for name in ("a", "b"))
    assert a == b


def test_secrets_of_the_environment_reach_nothing_that_is_kept(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    spy = 'import os\n    open_env = dict(os.environ)\n    print("SEEN", open_env)\n    return [0.25, 0.35, 0.45]'
    toy.write_text(toy.read_text().replace("return [0.25, 0.35, 0.45]", spy))
    done = discovery(
        "run", toy, "--evals", 5, "--out", tmp_path / "run", OPENAI_API_KEY="sk-leaked-123456789"
    )
    assert done.returncode == 0, done.stderr
    kept = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"SEEN" in kept
    assert b"leaked" not in kept
    assert "leaked" not in done.stdout + done.stderr


def test_help_is_quick_and_lists_every_command(discovery: Discovery) -> None:
    done = discovery("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    assert all(name in done.stdout for name in plugins.names("discovery.commands"))
    code = (
        "import sys; from click.testing import CliRunner; from discovery.cli.main import cli; "
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0; "
        "sys.exit(any(m in sys.modules for m in ('numpy', 'ribs', 'litellm', 'git')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env=dict(os.environ)).returncode == 0
