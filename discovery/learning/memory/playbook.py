"""The memory of a run: evidence in, merged batch by batch; advice out.

What an improving or a failing child was about becomes an item without asking a model: the idea it was made by, or the
summary that was written of it. What comes of showing an item is credited to it (EvoKernel's Q, arXiv:2603.10846; the
counters of ACE, arXiv:2510.04618). An item is kept only while it helps, and the whole is shown only while it pays: a
share of the questions goes without, for comparison.

A batch is merged at once, in an order of its own: the same evidence makes the same memory, however it arrived
(Yunjue Agent, arXiv:2601.18226). Everything here is a fold of the journal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from discovery.core.choices import SEED_OPERATOR, Draw
from discovery.core.gains import GainMeter
from discovery.core.results import EvaluationResult, NoteRecord, RejectedProposal
from discovery.core.types import Advice, Individual
from discovery.learning.memory.items import (
    MAX_PROGRAMS,
    Item,
    Kind,
    Provenance,
    Stage,
    Value,
    clean,
    item_id_of,
    words_of,
)
from discovery.learning.memory.retrieval import Index, retrieve
from discovery.learning.memory.starts import CANDIDATES, StartValues
from discovery.llm.tokens import estimate_tokens
from discovery.settings.learning import MemoryConfig
from discovery.storage.purged import is_purged

FOREIGN_WEIGHT = 0.25
"""What evidence from another problem, or another version of it, counts after an import, as a share."""
ALIKE = 0.6
"""Items that share so much of their words (Jaccard) are one."""
_MIN_WORDS = 3
_FADE = 0.5 ** (1 / 24)  # per question
_LEAST_DEVIATION = 0.05
_QUERY_CHARS = 8000
_LINE_TOKENS = 12  # what an item costs in a prompt beside its text
_SUMMARY_KEYS = ("guidance", "insight", "summary")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one program of a model says about the memory.

    Attributes:
        program_id: whose evidence it is.
        stage: "draft" where there was no score to beat.
        reward: 1 or 0 for running at all where it is a draft, else its gain.
        is_gain, is_loss: whether it gained, whether it failed or fell behind its parent.
        shown, used: ids of the items in its prompt, and of those that the reply cites.
        found: what it may have taught, as (kind, text).
    """

    program_id: str
    stage: Stage
    reward: float
    is_gain: bool
    is_loss: bool
    shown: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    found: tuple[tuple[Kind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """The items, and what questions bring.

    Attributes:
        items: by id.
        draft, refine: rewards as they came of the latest questions, with items or without, per stage; older ones fade.
        advised, control: of the refining questions with items and without, in standard deviations above these.
    """

    items: Mapping[str, Item]
    draft: Value = field(default_factory=Value)
    refine: Value = field(default_factory=Value)
    advised: Value = field(default_factory=Value)
    control: Value = field(default_factory=Value)

    def above(self, stage: Stage, reward: float) -> float:
        """Returns how far a reward in [0, 1] lies above what questions bring now, in standard deviations.

        Gains get rarer as a search goes on: without this, what was shown early would look valuable. The deviation is
        that of a success with the same mean, the largest that there can be (EvoKernel normalises in this way, too).
        """
        latest = self.draft if stage == "draft" else self.refine
        mean = (latest.reward + 0.25) / (latest.shown + 1)
        return (reward - mean) / max(math.sqrt(mean * (1 - mean)), _LEAST_DEVIATION)

    @property
    def is_harmful(self) -> bool:
        """Returns whether questions with items did worse than those without, by more than chance explains."""
        have, lack = self.advised, self.control
        if have.shown < 20 or lack.shown < 8:
            return False
        doubt = 2 * math.sqrt(1 / have.shown + 1 / lack.shown)
        return have.reward / have.shown + doubt < lack.reward / lack.shown


def merged(before: Contents, batch: Iterable[Evidence], config: MemoryConfig, origin: Provenance) -> Contents:
    """Returns the memory after a batch of evidence; the order of the batch does not matter.

    Credit goes first, to the items that were shown; then what was found joins the item that it is like, or becomes
    one; then items that were tried and did not help go, and the least valuable of those that are too many.
    """
    ordered = sorted(batch, key=lambda one: (one.program_id, one.stage, one.reward, one.shown, one.found))
    contents = _credited(before, ordered)
    items = dict(contents.items)
    findings = sorted({(kind, text, one.program_id) for one in ordered for kind, text in one.found})
    for kind, text, program_id in findings:
        _join(items, kind, text, replace(origin, programs=(program_id,)))
    return replace(contents, items=_kept(items, config))


def taken_in(before: Contents, items: Iterable[Item], config: MemoryConfig, origin: Provenance) -> Contents:
    """Returns the memory with the items of another one, whose evidence counts less where the problem is another."""
    mine = dict(before.items)
    for item in sorted(items, key=lambda one: one.item_id):
        is_home = (item.origin.problem, item.origin.version, item.origin.evaluator) == (
            origin.problem,
            origin.version,
            origin.evaluator,
        )
        share = 1.0 if is_home else FOREIGN_WEIGHT
        known = mine.get(item.item_id)
        scaled = replace(
            item,
            helpful=item.helpful * share,
            harmful=item.harmful * share,
            draft=Value(item.draft.shown * share, item.draft.reward * share),
            refine=Value(item.refine.shown * share, item.refine.reward * share),
        )
        mine[item.item_id] = scaled if known is None else _sum(known, scaled)
    return replace(before, items=_kept(mine, config))


class Playbook:
    """The memory of a run: a `Learner`, and what context.py calls a `Memory`.

    Attributes:
        contents: what is remembered; it changes once per batch.
    """

    def __init__(self, config: MemoryConfig, origin: Provenance, meter: GainMeter) -> None:
        """Starts empty.

        Args:
            config: its settings.
            origin: what to write on items as their provenance.
            meter: measures gains; it must be told each lesson before this.
        """
        self.contents = Contents({})
        self._config = config
        self._origin = origin
        self._meter = meter
        self._batch: list[Evidence] = []
        self._index: Index | None = None
        self._starts = StartValues(prior=config.prior, epsilon=config.epsilon) if config.starts else None

    def take_in(self, items: Iterable[Item]) -> None:
        """Adds the items of another memory."""
        self._set(taken_in(self.contents, items, self._config, self._origin))

    def learn(self, result: EvaluationResult) -> None:
        """Takes in an evaluated program; those that no model made say nothing about the memory."""
        record = result.record
        if not record.calls or record.operator == SEED_OPERATOR or is_purged(record):
            return
        if self._starts is not None:
            self._starts.learn(result, self._meter.last)
        self._batch.append(evidence_of(result, self._meter.last, self._config.least_gain))
        if len(self._batch) >= self._config.batch:
            batch, self._batch = self._batch, []
            self._set(merged(self.contents, batch, self._config, self._origin))

    def learn_rejected(self, rejected: RejectedProposal) -> None:
        """Passes over replies without a program: what they were shown is not known."""

    def learn_note(self, note: NoteRecord) -> None:
        """Passes over texts: what they are worth shows in the programs that come of them."""

    def advise(self, parent: Individual, rng: np.random.Generator, room_tokens: int) -> Sequence[Advice]:
        """Returns the items to show with `parent`, the most valuable first, of `room_tokens` tokens at most."""
        config, contents = self._config, self.contents
        silent = 1 - config.control if contents.is_harmful else config.control
        if not contents.items or rng.random() < silent:
            return ()
        if self._index is None:
            self._index = Index(sorted(contents.items.values(), key=lambda item: item.item_id))
        stage: Stage = "refine" if parent.evaluation.is_ok else "draft"
        chosen = retrieve(
            self._index,
            _query(parent),
            stage,
            count=config.count,
            shortlist=config.shortlist,
            epsilon=config.epsilon,
            prior=config.prior,
            rng=rng,
        )
        advice: list[Advice] = []
        for item in chosen:
            told = shown_text(item)
            room_tokens -= estimate_tokens(told) + _LINE_TOKENS
            if room_tokens >= 0:
                advice.append(Advice(item.item_id, told))
        return tuple(advice)

    def parents(self, draw: Draw, count: int, rng: np.random.Generator) -> tuple[Individual, ...]:
        """Returns up to `count` of the programs that `draw` gives: by value where that is asked for."""
        if self._starts is None:
            return draw(count)
        return self._starts.ordered(draw(max(count, CANDIDATES)), rng)[:count]

    def _set(self, contents: Contents) -> None:
        self.contents, self._index = contents, None


def evidence_of(result: EvaluationResult, gain: float, least_gain: float) -> Evidence:
    """Returns what an evaluated program says about the memory, `gain` being what it gained."""
    record, evaluation = result.record, result.record.evaluation
    stage: Stage = "draft" if result.parent_fitness is None else "refine"
    is_loss = result.fitness is None or (
        result.parent_fitness is not None and result.fitness < result.parent_fitness
    )
    found: list[tuple[Kind, str]] = []
    idea = record.texts.get("idea", "")
    told = next((record.texts[key] for key in _SUMMARY_KEYS if record.texts.get(key)), "")
    if gain >= least_gain:
        found += [("do", clean(text)) for text in (told, idea) if text][:1]
    elif result.fitness is None and idea:
        why = evaluation.reason or str(evaluation.status)
        found.append(("avoid", clean(f"{clean(idea).rstrip('.')[:150]}: {why}")))
    return Evidence(
        record.program_id,
        stage,
        float(evaluation.is_ok) if stage == "draft" else gain,
        is_gain=gain >= least_gain,
        is_loss=is_loss,
        shown=_ids(record.texts.get("advice", "")),
        used=_ids(record.texts.get("used", "")),
        found=tuple((kind, text) for kind, text in found if len(set(words_of(text))) >= _MIN_WORDS),
    )


def shown_text(item: Item) -> str:
    """Returns an item as a prompt shows it: its text and its record."""
    head = "Avoid: " if item.kind == "avoid" else ""
    tried = round(item.helpful + item.harmful)
    return f"{head}{item.text}" + (f" (helped {round(item.helpful)} of {tried} times)" if tried else "")


def _credited(before: Contents, batch: Sequence[Evidence]) -> Contents:
    items, contents = dict(before.items), before
    for one in batch:
        above = before.above(one.stage, one.reward)
        for item_id in sorted({item_id for item_id in one.shown if item_id in items}):
            item = items[item_id]
            value = _plus(item.value(one.stage), above)
            item = replace(item, draft=value) if one.stage == "draft" else replace(item, refine=value)
            if item_id in one.used:
                item = replace(
                    item,
                    helpful=item.helpful + one.is_gain,
                    harmful=item.harmful + (one.is_loss and not one.is_gain),
                )
            items[item_id] = item
        if one.stage == "draft":
            contents = replace(contents, draft=_plus(contents.draft, one.reward, _FADE))
            continue
        contents = replace(contents, refine=_plus(contents.refine, one.reward, _FADE))
        if one.shown:
            contents = replace(contents, advised=_plus(contents.advised, above))
        else:
            contents = replace(contents, control=_plus(contents.control, above))
    return replace(contents, items=items)


def _join(items: dict[str, Item], kind: Kind, text: str, origin: Provenance) -> None:
    """Adds a finding to the item that it is like (the likest, the lowest id among equals), or as a new one."""
    fresh = Item(item_id_of(kind, text), kind, text, helpful=float(kind == "do"), origin=origin)
    words = set(words_of(text))
    alike = {
        item_id: len(words & theirs) / len(words | theirs)
        for item_id, item in items.items()
        if item.kind == kind and (theirs := set(words_of(item.text)))
    }
    nearest = min(alike, key=lambda item_id: (-alike[item_id], item_id), default=None)
    if fresh.item_id in items:
        nearest = fresh.item_id
    if nearest is None or (nearest != fresh.item_id and alike[nearest] < ALIKE):
        items[fresh.item_id] = fresh
    else:
        items[nearest] = _sum(items[nearest], fresh)


def _sum(one: Item, other: Item) -> Item:
    """Returns an item with the evidence of both, the text and the origin of the first."""
    programs = tuple(dict.fromkeys((*one.origin.programs, *other.origin.programs)))[:MAX_PROGRAMS]
    return replace(
        one,
        helpful=one.helpful + other.helpful,
        harmful=one.harmful + other.harmful,
        draft=Value(one.draft.shown + other.draft.shown, one.draft.reward + other.draft.reward),
        refine=Value(one.refine.shown + other.refine.shown, one.refine.reward + other.refine.reward),
        origin=replace(one.origin, programs=programs),
    )


def _kept(items: Mapping[str, Item], config: MemoryConfig) -> dict[str, Item]:
    """Returns the items that are not known to be useless, the most valuable ones where they are too many."""

    def worth(item: Item) -> float:
        shown = item.draft.shown + item.refine.shown
        return (item.draft.reward + item.refine.reward) / (shown + config.prior)

    def is_useless(item: Item) -> bool:
        shown = item.draft.shown + item.refine.shown
        return shown >= config.trial and worth(item) + 0.5 / math.sqrt(shown) < 0

    helpful = [item for item in items.values() if not is_useless(item)]
    helpful.sort(key=lambda item: (-worth(item), item.harmful - item.helpful, item.item_id))
    return {item.item_id: item for item in helpful[: config.capacity]}


def _plus(value: Value, reward: float, fade: float = 1.0) -> Value:
    return Value(value.shown * fade + 1, value.reward * fade + reward)


def _query(parent: Individual) -> list[str]:
    """Returns the words by which items are sought for a parent: its idea, how it failed, its code."""
    texts = [parent.texts.get("idea", ""), parent.evaluation.reason, parent.program.text[:_QUERY_CHARS]]
    return words_of("\n".join(texts))


def _ids(text: str) -> tuple[str, ...]:
    return tuple(sorted({part.strip() for part in text.split(",") if part.strip()}))
