"""A whole search in simulated time: the real coordinator, operators, prompts and learning parts; a scripted model; no sandbox."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.worlds.landscapes import World
from benchmarks.worlds.reader import ScriptedModels, Skill
from discovery.analysis.comparison import Course
from discovery.core.events import Evaluate, Evaluated, Event, Finish, Instruction, Propose, Save, Ticked
from discovery.core.records import Record
from discovery.execution.jobs import propose
from discovery.learning.memory.items import Item
from discovery.operators.registry import JOBS
from discovery.search.assembly import assemble
from discovery.search.components import LearningComponents
from discovery.search.coordinator import Coordinator
from discovery.settings.config import RunConfig

EVALUATION_S = 1.0


@dataclass(slots=True)
class _Tape:
    """What was spent and reached, evaluation by evaluation."""

    best: list[float]
    tokens: list[float]
    cost: list[float]
    seconds: list[float]

    def course(self) -> Course:
        numbers = tuple(float(n) for n in range(1, len(self.best) + 1))
        return Course(tuple(self.best), numbers, tuple(self.tokens), tuple(self.cost), tuple(self.seconds))


def simulate(
    world: World,
    config: RunConfig,
    skills: Mapping[str, Skill],
    *,
    known: tuple[Item, ...] = (),
    tell: Callable[[Record], None] = lambda _: None,
) -> tuple[Course, LearningComponents]:
    """Returns the course of a search in a world, and what its parts have learned.

    Args:
        world: where.
        config: settings of the run; its budget must be limited.
        skills: the models, by name.
        known: items of an earlier run's memory.
        tell: is told each record.
    """
    coordinator, parts = assemble(world.problem, config, "simulated")
    if parts.memory is not None:
        parts.memory.take_in(known)
    model = ScriptedModels(skills)
    pending: list[tuple[float, int, Event]] = []
    tape = _Tape([], [], [], [])
    now_s, count = 0.0, 0
    instructions: list[Instruction] = coordinator.start()
    while True:
        for one in instructions:
            count += 1
            if isinstance(one, Propose):
                event: Event = propose(one.job, JOBS[one.job.operator], model)
                heapq.heappush(pending, (now_s + _seconds(event), count, event))
            elif isinstance(one, Evaluate):
                done_s = now_s + EVALUATION_S
                event = Evaluated(one.job.job_id, world.judge(one.job.program), done_s)
                heapq.heappush(pending, (done_s, count, event))
            elif isinstance(one, Save):
                if one.entry["type"] == "evaluated":
                    _note(tape, coordinator, now_s)
                    tell(one.entry["record"])
            elif isinstance(one, Finish):
                return tape.course(), parts
        now_s, _, event = heapq.heappop(pending)
        instructions = coordinator.handle(Ticked(now_s)) + coordinator.handle(event)


def _seconds(event: Event) -> float:
    proposal = getattr(event, "proposal", None) or getattr(event, "note", None) or event
    return sum((call.seconds for call in getattr(proposal, "calls", ())), 0.01)


def _note(tape: _Tape, coordinator: Coordinator, now_s: float) -> None:
    state = coordinator.state
    score = state.best.evaluation.score if state.best else None
    tape.best.append(-math.inf if score is None else state.statement.objective.fitness(score))
    tape.tokens.append(float(state.ledger.tokens))
    tape.cost.append(state.ledger.cost_usd)
    tape.seconds.append(now_s)
