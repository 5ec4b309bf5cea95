"""Ask and tell: a hand-written loop gives what an embedded run of the same proposals gives."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import discovery
from discovery.core.errors import ConfigError, RunError
from discovery.core.types import OperatorError
from discovery.operators.perturb import Perturb
from discovery.programs.search_replace import EditError
from discovery.storage.git.repository import Repository
from islands.chance import keyed
from tests.discovery.conftest import Discovery


def drive(study: discovery.Study) -> None:
    """A hand-written loop whose children are those of the operator `perturb`."""
    operator = Perturb()
    for question in study:
        try:
            child = operator.propose(question.job, keyed(question.job.rng_key), None)
        except OperatorError as error:
            study.skip(question, str(error))
            continue
        study.tell(question, child.program)


def archive(run: discovery.Run) -> list[tuple[object, ...]]:
    return [
        (e.island, e.cell, e.fitness, e.measures, e.record.program_id, e.record.parents) for e in run.archive
    ]


def test_a_loop_by_hand_gives_the_archive_of_the_embedded_run_of_the_same_proposals(
    toy: Path, tmp_path: Path
) -> None:
    same = {
        "evals": 60,
        "seed": 11,
        "islands": {"islands": 3, "opening_interval": 10, "migration_interval": 6},
    }
    embedded = discovery.search(toy, operators="perturb", workers=1, out=tmp_path / "embedded", **same)
    with discovery.study(toy, out=tmp_path / "told", **same) as study:
        drive(study)
    assert len(embedded.programs) == len(study.run.programs) == 60
    assert archive(study.run) == archive(embedded)
    assert len({one.island for one in study.run.archive}) == 3
    trees = [
        Repository(run.repository).run("rev-parse", "island/0^{tree}", "best^{tree}")
        for run in (embedded, study.run)
    ]
    assert trees[0] == trees[1]


def test_what_is_told_is_journalled_committed_and_survives(
    toy: Path, tmp_path: Path, discovery_command: Discovery
) -> None:
    call = discovery.ModelCall("mine", 100, 20, 0.25, 1.0)
    with discovery.study(toy, seed=1, out=tmp_path / "run") as study:
        question = study.ask()
        child = question.parents[0].program.text.replace("0.25", "0.5")
        told = study.tell(question, child, texts={"idea": "larger"}, calls=[call])
        assert told.record is not None
        assert told.record.parents == (question.parents[0].program_id,)
        assert told.record.decision == question.number
        again = study.ask()
        assert again.context.best_score == told.score
        known = study.tell(again, child)
        assert (known.record, known.reason) == (None, "this program is known already")
        frozen = study.tell(
            study.ask(), child.replace("# EVOLVE-BLOCK-START\n", "import os\n# EVOLVE-BLOCK-START\n")
        )
        assert frozen.record is None
        assert "frozen text was changed" in frozen.reason
    run = discovery.open(tmp_path / "run")
    assert [record.operator for record in run.programs] == ["seed", "ask"]
    assert run.programs[1].texts == {"idea": "larger"}
    assert run.programs[1].cost_usd == 0.25
    assert [event.call for event in run.events() if isinstance(event, discovery.ModelCalled)] == [call]
    log = discovery_command("log", tmp_path / "run").stdout
    assert "ask" in log
    refused = discovery_command("resume", tmp_path / "run", "--evals", 9)
    assert refused.returncode == 1
    assert "discovery.study()" in refused.stderr
    assert discovery_command("report", tmp_path / "run").returncode == 0
    with discovery.study(run, evals=4) as more:
        for question in more:
            more.tell(question, child.replace("0.35", str(question.number)))
    assert [record.operator for record in run.programs] == ["seed", "ask", "ask", "ask"]
    assert more.run.outcome is not None
    assert more.run.outcome.summary["cost_usd"] == 0.25


def test_a_model_of_ones_own_is_asked_with_our_questions(toy: Path, tmp_path: Path) -> None:
    with discovery.study(toy, evals=3, seed=1, out=tmp_path / "run") as study:
        question = study.ask()
        system, user = question.messages()
        assert "Return three numbers" in system["content"]
        assert "return [0.25, 0.35, 0.45]" in user["content"]
        assert "<<<<<<< SEARCH" in user["content"]
        assert "<<<<<<< SEARCH" not in question.messages("rewrite")[1]["content"]
        reply = "Idea: more.\n\n<<<<<<< SEARCH\n    return [0.25, 0.35, 0.45]\n=======\n    return [0.7, 0.7, 0.7]\n>>>>>>> REPLACE\n"
        with pytest.raises(EditError):
            question.read("I would rather not.")
        told = study.tell(question, question.read(reply))
        assert told.score is not None
        assert told.score > -0.001
        later = study.ask()
        assert (
            later.context.ancestors
            or later.context.siblings
            or later.parents[0].program_id != question.parents[0].program_id
        )


def test_wrong_use_says_what_is_right(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a study asks you"):
        discovery.study(toy, model="openai/gpt-5", out=tmp_path / "run")
    with pytest.raises(ConfigError, match='operators must name "ask"'):
        discovery.study(toy, operators="tune", out=tmp_path / "run")
    with pytest.raises(RunError, match="answered from outside"):
        discovery.search(toy, operators="ask", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with discovery.study(toy, evals=2, seed=1, out=tmp_path / "run") as study:
        question = study.ask()
        with pytest.raises(discovery.StudyOver, match="promised to 1 open question"):
            study.ask()
        with pytest.raises(ConfigError, match="kind must be"):
            question.messages("poem")
        study.tell(question, question.parents[0].program.text.replace("0.25", "0.3"))
        with pytest.raises(RunError, match="is not open"):
            study.tell(question, "x")
        with pytest.raises(discovery.StudyOver, match="budget used up"):
            study.ask()


def test_an_error_in_the_block_comes_out_and_the_run_is_closed(toy: Path, tmp_path: Path) -> None:
    study = discovery.study(toy, seed=1, out=tmp_path / "run")
    with pytest.raises(KeyError, match="mine"), study:
        raise KeyError("mine", study.ask().number)
    assert not study.run.is_running
    assert study.run.outcome is not None
    assert study.run.outcome.message == "the study was closed"


def test_many_threads_may_ask_and_tell_beside_operators_that_work_by_themselves(
    toy: Path, tmp_path: Path
) -> None:
    with discovery.study(
        toy, evals=60, seed=1, workers=2, operators={"ask": 2, "tune": 1}, out=tmp_path / "run"
    ) as study:

        def work(number: int) -> None:
            for question in study:
                value = (number * 1000 + question.number) / 10_000
                study.tell(
                    question,
                    question.parents[0].program.text.replace("return [", f"return [{value}][:0] + ["),
                )

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    operators = {record.operator for record in study.run.programs}
    assert operators == {"seed", "ask", "tune"}
    assert len(study.run.programs) == 60
