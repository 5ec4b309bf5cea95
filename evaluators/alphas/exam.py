"""The exam of alpha programs: what they are shown, in which order, and what is kept of their answers.

An exam has two sittings, each in a fresh process. In the first the program meets the features once and its
answer is kept and scored. In the second it meets probes (leaks.py): the same features up to a cut, another
future after it; its answers must be the kept ones up to the cut. Two processes, because a program that
remembers the first could answer from memory in the second; and cuts ascend, so that no probe shows what an
earlier one hid. The best days of the first sitting choose a part of the cuts, and one cut lies behind the
last scored day.

Elites sit a third time (elite.py), among the held-out cases: whether they are admitted is asked there.

The program sees (T, N) float32 arrays of the days before the sealed test, with names in a secret order and no
dates. Labels, dates and test prices stay in the judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas import elite
from evaluators.alphas.admission import Gate
from evaluators.alphas.combine import (
    MAX_OVERLAP,
    combined_signal,
    mutual_correlations,
    ridge_moments,
    solve_ridge,
    standardise,
)
from evaluators.alphas.exhibits import pages
from evaluators.alphas.factors import as_array, as_factor, check_answers, exposure, measure
from evaluators.alphas.leaks import (
    Probe,
    best_days,
    difference,
    look_ahead,
    make_probe,
    plan_probes,
    random_cuts,
)
from evaluators.alphas.markets.labels import Horizon, Labels
from evaluators.alphas.markets.panel import load_panel
from evaluators.alphas.markets.synthetic import Market, synthesize
from evaluators.alphas.markets.world import WARM_UP_DAYS, World, make_world
from evaluators.alphas.metrics import mutual_information
from evaluators.alphas.rank_ic import RankScorer, rank_ic
from evaluators.alphas.twins import check_knowledge
from evaluators.contract import Case, Invalid, Oracle, Result

Array = NDArray[np.float64]

RANDOM_CUTS, BEST_DAYS = 3, 2


class Examiner:
    """The trusted half of an alpha problem: draws its cases and serves its sittings.

    One per problem module, used by one judge at a time: the second sitting of a program follows its first.
    Where no panel folder is given, the market is synthetic and drawn from the run's secret, so that the
    module's source tells a program nothing about it.

    Args:
        panel: a folder written by `save_panel`, or None.
        days: length of the synthetic market; names: its width.
        members: how many factors a program may hand in.
        sealed: whether the test days are shown and scored (once per run, see splits.py).
        horizon: of the labels.
        gate: what an elite must reach besides (CogAlpha's are in admission.py), or None.
    """

    def __init__(
        self,
        panel: str | None = None,
        *,
        days: int = 1500,
        names: int = 300,
        members: int = 1,
        sealed: bool = False,
        horizon: Horizon | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.members, self.gate = members, gate
        self._panel, self._size, self._sealed, self._horizon = panel, (days, names), sealed, horizon
        self._worlds: dict[str, World] = {}

    def cases(self, rng: np.random.Generator, stage: int) -> list[Case]:
        """Returns the one case of a sitting; stage 0 draws the world in which stage 1 is held, too."""
        if stage == 0:
            self._worlds["run"] = self._draw(rng)
        return [Case(inputs={}, answer={"world": "run", "sitting": stage, "seed": int(rng.integers(2**62))})]

    def held_out(self, rng: np.random.Generator) -> list[Case]:
        """Returns the sitting of elites and, where the market is synthetic, a first one in another market.

        The other market follows the same law; of a panel there is only one.
        """
        third = Case(inputs={}, answer={"world": "run", "sitting": 2, "seed": int(rng.integers(2**62))})
        if self._panel is not None or self._sealed:
            return [third]
        self._worlds["held out"] = self._draw(rng)
        return [third, Case(inputs={}, answer={"world": "held out", "sitting": 0, "seed": 0})]

    def world(self, case: Case) -> World:
        """Returns the world of a case."""
        return self._worlds[case.answer["world"]]

    def scored(self, case: Case) -> slice:
        """Returns the days that count: those of validation, of the test where it is unsealed."""
        split = self.world(case).split
        return split.test if self._sealed else split.valid

    def learned(self, case: Case) -> slice:
        """Returns the days that choose signs and weights: of training; of the whole search once unsealed."""
        split = self.world(case).split
        return slice(split.train.start, split.valid.stop) if self._sealed else split.train

    def serve(self, case: Case) -> Oracle:
        """Returns the oracle of a case: its sitting."""
        world = self.world(case)
        if case.answer["sitting"] == 0:
            return FirstSitting(world, members=self.members)
        rng = np.random.default_rng(case.answer["seed"])
        if case.answer["sitting"] == 1:
            return SecondSitting(world, rng, members=self.members)
        return EliteSitting(
            world, rng, self.scored(case), self.learned(case), members=self.members, gate=self.gate
        )

    def market(self, rng: np.random.Generator) -> Market:
        """Returns the synthetic market that `rng` draws, with what only its maker knows."""
        days, names = self._size
        return synthesize(int(rng.integers(2**31)), days=days, names=names)

    def _draw(self, rng: np.random.Generator) -> World:
        if self._panel is not None:
            return make_world(load_panel(self._panel), rng, horizon=self._horizon, sealed=self._sealed)
        market = self.market(rng)
        return make_world(market.panel, rng, horizon=self._horizon, sealed=self._sealed, caused=market.caused)


class FirstSitting:
    """An oracle: `None` asks for the features; `{"answer": ...}` hands in what is kept; `None` ends it."""

    def __init__(self, world: World, *, members: int = 1) -> None:
        world.answers, world.metrics = [], {}
        self._world, self._members = world, members

    def __call__(self, request: Any) -> Any:
        """Returns the features, or None when the answer is in."""
        if request is None:
            return self._world.features
        self._world.answers = read_answers(_answer(request), self._world.shape, self._members)
        return None


class SecondSitting:
    """An oracle that hands out one probe after the other and rejects the program at the first difference."""

    def __init__(self, world: World, rng: np.random.Generator, *, members: int = 1) -> None:
        self._world, self._members, self._rng = world, members, rng
        self._probes = self._draw()
        self._pending: Probe | None = None
        self.passed = 0

    def __call__(self, request: Any) -> Any:
        """Returns the features of the next probe, None after the last.

        Raises:
            Invalid: the program looks ahead.
        """
        if self._pending is not None:
            shape = next(iter(self._pending.features.values())).shape
            given = read_answers(_answer(request), (shape[0], shape[1]), self._members, loose=True)
            self._compare(given, self._pending)
            self.passed += 1
        self._pending = next(self._probes, None)
        return None if self._pending is None else self._pending.features

    def result(self) -> dict[str, float]:
        """Returns the metrics of the first sitting, and how many probes were passed.

        Raises:
            Invalid: the program left before the last probe, or knows what no past tells.
        """
        if self._pending is not None or not self.passed:
            raise Invalid("the program left before all its questions were answered")
        check_knowledge(self._world.metrics)
        return {**self._world.metrics, "probes_passed": float(self.passed)}

    def _compare(self, given: list[Array], probe: Probe) -> None:
        kept = self._world.answers
        if len(given) != len(kept):
            raise Invalid(look_ahead(probe.kind, f"it gives {len(given)} factors instead of {len(kept)}"))
        for old, new in zip(kept, given, strict=True):
            if found := difference(old, new, probe.cut):
                raise Invalid(look_ahead(probe.kind, found))

    def _draw(self) -> Iterator[Probe]:
        world = self._world
        days = world.shape[0]
        scored = min(world.split.valid.stop if days <= world.split.test.start else days, days - 2)
        labels = world.labels.rows(0, scored)
        daily = np.zeros(scored)
        scorer = RankScorer(labels.values, labels.mask, labels.min_names)
        for old in world.answers:
            daily = np.fmax(daily, np.abs(scorer(old[:scored])))
        behind = int(self._rng.integers(scored, days - 1))
        exact = [*best_days(daily, count=BEST_DAYS), behind]
        random = random_cuts(self._rng, days, count=RANDOM_CUTS)
        for cut, kind in plan_probes(self._rng, random, exact):
            yield make_probe(world.features, kind, cut, self._rng)


class EliteSitting:
    """An oracle that puts the questions of elite.py, and then measures what was answered in the first sitting.

    Attributes:
        exhibit: what reports draw; None before `result`.
    """

    def __init__(
        self,
        world: World,
        rng: np.random.Generator,
        scored: slice,
        learned: slice,
        *,
        members: int = 1,
        gate: Gate | None = None,
    ) -> None:
        self._world, self._members, self._gate = world, members, gate
        self._rng, self._noise_rng = rng.spawn(2)
        self._questions = elite.questions(world.features, rng, warm_up_days=WARM_UP_DAYS)
        self._pending: elite.Question | None = None
        self._asked = 0
        days = world.shape[0]
        panel, labels = world.panel.rows(0, days), world.labels.rows(0, days)
        self._scene = elite.Scene(panel, labels, world.split, scored, learned)
        self.exhibit: list[dict[str, Any]] | None = None

    def __call__(self, request: Any) -> Any:
        """Returns the features of the next question, None after the last.

        Raises:
            Invalid: an answer is not the one that was kept.
        """
        if (question := self._pending) is not None:
            days, names = next(iter(question.features.values())).shape
            given = read_answers(_answer(request), (days, names), self._members, loose=True)
            if len(given) != len(self._world.answers):
                raise Invalid(f"it gives {len(given)} factors instead of {len(self._world.answers)}")
            for kept, again in zip(self._world.answers, given, strict=True):
                if found := question.reason(kept, again):
                    raise Invalid(found)
        self._pending = next(self._questions, None)
        self._asked += 1
        return None if self._pending is None else self._pending.features

    def result(self) -> dict[str, float]:
        """Returns the metrics of the first sitting with those of this exam, the objective walking forward.

        Raises:
            Invalid: the program left too early, or the exam speaks against it.
        """
        if self._pending is not None or not self._asked:
            raise Invalid("the program left before all its questions were answered")
        world, scene, gate = self._world, self._scene, self._gate
        check_knowledge(world.metrics)
        if gate is not None and (found := gate.reason(world.metrics)):
            raise Invalid(f"below the gate: {found}")
        if world.noise is None:
            world.noise = elite.floor_of(scene, self._noise_rng)
        members = able_members(world, scene.learned, scene.scored)
        examined = elite.examine(members, scene, self._rng, world.noise)
        self.exhibit = pages(examined, scene)
        luck = world.metrics["rank_ic"] - world.metrics["fair_rank_ic"]
        walked = examined.figures["walk_rank_ic"] - luck - world.metrics["cost_rank_ic"]
        percentile = {} if gate is None or gate.percentile is None else {"_gate_percentile": gate.percentile}
        return {**world.metrics, **examined.figures, **percentile, "net_rank_ic": walked}


def able_members(world: World, *parts: slice) -> list[Array]:
    """Returns the members that can be scored and do not overlap, as `score_pool` takes them."""
    return [world.answers[place] for place in _able(world, parts)[0]]


def _able(world: World, parts: Sequence[slice]) -> tuple[list[int], NDArray[np.float32], Array]:
    """Returns the places of the members that count, these standardised (K, T, N), and their |mutual correlations|.

    Raises:
        Invalid: no member can be scored on all of the `parts`.
    """
    labels, universe = world.labels.rows(0, world.shape[0]), world.panel.universe[: world.shape[0]]
    places, scorable, reason = [], [], ""
    for place, factor in enumerate(_handed_in(world)):
        if found := _unscorable(factor, labels, parts):
            reason = reason or f"factor {place + 1}: {found}"
        else:
            places.append(place)
            scorable.append(standardise(factor, universe))
    if not scorable:
        raise Invalid(f"no factor of the pool can be scored: {reason}")
    stack = np.stack(scorable)
    mutual = np.abs(mutual_correlations(stack, universe, parts[0]))
    kept = _without_overlap(mutual)
    return [places[place] for place in kept], stack[kept], mutual[np.ix_(kept, kept)]


def _answer(request: Any) -> Any:
    if not isinstance(request, dict) or list(request) != ["answer"]:
        raise Invalid("the program spoke to the judge itself; only `run` may")
    return request["answer"]


def read_answers(given: Any, shape: tuple[int, int], members: int, *, loose: bool = False) -> list[Array]:
    """Returns the factors that a program handed in: one array, or a list of up to `members`.

    Raises:
        Invalid: it is neither, or (unless `loose`, which looks at type and shape only) cannot be scored.
    """
    if members == 1:
        given = [given]
    if not isinstance(given, list) or not 1 <= len(given) <= members:
        count = f"{len(given)} of them" if isinstance(given, list) else type(given).__name__
        raise Invalid(f"the program must return a list of 1 to {members} factors, got {count}")
    names = ["the factor"] if members == 1 else [f"factor {place + 1}" for place in range(len(given))]
    read = as_array if loose else as_factor
    return [read(values, shape, name=name) for values, name in zip(given, names, strict=True)]


def score_factor(examiner: Examiner, case: Case, oracle: Oracle) -> dict[str, float]:
    """Returns the metrics of a one-factor program after a sitting (see `measure`), exposures among them.

    Raises:
        Invalid: the program left without handing in an answer, or its factor cannot be scored.
    """
    world = examiner.world(case)
    if isinstance(oracle, SecondSitting | EliteSitting):
        return oracle.result()
    (factor,) = _handed_in(world)
    learned, scored = examiner.learned(case), examiner.scored(case)
    labels = world.labels.rows(0, world.shape[0])
    found = measure(factor, labels, train=learned, valid=scored, twin=world.twin)
    world.metrics = {**found, **_more(world, factor, learned, scored)}
    return world.metrics


def score_pool(examiner: Examiner, case: Case, oracle: Oracle) -> dict[str, float]:
    """Returns the metrics of a pool after a sitting: those of its combined signal, and of its members.

    Members that cannot be scored, or overlap with an earlier one by more than 0.7 on the training days, do
    not count. Weights are fitted by ridge on the training days. members counts those that do; least_gain is
    the smallest loss of RankIC when one of them is left out; overlap the largest mutual rank correlation
    among them.

    Raises:
        Invalid: no member can be scored.
    """
    world = examiner.world(case)
    if isinstance(oracle, SecondSitting | EliteSitting):
        return oracle.result()
    learned, scored, days = examiner.learned(case), examiner.scored(case), world.shape[0]
    labels, universe = world.labels.rows(0, days), world.panel.universe[:days]
    _, stack, mutual = _able(world, (learned, scored))
    correlations, match = ridge_moments(stack, labels, universe, learned)
    signal = combined_signal(stack, solve_ridge(correlations, match))
    found = measure(signal, labels, train=learned, valid=scored, twin=world.twin)

    def without(place: int) -> float:
        """Returns the RankIC of the others."""
        rest = np.delete(np.arange(len(stack)), place)
        if not len(rest):
            return 0.0
        weights = solve_ridge(correlations[np.ix_(rest, rest)], match[rest])
        others = combined_signal(stack[rest, scored], weights)
        daily = rank_ic(others, labels.values[scored], labels.mask[scored], labels.min_names[scored])
        return float(np.nanmean(daily))

    gains = [found["rank_ic"] - without(place) for place in range(len(stack))]
    world.metrics = {
        **found,
        **_more(world, signal, learned, scored),
        "members": float(len(stack)),
        "left_out": float(len(world.answers) - len(stack)),
        "least_gain": float(min(gains)),
        "overlap": float((mutual - np.diag(np.diag(mutual))).max()),
    }
    return world.metrics


def _unscorable(factor: Array, labels: Labels, parts: Sequence[slice]) -> str | None:
    """Returns why a factor cannot be scored on one of the `parts`, or None."""
    for part in parts:
        try:
            check_answers(factor[part], labels.rows(part.start, part.stop))
        except Invalid as error:
            return str(error)
    return None


def _without_overlap(mutual: Array) -> list[int]:
    """Returns the places of the members that overlap with no earlier one of them by more than MAX_OVERLAP."""
    kept: list[int] = []
    for place, row in enumerate(mutual):
        if row[kept].max(initial=0.0) <= MAX_OVERLAP:
            kept.append(place)
    return kept


def _handed_in(world: World) -> list[Array]:
    if not world.answers:
        raise Invalid("the program handed in no factor")
    return world.answers


def _more(world: World, factor: Array, learned: slice, scored: slice) -> dict[str, float]:
    """Returns exposures, family, mutual information and the hidden trace (elite.trace) of a factor."""
    labels, mask = world.labels.rows(0, world.shape[0]), world.panel.universe[scored]
    daily = {
        part.start: rank_ic(factor[part], labels.values[part], labels.mask[part], labels.min_names[part])
        for part in (learned, scored)
    }
    sign = 1.0 if np.nanmean(daily[learned.start]) >= 0 else -1.0
    return {
        **{
            f"{name}_exposure": exposure(factor[scored], other[scored], mask)
            for name, other in world.exposures.items()
        },
        "family": float(world.kin.of(factor)),
        "mi": mutual_information(
            factor[scored], labels.rows(scored.start, scored.stop), np.random.default_rng(0), permutations=2
        ),
        **elite.trace(sign * daily[scored.start], labels.horizon.days),
    }


def merged(results: Sequence[Result]) -> dict[str, float]:
    """Returns one dict of the metrics of several sittings, the later ones in place of the earlier ones."""
    return {name: value for sitting in results for name, value in sitting.metrics.items()}
