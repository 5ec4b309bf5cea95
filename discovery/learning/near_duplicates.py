"""Refuses near-duplicates of elites and of recent failures before an evaluation is spent on them."""

from __future__ import annotations

from collections import OrderedDict, deque

import numpy as np

from discovery.core.population import Population
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.programs.near_duplicates import Sketch, sketch
from discovery.settings.learning import DuplicatesConfig
from evaluators.contract import Program


class NearDuplicates:
    """Knows the recent programs of each island. A `Learner`; `like` is asked before an evaluation is spent."""

    def __init__(self, config: DuplicatesConfig) -> None:
        self._config = config
        self._recent: dict[int, deque[tuple[str, Program]]] = {}
        self._sketches: OrderedDict[str, Sketch] = OrderedDict()

    def learn(self, result: EvaluationResult) -> None:
        """Remembers an evaluated program."""
        record = result.record
        island = self._recent.setdefault(record.island, deque(maxlen=self._config.recent))
        island.append((record.program_id, record.program))

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over replies without a program."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over texts."""

    def like(self, operator: str, island: int, program: Program, state: Population) -> str:
        """Returns the id of the program that a child of an operator on an island is almost the same as, or ""."""
        if operator in EXEMPT:
            return ""
        known = dict(self._recent.get(island, ()))
        if self._config.elites:
            for elite in state.archipelago.archive(island).top(self._config.elites):
                known[elite.program_id] = state.individual(elite.program_id).program
        if not known:
            return ""
        mine = self._sketch(program.id, program)
        ids = list(known)
        table = np.stack([self._sketch(program_id, known[program_id]) for program_id in ids])
        shares = (table == mine).mean(axis=1)
        nearest = int(shares.argmax())
        return ids[nearest] if shares[nearest] >= self._config.threshold else ""

    def _sketch(self, program_id: str, program: Program) -> Sketch:
        found = self._sketches.get(program_id)
        if found is None:
            found = self._sketches[program_id] = sketch(program)
            if len(self._sketches) > _CACHED:
                self._sketches.popitem(last=False)
        else:
            self._sketches.move_to_end(program_id)
        return found


EXEMPT = frozenset({"tune", "perturb"})


_CACHED = 1024
