from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluators.contract import Case, Exhausted, Invalid
from problems.algorithms import regret_minimisation as problem
from problems.algorithms.games import Walker, kuhn, leduc, uniform
from tests.problems.hostile import check_declaration, seed_program

KUHN, LEDUC = kuhn(), leduc()


def play(program: Any, case: Case) -> dict[str, float]:
    table = problem.serve(case)
    output = problem.run(program, case.inputs, table)
    return problem.score(case, output, table)


def case_of(rules: str, *horizons: int, seed: int = 0, size: int = 3) -> Case:
    return problem.published_case(np.random.default_rng(seed), rules, size, horizons)


def reached(metrics: dict[str, float], rules: str) -> float:
    """The exploitability at the last horizon, in chips as papers state it."""
    game = {"kuhn": KUHN, "leduc": LEDUC}[rules]
    return 10 ** metrics["late"] * float(Walker(game).exploitability(uniform(game)))


class Matching:
    """Regret matching, with hooks for what the published rules add."""

    def __init__(self, legal: np.ndarray) -> None:
        self.legal = legal
        self.regrets, self.total = np.zeros(legal.shape), np.zeros(legal.shape)

    def policy(self, t: int) -> np.ndarray:
        positive = np.maximum(self.regrets, 0) * self.legal
        total = positive.sum(axis=1, keepdims=True)
        even = self.legal / self.legal.sum(axis=1, keepdims=True)
        self.current = np.where(total > 0, positive / np.where(total > 0, total, 1), even)
        return self.current

    def update(self, t: int, regret: np.ndarray, reach: np.ndarray, cf_reach: np.ndarray) -> None:
        self.regrets = self.accumulate(t, regret)
        self.total += self.weight(t) * reach[:, None] * self.current

    def accumulate(self, t: int, regret: np.ndarray) -> np.ndarray:
        return self.regrets + regret

    def weight(self, t: int) -> float:
        return 1.0

    def average(self) -> np.ndarray:
        return self.total


class Plus(Matching):
    def accumulate(self, t: int, regret: np.ndarray) -> np.ndarray:
        return np.maximum(self.regrets + regret, 0)

    def weight(self, t: int) -> float:
        return float(t)


class Discounted(Matching):
    def accumulate(self, t: int, regret: np.ndarray) -> np.ndarray:
        total = self.regrets + regret
        return total * np.where(total > 0, t**1.5 / (t**1.5 + 1), 0.5)

    def weight(self, t: int) -> float:
        return float(t) ** 2


def programs(learner: Callable[..., Any]) -> SimpleNamespace:
    return SimpleNamespace(Learner=learner)


def test_the_uniform_policies_have_their_known_exploitability():
    assert Walker(KUHN).exploitability(uniform(KUHN)) == pytest.approx(0.458333, abs=1e-6)
    assert Walker(LEDUC).exploitability(uniform(LEDUC)) == pytest.approx(2.373611, abs=1e-6)
    assert problem.exact_exploitability(KUHN, [legal * 1.0 for legal in KUHN.legal]) == Fraction(11, 24)
    assert problem.exact_exploitability(LEDUC, [legal * 1.0 for legal in LEDUC.legal]) == Fraction(1709, 720)


def test_the_games_have_their_known_sizes():
    assert [legal.shape for legal in KUHN.legal] == [(6, 2), (6, 2)]
    assert [legal.shape for legal in LEDUC.legal] == [(144, 3), (144, 3)]  # 288, suits not told apart
    assert sum(KUHN.player == 3) == 30
    for game in (KUHN, LEDUC):
        for first, end in game.levels:
            chances = [
                sum(game.chance[1:][game.parent[1:] == node])
                for node in range(first, end)
                if game.player[node] == 2
            ]
            assert all(total == 1 for total in chances)


