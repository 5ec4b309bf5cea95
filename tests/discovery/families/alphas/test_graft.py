from __future__ import annotations

import ast
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.core.types import OperatorError
from discovery.families.alphas.graft import POOL_WEIGHTS, Graft, graft, pool_of
from discovery.operators.registry import MODEL_FREE_WEIGHTS, weights_for
from discovery.programs.fingerprint import fingerprint
from discovery.search.assembly import assemble
from discovery.settings.config import RunConfig
from evaluators.alphas.combine import POOL_SIZE
from evaluators.alphas.leaks import lookahead_reason
from evaluators.alphas.markets.synthetic import synthesize
from evaluators.alphas.markets.world import FEATURES
from evaluators.contract import Program
from evaluators.problems.loading import load_problem
from evaluators.text.blocks import check_frozen
from problems.alphas import alpha_pool
from tests.discovery.operator_programs import RICH, compiles, frozen, job, program, rngs

HEAD = "from evaluators.alphas import operators as op\n\n\n"
NUMBERS = st.integers(0, 2**32 - 1)


@cache
def features() -> dict[str, np.ndarray]:
    panel = synthesize(0, days=150, names=40).panel
    return {name: panel.fields[name] for name in FEATURES}


def seed() -> Program:
    return Program({"program.py": alpha_pool.SEED})


def chain(number: int, length: int = 4) -> Program:
    """Returns a descendant of the seed pool, each from the one before and a second line."""
    rng = np.random.default_rng(number)
    first, second = seed(), seed()
    for _ in range(length):
        made = graft(first, second, rng)
        assert made is not None
        first, second = made[0], first
    return first


def members(child: Program) -> tuple[str, ...]:
    pool = pool_of(child)
    assert pool is not None
    return pool.members


def children(text: str, other: str | None = None, tries: int = 200) -> list[Program]:
    donor = None if other is None else program(HEAD + other)
    return [made[0] for rng in rngs(tries) if (made := graft(program(HEAD + text), donor, rng)) is not None]


@given(number=NUMBERS)
def test_children_compile_differ_keep_the_frozen_part_and_repeat(number: int) -> None:
    child = chain(number)
    assert compiles(child.text)
    assert frozen(child.text) == frozen(alpha_pool.SEED)
    assert check_frozen(seed(), child) is None
    assert fingerprint(child) != fingerprint(seed())
    assert chain(number) == child


@given(number=NUMBERS)
def test_a_pool_stays_within_its_size_and_holds_no_function_that_nothing_calls(number: int) -> None:
    child = chain(number, 8)
    assert 1 <= len(members(child)) <= POOL_SIZE
    assert len(set(members(child))) == len(members(child))
    defined = {node.name for node in ast.parse(child.text).body if isinstance(node, ast.FunctionDef)}
    assert defined == {name.removesuffix("(x)") for name in members(child)} | {"factors"}


@pytest.mark.parametrize("number", range(12))
def test_the_factors_of_children_have_the_shape_of_the_features_and_never_look_ahead(number: int) -> None:
    space: dict = {}
    exec(chain(number, 6).text, space)
    factors = space["factors"]
    base = factors(features())
    for place, factor in enumerate(base):
        assert factor.shape == features()["close"].shape
        assert not np.isinf(factor).any()
        reason = lookahead_reason(
            lambda x, place=place: factors(x)[place],
            features(),
            factor,
            np.random.default_rng(number),
            cuts=1,
        )
        assert reason is None


def test_a_member_leaves_with_its_function_and_shared_ones_stay() -> None:
    text = (
        'def level(x):\n    return op.log(x["volume"])\n\n\n'
        "def a(x, days=5.0):\n    return op.ewma(level(x), days)\n\n\n"
        "def b(x, days=60.0):\n    return op.ts_std(level(x), days)\n\n\n"
        "def factors(x):\n    return [a(x), b(x)]\n"
    )
    lone = [child.text for child in children(text) if len(members(child)) == 1]
    assert {members(program(one)) for one in lone} == {("a(x)",), ("b(x)",)}
    assert all("def level" in one and one.count("def ") == 3 for one in lone)
    assert len({one.replace(" ", "") for one in lone}) == 2


