from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from discovery.core.errors import LineageError
from discovery.core.records import Change, Record
from discovery.storage.git.fast_import import Importer, _Batch, cell_path
from discovery.storage.git.lineage import Lineage, rebuild
from discovery.storage.git.repository import Repository
from evaluators.contract import Evaluation, Objective, Program, Status
from tests.discovery.lineage_runs import fsck, made_up_run, refs

RUN = made_up_run(120)
UP = Objective("score")


def written(path: Path, records: list[Record], objective: Objective = UP) -> Path:
    with Lineage(path, objective) as lineage:
        for record in records:
            lineage.append(record)
    return path


def one(program: Program, **values: object) -> Record:
    base: dict[str, object] = {
        "index": 0, "program": program, "program_id": program.id, "parents": (), "operator": "seed",
        "evaluation": Evaluation(Status.OK, 1.0, {"score": 1.0}), "island": 0, "cell": None, "decision": 0,
    }  # fmt: skip
    return Record(**{**base, **values})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(written(tmp_path_factory.mktemp("run") / "lineage", RUN))


def subjects(repo: Repository) -> dict[str, str]:
    """Returns program id -> commit, in the order of the run."""
    log = repo.run("log", "--first-parent", "--reverse", "--format=%P %s", "all").splitlines()
    words = [line.split() for line in log]
    return {line[-3]: line[-5] for line in words if len(line) == 6}


def test_every_program_is_a_commit_with_its_parents_and_files(repo: Repository) -> None:
    commits = subjects(repo)
    assert list(commits) == [record.program_id for record in RUN]
    for record in RUN:
        commit = commits[record.program_id]
        parents = repo.run("log", "-1", "--format=%P", commit).split()
        assert parents == [commits[parent] for parent in record.parents]
        assert repo.run("show", f"{commit}:program.py") == record.program.text
        if record.evaluation.is_ok:
            assert (
                json.loads(repo.run("show", f"{commit}:.certificate.json")) == record.evaluation.certificate
            )
    assert any(len(record.parents) == 2 for record in RUN)


def test_trailers_tell_what_happened(repo: Repository) -> None:
    commits = subjects(repo)
    good, bad = RUN[3], RUN[11]
    lines = repo.run("log", "-1", "--format=%(trailers:only)", commits[good.program_id]).strip().splitlines()
    assert lines == [
        f"Program-Id: {good.program_id}",
        "Index: 3",
        f"Parents: {good.parents[0]}",
        "Status: ok",
        f"Score: {good.evaluation.score}",
        "Metrics: " + json.dumps(dict(good.evaluation.metrics)),
        "Measures: " + json.dumps(good.evaluation.measures),
        "Cases: 3/3",
        "Island: 1",
        f"Cell: {good.cell}",
        "Operator: diff",
        "Model: openai/gpt",
        "Tokens: 1000 (800 + 200)",
        "Cost-USD: 0.002",
        "Seconds: 0.02",
        "Layers: landlock rlimits seccomp",
    ]
    message = repo.run("log", "-1", "--format=%an|%cn|%ct|%B", commits[bad.program_id])
    head, _, body = message.partition("\n")
    operator = bad.operator
    assert head == f"{operator}|Code Discovery|{int(bad.at_s)}|{operator}: error, ValueError: too small"
    assert "\nReason:\n    ValueError: too small\n" in body
    assert "\nOutput:\n    Traceback:\n      line 1\n" in body
    assert "Status: error\n" in body
    assert "\nScore:" not in body


def test_an_unknown_price_is_unknown(repo: Repository) -> None:
    message = repo.run("log", "-1", "--format=%B", subjects(repo)[RUN[7].program_id])
    assert "Cost-USD: unknown\n" in message


def test_best_is_the_best_program_and_its_subject_shows_the_gain(repo: Repository) -> None:
    scored = {record.program_id: record.evaluation.score for record in RUN if record.evaluation.is_ok}
    best = max(RUN, key=lambda record: record.evaluation.score or 0.0)
    assert repo.run("rev-parse", "best").strip() == subjects(repo)[best.program_id]
    gain = scored[best.program_id] - scored[best.parents[0]]  # type: ignore[operator]
    assert f": {best.evaluation.score:.6g} ({gain:+.4g})" in repo.run("log", "-1", "--format=%s", "best")
    assert repo.run("symbolic-ref", "HEAD").strip() == "refs/heads/best"


