from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.baselines.systems.spot_deadline import PROGRAM
from evaluators.contract import Case, Invalid
from problems.systems import spot_deadline as problem
from problems.systems.spot_deadline import IDLE, ON_DEMAND, SPOT, Job, cheapest
from tests.problems.hostile import check_declaration, seed_program


def job(trace: str, work: int, overhead: int, price: int = 30) -> Job:
    available = np.array([sign == "+" for sign in trace])
    return Job(available, work, overhead, price, cheapest(available, work, overhead, price))


def play(program: Any, case: Case) -> dict[str, float]:
    oracle = problem.serve(case)
    return problem.score(case, problem.run(program, case.inputs, oracle), oracle)


def policy(decide: Any) -> Any:
    made = type("Policy", (), {"__init__": lambda self, *terms: None, "decide": staticmethod(decide)})
    return SimpleNamespace(Policy=made)


def cost(one: Job, actions: tuple[str, ...]) -> tuple[int, list[dict[str, Any]]]:
    """What a job costs with these actions, one per tick, and the states it goes through."""
    market = problem.serve(Case(None, answer=[one]))
    states = market(None)
    for action in actions:
        if not states[-1]["remaining"]:
            break
        states += market([action])
    assert market.is_done
    return market.rentals[0].cost, states


def test_the_seed_is_weaker_than_the_baseline():
    cases = problem.cases(np.random.default_rng(0), 0)
    seed = [play(seed_program(problem), case) for case in cases]
    combined = {key: float(np.mean([one[key] for one in seed])) for key in seed[0]}
    check_declaration(problem, combined)
    names: dict[str, Any] = {}
    exec(PROGRAM, names)
    found = play(SimpleNamespace(**names), Case(None, answer=cases[2].answer[:2]))
    assert seed[2]["saving"] < found["saving"] < 1


def test_a_job_by_hand():
    # starts on spot, works a tick, loses it, waits, starts again, works two ticks
    one = job("++-+++++", work=3, overhead=1)
    spent, states = cost(one, (SPOT, SPOT, IDLE, SPOT, SPOT, SPOT))
    assert spent == 5 * 30
    assert [state["remaining"] for state in states] == [3, 3, 2, 2, 2, 1, 0]
    assert [state["starting"] for state in states] == [0, 0, 0, 0, 0, 0, 0]
    assert [state["machine"] for state in states] == [IDLE, SPOT, IDLE, IDLE, SPOT, SPOT, IDLE]
    assert one.least == 4 * 30  # waiting for the fourth tick would have spared a start


def test_starting_up_is_told_and_changing_machines_starts_anew():
    one = job("++++++++++", work=2, overhead=3)
    _, states = cost(one, (SPOT, SPOT, ON_DEMAND, ON_DEMAND, ON_DEMAND, ON_DEMAND, ON_DEMAND))
    assert [state["starting"] for state in states] == [0, 2, 1, 2, 1, 0, 0, 0]


def test_the_guard_meets_every_deadline():
    one = job("-" * 10, work=5, overhead=2)
    spent, states = cost(one, (IDLE,) * 10)
    assert spent == 7 * 100
    assert states[-1]["tick"] == 10
    metrics = play(policy(lambda *state: "idle"), Case(None, answer=[job("+++++-----", work=4, overhead=1)]))
    assert metrics == {"saving": 0.0, "starts": 1.0, "on_demand_share": 1.0}


def test_idling_away_a_machine_is_guarded_too():
    spent, _ = cost(job("-" * 10, work=6, overhead=3), (ON_DEMAND, *(IDLE,) * 9))
    assert spent == 9 * 100  # the guard keeps the machine that is starting up


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.booleans(), min_size=6, max_size=6),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(10, 100),
)
def test_the_optimum_in_hindsight_is_the_least_of_all_that_can_be_done(
    trace: list[bool], work: int, overhead: int, price: int
):
    one = Job(np.array(trace), work, overhead, price, 0)
    every = [cost(one, actions)[0] for actions in product((IDLE, SPOT, ON_DEMAND), repeat=6)]
    assert cheapest(one.available, work, overhead, price) == min(every)


def test_workloads_are_drawn_from_the_secret_and_their_kinds_differ():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    assert [case.name for case in first] == list(problem.TRAINED)
    for one, same, different in zip(first, again, other, strict=True):
        assert all(
            np.array_equal(a.available, b.available) for a, b in zip(one.answer, same.answer, strict=True)
        )
        assert not all(
            np.array_equal(a.available, b.available)
            for a, b in zip(one.answer, different.answer, strict=True)
        )
        assert one.inputs is None
    held_out = problem.held_out(np.random.default_rng(1))
    assert {case.name for case in held_out}.isdisjoint(problem.TRAINED)
    assert {len(a.available) for case in held_out for a in case.answer} == {160, 320}


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("flaky", 0.5, 0.7), ("steady", 0.6, 0.8), ("scarce", 0.1, 0.35)]
)
def test_kinds_of_availability_have_their_share(kind: str, low: float, high: float):
    rng = np.random.default_rng(0)
    assert low < np.mean([problem.TRAINED[kind](rng, 240).mean() for _ in range(40)]) < high