def test_a_twin_has_the_same_formula_with_other_windows() -> None:
    text = 'def calm(x, days=20.0):\n    return op.ts_std(x["close"], days)\n\n\ndef factors(x):\n    return [calm(x)]\n'
    found = {
        float(days[1])
        for child in children(text)
        if (
            days := re.search(
                r'def calm_2\(x, days=([\d.]+)\):\n    return op.ts_std\(x\["close"\], days\)\n', child.text
            )
        )
        and members(child)[-1] == "calm_2(x)"
    }
    assert len(found) > 20
    assert all(1.9 < max(days / 20, 20 / days) < 6.1 for days in found)


def test_a_stretched_member_stands_in_its_place_with_one_window_changed() -> None:
    text = (
        'def calm(x, days=20.0, past=60.0):\n    return op.ts_std(x["close"], days) - op.ewma(x["open"], past)\n\n\n'
        'def loud(x):\n    return x["high"]\n\n\ndef factors(x):\n    return [calm(x), loud(x)]\n'
    )
    found = [
        (float(windows[1]) / 20.0, float(windows[2]) / 60.0)
        for child in children(text)
        if members(child) == ("calm_2(x)", "loud(x)")
        and (windows := re.search(r"def calm_2\(x, days=([\d.]+), past=([\d.]+)\)", child.text))
        and windows.groups() != ("20.0", "60.0")
    ]
    assert len(found) > 20
    assert all(min(abs(days - 1), abs(past - 1)) == 0 for days, past in found)
    assert all(1.9 < max(days, 1 / days, past, 1 / past) < 6.1 for days, past in found)
    assert {days == 1 for days, _ in found} == {True, False}


def test_a_transplant_comes_with_its_function_and_without_what_it_cannot_read() -> None:
    text = 'def calm(x):\n    return x["close"]\n\n\ndef factors(x):\n    return [calm(x)]\n'
    other = (
        'SCALE = 3.0\n\n\ndef loud(x):\n    return x["high"]\n\n\ndef calm(x):\n    return x["low"]\n\n\n'
        'def bound(x):\n    return SCALE * x["open"]\n\n\ndef factors(x):\n    return [loud(x), calm(x), bound(x)]\n'
    )
    texts = [child.text for child in children(text, other)]
    assert any('def loud(x):\n    return x["high"]\n' in one for one in texts)
    assert any('def calm_2(x):\n    return x["low"]\n' in one for one in texts)
    assert not any("SCALE" in one for one in texts)


def test_fields_change_to_fields_of_the_same_kind() -> None:
    text = 'def calm(x):\n    return op.log(x["volume"])\n\n\ndef factors(x):\n    return [calm(x)]\n'
    reshaped = [one for one in children(text) if members(one) == ("calm_2(x)",) and "days" not in one.text]
    assert reshaped
    assert all('op.log(x["volume"])' in one.text for one in reshaped)


@pytest.mark.parametrize(
    "text",
    [
        "def factors(x):\n    return [op.log(x)]\n",  # nothing is called op
        HEAD + "def factors(x):\n    return tuple(x)\n",
        HEAD + "def factors(x):\n    return []\n",
        HEAD + "def factor(x):\n    return x\n",
        RICH,
    ],
)
def test_what_is_no_pool_has_no_children(text: str) -> None:
    assert graft(program(text), None, np.random.default_rng(0)) is None
    with pytest.raises(OperatorError, match="is no pool of factors"):
        Graft().propose(job("graft", text), np.random.default_rng(0), None)


def test_a_second_parent_is_named_where_something_was_taken_from_it_and_nowhere_else() -> None:
    pools = [
        HEAD + f'def {name}(x):\n    return x["close"]\n\n\ndef factors(x):\n    return [{name}(x)]\n'
        for name in ("calm", "loud")
    ]
    proposals = [Graft().propose(job("graft", *pools), rng, None) for rng in rngs(80)]
    assert {proposal.parents for proposal in proposals} == {("parent0",), ("parent0", "parent1")}
    for proposal in proposals:
        assert ("def loud" in proposal.program.text) == (len(proposal.parents) == 2)


def test_runs_without_a_model_graft_where_the_seed_is_a_pool() -> None:
    config = RunConfig("alpha_pool", 1)
    assert weights_for(config, seed()) == POOL_WEIGHTS
    assert weights_for(config, program(RICH)) == MODEL_FREE_WEIGHTS
    coordinator, _ = assemble(load_problem("alpha_pool"), config, "run")
    assert coordinator.settings.weights == POOL_WEIGHTS
    assert weights_for(RunConfig("alpha_pool", 1, operators={"tune": 1.0}), seed()) == {"tune": 1.0}
