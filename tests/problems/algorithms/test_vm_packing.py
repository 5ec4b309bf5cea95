from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.baselines.algorithms.vm_packing import PROGRAM
from evaluators.contract import Case, Invalid
from problems.algorithms import vm_packing as problem
from tests.problems.hostile import check_declaration, first_case, seed_program


def simulate(program: Any, case: Case) -> dict[str, float]:
    oracle = problem.serve(case)
    return problem.score(case, problem.run(program, case.inputs, oracle), oracle)


def tiny(*vms: tuple[int, int, int, int], machines: int = 2) -> Case:
    """Machines of 10 cores and 10 GB; VMs are (arrival, duration, cores, GB)."""
    return Case(None, answer=problem.Workload(np.full((machines, 2), 10), np.array(vms)))


def prefers(*order: int) -> SimpleNamespace:
    """Chooses by a fixed order of preference among the machines offered."""
    return SimpleNamespace(priority=lambda demand, free, size: [order[i] for i in range(len(free))])


def test_the_seed_is_first_fit_and_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    seed = [simulate(seed_program(problem), case) for case in cases]
    combined = {key: float(np.mean([one[key] for one in seed])) for key in seed[0]}
    check_declaration(problem, combined)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    baseline = [simulate(SimpleNamespace(**names), case)["turned_away"] for case in cases]
    assert 0 < np.mean(baseline) < combined["turned_away"] - 0.005
    spread_out = SimpleNamespace(priority=lambda demand, free, size: (free / size).sum(axis=1))
    assert simulate(spread_out, cases[1])["turned_away"] > 1.5 * seed[1]["turned_away"]


def test_all_vms_that_fit_are_placed_and_work_is_counted_exactly():
    # two of 6 x 6 fill both machines; the third is turned away; after 100 s there is room again
    case = tiny((0, 100, 6, 6), (1, 1000, 6, 6), (2, 7, 6, 6), (100, 50, 6, 6))
    metrics = simulate(prefers(1, 0), case)
    assert metrics["turned_away"] == 7 / (100 + 1000 + 7 + 50)


def test_a_choice_has_consequences():
    small_then_large = tiny((0, 100, 5, 5), (1, 100, 5, 5), (2, 10, 10, 10))
    assert (
        simulate(SimpleNamespace(priority=lambda d, f, s: -f.sum(axis=1)), small_then_large)["turned_away"]
        == 0
    )
    away = simulate(SimpleNamespace(priority=lambda d, f, s: f.sum(axis=1)), small_then_large)["turned_away"]
    assert away == 100 / (500 + 500 + 100)


def test_what_is_stranded_is_measured():
    # one machine with cores but no memory left, seen by the second arrival: 2 cores of 20, 0 GB
    case = tiny((0, 100, 2, 10), (1, 1, 1, 1), (1, 1, 1, 1))
    metrics = simulate(prefers(1, 0), case)
    assert metrics["stranded_cores"] > 0


def test_workloads_are_drawn_from_the_secret_and_have_heavy_tails():
    workload = problem.draw(np.random.default_rng(0), 40, 2000, 1.1)
    durations = np.sort(workload.vms[:, 1])
    assert durations[-20:].sum() > durations.sum() / 10  # one VM in a hundred does a tenth of all
    assert (np.diff(workload.vms[:, 0]) >= 0).all()
    assert (workload.vms[:, 2:] <= (48, 384)).all()
    other = problem.draw(np.random.default_rng(1), 40, 2000, 1.1)
    assert not np.array_equal(workload.vms, other.vms)
    assert [len(case.answer.machines) for case in problem.held_out(np.random.default_rng(0))] == [80, 80]


def test_a_program_sees_neither_the_future_nor_the_clock():
    seen = []

    class Curious:
        @staticmethod
        def priority(demand: Any, free: Any, size: Any) -> Any:
            seen.append((demand.copy(), free.copy(), size.copy()))
            free[:] = 10**6  # changes a copy
            return np.zeros(len(free))

    case = first_case(problem)
    metrics = simulate(Curious, case)
    assert metrics == simulate(seed_program(problem), case)
    assert case.inputs is None
    assert all((free >= demand).all() and (free <= size).all() for demand, free, size in seen)


@pytest.mark.parametrize(
    "priority",
    [
        lambda d, f, s: np.full(len(f), np.nan),
        lambda d, f, s: np.full(len(f), np.inf),
        lambda d, f, s: [True] * len(f),
    ],
)
def test_priorities_without_an_order_mean_the_first_machine(priority):
    case = tiny((0, 100, 5, 5), (1, 100, 5, 5), (2, 10, 10, 10))
    assert simulate(SimpleNamespace(priority=priority), case)["turned_away"] == 0


@pytest.mark.parametrize(
    "priority",
    [
        lambda d, f, s: 0.0,
        lambda d, f, s: [0.0],
        lambda d, f, s: np.zeros((len(f), 2)),
        lambda d, f, s: [1j] * len(f),
        lambda d, f, s: None,
    ],
)
def test_priorities_of_another_shape_are_errors_of_the_program(priority):
    with pytest.raises((ValueError, TypeError)):
        simulate(SimpleNamespace(priority=priority), tiny((0, 100, 5, 5), (1, 100, 5, 5)))


@pytest.mark.parametrize(
    "choice", [2, -1, 0.0, True, None, "0", [0], {"machine": 0}, 1 << 20000, np.int64(0)], ids=range(10)
)
def test_the_oracle_takes_only_a_machine_that_has_room(choice: object):
    oracle = problem.serve(tiny((0, 100, 5, 5), (1, 100, 5, 5)))
    oracle(None)
    with pytest.raises(Invalid, match="the machine chosen must"):
        oracle(choice)


def test_the_oracle_wants_no_choice_where_there_is_none():
    oracle = problem.serve(tiny((0, 100, 5, 5)))
    with pytest.raises(Invalid, match="no VM to place"):
        oracle(0)
    oracle = problem.serve(tiny((0, 100, 5, 5)))
    oracle(None)
    assert oracle(0) is None
    for request in (None, 0):
        with pytest.raises(Invalid, match="no VM to place"):
            oracle(request)


def test_whoever_stops_early_is_refused():
    case = tiny((0, 100, 5, 5), (1, 100, 5, 5))
    oracle = problem.serve(case)
    with pytest.raises(Invalid, match="before the last VM"):
        problem.score(case, {"turned_away": 0.0}, oracle)
    oracle(None)
    oracle(0)
    with pytest.raises(Invalid, match="before the last VM"):
        problem.score(case, None, oracle)
    oracle(0)
    assert problem.score(case, None, oracle)["turned_away"] == 0
