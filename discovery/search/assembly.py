"""Puts the coordinator of a run together from its settings: the state, the parts that learn, the plan."""

from __future__ import annotations

from discovery.core.verdicts import sources
from discovery.learning.fillers import Fillers
from discovery.learning.instructions import Instructions
from discovery.learning.line_effects import LineEffects
from discovery.learning.novelty import novelty_of
from discovery.learning.patches import Patches
from discovery.learning.screening import Screen
from discovery.learning.tuning import Tuner
from discovery.operators.cherry_pick import CherryPick
from discovery.operators.registry import OPERATORS, is_asked, weights_for
from discovery.prompts.genealogy import Genealogy
from discovery.search.components import LearningComponents, make_components
from discovery.search.coordinator import Coordinator
from discovery.search.plan_tracker import PlanTracker
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.config import RunConfig
from evaluators.contract import Incumbent, Program
from evaluators.problems.loading import Problem
from islands.archipelago import Archipelago
from islands.archive import Axis


def assemble(
    problem: Problem, config: RunConfig, run: str, start: Incumbent | None = None
) -> tuple[Coordinator, LearningComponents]:
    """Returns the coordinator of a run that has not begun, and the parts that learn in it.

    Args:
        problem: what is solved; only what it states is needed, so that a description of one does as well.
        config: the run's settings.
        run: its name, for the provenance of what is learned.
        start: the output that the first program is handed to improve on, if any.
    """
    parts = make_components(config, problem, run)
    state = new_state(problem, config, parts, start)
    return Coordinator(
        settings_of(config, problem.seed),
        state,
        OPERATORS,
        parts.policy,
        parts.memory,
        parts.near,
        parts.measurements,
        novelty_of(problem.measures),
        parts.stop_rules,
    ), parts


def statement_of(problem: Problem, start: Incumbent | None = None) -> Statement:
    """Returns what the coordinator must know of a problem, and of the output that the first program is handed."""
    return Statement(
        problem.name,
        problem.goal,
        problem.notes,
        problem.objective,
        problem.seed,
        problem.held_out is not None,
        start,
        problem.limits,
    )


def new_state(
    problem: Problem, config: RunConfig, parts: LearningComponents, start: Incumbent | None
) -> RunState:
    """Returns the state of a run that has not begun."""
    axes = [Axis(m.name, m.low, m.high, m.bins) for m in problem.measures]
    objective = problem.objective
    effects = screen = None
    # scores must compare: not where a program is handed the best output so far, nor where another objective may gain
    is_screened = bool(
        config.models.models and config.screening.enabled and start is None and not objective.also
    )
    if is_screened:
        effects = LineEffects()
        screen = Screen(config.screening, effects, config.seed)
    return RunState(
        statement_of(problem, start),
        lambda: Archipelago(
            config.islands, axes, objective.order if objective.also else "single", seed=config.seed
        ),
        Tuner(config.tuning, seed=config.seed),
        parts.learners,
        PlanTracker(config.planning),
        Genealogy(problem.objective) if is_asked(config) else None,
        Instructions(config.context.instructions) if config.context.instructions else None,
        effects,
        Patches() if weights_for(config, problem.seed).get(CherryPick.name, 0) > 0 else None,
        screen,
        sources(),
        Fillers() if config.models.models else None,
    )


def settings_of(config: RunConfig, seed: Program) -> SearchSettings:
    """Returns what the coordinator must know of a run's settings; `seed` is the program that it begins with."""
    return SearchSettings(
        seed=config.seed,
        slots=config.workers,
        model_slots=config.model_slots if config.models.models else 0,
        weights=weights_for(config, seed),
        budget=config.budget,
        target=config.target,
        parents=config.parents,
        rebase=config.rebase,
        context=config.context,
        models=config.models.names,
        outage_s=config.models.outage_s,
        agents=config.agents,
    )
