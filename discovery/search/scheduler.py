"""What is tried next: which operator, which model and prompt variant, which parents.

A decision is a pure function of the state and of the decision's number. The `Policy` says what is worth trying; here
stands what is possible now, and how the job is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np

from discovery.core.choices import ASK_OPERATOR, Arm, Draw, Policy, Rule
from discovery.core.experiments import Experimenter
from discovery.core.types import Allowance, Individual, Operator, ProposeJob
from discovery.prompts.tasks import task_of
from discovery.search.context import Memory, bare_context, compose_context, plain_context, summary_context
from discovery.search.decisions import UnderWay
from discovery.search.parents import draw_parents
from discovery.search.plan_tracker import PLAN, Awaited, Candidate
from discovery.search.state import RunState
from discovery.settings.agents import AgentConfig
from discovery.settings.budget import Budget
from discovery.settings.questions import ContextConfig
from islands.chance import Purpose, stream

DRAWN_MATES = 8
"""So many elites are drawn, among which a pair of no kin is looked for."""
_NOTHING = UnderWay()


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What the coordinator must know of the run's settings.

    Attributes:
        seed: of every decision.
        slots: evaluations at the same time.
        model_slots: proposals at a model at the same time.
        weights: operator name -> weight.
        budget: what may be spent.
        target: overrides the problem's target, in the declared direction.
        parents: the rule by which they are drawn.
        rebase: whether a change of the best program is carried over into what is the best when the reply comes.
        context: what questions to models tell of the search.
        models: the names of those that may be asked, as far as they are known.
        outage_s: how long a model may be away before it is asked no more.
        agents: what operators may use that work for a while.
    """

    seed: int
    slots: int
    model_slots: int
    weights: Mapping[str, float]
    budget: Budget
    target: float | None = None
    parents: Rule = "boltzmann"
    rebase: bool = True
    context: ContextConfig = field(default_factory=ContextConfig)
    models: tuple[str, ...] = ()
    outage_s: float = 600.0
    agents: AgentConfig = field(default_factory=AgentConfig)

    @property
    def ahead(self) -> int:
        """Returns how many evaluations are handed out at once.

        A few more than there are slots hide the way there; on one slot the order must not depend on timing.
        """
        return self.slots if self.slots == 1 else self.slots + max(1, self.slots // 4)


class MemoryPolicy(Memory, Protocol):
    """A memory that also has a say in the parents of models' children. Contract: that of `Memory`."""

    def parents(self, draw: Draw, count: int, rng: np.random.Generator) -> tuple[Individual, ...]:
        """Returns up to `count` distinct parents among those that `draw` gives for this or a larger number."""
        ...


@dataclass(frozen=True, slots=True)
class FixedWeights:
    """Draws operators in proportion to their weights, whatever they bring."""

    weights: Mapping[str, float]

    def choose(self, operators: Sequence[str], island: int, rng: np.random.Generator) -> Arm:
        """Returns one of the operators."""
        point = float(rng.random()) * sum(self.weights[name] for name in operators)
        for name in operators:
            point -= self.weights[name]
            if point < 0:
                return Arm(name)
        return Arm(operators[-1])


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision.

    Attributes:
        job: what to do.
        step: its number in the tuning session or plan that asked for it.
        operator: whose decision it is, where the job is one step of several ("plan" for `execute`), else "".
        kind: "child", or the kind of note that is asked for.
        needs_model: whether a model is asked.
    """

    job: ProposeJob
    step: int | None = None
    operator: str = ""
    kind: str = "child"
    needs_model: bool = True


class ProposalScheduler:
    """Makes decisions; counts how many went to which lane.

    Attributes:
        settings: the settings in force; the coordinator puts new ones in when a person changes the budget.
    """

    def __init__(
        self,
        settings: SearchSettings,
        state: RunState,
        operators: Mapping[str, Operator],
        policy: Policy | None = None,
        memory: MemoryPolicy | None = None,
    ) -> None:
        self.settings = settings
        self._state = state
        self._memory = memory
        self._operators = {name: operators[name] for name, weight in settings.weights.items() if weight > 0}
        self._policy = policy or FixedWeights(settings.weights)
        digest = hashlib.blake2b(f"proposals {settings.seed}".encode(), digest_size=8).digest()
        # proposers must not know the seed: it gave away the hidden cases of runs that were begun by former versions
        self._proposal_seed = int.from_bytes(digest)
        self._free_decisions = 0
        self._all_decisions = 0

    @property
    def asks_models(self) -> bool:
        """Whether the run asks models by itself, so that evaluators are kept free for what they send."""
        return self.settings.model_slots > 0 and any(
            one.needs_model and name != ASK_OPERATOR for name, one in self._operators.items()
        )

    def choose(
        self, decision: int, *, has_model_room: bool, has_free_room: bool, under_way: UnderWay = _NOTHING
    ) -> Choice | None:
        """Returns what decision number `decision` is, or None where there is nothing to do now.

        Args:
            decision: its number.
            has_model_room: whether a model may be asked.
            has_free_room: whether an evaluator may be filled with what no model makes.
            under_way: what has no result yet.
        """
        has_free_room = has_free_room and self._is_free_turn()
        draws = stream(self.settings.seed, Purpose.FILLER, decision)
        lanes = [
            name
            for name, operator in self._operators.items()
            if (has_model_room if operator.needs_model else has_free_room and self._is_worth_it(name, draws))
        ]
        if not lanes:
            return None
        rng = stream(self.settings.seed, Purpose.DECISION, decision)
        island = self._state.archipelago.island_of(decision)
        while lanes:
            arm = self._policy.choose(lanes, island, rng)
            if (choice := self._make(arm, decision, island, rng, under_way)) is not None:
                self._all_decisions += 1
                self._free_decisions += not self._operators[arm.operator].needs_model
                return choice
            lanes.remove(arm.operator)
        return None

    def _is_free_turn(self) -> bool:
        """Returns whether a free operator may go: always, unless it would eat a limited budget beyond its share."""
        weights = self.settings.weights
        model_weight = sum(w for n, w in weights.items() if w > 0 and self._operators[n].needs_model)
        if not model_weight or self.settings.budget.evaluations is None:
            return True
        share = 1 - model_weight / sum(weights.values())
        return self._free_decisions < share * (self._all_decisions + 1)

    def _is_worth_it(self, operator: str, rng: np.random.Generator) -> bool:
        fillers = self._state.fillers
        return fillers is None or fillers.may_go(operator, rng)

    def _make(
        self, arm: Arm, decision: int, island: int, rng: np.random.Generator, under_way: UnderWay
    ) -> Choice | None:
        """Returns the job of one arm, or None where its operator has nothing to do now."""
        operator, state = self._operators[arm.operator], self._state
        values: tuple[float, ...] = ()
        session = step = None
        if arm.operator == "tune":
            ask = state.tuner.ask(
                island, state.archipelago.elites, state.individual, least=state.worth_tuning
            )
            if ask is None:
                return None
            parents: tuple[Individual, ...] = (ask.root,)
            island, session, step, values = ask.island, ask.session, ask.step, ask.values
        elif arm.operator == "repair":
            if (failed := state.next_repairable()) is None:
                return None
            parents = (failed,)
        elif arm.operator == "cherry_pick":
            (target,) = self._parents(operator, island, rng)
            if state.patches is None or not (
                donors := state.patches.choose(target, state.find, state.is_known)
            ):
                return None
            parents = (target, *donors)
        elif not (parents := self._mates(operator, island, rng)):
            return None
        context = (
            compose_context(
                state,
                island,
                parents,
                rng,
                config=self.settings.context,
                memory=self._memory,
                under_way=under_way,
            )
            if operator.needs_model
            else bare_context(state)
        )
        variant = arm.variant or self._drawn_variant(arm.operator, rng)
        if instruction := state.instructions.text(variant):
            context = replace(context, instruction=instruction)
        variant = variant or task_of(arm.operator, parents[0], context)
        model = arm.model
        if model is None and context.asked and len(self.settings.models) > 1:
            model = self.settings.models[len(context.asked) % len(self.settings.models)]
        job = ProposeJob(
            f"{decision}-{arm.operator}",
            arm.operator,
            island,
            decision,
            parents,
            context,
            rng_key=self._rng_key(decision),
            values=values,
            session=session,
            model=model,
            variant=variant,
            allowance=self._allowance() if isinstance(operator, Experimenter) else None,
        )
        return Choice(
            job, step, kind=PLAN if arm.operator == PLAN else "child", needs_model=operator.needs_model
        )

    def _allowance(self) -> Allowance:
        """Returns what one job of an operator that works for a while may use; the run's other jobs are not looked at."""
        agents, budget, ledger = self.settings.agents, self.settings.budget, self._state.ledger
        return Allowance(
            evaluations=agents.evaluations,
            calls=int(_least(agents.calls, budget.calls, ledger.calls)),
            tokens=int(_least(agents.tokens, budget.tokens, ledger.tokens)),
            cost_usd=None
            if agents.cost_usd is None and budget.cost_usd is None
            else float(_least(agents.cost_usd or np.inf, budget.cost_usd, ledger.cost_usd)),
            wall_s=60 * float(_least(agents.minutes, budget.minutes, ledger.elapsed_s / 60)),
            command=agents.command,
            adapter=agents.adapter,
            readable=agents.readable,
            memory_mib=agents.memory_mib,
            scratch_mib=agents.folder_mib,
        )

    def _parents(self, operator: Operator, island: int, rng: np.random.Generator) -> tuple[Individual, ...]:
        return self._drawn(operator, island, rng, operator.parents_needed)

    def _drawn(
        self, operator: Operator, island: int, rng: np.random.Generator, count: int
    ) -> tuple[Individual, ...]:
        rule = self.settings.parents
        draw = partial(draw_parents, rule, self._state, island, rng)
        if self._memory is None or not operator.needs_model or rule != "boltzmann":
            return draw(count)
        return self._memory.parents(draw, count, rng)

    def _mates(self, operator: Operator, island: int, rng: np.random.Generator) -> tuple[Individual, ...]:
        """Returns parents; of two for a model, neither descends from the other, so that each has what the other never had.

        There are none where all are kin, unless no other operator could go then.
        """
        family = self._state.genealogy
        if family is None or operator.parents_needed != 2 or not operator.needs_model:
            return self._parents(operator, island, rng)
        drawn = self._drawn(operator, island, rng, DRAWN_MATES)
        for at, first in enumerate(drawn):
            for other in drawn[at + 1 :]:
                if not family.are_kin(first.program_id, other.program_id):
                    return first, other
        is_alone = all(one.parents_needed == 2 for one in self._operators.values() if one.needs_model)
        return drawn[:2] if is_alone else ()

    def follow_up(self, decision: int, *, can_evaluate: bool) -> Choice | None:
        """Returns what earlier decisions call for now: a summary; a plan's next candidate, if it `can_evaluate`; one more instruction."""
        plans = self._state.plans
        if (awaited := plans.next_summary()) is not None:
            return self._summary(decision, awaited)
        if can_evaluate and (candidate := plans.next_candidate()) is not None:
            return self._candidate(decision, candidate)
        if self._state.instructions.is_due and self._state.best is not None:
            return self._instruction(decision, self._state.best)
        return None

    def _drawn_variant(self, operator: str, rng: np.random.Generator) -> str:
        """Returns an instruction's slot where models write some and no policy chooses; "" for the usual sentence."""
        names = (
            self._state.instructions.names(operator)
            if self._policy == FixedWeights(self.settings.weights)
            else ("",)
        )
        return names[int(rng.integers(len(names)))] if len(names) > 1 else ""

    def _instruction(self, decision: int, best: Individual) -> Choice:
        context = plain_context(self._state, config=self.settings.context)
        job = ProposeJob(
            f"{decision}-instruct",
            "instruct",
            0,
            decision,
            (best,),
            replace(context, siblings=self._state.instructions.ask()),
            rng_key=self._rng_key(decision),
        )
        return Choice(job, kind="instruction")

    def _summary(self, decision: int, awaited: Awaited) -> Choice:
        parent = None if awaited.parent_id is None else self._state.find(awaited.parent_id)
        job = ProposeJob(
            f"{decision}-summarize",
            "summarize",
            awaited.island,
            decision,
            (awaited.program,) if parent is None else (awaited.program, parent),
            summary_context(self._state, awaited.parent_id, config=self.settings.context),
            rng_key=self._rng_key(decision),
            model=awaited.model,
            variant=awaited.variant,
            plan=awaited.program.texts.get("plan", ""),
            turns=awaited.turns,
        )
        return Choice(job, operator=awaited.operator, kind="summary")

    def _candidate(self, decision: int, candidate: Candidate) -> Choice:
        job = ProposeJob(
            f"{decision}-execute",
            "execute",
            candidate.island,
            decision,
            (candidate.parent,),
            plain_context(self._state, config=self.settings.context),
            rng_key=self._rng_key(decision),
            session=candidate.session,
            model=candidate.model,
            variant=candidate.variant,
            plan=candidate.plan,
            attempts=candidate.attempts,
            turns=candidate.turns,
        )
        return Choice(job, candidate.step, operator=PLAN)

    def _rng_key(self, decision: int) -> tuple[int, ...]:
        return (self._proposal_seed, Purpose.PROPOSAL, decision)


def _least(wanted: float, limit: float | None, spent: float) -> float:
    """Returns what is wanted, but no more than is left of a limit."""
    return wanted if limit is None else max(0, min(wanted, limit - spent))
