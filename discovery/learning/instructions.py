"""Instructions that models write for each other: a small population, with credit from the children they led to.

An instruction stands for the usual sentence on where to look (prompts/texts/focus_*.txt) and lives in a slot, "written-1" and
so on; the slot is the prompt variant that a decision names, so credit needs no other book than the records. After every
`INTERVAL` children a model is shown what each sentence brought and writes one more: it takes the first empty slot, then
that of the worst (AlphaEvolve's meta-prompt evolution, arXiv:2506.13131, section 2.2, publishes no rule).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import Trace
from discovery.prompts.question import sentences

INTERVAL = 20
KINDS = ("diff", "rewrite")
"""The operators whose prompts have variants."""


@dataclass(slots=True)
class _Tally:
    """Children of a variant that have a score or failed, and those that were better than their parent."""

    trials: int = 0
    gains: int = 0

    @property
    def share(self) -> float:
        """Returns the share of gains, drawn towards a quarter where little is known."""
        return (self.gains + 1) / (self.trials + 4)


class Instructions:
    """A learner: the written instructions of a run and what every variant brought.

    Attributes:
        slots: the variants under which instructions may stand.
    """

    def __init__(self, slots: int) -> None:
        """Starts with `slots` empty slots; none where that is 0."""
        self._texts: dict[str, str] = {}
        self.slots = tuple(f"written-{number + 1}" for number in range(slots))
        self._tallies: dict[str, _Tally] = {}
        self._since = 0
        self._is_asked = False

    @property
    def is_due(self) -> bool:
        """Returns whether one more should be written now."""
        return bool(self.slots) and not self._is_asked and self._since >= INTERVAL

    def names(self, kind: str) -> tuple[str, ...]:
        """Returns the variants of an operator's prompts: "" for the usual sentence, and the slots that are filled."""
        return ("", *self._texts) if kind in KINDS else ("",)

    def text(self, variant: str) -> str:
        """Returns the instruction of a slot; "" for a usual variant and for an empty slot."""
        return self._texts.get(variant, "")

    def ask(self) -> tuple[Trace, ...]:
        """Returns what each sentence brought, worst first, for the question for one more; notes that it is asked."""
        self._is_asked = True
        known = {
            name: text for kind in KINDS for name, text in sentences(f"focus_{kind}").items()
        } | self._texts
        order = sorted(known, key=lambda name: (self._share(name), name))
        return tuple(
            Trace(name, self._share(name) if name in self._tallies else None, texts={"idea": known[name]})
            for name in order
        )

    def release(self) -> None:
        """Notes that the question was asked in vain."""
        self._is_asked = False

    def learn(self, result: EvaluationResult) -> None:
        """Gives credit for a child."""
        if not self.slots or result.record.operator not in KINDS:
            return
        self._since += 1
        tally = self._tallies.setdefault(result.record.variant, _Tally())
        tally.trials += 1
        if result.fitness is not None and result.parent_fitness is not None:
            tally.gains += result.fitness > result.parent_fitness

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Counts a reply that led to no program against its variant."""
        if self.slots and rejected.operator in KINDS:
            self._tallies.setdefault(rejected.variant, _Tally()).trials += 1

    def learn_note(self, note: NoteRecord) -> None:
        """Takes in a new instruction."""
        if note.kind != "instruction":
            return
        self._is_asked, self._since = False, 0
        text = note.texts.get("instruction", "")
        if text and text not in self._texts.values():
            slot = self._slot()
            self._texts[slot] = text
            self._tallies.pop(slot, None)

    def _slot(self) -> str:
        empty: Sequence[str] = [slot for slot in self.slots if slot not in self._texts]
        return empty[0] if empty else min(self.slots, key=lambda slot: (self._share(slot), slot))

    def _share(self, name: str) -> float:
        return self._tallies.get(name, _Tally()).share