class TestCheats:
    @pytest.mark.parametrize(
        "machine",
        [
            True,
            1,
            0.0,
            None,
            "SPOT",
            "spot ",
            "",
            ["spot"],
            {"rent": "spot"},
            b"spot",
            np.str_("spot"),
            "s" * 10**6,
        ],
        ids=range(12),
    )
    def test_what_is_no_machine_is_refused(self, machine: Any):
        market = problem.serve(Case(None, answer=[job("++++", 2, 1), job("++++", 2, 1)]))
        market(None)
        with pytest.raises(Invalid, match="must return") as caught:
            market([SPOT, machine])
        assert len(str(caught.value)) < 200
        assert [rental.cost for rental in market.rentals] == [0, 0]

    @pytest.mark.parametrize(
        "request_",
        [
            None,
            [],
            [SPOT],
            [SPOT] * 3,
            (SPOT, SPOT),
            {"0": SPOT, "1": SPOT},
            "spot",
            np.array(["spot"] * 2),
            2,
            True,
        ],
        ids=range(10),
    )
    def test_what_is_not_one_machine_per_job_is_refused(self, request_: Any):
        market = problem.serve(Case(None, answer=[job("++++", 2, 1), job("++++", 2, 1)]))
        market(None)
        with pytest.raises(Invalid, match="list of 2 machines"):
            market(request_)
        assert [rental.tick for rental in market.rentals] == [0, 0]

    @pytest.mark.parametrize("request_", [[SPOT], SPOT, [], 0])
    def test_nothing_is_rented_before_the_jobs_are_known(self, request_: Any):
        with pytest.raises(Invalid, match="first request must be None"):
            problem.serve(Case(None, answer=[job("++++", 2, 1)]))(request_)

    def test_a_job_that_is_done_rents_nothing_more(self):
        case = Case(None, answer=[job("+++", 1, 1)])
        market = problem.serve(case)
        for request in (None, [SPOT], [SPOT]):
            market(request)
        for request in ([SPOT], [IDLE], None):
            with pytest.raises(Invalid, match="list of 0 machines"):
                market(request)
        assert problem.score(case, None, market)["saving"] == 1.0

    @pytest.mark.parametrize(
        "requests", [(), (None,), (None, [SPOT, SPOT]), (None, [SPOT, IDLE], [SPOT, IDLE])]
    )
    def test_whoever_stops_early_is_refused(self, requests: tuple[Any, ...]):
        case = Case(None, answer=[job("++++", 1, 1), job("++++", 1, 1)])
        market = problem.serve(case)
        for request in requests:
            market(request)
        with pytest.raises(Invalid, match="not all jobs"):
            problem.score(case, {"saving": 1.0}, market)

    def test_spot_where_there_is_none_costs_and_brings_nothing(self):
        spent, states = cost(job("----++++", 2, 1), (SPOT,) * 8)
        assert spent == 3 * 30
        assert states[4]["remaining"] == 2

    def test_changing_what_was_told_changes_nothing(self):
        always = policy(lambda *state: SPOT)
        case = Case(None, answer=[job("+-+-++++++", 4, 1)])
        market = problem.serve(case)

        def told(request: Any) -> Any:
            states = market(request)
            kept = [dict(state) for state in states]
            for state in states:
                state.update(remaining=0, spot=True, machine=SPOT, starting=0)
            return kept

        problem.run(always, None, told)
        assert problem.score(case, None, market) == play(always, case)

    def test_what_is_told_holds_nothing_of_the_future(self):
        market = problem.serve(Case(None, answer=[job("++++++", 2, 1)]))
        known = {"tick", "remaining", "spot", "machine", "starting"}
        (first,) = market(None)
        assert set(first) == known | {"terms"}
        assert first["terms"] == [6, 2, 1, 30, 100]
        assert set(market([SPOT])[0]) == known

    def test_what_the_program_says_counts_for_nothing(self):
        case = Case(None, answer=[job("+++", 1, 1)])
        market = problem.serve(case)
        problem.run(policy(lambda *state: ON_DEMAND), None, market)
        assert problem.score(case, {"saving": 1.0, "costs": [0]}, market)["saving"] == 0.0

    def test_nobody_is_better_than_hindsight(self):
        for case in problem.cases(np.random.default_rng(5), 0):
            for decide in (
                lambda tick, remaining, spot, *rest: SPOT if spot else IDLE,
                lambda *state: ON_DEMAND,
            ):
                oracle = problem.serve(case)
                problem.run(policy(decide), None, oracle)
                assert all(rental.cost >= rental.job.least for rental in oracle.rentals)
