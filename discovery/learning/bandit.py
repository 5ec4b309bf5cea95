"""The bandit: which (operator, model, prompt variant) to try, by what it brings for what it costs.

Gains come like the events of a Poisson process whose exposure is cost: money, seconds and evaluations, each in units of
its mean. An arm's rate has a Gamma posterior, shape = gains, rate = exposure, both discounted; the arm with the
largest draw is taken (Thompson sampling; discounted after Raj and Kalyani, arXiv:1707.09727). What follows from it:

- Credit is weighted by duration: a rate is the sum of gains over the sum of costs, not the mean of the ratios, so
  that an arm whose quick returns are good and whose slow ones are not is not over-credited (arXiv:2509.01684), and an
  arm whose results come late is not taken for a poor one: without returns it has no exposure either.
- The discount runs with cost, not with returns, so that a slow arm's evidence does not age faster than a quick one's.
- Paid calls that led to no program are exposure without gain.
- An arm begins at what its operator, its model and its variant brought elsewhere, multiplied, with little weight.
- The weights of the settings are the prior of the choice: an arm of weight k takes part with the largest of k draws (k is
  1 on average). As long as nothing is known, arms are chosen about as their weights say; what is known well is chosen
  whatever its weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from discovery.core.choices import SEED_OPERATOR, Arm
from discovery.core.gains import GainMeter
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import ModelCall
from discovery.settings.learning import BanditConfig
from evaluators.text import trees

STRONG_PRICE = 3.0
"""A model that costs so many times what the cheapest costs per call counts as strong, where none is named."""


@dataclass(slots=True)
class Tally:
    """What an arm, or all with one operator, model or variant, brought and cost; both discounted."""

    gain: float = 0.0
    cost: float = 0.0

    def rate(self, prior: float, expected: float) -> float:
        """Returns the mean of the posterior: gain per unit of cost."""
        return (self.gain + prior * expected) / (self.cost + prior)


@dataclass(slots=True)
class _Means:
    """Discounted means of what trials take, and what models' calls cost."""

    trials: float = 0.0
    dollars: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0
    is_priced: bool = True
    per_call: dict[str, Tally] = field(default_factory=dict)  # of a model: gain is money, cost is calls