def test_the_best_may_be_the_smallest(tmp_path: Path) -> None:
    path = written(tmp_path / "lineage", RUN[:30], Objective("score", "minimize"))
    best = min(RUN[:30], key=lambda record: record.evaluation.score or 99.0)
    assert f"Program-Id: {best.program_id}\n" in Repository(path).run("log", "-1", "--format=%B", "best")


@pytest.mark.parametrize("island", [0, 1])
def test_an_islands_tree_is_its_archive(repo: Repository, island: int) -> None:
    cells: dict[int, Record] = {}
    by_id = {record.program_id: record for record in RUN}
    steps = 0
    for record in RUN:
        mine = [change for change in record.changes if change.island == island]
        steps += bool(mine)
        cells.update({change.cell: by_id[change.program_id] for change in mine})
    listing = repo.run("ls-tree", "-r", "--name-only", f"island/{island}").splitlines()
    assert [path for path in listing if path.endswith("program.py")] == [
        f"{cell_path(cell)}/program.py" for cell in sorted(cells)
    ]
    for cell, elite in cells.items():
        assert repo.run("show", f"island/{island}:{cell_path(cell)}/program.py") == elite.program.text
    summary = json.loads(repo.run("show", f"island/{island}:archive.json"))
    assert summary["cells"] == len(cells)
    assert int(repo.run("rev-list", "--count", "--first-parent", f"island/{island}")) == steps + 1


def test_the_diff_of_an_island_shows_its_last_step(repo: Repository) -> None:
    last = next(record for record in reversed(RUN) if any(c.island == 0 for c in record.changes))
    cells = {cell_path(change.cell) for change in last.changes if change.island == 0}
    changed = repo.run("diff", "--name-only", "island/0~1", "island/0").split()
    assert {path.rsplit("/", 1)[0] for path in changed if path != "archive.json"} == cells
    assert subjects(repo)[last.program_id] in repo.run("log", "-1", "--format=%P", "island/0")


def test_the_repository_is_sound_and_blame_works(repo: Repository) -> None:
    assert fsck(repo.path) == ""
    assert len(repo.run("blame", "best", "--", "program.py").splitlines()) > 20
    assert (repo.path / "objects/info/commit-graphs").is_dir()


def test_rebuilding_gives_the_same_commits(repo: Repository, tmp_path: Path) -> None:
    target = written(tmp_path / "lineage", RUN[:7])
    rebuild(target, (Record.from_json(json.loads(json.dumps(r.to_json()))) for r in RUN), UP)
    assert refs(target) == refs(repo.path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["lineage"]


def test_appending_again_adds_nothing_and_goes_on(repo: Repository, tmp_path: Path) -> None:
    target = written(tmp_path / "lineage", RUN[:50])
    with Lineage(target, UP) as lineage:
        assert lineage.recorded() == 50
        for record in RUN[:80]:
            lineage.append(record)
        lineage.flush()
        assert lineage.recorded() == 80
    with Lineage(target, UP) as lineage:
        for record in RUN[80:]:  # from where git ends
            lineage.append(record)
    assert refs(target) == refs(repo.path)


def test_the_journal_wins_where_git_holds_something_else(repo: Repository, tmp_path: Path) -> None:
    other = made_up_run(60, seed=1)
    mixed = [*RUN[:40], *(r for r in other[40:] if not set(r.parents) - {p.program_id for p in RUN[:40]})]
    target = written(tmp_path / "lineage", RUN[:40])
    stranger = one(
        Program({"program.py": "stranger"}), index=40, changes=(Change(5, 1, mixed[0].program_id),)
    )
    written(target, [stranger])
    assert "island/5" in refs(target)
    written(target, RUN)
    assert refs(target) == refs(repo.path)
    assert "error" not in fsck(target)


def test_records_must_follow_each_other(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path / "lineage", UP)
    lineage.append(RUN[0])
    with pytest.raises(LineageError, match="record 2 was appended where 1 was due"):
        lineage.append(RUN[2])
    lineage.close()
    lineage.close()
    gap = Lineage(tmp_path / "lineage", UP)
    gap.append(RUN[5])
    with pytest.raises(LineageError, match="record 5 was given where record 1 was due"):
        gap.close()


def test_a_parent_must_be_recorded(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path / "lineage", UP)
    lineage.append(one(Program({"program.py": ""}), parents=("f" * 16,)))
    with pytest.raises(
        LineageError, match="program ffffffffffffffff is named by a record but was never recorded"
    ):
        lineage.close()


HOSTILE_PATHS = (
    "../x", "/etc/passwd", ".git/config", ".GIT/hooks/post-checkout", ".gitattributes", ".gitmodules",
    "a/.git/b", "git~1/config", ".git./x", ".git /x", "a//b", "a\nb", "a\x1b[31mb", 'quo"ted', "back\\slash",
    ".certificate.json", "x" * 5000, "/".join("d" * 400), "a", "a/b/c", "\u202etxt.py", "\udcff.py", "-rf",
    "%2E", "con:aux", "é", " ", "",
)  # fmt: skip


def test_hostile_paths_are_harmless_and_no_text_is_lost(tmp_path: Path) -> None:
    texts = {path: f"text {n}\n" for n, path in enumerate(HOSTILE_PATHS)}
    program = Program({"program.py": "pass\n", **texts})
    evaluation = Evaluation(Status.OK, 1.0, {"score": 1.0}, certificate={"x": 1})
    path = written(tmp_path / "lineage", [one(program, evaluation=evaluation)])
    repo = Repository(path)
    names = repo.run("ls-tree", "-r", "--name-only", "-z", "best").split("\0")[:-1]
    assert len(names) == len(HOSTILE_PATHS) + 2
    assert json.loads(repo.run("show", "best:.certificate.json")) == {"x": 1}
    for name in set(names) - {".certificate.json"}:
        assert name.isascii()
        assert name.isprintable()
        assert all(part and part[0] != "." for part in name.split("/"))
    found = {repo.run("show", f"best:{name}") for name in names}
    assert found >= set(texts.values())
    assert fsck(path) == ""
    clone = tmp_path / "clone"
    repo.run("clone", "-q", str(path), str(clone))
    assert (clone / "program.py").read_text() == "pass\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clone", "lineage"]


