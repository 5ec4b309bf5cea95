from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from discovery.core.records import Record
from discovery.learning.tuning import Tuner
from discovery.search.state import RunState, Statement
from discovery.settings.learning import TuningConfig
from evaluators.contract import ContractError, Evaluation, Objective, Program, Status
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

BOTH = Objective("speed", also=(("length", "minimize"),))
FRONTED = '''"""Be fast and short."""
from evaluators.contract import Case, Measure, Objective

SEED = "def answer():\\n    return [3.0, 2.0]\\n"
OBJECTIVE = Objective("speed", also=(("length", "minimize"),))
MEASURES = (Measure("speed", 0, 10, bins=4),)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    return {"speed": output[0], "length": output[1]}
'''


def folded(order: str, *points: tuple[float, float]) -> list[str]:
    """Returns the elites of a cell after programs of these speeds and lengths."""
    objective = Objective("speed", also=(("length", "minimize"),), order=order)
    state = RunState(
        Statement("both", "", "", objective, Program({"program.py": "x = 1\n"})),
        lambda: Archipelago(IslandsConfig(islands=1), [Axis("m", 0.0, 1.0, 4)], objective.order),
        Tuner(TuningConfig(), seed=1),
    )
    for n, (speed, length) in enumerate(points):
        program = Program({"program.py": f"x = {n}\n"})
        evaluation = Evaluation(
            Status.OK, score=speed, metrics={"speed": speed, "length": length}, measures=(0.1,)
        )
        state.fold(Record(n, program, f"p{n}", (), evaluation, "diff", 0, None, n))
    assert state.best is not None
    assert state.best.evaluation.score == max(speed for speed, _ in points)
    return sorted(elite.program_id for elite in state.archipelago.elites(0))


def test_a_cell_keeps_what_nothing_beats_in_everything():
    assert folded("pareto", (3, 9), (1, 2), (2, 5), (2, 6), (1, 1)) == ["p0", "p2", "p4"]


def test_or_what_is_better_in_the_first_difference():
    assert folded("lexicographic", (3, 9), (3, 8), (2, 1), (3, 8)) == ["p1"]


def test_objectives_survive_json():
    assert Objective(**json.loads(json.dumps(asdict(BOTH)))) == BOTH
    assert BOTH.values(3.0, {"length": 4.0}) == (3.0, -4.0)
    assert Objective().values(3.0, {}) == ()


@pytest.mark.parametrize(
    "also", [(("length",),), (("length", "down"),), (("speed", "minimize"),), (("a", "minimize"),) * 2, "length", (("", "minimize"),)]
)  # fmt: skip
def test_a_declaration_that_means_nothing_is_refused(also):
    with pytest.raises(ContractError, match="also"):
        Objective("speed", also=also)


def test_an_unknown_order_is_refused():
    with pytest.raises(ContractError, match="order"):
        Objective("speed", also=(("length", "minimize"),), order="best")


def test_score_must_return_every_objective(tmp_path: Path):
    path = tmp_path / "fronted.py"
    path.write_text(FRONTED)
    problem = load_problem(str(path))
    assert problem.metric_names == ("speed", "length")
    with closing(JudgeProcess(problem.source, b"secret")) as judge:
        assert judge.evaluate(problem.seed).metrics == {"speed": 3.0, "length": 2.0}
    path.write_text(FRONTED.replace(', "length": output[1]', ""))
    problem = load_problem(str(path))
    with closing(JudgeProcess(problem.source, b"secret")) as judge:
        lacking = judge.evaluate(problem.seed)
    assert not lacking.is_ok
    assert "length" in lacking.reason
