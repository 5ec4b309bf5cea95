"""Novelty as an axis: what it measures, when, and that a replay reads it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from discovery.core.events import Evaluate, Evaluated, Propose, Save
from discovery.core.records import Record
from discovery.core.types import Proposal
from discovery.execution.jobs import propose
from discovery.learning.novelty import NEAREST, Novelty, novelty_of
from discovery.learning.repeats import Measurements
from discovery.learning.tuning import Tuner
from discovery.programs.fingerprint import tokens
from discovery.programs.near_duplicates import GRAM
from discovery.search.coordinator import Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from discovery.storage.journal import read_entries
from evaluators.contract import Evaluation, Measure, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis
from tests.discovery.conftest import TOY, Discovery, last_json

WORDS = 60
NOISE = 0.05  # the mean of three estimates by 192 functions: standard deviation 0.021 at most


def text(*changed: int) -> Program:
    rows = [f"v{n} = {'other' if n in changed else 'f'}{n}(w{n}, {n})" for n in range(WORDS)]
    return Program({"program.py": "\n".join(rows) + "\n"})


def distance(one: Program, other: Program) -> float:
    grams = [
        {tuple(words[n : n + GRAM]) for n in range(len(words) - GRAM + 1)}
        for words in map(tokens, (one, other))
    ]
    return 1 - len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def state_of(*programs: Program, island: int = 0) -> RunState:
    """Returns a state whose archive of an island holds these programs, each in a cell of its own."""
    state = RunState(
        Statement("toy", "", "", Objective(), text()),
        lambda: Archipelago(IslandsConfig(islands=2), [Axis("x", 0.0, 1.0, 16)]),
        Tuner(TuningConfig(), seed=1),
    )
    for index, program in enumerate(programs):
        done = Evaluation(Status.OK, score=1.0, measures=((index + 0.5) / 16,))
        state.fold(Record(index, program, program.id, (), done, "inject", island, None, index))
    assert len(state.archipelago.elites(island)) == len(programs)
    return state


def novelty(program: Program, state: RunState, island: int = 0) -> float:
    placed = Novelty(0).placed(Evaluation(Status.OK, score=1.0, measures=(1.0,)), program, island, state)
    assert placed.measures is not None
    return placed.measures[0]


def test_it_is_the_mean_distance_to_the_three_nearest_elites_of_the_island():
    elites = [text(*range(count)) for count in (0, 4, 12, 30, 50)]
    child = text(*range(2), 59)
    true = sorted(distance(child, elite) for elite in elites)
    assert true[-1] - true[0] > 0.5, "the elites are told apart"
    assert novelty(child, state_of(*elites)) == pytest.approx(np.mean(true[:NEAREST]), abs=NOISE)
    assert novelty(child, state_of(*elites), island=1) == 1.0, "elsewhere there is nothing like it"


def test_with_fewer_elites_it_is_the_mean_of_these_and_the_first_is_all_new():
    one = text(*range(20))
    assert novelty(one, state_of()) == 1.0
    assert novelty(one, state_of(text())) == pytest.approx(distance(one, text()), abs=NOISE)


def test_layout_and_comments_are_not_new_in_python_and_in_c():
    noted = Program({"program.py": "# a note\n" + text().text.replace("(", "( ")})
    assert novelty(noted, state_of(text())) == 0.0
    plain = Program({"k.c": "int f(int a) { return a * 2; /* twice */ }\n"}, "k.c")
    other = Program({"k.c": "int f(int a)\n{\n  return a*2; // doubled\n}\n"}, "k.c")
    assert novelty(other, state_of(plain)) == 0.0
    assert novelty(Program({"k.c": "float g[8], h;\n"}, "k.c"), state_of(plain)) == 1.0


def test_only_its_own_axis_changes_and_a_failure_has_none():
    state, done = state_of(text()), Evaluation(Status.OK, score=1.0, measures=(0.3, 1.0, 7.0))
    assert Novelty(1).placed(done, text(), 0, state).measures == (0.3, 0.0, 7.0)
    failed = Evaluation(Status.ERROR, reason="no")
    assert Novelty(1).placed(failed, text(), 0, state) is failed


def test_it_follows_the_archive_and_not_what_it_was_asked_before():
    asked, child = Novelty(0), text(*range(30))
    for elites in ([text()], [text(*range(25)), text()], [text(*range(40))], []):
        state = state_of(*elites)
        done = Evaluation(Status.OK, score=1.0, measures=(1.0,))
        assert asked.placed(done, child, 0, state).measures == (novelty(child, state),)


def test_a_problem_without_such_an_axis_has_nothing_to_tell():
    assert novelty_of((Measure("x", 0, 1), Measure("ast_nodes", 0, 9, source="code"))) is None
    assert novelty_of((Measure("x", 0, 1), Measure("new", 0, 1, source="novelty"))) is not None


class Rewriter:
    """Changes some rows: few or many."""

    name, needs_model, parents_needed = "splice", False, 1

    def propose(self, job, rng, model):
        rows = rng.choice(WORDS, size=int(rng.integers(1, WORDS)), replace=False)
        return Proposal(text(*rows.tolist()), tuple(parent.program_id for parent in job.parents))


class Forbidden(Novelty):
    def placed(self, evaluation, program, island, state):
        raise AssertionError("a replay computes no novelty")


def coordinator(novelty: Novelty, repeats: int = 1) -> Coordinator:
    objective = Objective(repeats=repeats)
    measurements = Measurements(objective) if repeats > 1 else None
    state = RunState(
        Statement("toy", "", "", objective, text()),
        lambda: Archipelago(
            IslandsConfig(islands=2, opening_interval=8), [Axis("x", 0, 1, 4), Axis("new", 0, 1, 8)]
        ),
        Tuner(TuningConfig(), seed=3),
        learners=(measurements,) if measurements else (),
    )
    plan = SearchSettings(3, 2, 0, {"splice": 1.0}, Budget(evaluations=40))
    return Coordinator(plan, state, {"splice": Rewriter()}, measurements=measurements, novelty=novelty)


def search(repeats: int = 1) -> tuple[Coordinator, list[Record], int]:
    """Returns a finished run, its records and how many measurements it took."""
    live, records, count = coordinator(Novelty(1), repeats), [], 0
    luck = np.random.default_rng(11)
    todo = live.start()
    while todo:
        one = todo.pop(0)
        if isinstance(one, Save):
            if one.entry["type"] != "evaluated":
                continue
            records.append(Record.from_json(json.loads(json.dumps(one.entry["record"].to_json()))))
        elif isinstance(one, Propose):
            todo += live.handle(propose(one.job, Rewriter(), None))
        elif isinstance(one, Evaluate):
            count += 1
            x = one.job.program.text.count("other") / WORDS
            found = Evaluation(Status.OK, score=x + 0.1 * float(luck.normal()), measures=(x, 1.0))
            todo += live.handle(Evaluated(one.job.job_id, found, 0.0))
    return live, records, count


def elites(of: Coordinator) -> list[list[tuple]]:
    return [
        [(one.program_id, one.fitness, one.measures) for one in of.state.archipelago.elites(island)]
        for island in range(2)
    ]


def test_a_run_records_it_and_a_replay_reads_it():
    live, records, _ = search()
    found = [record.evaluation.measures[1] for record in records]
    assert found[0] == 1.0
    assert len(records) == 40
    assert len({round(one, 6) for one in found}) > 20
    assert {change.cell % 8 for record in records for change in record.changes} > {7}, "several cells of it"

    again = coordinator(Forbidden(1))
    for record in records:
        again.replay({"type": "evaluated", "record": record.to_json()})
    assert elites(again) == elites(live)

    partly = coordinator(Novelty(1))
    for record in records[:-1]:
        partly.replay({"type": "evaluated", "record": record.to_json()})
    last = records[-1]
    asked = Novelty(1).placed(last.evaluation, last.program, last.island, partly.state)
    assert asked.measures == last.evaluation.measures, "what it was live, told from the replayed archives"


def test_of_a_program_that_is_measured_again_it_is_that_of_the_last_moment():
    _, records, count = search(repeats=4)
    assert count > len(records), "some were measured again"
    again = coordinator(Forbidden(1))
    for record in records:
        asked = Novelty(1).placed(record.evaluation, record.program, record.island, again.state)
        assert asked.measures == record.evaluation.measures
        again.replay({"type": "evaluated", "record": record.to_json()})


def test_a_problem_asks_for_it_with_one_line(discovery: Discovery, tmp_path: Path) -> None:
    axis = 'MEASURES = (Measure("new", 0, 1, bins=8, source="novelty"), Measure("first", 0, 1, bins=4))'
    toy = tmp_path / "toy.py"
    toy.write_text(TOY.replace('MEASURES = (Measure("first", 0, 1, bins=16),)', axis))
    checked = discovery("check", toy)
    assert checked.returncode == 0, checked.stdout
    assert "measure out of range" not in checked.stdout

    done = discovery("run", toy, "--evals", 20, "--seed", 1, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert last_json(done)["evaluations"] == 20
    found = [
        entry["record"]["evaluation"]["measures"][0]
        for entry in read_entries(tmp_path / "out" / "journal.jsonl")
        if entry["type"] == "evaluated" and "measures" in entry["record"]["evaluation"]
    ]
    assert found[0] == 1.0
    assert all(0 <= one < 1 for one in found[1:])
    assert len(set(found)) > 3