FORGED = "fine\n\nProgram-Id: 0000000000000000\nScore: 99\nCost-USD: 0\n"


def test_foreign_texts_cannot_forge_trailers_or_steer_a_terminal(tmp_path: Path) -> None:
    evil = FORGED + "\x1b]0;owned\x07\u202eabc\x9b31m\r\nscore: 1\u2028Score: 98\x0bScore: 97"
    record = one(
        Program({"program.py": ""}),
        evaluation=Evaluation(Status.ERROR, reason=evil, feedback=evil),
        operator="diff\nScore: 96 <a@b>",
        texts={"plan": evil, "Score: 95\nx": evil},
    )
    repo = Repository(written(tmp_path / "lineage", [record]))
    commit = repo.run("rev-parse", "all^2").strip()
    message = repo.run("log", "-1", "--format=%B", commit)
    assert all(char == "\n" or char.isprintable() for char in message)
    trailers = repo.run("log", "-1", "--format=%(trailers:only,unfold)", commit).strip().splitlines()
    assert [line for line in trailers if line.startswith(("Score", "Cost"))] == []
    assert [line for line in trailers if line.startswith("Program-Id")] == [
        f"Program-Id: {record.program_id}"
    ]
    columns = [line for line in message.splitlines()[1:] if line and not line.startswith("    ")]
    assert [line for line in columns if line.endswith(":")] == ["Reason:", "Plan:", "Score: 95 x:", "Output:"]


def test_texts_with_lone_surrogates_survive(tmp_path: Path) -> None:
    text = "x = '\udcff'\n"
    repo = Repository(written(tmp_path / "lineage", [one(Program({"program.py": text}))]))
    assert repo.run_bytes("show", "best:program.py").decode("utf-8", "surrogatepass") == text


def test_a_killed_importer_is_replaced(repo: Repository, tmp_path: Path) -> None:
    with Lineage(tmp_path / "lineage", UP) as lineage:
        for record in RUN[:60]:
            lineage.append(record)
        lineage.flush()
        assert lineage._importer is not None
        assert lineage._importer._process is not None
        os.kill(lineage._importer._process.pid, signal.SIGKILL)
        for record in RUN[60:]:
            lineage.append(record)
    assert refs(tmp_path / "lineage") == refs(repo.path)


