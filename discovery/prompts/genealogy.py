"""Who descends from whom, how each did, and what was said of it: the past as questions to models tell it.

A learner, kept only by runs with models. It holds words and numbers, no program.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.texts import one_line
from discovery.core.types import Chapter, Pitfall, Trace
from evaluators.contract import Objective

MAX_WALK = 200
MAX_FAULT_CHARS = 200
MAX_PITFALLS = 256
"""So many different reasons are remembered, those of late."""
_MEASURED = re.compile(r"(?<!\d)\d*\.\d+(?:e[-+]?\d+)?")
"""Two faults that differ in a measured number only are one."""
_NO_TEXTS: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class _Node:
    parents: tuple[str, ...]
    score: float | None
    gain: float | None
    fault: str
    texts: Mapping[str, str]
    children: list[str] = field(default_factory=list)

    @property
    def parent(self) -> str | None:
        return self.parents[0] if self.parents else None


class Genealogy:
    """The family tree of a run. Programs that no model wrote are links in it, but are not told of."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._nodes: dict[str, _Node] = {}
        self._pitfalls: OrderedDict[str, Pitfall] = OrderedDict()

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program."""
        record, parent_fitness = result.record, result.parent_fitness
        gain = None
        if result.fitness is not None and parent_fitness is not None:
            gain = result.fitness - parent_fitness
        evaluation = record.evaluation
        said = "" if evaluation.is_ok else f"{evaluation.status}: {evaluation.reason}".rstrip(": ")
        fault = one_line(said, MAX_FAULT_CHARS)
        if fault and evaluation.reason:
            self._note(fault)
        parent = record.parents[0] if record.parents else None
        self._nodes[record.program_id] = _Node(
            record.parents, evaluation.score, gain, fault, record.texts or _NO_TEXTS
        )
        if (
            (record.calls or record.texts)
            and parent is not None
            and (node := self._nodes.get(parent)) is not None
        ):
            node.children.append(record.program_id)

    def _note(self, fault: str) -> None:
        kind = _MEASURED.sub("#", fault)
        known = self._pitfalls.pop(kind, None)
        self._pitfalls[kind] = Pitfall(fault, 1 if known is None else known.times + 1)
        if len(self._pitfalls) > MAX_PITFALLS:
            self._pitfalls.popitem(last=False)

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over what led to no program."""

    def learn_note(self, note: NoteRecord) -> None:
        """Takes in a summary."""
        if note.kind == "summary" and (node := self._nodes.get(note.program_id)) is not None:
            node.texts = {**node.texts, **note.texts}

    def ancestors(self, program_id: str, count: int) -> tuple[Trace, ...]:
        """Returns the program and its nearest ancestors of which there are words, oldest first, at most `count`."""
        found: list[Trace] = []
        at: str | None = program_id
        for _ in range(MAX_WALK):
            if at is None or (node := self._nodes.get(at)) is None or len(found) >= count:
                break
            if node.texts:
                found.append(_trace(at, node))
            at = node.parent
        return tuple(reversed(found))

    def parent_of(self, program_id: str) -> str | None:
        """Returns the program that another was made from; None where there is none, or it is not known."""
        node = self._nodes.get(program_id)
        return None if node is None else node.parent

    def are_kin(self, one: str, other: str) -> bool:
        """Returns whether one of two programs descends from the other, through any of its parents, or is the other."""
        return other in self._line(one) or one in self._line(other)

    def _line(self, program_id: str) -> set[str]:
        """Returns a program and those it descends from, the nearest `MAX_WALK` of them."""
        found, waiting = {program_id}, deque([program_id])
        while waiting and len(found) < MAX_WALK:
            node = self._nodes.get(waiting.popleft())
            new = [one for one in (node.parents if node is not None else ()) if one not in found]
            found.update(new)
            waiting.extend(new)
        return found

    def siblings(self, parent_id: str, count: int) -> tuple[Trace, ...]:
        """Returns the newest children of a program that models made, oldest first, at most `count`."""
        node = self._nodes.get(parent_id)
        children = node.children[-count:] if node else []
        return tuple(_trace(child, self._nodes[child]) for child in children)

    def pitfalls(self, count: int) -> tuple[Pitfall, ...]:
        """Returns why programs failed, the most frequent reasons first, of equal ones the latest first; at most `count`."""
        latest_first = list(self._pitfalls.values())[::-1]
        return tuple(sorted(latest_first, key=lambda one: -one.times)[:count])

    def summaries(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yields the programs that were summed up, with all their texts."""
        for program_id, node in self._nodes.items():
            if "summary" in node.texts:
                yield program_id, node.texts

    def stagnant(self, program_id: str) -> int:
        """Returns how many children models made of a program, none of them better; 0 where one was better."""
        node = self._nodes.get(program_id)
        if node is None or any((self._nodes[child].gain or 0.0) > 0 for child in node.children):
            return 0
        return len(node.children)

    def ledger(self, program_id: str) -> tuple[Chapter, ...]:
        """Returns every attempt of a model on a program and on those it descends from, page by page, the oldest page first.

        Programs of the line on which no model tried anything have no page, but for the last one. At most the nearest
        `MAX_WALK` programs of the line are looked at.
        """
        line: list[str] = []
        at: str | None = program_id
        while at is not None and (node := self._nodes.get(at)) is not None and len(line) < MAX_WALK:
            line.append(at)
            at = node.parent
        on_line = set(line)
        pages: list[Chapter] = []
        for one in reversed(line):
            node = self._nodes[one]
            if node.children or one == program_id:
                kept = next((child for child in node.children if child in on_line), "")
                attempts = tuple(_trace(child, self._nodes[child]) for child in node.children)
                pages.append(Chapter(_trace(one, node), attempts, kept))
        return tuple(pages)


def _trace(program_id: str, node: _Node) -> Trace:
    return Trace(program_id, node.score, node.gain, node.fault, node.texts)
