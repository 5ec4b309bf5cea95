from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from discovery.core.errors import LineageError
from discovery.core.records import Record, RunInfo
from discovery.storage.git import history
from discovery.storage.git.lineage import Lineage
from discovery.storage.git.repository import Repository
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Objective
from tests.discovery.lineage_runs import made_up_run

RUN = made_up_run(120)
BEST = max(RUN, key=lambda record: record.evaluation.score or 0.0)


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with Lineage(folder / "lineage", Objective("score")) as lineage:
        for record in RUN:
            lineage.append(record)
    return folder


def test_the_log_shows_the_newest_first(run_path: Path) -> None:
    entries = history.log(run_path, 30)
    assert [entry.program_id for entry in entries] == [record.program_id for record in RUN[:-31:-1]]
    assert len(list(history.log(run_path, 1000))) == len(RUN)


def test_beside_a_journal_programs_are_found_without_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.create({"info": RunInfo("toy").to_json()}, bytes(16))
    with Lineage(folder.lineage, Objective("score")) as lineage:
        for record in RUN[:30]:
            lineage.append(record)
    journal = [{"type": "evaluated", "record": record.to_json()} for record in RUN[:33]]
    folder.journal.write_text("".join(json.dumps(line) + "\n" for line in journal))
    with monkeypatch.context() as patched:
        patched.delattr(history, "_searched")
        for record in RUN[:30:7]:
            entry = history.show(folder.path, record.program_id[:10]).entry
            assert (entry.program_id, entry.index) == (record.program_id, record.index)
    with pytest.raises(LineageError, match="no program is named"):  # git has not got so far
        history.show(folder.path, RUN[31].program_id)


def test_an_entry_tells_what_the_record_said(run_path: Path) -> None:
    by_id = {record.program_id: record for record in RUN}
    for entry in history.log(run_path, len(RUN)):
        record = by_id[entry.program_id]
        evaluation = record.evaluation
        assert (entry.index, entry.parents, entry.operator) == (record.index, record.parents, record.operator)
        assert (entry.status, entry.score, entry.reason) == (
            evaluation.status,
            evaluation.score,
            evaluation.reason,
        )
        assert entry.metrics == evaluation.metrics
        assert entry.measures == (evaluation.measures or ())
        assert (entry.island, entry.cell, entry.tokens) == (record.island, record.cell, record.tokens)
        assert entry.cost_usd == record.cost_usd
        assert entry.layers == evaluation.layers
        assert entry.at_s == int(record.at_s)
        assert entry.seconds == evaluation.wall_s
    failed = history.show(run_path, RUN[5].program_id).entry
    assert failed.body == "Reason:\n    ValueError: too small\n\nOutput:\n    Traceback:\n      line 1"


def test_the_log_of_an_island_shows_its_elites(run_path: Path) -> None:
    elites = [c.program_id for record in RUN for c in record.changes if c.island == 1]
    assert [entry.program_id for entry in history.log(run_path, 10, "island/1")] == elites[:-11:-1]


def test_the_log_of_the_best_shows_its_ancestors(run_path: Path) -> None:
    entries = history.log(run_path, 1000, "best")
    wanted, found = {BEST.program_id}, set()
    by_id = {record.program_id: record for record in RUN}
    while wanted:
        found.add(one := wanted.pop())
        wanted |= set(by_id[one].parents) - found
    assert {entry.program_id for entry in entries} == found


def test_the_ancestry_goes_back_to_the_seed(run_path: Path) -> None:
    chain = history.ancestry(run_path)
    assert chain[0].program_id == BEST.program_id
    assert chain[-1].program_id == RUN[0].program_id
    assert all(child.parents[0] == parent.program_id for child, parent in pairwise(chain))


def test_a_program_is_shown_whole(run_path: Path) -> None:
    shown = history.best(run_path)
    assert shown.files == BEST.program.files
    assert shown.text == BEST.program.text
    assert shown.certificate == BEST.evaluation.certificate
    assert shown.entry.index == BEST.index
    assert history.show(run_path / "lineage", "best") == shown


def test_programs_have_several_names(run_path: Path) -> None:
    entry = history.show(run_path, RUN[3].program_id).entry
    first = RUN[3].program_id[:10]
    repository = Repository(run_path / "lineage")
    step = repository.run("log", "--first-parent", "--format=%H", f"--grep=^3 {first}", "all").strip()
    for name in (first, first.upper(), entry.commit, entry.commit[:12], step):
        assert history.show(run_path, name).entry == entry


def test_names_that_name_nothing_or_too_much(run_path: Path) -> None:
    first_digits = [record.program_id[0] for record in RUN]
    common = max(set(first_digits), key=first_digits.count)
    with pytest.raises(LineageError, match=r"names several programs \(.* and more\); give more digits"):
        history.show(run_path, common)
    typo = "".join(reversed(RUN[7].program_id[:2])) + RUN[7].program_id[2:]
    if typo != RUN[7].program_id:
        with pytest.raises(LineageError, match=rf"nearest are .*{RUN[7].program_id}"):
            history.show(run_path, typo)
    for name in ("", "--output=/tmp/x", "HEAD", "all\n", "0" * 40, "refs/heads/all", "best~1"):
        with pytest.raises(LineageError, match="no program is named"):
            history.show(run_path, name)


def test_a_step_of_an_island_stands_for_its_elite(run_path: Path) -> None:
    commit = Repository(run_path / "lineage").run("rev-parse", "island/0").strip()
    elites = [c.program_id for record in RUN for c in record.changes if c.island == 0]
    assert history.show(run_path, commit).entry.program_id == elites[-1]
    opening = Repository(run_path / "lineage").run("rev-list", "--max-parents=0", "island/0").split()[-1]
    with pytest.raises(LineageError, match="no program is named"):
        history.show(run_path, opening)


def test_the_diff_of_two_programs(run_path: Path) -> None:
    child = RUN[1]
    text = history.diff(run_path, child.parents[0], child.program_id)
    lines = text.splitlines()
    assert lines[0] == "diff --git a/program.py b/program.py"
    assert [line[0] for line in lines[4:] if line[0] in "+-"] == ["-", "+"]
    assert ".certificate.json" not in text
    assert history.diff(run_path, "best", BEST.program_id) == ""


def test_folders_without_a_run(tmp_path: Path, run_path: Path) -> None:
    with pytest.raises(LineageError, match="holds no lineage"):
        history.log(tmp_path)
    with pytest.raises(LineageError, match="there is no branch 'island/9'; there are: all, best, island/0"):
        history.log(run_path, 5, "island/9")
    with pytest.raises(LineageError, match="limit must be >= 1, got 0"):
        history.log(run_path, 0)


def test_a_run_without_a_score_has_no_best(tmp_path: Path) -> None:
    failed: Record = RUN[5]
    with Lineage(tmp_path / "lineage", Objective("score")) as lineage:
        lineage.recorded()
    with pytest.raises(LineageError, match="no program is recorded yet"):
        history.log(tmp_path)
    with pytest.raises(LineageError, match="no program has a score yet"):
        history.best(tmp_path)
    assert failed.evaluation.score is None