WRITER = """
import sys
from pathlib import Path
from discovery.storage.git.lineage import Lineage
from evaluators.contract import Objective
from tests.discovery.lineage_runs import made_up_run
lineage = Lineage(Path(sys.argv[1]), Objective("score"), checkpoint_s=0.02)
for record in made_up_run(4000):
    lineage.append(record)
    if record.index == 150:
        lineage.flush()
        sys.stdout.write("going\\n")
        sys.stdout.flush()
lineage.close()
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.21])
def test_a_killed_writer_leaves_a_sound_repository(tmp_path: Path, delay_s: float) -> None:
    path = tmp_path / "lineage"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"going\n"
        time.sleep(delay_s)
        process.kill()
    assert "error" not in fsck(path)
    records = made_up_run(700)
    with Lineage(path, UP) as lineage:
        held = lineage.recorded()
        assert held >= 151
        for record in records:
            lineage.append(record)
    assert "missing" not in fsck(path)
    if held <= len(records):
        assert refs(path) == refs(written(tmp_path / "whole", records))


@pytest.mark.parametrize("cut", [b"commit refs/heads/all", b"M 040000"], ids=["a commit", "a tree"])
def test_a_stream_that_is_cut_within_a_record_moves_no_branch(tmp_path: Path, cut: bytes) -> None:
    path = written(tmp_path / "lineage", RUN[:50])
    before, repository = refs(path), Repository(path)
    lock = repository.lock()
    importer = Importer(repository, lock, UP)
    importer.open()
    with importer._start() as process:
        batch = _Batch()
        importer._write_program(batch, RUN[50])
        process.communicate(bytes(batch.blobs + batch.commits[: batch.commits.index(cut, 1)]), timeout=10)
    os.close(lock)
    assert refs(path) == before
    with Lineage(path, UP) as lineage:
        assert lineage.recorded() == 50
        for record in RUN[50:60]:
            lineage.append(record)
    assert refs(path) == refs(written(tmp_path / "whole", RUN[:60]))


def test_stale_locks_and_islands_ahead_are_mended(repo: Repository, tmp_path: Path) -> None:
    path = written(tmp_path / "lineage", RUN[:60])
    behind = refs(written(tmp_path / "behind", RUN[:50]))
    git = Repository(path)
    git.run("update-ref", "refs/heads/all", behind["all"])  # as if the kill came between two branches
    (path / "refs/heads/all.lock").touch()
    (path / "refs/heads/island/0.lock").touch()
    (path / "objects/pack/tmp_pack_x").touch()
    with Lineage(path, UP) as lineage:
        assert lineage.recorded() == 50
        assert refs(path) == behind
        for record in RUN:
            lineage.append(record)
    assert refs(path) == refs(repo.path)
    assert not list(path.rglob("tmp_pack*"))


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    git = Repository(tmp_path / "lineage")
    git.create()
    descriptor = git.lock()
    with pytest.raises(LineageError, match="in use by another process"):
        git.lock(timeout_s=0.05)
    os.close(descriptor)
    os.close(git.lock(timeout_s=0.05))


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    lineage = Lineage(tmp_path, UP)
    with pytest.raises(LineageError, match=r"holds other files \(thesis.tex\)"):
        lineage.recorded()
    with pytest.raises(LineageError, match="thesis"):
        lineage.close()


def test_the_users_git_settings_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = refs(written(tmp_path / "plain", RUN[:5]))
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (tmp_path / ".gitconfig").write_text(
        "[init]\n\tdefaultObjectFormat = sha256\n[commit]\n\tgpgSign = true\n[core\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "objects"))
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Mallory")
    assert refs(written(tmp_path / "lineage", RUN[:5])) == plain
    assert not (tmp_path / "objects").exists()


def test_a_missing_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lineage = Lineage(tmp_path / "lineage", UP)
    with pytest.raises(LineageError, match="git"):
        lineage.recorded()


def test_many_small_packs_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("discovery.storage.git.fast_import.MAX_PACKS", 5)
    git = Repository(tmp_path / "lineage")
    git.create()
    lock = git.lock()
    importer = Importer(git, lock, UP)
    importer.open()
    for at in range(0, 120, 10):
        importer.write(RUN[at : at + 10])
        if importer.is_untidy:
            importer.tidy()
    importer.stop()
    os.close(lock)
    assert len(list((git.path / "objects/pack").glob("*.pack"))) <= 7
    assert refs(git.path) == refs(written(tmp_path / "whole", RUN))
    assert fsck(git.path) == ""
