"""The parts of a run that learn: which there are, and how they hang together. All are off in a run that does not ask for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from discovery.core.choices import Policy
from discovery.core.gains import GainMeter
from discovery.core.results import Learner
from discovery.learning.bandit import Bandit
from discovery.learning.instructions import KINDS, Instructions
from discovery.learning.memory.items import Item, Provenance
from discovery.learning.memory.playbook import Playbook
from discovery.learning.near_duplicates import NearDuplicates
from discovery.learning.repeats import Measurements
from discovery.operators.registry import OPERATORS, weights_for
from discovery.search.stop_rules import StopRules, make_stop_rules
from discovery.settings.config import RunConfig
from discovery.settings.learning import BanditConfig
from evaluators.problems.loading import Problem

IMPORTED = "remembered"
"""The type of a journal entry that holds items of another run's memory."""


@dataclass(frozen=True, slots=True)
class LearningComponents:
    """What learns in a run.

    Attributes:
        policy: chooses operators, models and variants; None for fixed weights.
        memory: what was learned earlier; None where nothing is remembered.
        near: refuses near-duplicates; None where only exact ones are refused.
        measurements: decides how often programs are measured; None where scores do not vary.
        learners: what is to be told of every lesson, in order.
        stop_rules: what may end the run early; None where nothing but its budget does.
    """

    policy: Policy | None = None
    memory: Playbook | None = None
    near: NearDuplicates | None = None
    measurements: Measurements | None = None
    learners: tuple[Learner, ...] = ()
    stop_rules: StopRules | None = None

    def take_in(self, entry: Mapping[str, Any]) -> None:
        """Folds a journal entry of imported items in; any other is passed over."""
        if self.memory is not None and entry["type"] == IMPORTED:
            self.memory.take_in(Item.from_json(item) for item in entry["items"])


def make_components(config: RunConfig, problem: Problem, run: str) -> LearningComponents:
    """Returns the parts of a run of this name; they know nothing yet."""
    meter = GainMeter()
    bandit = memory = None
    if config.bandit.enabled:
        weights = weights_for(config, problem.seed)
        active = [name for name, weight in weights.items() if weight > 0]
        bandit = Bandit(
            _with_tags(config),
            weights=weights,
            models=[(model.name, model.weight) for model in config.models.models],
            needs_model={name: OPERATORS[name].needs_model for name in active},
            meter=meter,
            variants=_variants(config),
        )
    if config.memory.enabled and config.models.models:
        origin = Provenance(problem.name, problem.version, version("code-discovery"), run)
        memory = Playbook(config.memory, origin, meter)
    near = NearDuplicates(config.duplicates) if config.duplicates.enabled else None
    measurements = Measurements(problem.objective) if problem.objective.repeats > 1 else None
    learners: tuple[Learner, ...] = tuple(
        part for part in (bandit, memory, near, measurements) if part is not None
    )
    if learners:
        learners = (meter, *learners)
    stop_rules = make_stop_rules(config.stoppers) if config.stoppers else None
    if stop_rules is not None:
        learners = (*learners, stop_rules)
    return LearningComponents(bandit, memory, near, measurements, learners, stop_rules)


def _with_tags(config: RunConfig) -> BanditConfig:
    """Returns the bandit's settings, with the models that are tagged as strong among those that it names."""
    strong = dict.fromkeys((*config.bandit.strong, *config.models.tagged("strong")))
    return replace(config.bandit, strong=tuple(strong))


def _variants(config: RunConfig) -> Mapping[str, Sequence[str]]:
    """Returns the prompt variants to choose among: "" for the usual sentence, and those that models write, where they do."""
    if not config.context.instructions:
        return {}
    written = Instructions(config.context.instructions).slots
    return dict.fromkeys(KINDS, ("", *written))