def test_an_equilibrium_of_kuhn_poker_has_exploitability_0_exactly():
    # Kuhn (1950), with alpha = 0: the first player never bets first, and calls with the middle card 1/3 of
    # the time.
    first, second = (np.zeros((6, 2)) for _ in range(2))
    known = {}

    def rows(player: int) -> dict[tuple[int, str], int]:
        numbers: dict[tuple[int, str], int] = {}
        for deal in [(a, b) for a in range(3) for b in range(3) if a != b]:
            for bets in ("", "pb") if player == 0 else ("p", "b"):
                numbers.setdefault((deal[player], bets), len(numbers))
        return numbers

    game = KUHN
    known[0], known[1] = {}, {}
    deals = [(a, b) for a in range(3) for b in range(3) if a != b]
    for first_node, end in game.levels:  # numbers of information sets follow the order of the tree
        for node in range(first_node, end):
            if game.player[node] < 2:
                path, at = "", node
                while game.player[game.parent[at]] < 2 and at:
                    path = "pb"[game.action[at]] + path
                    at = game.parent[at]
                deal = deals[at - game.levels[1][0]]
                known[game.player[node]][deal[game.player[node]], path] = game.infoset[node]
    bet_first = {(card, ""): 0.0 for card in range(3)} | {(0, "pb"): 0.0, (1, "pb"): 1 / 3, (2, "pb"): 1.0}
    bet_second = {
        (0, "p"): 1 / 3,
        (1, "p"): 0.0,
        (2, "p"): 1.0,
        (0, "b"): 0.0,
        (1, "b"): 1 / 3,
        (2, "b"): 1.0,
    }
    for table, player, wanted in ((first, 0, bet_first), (second, 1, bet_second)):
        for key, bet in wanted.items():
            table[known[player][key]] = [3 - 3 * bet, 3 * bet]  # thirds become exact after normalising
    assert problem.exact_exploitability(game, [np.round(first), np.round(second)]) == 0
    response = Walker(game).best_response([np.round(first) / 3, np.round(second) / 3], 0)
    assert response == pytest.approx(-1 / 18, abs=1e-15)  # the value of the game


@pytest.mark.parametrize(
    ("learner", "in_kuhn", "in_leduc"),
    [(Matching, 9.4e-4, 0.0538), (Plus, 8.7e-5, 0.00499), (Discounted, 1.47e-4, 0.00186)],
)
def test_cfr_cfr_plus_and_discounted_cfr_reach_their_reference_values(learner, in_kuhn, in_leduc):
    metrics = play(programs(learner), case_of("kuhn", 1000))
    assert reached(metrics, "kuhn") == pytest.approx(in_kuhn, rel=0.01)
    metrics = play(programs(learner), case_of("leduc", 200))
    assert reached(metrics, "leduc") == pytest.approx(in_leduc, rel=0.08)  # rounding decides ties


@pytest.mark.parametrize(("game", "rounds", "expected"), [(KUHN, 1000, 7.269e-3), (LEDUC, 200, 0.09797)])
def test_simultaneous_cfr_reaches_its_reference_values(game, rounds, expected):
    walker, policies = Walker(game), uniform(game)
    learners = [Matching(legal) for legal in game.legal]
    for t in range(1, rounds + 1):
        policies = [learner.policy(t) for learner in learners]
        for player, learner in enumerate(learners):
            learner.update(t, *walker.regrets(policies, player))
    averages = [learner.total / learner.total.sum(axis=1, keepdims=True) for learner in learners]
    assert walker.exploitability(averages) == pytest.approx(expected, rel=1e-3)


def mean_over_cases(program: Any, cases: list[Case]) -> dict[str, float]:
    found = [play(program, case) for case in cases]
    return {key: sum(metrics[key] for metrics in found) / len(found) for key in found[0]}


@pytest.mark.parametrize("seed", range(3))
def test_the_seed_is_cfr_and_weaker_than_cfr_plus(seed):
    cases = problem.cases(np.random.default_rng(seed), 0)
    combined = mean_over_cases(seed_program(problem), cases)
    check_declaration(problem, combined)
    plus = mean_over_cases(programs(Plus), cases)
    assert plus["log10_exploitability"] < combined["log10_exploitability"] - 0.3


def test_the_order_of_what_is_shown_does_not_matter():
    scores = [play(programs(Plus), case_of("leduc", 5, 20, seed=seed)) for seed in range(3)]
    assert scores[0]["late"] == pytest.approx(scores[1]["late"], rel=1e-9) == pytest.approx(scores[2]["late"])
    shown = [case_of("leduc", 5, seed=seed).inputs["legal"][0] for seed in range(2)]
    assert not np.array_equal(*shown)


def test_exact_and_floating_exploitability_agree():
    rng = np.random.default_rng(1)
    policies = [rng.random(legal.shape) * legal for legal in LEDUC.legal]
    normal = [policy / policy.sum(axis=1, keepdims=True) for policy in policies]
    exact = problem.exact_exploitability(LEDUC, policies)
    assert Walker(LEDUC).exploitability(normal) == pytest.approx(float(exact), rel=1e-13)


def test_published_games_are_held_out_only():
    names = [case.name for case in problem.held_out(np.random.default_rng(0))]
    assert names == ["poker", "two rounds", "signals", "kuhn 5", "leduc 4", "goofspiel 4", "liars_dice 3"]
    drawn = problem.cases(np.random.default_rng(0), 0)
    assert [case.name for case in drawn] == ["poker", "two rounds", "signals", "bidding"]