class Bandit:
    """A `Policy` that is its own `Learner`: everything it knows is a fold of the journal.

    Args:
        config: its settings.
        weights: operator name -> weight, for the floor.
        models: (name, weight) pairs, for the floor; empty where there is no model.
        needs_model: operator name -> whether it asks a model.
        meter: measures gains; it must be told each lesson before this.
        variants: operator name -> its prompt variants; "" is the standing one, and the only one where none is named.
    """

    def __init__(
        self,
        config: BanditConfig,
        *,
        weights: Mapping[str, float],
        models: Sequence[tuple[str, float]],
        needs_model: Mapping[str, bool],
        meter: GainMeter,
        variants: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._config = config
        self._weights = weights
        self._models = tuple(models)
        self._needs_model = needs_model
        self._variants = variants or {}
        self._meter = meter
        self._arms: dict[Arm, Tally] = {}
        self._marginals: dict[tuple[str, str], Tally] = {}
        self._total = Tally()
        self._means = _Means()
        self._scale = (
            1.0  # what evidence of now weighs; it grows, so that all older evidence need not be touched
        )
        self._idle = 0
        self._idle_strong = 0

    def choose(self, operators: Sequence[str], island: int, rng: np.random.Generator) -> Arm:
        """Returns an arm of one of `operators`; `rng` decides."""
        if rng.random() < self._config.floor:
            return self._drawn(operators, rng)
        arms = self._offered(operators)
        strong = self.strong_models()
        if self._is_stalled and strong:
            share = self._config.strong_share / (1 + self._idle_strong / self._config.stall)
            called = [arm for arm in arms if arm.model in strong]
            if called and rng.random() < share:
                arms = called
        rates = np.array([self._expected(arm) for arm in arms])
        tallies = [self._arms.get(arm, Tally()) for arm in arms]
        prior = self._config.prior
        shapes = np.array([tally.gain / self._scale for tally in tallies]) + prior * rates
        costs = np.array([tally.cost / self._scale for tally in tallies]) + prior
        return arms[int((_largest(shapes, self._shares(arms), rng) / costs).argmax())]

    def rates(self) -> dict[Arm, float]:
        """Returns the mean gain per unit of cost (a trial of mean cost is 1) of every arm that was tried."""
        return {
            arm: Tally(tally.gain / self._scale, tally.cost / self._scale).rate(
                self._config.prior, self._expected(arm)
            )
            for arm, tally in self._arms.items()
        }

    def strong_models(self) -> frozenset[str]:
        """Returns the models that are kept for when the others stall."""
        if self._config.strong:
            return frozenset(self._config.strong)
        prices = {name: tally.gain / tally.cost for name, tally in self._means.per_call.items() if tally.cost}
        if len(prices) < 2:
            return frozenset()
        least = min(prices.values())
        return frozenset(name for name, price in prices.items() if price >= STRONG_PRICE * least > 0)

    def learn(self, result: EvaluationResult) -> None:
        """Credits the arm of an evaluated program."""
        record = result.record
        if record.operator == SEED_OPERATOR:
            return
        is_best = result.fitness is not None and (
            result.best_before is None or result.fitness > result.best_before
        )
        arm = self._arm(record.operator, record.model, record.variant, record.calls)
        seconds = record.evaluation.wall_s + sum(call.seconds for call in record.calls)
        self._count_idle(arm, record.calls, is_best=is_best)
        self._credit(arm, self._meter.last, self._cost(record.calls, seconds, evaluations=1.0))

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Books paid calls that led to nothing."""
        self._pay(rejected, is_idle=True)

    def learn_note(self, note: NoteRecord) -> None:
        """Books paid calls that led to a text: what it is worth shows in the programs that come of it."""
        self._pay(note, is_idle=False)

    @property
    def _is_stalled(self) -> bool:
        return 0 < self._config.stall <= self._idle

    def _pay(self, paid: RejectedProposal | NoteRecord, *, is_idle: bool) -> None:
        arm = self._arm(paid.operator, paid.model, paid.variant, paid.calls)
        if is_idle:
            self._count_idle(arm, paid.calls, is_best=False)
        seconds = sum(call.seconds for call in paid.calls)
        self._credit(arm, 0.0, self._cost(paid.calls, seconds, evaluations=0.0))

    def _count_idle(self, arm: Arm, calls: Sequence[ModelCall], *, is_best: bool) -> None:
        if is_best:
            self._idle = self._idle_strong = 0
        elif calls and arm.model in self.strong_models():
            self._idle_strong += 1
        elif calls:
            self._idle += 1

    def _cost(self, calls: Sequence[ModelCall], seconds: float, *, evaluations: float) -> float:
        """Returns what a trial cost, in trials of mean cost, and takes it into the means."""
        means, config = self._means, self._config
        tokens = float(sum(call.prompt_tokens + call.completion_tokens for call in calls))
        dollars = sum(call.cost_usd or 0.0 for call in calls)
        means.is_priced &= all(call.cost_usd is not None for call in calls)
        keep = 0.5 ** (1 / config.half_life)
        means.trials = keep * means.trials + 1.0
        means.tokens += (tokens - means.tokens) / means.trials
        means.dollars += (dollars - means.dollars) / means.trials
        means.seconds += (seconds - means.seconds) / means.trials
        for call in calls:
            spent = means.per_call.setdefault(call.model, Tally())
            # a price that is unknown is never taken for a low one: then tokens tell whose calls are long
            spent.gain += call.cost_usd or 0.0 if means.is_priced else 0.0
            spent.cost += 1.0
        money = _share(dollars, means.dollars) if means.is_priced else _share(tokens, means.tokens)
        total = config.dollars * money + config.seconds * _share(seconds, means.seconds)
        whole = config.dollars + config.seconds + config.evaluations
        return (total + config.evaluations * evaluations) / whole

    def _credit(self, arm: Arm, gain: float, cost: float) -> None:
        self._scale *= 2.0 ** (cost / self._config.half_life)
        tallies = [self._arms.setdefault(arm, Tally()), self._total]
        tallies += [self._marginals.setdefault(key, Tally()) for key in _keys(arm)]
        for tally in tallies:
            tally.gain += gain * self._scale
            tally.cost += cost * self._scale
        if self._scale > 1e100:
            for tally in (*self._arms.values(), *self._marginals.values(), self._total):
                tally.gain /= self._scale
                tally.cost /= self._scale
            self._scale = 1.0

    def _arm(self, operator: str, model: str | None, variant: str, calls: Sequence[ModelCall]) -> Arm:
        """Returns the arm that made something: the model that answered, where none was named.

        A variant that is not chosen here, but drawn elsewhere, counts for the standing one.
        """
        is_own = variant in self._variants.get(operator, ("",))
        return Arm(operator, model or (calls[0].model if calls else None), variant if is_own else "")

    def _expected(self, arm: Arm) -> float:
        """Returns the rate that an arm is expected to have: that of all, times what its parts are better than all."""
        prior, scale = self._config.prior, self._scale
        mean = Tally(self._total.gain / scale, self._total.cost / scale).rate(1.0, 0.5)
        expected = mean
        for key in _keys(arm):
            tally = self._marginals.get(key, Tally())
            expected *= Tally(tally.gain / scale, tally.cost / scale).rate(prior, mean) / mean
        return expected

    def _offered(self, operators: Sequence[str]) -> list[Arm]:
        return [
            Arm(name, model, variant)
            for name in operators
            for model in ([model for model, _ in self._models] if self._needs_model[name] else [None])
            for variant in self._variants.get(name, ("",))
        ]

    def _shares(self, arms: Sequence[Arm]) -> np.ndarray:
        """Returns (n,) what the settings' weights say of arms; 1 on average."""
        of_model = dict(self._models)
        shares = np.array([self._weights[arm.operator] * of_model.get(arm.model or "", 1.0) for arm in arms])
        return np.asarray(shares / shares.mean())

    def _drawn(self, operators: Sequence[str], rng: np.random.Generator) -> Arm:
        name = operators[_draw([self._weights[one] for one in operators], rng)]
        variants = self._variants.get(name, ("",))
        variant = variants[int(rng.integers(len(variants)))]
        if not self._needs_model[name]:
            return Arm(name, None, variant)
        return Arm(name, self._models[_draw([weight for _, weight in self._models], rng)][0], variant)


def _largest(shapes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns (n,) for each arm the largest of so many draws from Gamma(shape, 1); counts > 0 need not be whole.

    The largest of k draws lies below x with probability F(x)^k.
    """
    with trees.one_at_a_time:
        from scipy.special import gammainccinv  # slow to load, and only runs with a bandit need it

    above = -np.expm1(-rng.exponential(size=len(shapes)) / counts)
    return np.asarray(gammainccinv(shapes, above))


def _share(value: float, mean: float) -> float:
    return value / mean if mean > 0 else 0.0


def _draw(weights: Sequence[float], rng: np.random.Generator) -> int:
    shares = np.asarray(weights) / sum(weights)
    return int(rng.choice(len(shares), p=shares))


def _keys(arm: Arm) -> tuple[tuple[str, str], ...]:
    keys = [("operator", arm.operator)]
    if arm.model is not None:
        keys.append(("model", arm.model))
    if arm.variant:
        keys.append(("variant", f"{arm.operator} {arm.variant}"))
    return tuple(keys)
