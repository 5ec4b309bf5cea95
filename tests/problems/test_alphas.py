"""The alpha problems in the real sandbox, on small markets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evaluators.alphas.markets.panel import save_panel
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.problem_text import unseal, with_panel
from evaluators.alphas.zoo import FAMILIES
from evaluators.contract import ContractError, Evaluation, Invalid, Program, Status
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess
from problems.alphas import alpha_combine, alpha_pool, alpha_single
from tests.evaluators.alphas.programs import HEAD, HONEST, LEAKING, program


def small(module: object, folder: Path, *, open_test: bool = False) -> str:
    """Returns the path of a copy of a problem with a small market."""
    text = Path(module.__file__).read_text()
    text = text.replace("sealed=not SEALED", "days=560, names=70, sealed=not SEALED")
    text = text.replace("THRESHOLDS = (-0.03,)", "THRESHOLDS = (-1.0,)")
    text = text.replace("cpu_s=20, wall_s=40", "cpu_s=2, wall_s=4")
    path = folder / Path(module.__file__).name
    path.write_text(unseal(text) if open_test else text)
    return str(path)


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Iterator[JudgeProcess]:
    problem = load_problem(small(alpha_single, tmp_path_factory.mktemp("single")))
    with closing(JudgeProcess(problem.source, b"a secret for tests")) as process:
        yield process


def evaluate(judge: JudgeProcess, body: str) -> Evaluation:
    return judge.evaluate(Program({"program.py": program(body)}))


@pytest.mark.parametrize("name", LEAKING)
def test_leaking_programs_are_rejected(judge, name) -> None:
    found = evaluate(judge, LEAKING[name])
    assert found.status is Status.INVALID, found.metrics
    assert found.reason.startswith("looks ahead")


@pytest.mark.parametrize("name", HONEST)
def test_honest_programs_pass_every_probe(judge, name) -> None:
    found = evaluate(judge, HONEST[name])
    assert found.is_ok, found.reason
    assert found.metrics["probes_passed"] == 15
    net = found.metrics["fair_rank_ic"] - found.metrics["cost_rank_ic"]
    assert abs(found.metrics["twin_t"]) < 8
    assert found.metrics["net_rank_ic"] == pytest.approx(net)


ILL = {
    "all NaN": ("return np.full_like(c, np.nan)", "NaN everywhere"),
    "constant": ("return np.ones_like(c)", "all names have the same value"),
    "infinities": ("return 1 / (c - c)", "infinities, the first on day"),
    "wrong shape": ("return c[-100:]", "must have the shape of the features, "),
    "no array": ("return 'buy'", "must be an array of floats"),
    "one name only": ("out = np.full_like(c, np.nan)\nout[:, 0] = c[:, 0]\nreturn out", "of the universe"),
    "only when sure": (
        "r = op.returns(c, 20)\nreturn np.where(np.abs(r) > 0.1, r, np.nan)",
        "fall back to a neutral value",
    ),
    "nothing": ("return None", "must be an array of floats"),
    "an exception": ("return c.no_such_thing", "AttributeError"),
    "3 GB": ("return np.ones(400_000_000)[:1] + c", ""),
    "endless": ("while True:\n    pass", ""),
    "leaves early": ("import os\nos._exit(0)", ""),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ILL)
def test_ill_behaved_factors_get_a_reason(judge, name) -> None:
    body, message = ILL[name]
    found = evaluate(judge, body)
    assert found.status is not Status.OK
    assert message in found.reason
    assert found.reason
    status = {"3 GB": Status.MEMORY, "endless": Status.TIMEOUT, "leaves early": Status.CRASHED}
    assert found.status is status.get(name, found.status)


def test_a_look_at_one_program_cannot_change_the_score_of_another(judge) -> None:
    first = evaluate(judge, HONEST["volume surprise"])
    for body in (LEAKING["label copy"], "x['close'][:] = 1.0\nreturn c", ILL["endless"][0]):
        evaluate(judge, body)
    assert evaluate(judge, HONEST["volume surprise"]).metrics == first.metrics


def test_what_was_seen_before_does_not_help_in_the_second_sitting(judge) -> None:
    text = HEAD + (
        "KEPT = []\n"
        "def factor(x):\n"
        "    c = np.array(x['close'], dtype=float)\n"
        "    y = np.full_like(c, np.nan)\n"
        "    y[:-11] = c[11:] / c[1:-10] - 1\n"
        "    for past, answer in KEPT:\n"
        "        if np.array_equal(past[:20], c[:20], equal_nan=True):\n"
        "            y[: len(answer)] = answer[: len(y)]\n"
        "    KEPT.append((c, y))\n"
        "    return np.where(np.isfinite(y), y, op.returns(c, 5))\n"
    )
    found = judge.evaluate(Program({"program.py": text}))
    assert found.reason.startswith("looks ahead")


def test_the_pool_is_judged_and_its_test_opens_on_demand(tmp_path) -> None:
    (tmp_path / "open").mkdir()
    problem = load_problem(small(alpha_pool, tmp_path))
    pool = problem.seed.text
    with closing(JudgeProcess(problem.source, b"a secret for tests")) as judge:
        sealed = judge.evaluate(problem.seed)
        assert sealed.is_ok, sealed.reason
        assert sealed.metrics["members"] == 6
        assert sealed.metrics["probes_passed"] == 15
        leak = pool.replace("return [trend(x)", "return [np.roll(x['close'], -1, axis=0)")
        assert "looks ahead" in judge.evaluate(Program({"program.py": leak})).reason
        copy = pool.replace("busy(x), location(x)", "busy(x), -busy(x)")
        assert judge.evaluate(Program({"program.py": copy})).metrics["left_out"] == 1
        many = pool.replace("[trend(x)", "[trend(x)] * 9 + [trend(x)")
        assert "a list of 1 to 8 factors" in judge.evaluate(Program({"program.py": many})).reason
    unsealed = load_problem(small(alpha_pool, tmp_path / "open", open_test=True))
    with closing(JudgeProcess(unsealed.source, b"a secret for tests")) as judge:
        opened = judge.evaluate(problem.seed)
    assert opened.metrics["rank_ic"] != sealed.metrics["rank_ic"]
    assert (
        opened.metrics["train_rank_ic"] != sealed.metrics["train_rank_ic"]
    )  # learned on all days before the test


def held_out(judge: JudgeProcess, text: str) -> Evaluation:
    return judge.evaluate(Program({"program.py": text}), held_out=True)


def test_elites_are_examined_and_shown(judge) -> None:
    found = held_out(judge, program(HONEST["volume surprise"]))
    assert found.is_ok
    assert found.reason == ""
    assert found.held_out is not None
    assert found.held_out["walk_rank_ic"] > -0.1
    assert found.held_out["_evidence_periods"] > 80
    walk = [value for name, value in found.held_out.items() if name.startswith("_walk_")]
    assert np.mean(walk) == pytest.approx(found.held_out["walk_rank_ic"], abs=0.002)
    assert abs(found.held_out["placebo_t"]) < 4
    assert {"mi", "aer", "ir", "drawdown", "log10_capacity", "rank_ic_h20", "rank_ic_delay_0"} <= set(
        found.held_out
    )
    assert [page["title"] for page in found.exhibit] == [
        "RankIC over time",
        "Cumulated RankIC",
        "Decay",
        "Returns by fifth",
        "Turnover",
        "Backtest with costs",
        "Members",
    ]
    assert found.metrics["family"] == list(FAMILIES).index("volume")
    assert held_out(judge, program(HONEST["volume surprise"])).held_out == found.held_out


def test_what_depends_on_the_order_of_names_is_refused_and_the_score_stays(judge) -> None:
    found = held_out(judge, program("return op.returns(c, 20) + 0.001 * np.arange(c.shape[1])"))
    assert found.is_ok
    assert found.held_out is None
    assert found.reason.startswith("held-out cases: depends on the order of the names")


def test_a_gate_refuses_elites_below_its_floors(tmp_path) -> None:
    text = Path(small(alpha_single, tmp_path)).read_text()
    text = text.replace("GATE = None", "from evaluators.alphas.admission import COGALPHA_ELITE as GATE")
    (tmp_path / "gated.py").write_text(text)
    with closing(
        JudgeProcess(load_problem(str(tmp_path / "gated.py")).source, b"a secret for tests")
    ) as judge:
        found = held_out(
            judge, program("rng = np.random.default_rng(0)\nreturn op.ewma(c, 3) * 0 + c.shape[1] * c")
        )
    assert found.held_out is None
    assert found.reason.startswith("held-out cases: below the gate: ")


def test_a_pool_keeps_only_members_that_walk_forward(tmp_path) -> None:
    problem = load_problem(small(alpha_pool, tmp_path))
    noise = "def noise(x):\n    return op.cs_zscore(np.sin(1e6 * op.log(x['volume'])))\n\n\ndef factors"
    text = problem.seed.text.replace("def factors", noise).replace(
        "return [trend(x)", "return [noise(x), trend(x)"
    )
    with closing(JudgeProcess(problem.source, b"a secret for tests")) as judge:
        found = held_out(judge, text)
    assert found.held_out is not None
    table = next(page for page in found.exhibit if page["title"] == "Members")
    assert table["rows"][0][0] == "factor 1"
    assert table["rows"][0][2] == "no"
    assert found.held_out["admitted_members"] == sum(row[2] == "yes" for row in table["rows"]) < 7
    matrix = next(page for page in found.exhibit if page["kind"] == "matrix")
    assert len(matrix["values"]) == len(table["rows"])
    assert matrix["values"][0][0] == pytest.approx(1.0, abs=0.05)


def test_unsealing_needs_the_one_line() -> None:
    with pytest.raises(ContractError, match="one line 'SEALED = True'"):
        unseal("SEALED = False")


def test_a_panel_of_ones_own_is_mined_in_the_sandbox(tmp_path) -> None:
    folder = save_panel(synthesize(5, days=560, names=70).panel, tmp_path / "panel")
    text = with_panel(Path(alpha_single.__file__).read_text(), folder)
    (tmp_path / "mine.py").write_text(text)
    problem = load_problem(str(tmp_path / "mine.py"))
    with closing(JudgeProcess(problem.source, b"a secret for tests")) as judge:
        found = judge.evaluate(problem.seed, held_out=True)
    assert found.is_ok, found.reason
    assert found.held_out is not None
    walked = found.held_out["walk_rank_ic"] - found.metrics["cost_rank_ic"]
    assert found.held_out["net_rank_ic"] == pytest.approx(walked)  # there is no other market
    with pytest.raises(ContractError, match="one line 'PANEL = ...'"):
        with_panel("x = 1", folder)


def test_a_sitting_that_was_left_has_no_score() -> None:
    examiner = alpha_single.Examiner(days=560, names=70)
    first = examiner.cases(np.random.default_rng(0), 0)[0]
    second = examiner.cases(np.random.default_rng(1), 1)[0]
    with pytest.raises(Invalid, match="handed in no factor"):
        alpha_single.score_factor(examiner, first, examiner.serve(first))
    space: dict = {}
    exec(alpha_single.SEED, space)
    seed = SimpleNamespace(factor=space["factor"])
    oracle = examiner.serve(first)
    alpha_single.run(seed, {}, oracle)
    assert alpha_single.score_factor(examiner, first, oracle)["rank_ic"] > -1
    left = examiner.serve(second)
    features = left(None)
    with pytest.raises(Invalid, match="before all its questions"):
        alpha_single.score_factor(examiner, second, left)
    left({"answer": seed.factor(features)})
    with pytest.raises(Invalid, match="before all its questions"):
        alpha_single.score_factor(examiner, second, left)


def test_combination_models_answer_day_by_day(tmp_path) -> None:
    path = tmp_path / "alpha_combine.py"
    path.write_text(
        Path(alpha_combine.__file__).read_text().replace("days=1000, names=120", "days=560, names=70")
    )
    problem = load_problem(str(path))
    seed = problem.seed.text
    with closing(JudgeProcess(problem.source, b"a secret for tests")) as judge:
        found = judge.evaluate(problem.seed)
        assert found.is_ok, found.reason
        assert found.metrics["coverage"] > 0.9
        negative = judge.evaluate(Program({"program.py": seed.replace("x @ model", "-(x @ model)")}))
        assert negative.metrics["rank_ic"] == pytest.approx(-found.metrics["rank_ic"])
        flat = judge.evaluate(Program({"program.py": seed.replace("x @ model", "np.zeros(len(x))")}))
        assert "the same value" in flat.reason
        short = judge.evaluate(Program({"program.py": seed.replace("x @ model", "(x @ model)[1:]")}))
        assert short.reason.startswith("the prediction of day 1 must have the shape")
        nan = judge.evaluate(Program({"program.py": seed.replace("x @ model", "x @ model * np.nan")}))
        assert "must be finite for every name" in nan.reason