def test_the_same_secret_draws_the_same_games_and_another_one_others():
    first, again, other = (problem.cases(np.random.default_rng(seed), 0) for seed in (1, 1, 2))
    for one, same, another in zip(first, again, other, strict=True):
        assert np.array_equal(one.answer[0].payoff, same.answer[0].payoff)
        assert all(map(np.array_equal, one.inputs["legal"], same.inputs["legal"]))
        assert not np.array_equal(one.answer[0].payoff, another.answer[0].payoff)


# --- what must be refused ---


def refuse(learner: Callable[..., Any], case: Case | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        play(programs(learner), case or case_of("kuhn", 3))
    return str(caught.value)


def changed(method: str, change: Callable[[np.ndarray], Any]) -> type:
    class Changed(Plus):
        pass

    def wrapper(self: Plus, *args: Any) -> Any:
        return change(np.array(getattr(Plus, method)(self, *args)))

    setattr(Changed, method, wrapper)
    return Changed


@pytest.mark.parametrize("method", ["policy", "average"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: np.where(table == table.min(), -1e-13, table), "numbers in [0, 1e200]"),
        (lambda table: -table, "numbers in [0, 1e200]"),
        (lambda table: table * np.nan, "numbers in [0, 1e200]"),
        (lambda table: table + np.inf, "numbers in [0, 1e200]"),
        (lambda table: table * 1j, "array of floats of shape (6, 2), got complex128"),
        (lambda table: table > 0, "got bool"),
        (lambda table: table[:-1], "got float64 (5, 2)"),
        (lambda table: table.T, "got float64 (2, 6)"),
        (lambda table: table.tolist(), "got list"),
        (lambda table: None, "got NoneType"),
        (lambda table: table.astype(object), "got object"),
        (lambda table: "uniform", "got str"),
    ],
)
def test_what_is_no_policy_is_refused(method: str, change: Callable[[np.ndarray], Any], said: str):
    reason = refuse(changed(method, change))
    assert reason.startswith(f"{method}() must")
    assert said in reason


def test_actions_that_do_not_exist_are_refused():
    assert "must be 0 where legal is False" in refuse(
        changed("policy", lambda t: t + 0.1), case_of("leduc", 3)
    )


def test_scale_does_not_matter_and_zeros_mean_uniform():
    plain = play(programs(Plus), case_of("kuhn", 10))
    assert play(programs(changed("average", lambda t: 7.0 * t)), case_of("kuhn", 10)) == pytest.approx(plain)
    idle = changed("average", lambda t: 0 * t)
    assert play(programs(idle), case_of("kuhn", 10))["late"] == 0  # no better than the uniform policies


def test_the_oracle_takes_every_step_in_turn_and_no_more():
    case = case_of("kuhn", 1)
    policies = [legal * 0.5 for legal in case.inputs["legal"]]
    table = problem.serve(case)
    for request in (
        {"player": 1, "policies": policies},
        {"averages": policies},
        {"player": 0},
        {"player": 0, "policies": policies, "times": 100},
        {"player": None, "policies": policies},
        {},
    ):
        with pytest.raises(Invalid, match="out of turn after 0 updates"):
            table(request)
    for request in (None, [0, policies], "averages"):
        with pytest.raises(Invalid, match="must be a dict"):
            table(request)
    table({"player": 0, "policies": policies})
    with pytest.raises(Invalid, match="out of turn after 1 updates"):
        table({"player": 0, "policies": policies})
    table({"player": 1, "policies": policies})
    with pytest.raises(Invalid, match="out of turn after 2 updates"):
        table({"player": 0, "policies": policies})
    with pytest.raises(Invalid, match="both players"):
        table({"averages": policies[:1]})
    table({"averages": policies})
    with pytest.raises(Exhausted):
        table({"player": 0, "policies": policies})
    assert problem.score(case, None, table)["late"] == 0


def test_whoever_stops_early_is_refused():
    case = case_of("kuhn", 2, 5)
    table = problem.serve(case)
    with pytest.raises(Invalid, match="ended before iteration 2"):
        problem.score(case, {"log10_exploitability": -12.0}, table)
    policies = [legal * 0.5 for legal in case.inputs["legal"]]
    for player in (0, 1, 0, 1):
        table({"player": player, "policies": policies})
    table({"averages": policies})
    with pytest.raises(Invalid, match="ended before iteration 5"):
        problem.score(case, None, table)


def test_a_learner_that_changes_what_it_is_given_changes_nothing_else():
    class Vandal(Plus):
        def __init__(self, legal: np.ndarray) -> None:
            super().__init__(legal.copy())
            legal[:] = True

        def update(self, t: int, regret: np.ndarray, *reaches: np.ndarray) -> None:
            super().update(t, regret.copy(), *(reach.copy() for reach in reaches))
            regret[:] = 0

    assert play(programs(Vandal), case_of("leduc", 10)) == play(programs(Plus), case_of("leduc", 10))
