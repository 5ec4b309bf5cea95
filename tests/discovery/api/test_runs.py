"""Runs in Python: what they show is what the command line shows, and what happens is told once, in order."""

from __future__ import annotations

import builtins
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

import discovery
from discovery.cli.history import archive
from discovery.core.errors import ConfigError, RunError, RunFolderError
from discovery.core.records import Record
from discovery.execution.population import population_of
from discovery.execution.runs import replayed_state, run_folder
from discovery.storage.index import open_index
from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, ScriptedMutator
from tests.discovery.conftest import Discovery, last_json

HOSTILE = '''"""Return <b>anything</b>."""
from evaluators.contract import Case, Objective
SEED = "def answer():\\n    return '<script>alert(1)</script>'\\n"
OBJECTIVE = Objective("score")
def cases(rng, stage):
    return [Case(None)]
def run(program, inputs):
    return program.answer()
def score(case, output):
    return {"score": len(output)}
'''


def test_a_search_from_python_is_the_search_of_the_command_line(
    discovery_command: Discovery, toy: Path, tmp_path: Path
) -> None:
    run = discovery.search(toy, evals=40, seed=3, workers=1, out=tmp_path / "python")
    done = discovery_command(
        "run", toy, "--evals", 40, "--seed", 3, "--workers", 1, "--out", tmp_path / "shell", "--json"
    )
    other = discovery.open(tmp_path / "shell")
    assert [record.program_id for record in run.programs] == [record.program_id for record in other.programs]
    assert [(one.island, one.cell, one.record.program_id) for one in run.archive] == [
        (one.island, one.cell, one.record.program_id) for one in other.archive
    ]
    assert run.best is not None
    assert run.best.score == last_json(done)["best_score"]
    assert other.outcome is None
    assert run.outcome is not None
    assert run.outcome.reason == "evaluations"
    judged = discovery.evaluate(toy, run.best.program, secret_file=tmp_path / "python" / "secret")
    assert judged.score == run.best.score
    shown = discovery_command("best", tmp_path / "python").stdout
    assert run.best.text.strip() in shown


def test_what_an_index_tells_of_a_run_is_what_a_replay_tells(toy: Path, tmp_path: Path) -> None:
    run = discovery.search(toy, evals=60, seed=5, workers=1, out=tmp_path / "run", islands={"islands": 2})
    folder = run_folder(run.path)
    replayed = replayed_state(folder)
    shown = CliRunner().invoke(archive, [str(run.path)])
    assert shown.exit_code == 0, shown.output
    first, second = shown.output.splitlines()
    assert "no program of its own" not in first
    assert second.endswith("; no program of its own yet: it opens after 2000 programs")
    with open_index(folder) as index:
        told = population_of(folder, index)
        assert len(index) == 60
    for island in range(len(told)):
        assert sorted(told.elites(island), key=lambda one: one.cell) == sorted(
            replayed.archipelago.elites(island), key=lambda one: one.cell
        )
    assert replayed.best is not None
    assert run.best is not None
    assert run.best.program_id == replayed.best.program_id == run.history[-1].program_id
    records = [
        Record.from_json(e["record"]) for e in read_entries(folder.journal) if e["type"] == "evaluated"
    ]
    programs = run.programs
    assert list(programs) == records
    assert programs == records
    assert programs[3:9] == tuple(records[3:9])
    assert programs[::-7] == tuple(records[::-7])
    assert (programs[0], programs[-1]) == (records[0], records[-1])
    with pytest.raises(IndexError, match="60 programs"):
        programs[60]
    child = next(record for record in reversed(records) if record.parents)
    wanted, found = {child.program_id}, []
    for record in reversed(records):
        if record.program_id in wanted:
            found.append(record)
            wanted.update(record.parents)
    assert run.ancestors(child.program_id[:12]) == tuple(reversed(found))


def test_what_is_told_live_is_what_the_journal_tells(toy: Path, tmp_path: Path) -> None:
    told: list[discovery.RunEvent] = []
    run = discovery.search(
        toy,
        evals=30,
        seed=3,
        out=tmp_path / "run",
        on_evaluated=told.append,
        on_best=told.append,
        on_end=told.append,
    )
    read = list(run.events())
    assert read == told
    evaluated = [event.record for event in read if isinstance(event, discovery.ProgramEvaluated)]
    assert [record.index for record in evaluated] == list(range(30))
    assert [event.record for event in read if isinstance(event, discovery.BestFound)] == list(run.history)
    assert isinstance(read[-1], discovery.RunEnded)
    assert read[-1].reason == "evaluations"
    scores = [record.score for record in run.history]
    assert scores == sorted(scores)
    assert run.history[-1] == run.best
    lineage = run.lineage
    assert lineage[0].operator == "seed"
    assert lineage[-1] == run.best
    for record in lineage[1:]:
        assert set(record.parents) <= {one.program_id for one in lineage}
    assert run.find(lineage[-1].program_id[:12]) == run.best
    with pytest.raises(RunError, match="no program is named 'zz'"):
        run.find("zz")


