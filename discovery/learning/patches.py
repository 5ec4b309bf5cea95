"""Changes by models that made a program better, and which of them to carry over into another one.

A learner, kept only by runs that have the operator `cherry_pick`. It holds ids and numbers; texts come from the state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import Individual
from discovery.programs.carry_over import carry_over
from discovery.programs.fingerprint import fingerprint

RECENT = 128
"""So many of the newest changes are remembered."""
LOOKED_AT = 16
"""So many, the most promising first, are tried on for one decision."""
MOST = 3
"""So many are carried over at once."""
MOST_UNFIT = 16_384
"""So many pairs of a program and a change that brings it nothing are remembered."""
HOPELESS = 2
"""A change that was carried over so many times and never made a program better is not carried over again."""


@dataclass(slots=True)
class _Change:
    """What one program did to its parent.

    Attributes:
        base: the parent.
        gain: by how much it made it better.
        tried, won: how often it was carried over, and made a program better.
    """

    base: str
    gain: float
    tried: int = 0
    won: int = 0

    @property
    def promise(self) -> float:
        """Returns what it should bring: its gain, times how often it should bring any (a Beta(2, 1) before the first try)."""
        return self.gain * (2 + self.won) / (3 + self.tried)


class Patches:
    """The changes of a run that made a program better: those of models, for `tune` finds many small ones of the same numbers."""

    def __init__(self) -> None:
        self._changes: OrderedDict[str, _Change] = OrderedDict()
        self._unfit: OrderedDict[tuple[str, str], None] = OrderedDict()

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program: a change for the better, or how one did elsewhere."""
        record, fitness, level = result.record, result.fitness, result.parent_fitness
        if level is None or not record.parents:
            return
        is_better = fitness is not None and fitness > level
        if record.operator == "cherry_pick":
            for donor in record.parents[1:]:
                if (change := self._changes.get(donor)) is not None:
                    change.tried += 1
                    change.won += is_better
        elif fitness is not None and is_better and record.calls and record.operator != "crossover":
            self._changes[record.program_id] = _Change(record.parents[0], fitness - level)
            if len(self._changes) > RECENT:
                self._changes.popitem(last=False)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over what led to no program."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over what is no program."""

    def choose(
        self,
        target: Individual,
        find: Callable[[str], Individual | None],
        is_known: Callable[[str], bool],
    ) -> tuple[Individual, ...]:
        """Returns the programs whose changes to carry over into `target`, each followed by its parent; () for none.

        Args:
            target: the program to be changed.
            find: gives a program by its id, None where it is forgotten.
            is_known: whether a program of some fingerprint was evaluated, or is on its way.
        """
        hopeful = [one for one in self._changes.items() if one[1].won or one[1].tried < HOPELESS]
        hopeful.sort(key=lambda one: -one[1].promise)
        chosen: list[Individual] = []
        child = target.program
        for donor_id, change in hopeful[:LOOKED_AT]:
            donor, base = find(donor_id), find(change.base)
            if donor is None or base is None or target.program_id in (donor_id, change.base):
                continue
            pair = None if chosen else (target.program_id, donor_id)
            if pair in self._unfit:
                continue
            changed = carry_over(child, base.program, donor.program)
            if changed is None or is_known(fingerprint(changed)):
                self._note_unfit(pair)
                continue
            child = changed
            chosen += (donor, base)
            if len(chosen) >= 2 * MOST:
                break
        return tuple(chosen)

    def _note_unfit(self, pair: tuple[str, str] | None) -> None:
        """Remembers that a change brings nothing to a program, which will stay so: comparing texts takes time."""
        if pair is not None:
            self._unfit[pair] = None
            if len(self._unfit) > MOST_UNFIT:
                self._unfit.popitem(last=False)
