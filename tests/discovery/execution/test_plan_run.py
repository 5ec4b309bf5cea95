"""A whole run of plan-execute-summarize through litellm, a real HTTP server, the journal, git and the report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from discovery.storage.git.lineage import Lineage
from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, ScriptedMutator
from evaluators.contract import Objective
from tests.discovery.conftest import Discovery, last_json
from tests.discovery.pages import report_data

KEY = "sk-secret-0123456789abcdef"


def git(out: Path, *arguments: str) -> str:
    command = ["git", "-C", str(out / "lineage"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_plans_summaries_and_notes_are_kept_shown_and_taken_up_again(
    discovery: Discovery, toy: Path, tmp_path: Path
) -> None:
    out, config = tmp_path / "run", tmp_path / "run.toml"
    config.write_text('[planning]\nrounds = 2\nsummaries = "plan"\n')
    with ChatEndpoint(ScriptedMutator(seed=1)) as endpoint:
        common = (
            "--seed",
            2,
            "--model",
            "scripted",
            "--api-base",
            endpoint.api_base,
            "--json",
            "--config",
            config,
        )
        arguments = ("run", toy, "--out", out, "--operators", "plan", "--evals", 8, "--workers", 1, *common)
        done = discovery(*arguments, OPENAI_API_KEY=KEY)
        assert done.returncode == 0, done.stderr
        entries = list(read_entries(out / "journal.jsonl"))
        summaries = {e["program_id"]: e["texts"] for e in entries if e.get("kind") == "summary"}
        assert len(summaries) >= 5
        calls = sum(
            len(e.get("calls", ())) for e in entries if e["type"] in ("noted", "proposed", "unproposed")
        )
        assert last_json(done)["model_calls"] == calls
        some, texts = next(iter(summaries.items()))
        assert texts["guidance"] == "explore other numbers."
        noted = git(
            out,
            "log",
            "-1",
            "--format=%N",
            "--notes=refs/notes/summaries",
            f"--grep=Program-Id: {some}",
            "all^2",
        )
        assert not noted or "Summary:" in noted
        shown = discovery("show", out, some)
        assert "Summary:\n    it returns numbers" in shown.stdout
        assert "Plan:\n    Change number" in shown.stdout
        assert json.loads(discovery("show", out, some, "--json").stdout)["note"].startswith("Summary:")
        discovery("report", out)
        best = last_json(done)["best_id"]
        page = json.dumps(report_data(out / "report.html"))
        assert best in page
        assert ("it returns numbers" in page) == any(
            program in summaries
            for program in git(out, "log", "--format=%(trailers:key=Program-Id,valueonly)", "best").split()
        )
        git(out, "update-ref", "-d", "refs/notes/summaries")
        again = discovery("resume", out, "--evals", 9, "--json", OPENAI_API_KEY=KEY)
        assert again.returncode == 0, again.stderr
    subjects = git(out, "log", "--format=%s", "refs/notes/summaries").split()
    assert set(summaries) <= set(subjects)
    assert len(subjects) == len(set(subjects))
    assert KEY.encode() not in b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())


def test_a_note_on_an_unknown_program_is_passed_over_and_words_cannot_pass_for_headings(
    tmp_path: Path,
) -> None:
    with Lineage(tmp_path / "lineage", Objective()) as lineage:
        assert lineage.noted() == frozenset()
        lineage.note("0123456789abcdef", {"summary": "x"}, 5.0)
        lineage.flush()
        assert lineage.noted() == frozenset()