def test_a_run_in_the_background_is_followed_and_stopped_and_gone_on_with(toy: Path, tmp_path: Path) -> None:
    run = discovery.search(toy, minutes=10, seed=3, out=tmp_path / "run", wait=False)
    assert run.is_running
    with pytest.raises(RunFolderError, match="under way in this process"):
        run.resume(evals=5)
    seen = 0
    for event in run.events():
        if isinstance(event, discovery.ProgramEvaluated):
            seen += 1
            if seen == 10:
                run.stop("that is enough")
    run.wait()
    assert not run.is_running
    assert run.outcome is not None
    assert (run.outcome.reason, run.outcome.message) == ("interrupted", "that is enough")
    assert seen == len(run.programs) >= 10
    before = [record.program_id for record in run.programs]
    ends: list[discovery.RunEnded] = []
    run.resume(evals=len(before) + 5, on_end=ends.append)
    assert [record.program_id for record in run.programs][: len(before)] == before
    assert len(run.programs) == len(before) + 5
    assert [end.reason for end in ends] == ["evaluations"]
    with pytest.raises(RunError, match="cannot change seed"):
        run.resume(seed=4)


def test_a_callback_that_raises_ends_the_run_and_its_error_comes_out(toy: Path, tmp_path: Path) -> None:
    def fail(event: discovery.ProgramEvaluated) -> None:
        if event.record.index == 7:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        discovery.search(toy, minutes=5, seed=3, out=tmp_path / "run", on_evaluated=fail)
    run = discovery.open(tmp_path / "run")
    assert len(run.programs) >= 8
    assert [event for event in run.events() if isinstance(event, discovery.RunEnded)][
        -1
    ].reason == "interrupted"


WITH_A_MODEL = """
import sys, discovery
calls = []
run = discovery.search(
    sys.argv[1], evals=12, seed=3, model="scripted", api_base=sys.argv[2], operators="diff", out=sys.argv[3],
    on_model_call=calls.append,
)
assert not {"litellm", "httpx", "openai"} & set(sys.modules), "a run asks from processes of their own"
summary = run.outcome.summary
assert len(calls) == summary["model_calls"] >= 11, (len(calls), summary)
assert {event.operator for event in calls} == {"diff"}
assert sum(event.call.prompt_tokens + event.call.completion_tokens for event in calls) == summary["tokens"]
"""


def test_model_calls_are_told_with_what_they_took(toy: Path, tmp_path: Path) -> None:
    with ChatEndpoint(ScriptedMutator()) as endpoint:  # in a process of its own, to see what it loads
        done = subprocess.run(
            [sys.executable, "-c", WITH_A_MODEL, toy, endpoint.api_base, tmp_path / "run"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def test_a_run_that_cannot_do_what_was_asked_raises_and_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(HOSTILE.replace("len(output)", "float('nan')"))
    with pytest.raises(RunError, match=r"all is saved in .*run"):
        discovery.search(tmp_path / "bad.py", evals=5, out=tmp_path / "run")


def test_settings_are_held_to_the_schema_of_every_other_door(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'evls'.*did you mean 'evals'|unknown key 'evls'"):
        discovery.search(toy, evls=3, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="evals must be > 0"):
        discovery.search(toy, evals=0, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_module_is_a_problem_if_it_has_a_file(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(toy.parent))
    module = __import__("toy")
    try:
        assert discovery.evaluate(module, toy.parent / "toy.py").status == "error"
        assert len(discovery.search(module, evals=3, out=tmp_path / "run").programs) == 3
    finally:
        del sys.modules["toy"]
    with pytest.raises(ConfigError, match="module without a file"):
        discovery.search(ModuleType("nowhere"), evals=3)


def test_a_notebook_shows_a_run_with_foreign_text_escaped(tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    run = discovery.search(tmp_path / "hostile.py", evals=1, seed=1, out=tmp_path / "run<i>")
    page = run._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "<i>" not in page


def test_programs_become_a_frame_where_pandas_is_installed(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = discovery.search(toy, evals=6, seed=3, out=tmp_path / "run")
    real = builtins.__import__

    def without_pandas(name: str, *arguments: object, **options: object) -> object:
        if name == "pandas":
            raise ImportError("no pandas")
        return real(name, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", without_pandas)
        with pytest.raises(RunError, match="pip install pandas"):
            run.to_frame()
    pytest.importorskip("pandas")
    frame = run.to_frame()
    assert list(frame["program_id"]) == [record.program_id for record in run.programs]
    assert frame["metric.closeness"].max() == run.best.score


def test_nothing_of_a_run_is_left_working_when_it_has_ended(toy: Path, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    discovery.search(toy, evals=4, seed=3, out=tmp_path / "run")
    assert {
        thread for thread in set(threading.enumerate()) - before if thread.name.startswith("run-")
    } == set()
