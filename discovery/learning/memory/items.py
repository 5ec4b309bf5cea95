"""One item of the memory: a short text, where it comes from, and what came of it.

An item's text was written by a model, or is the reason why a program failed: foreign text. It is one printable line of
bounded length, without anything that looks like a key, and prompts quote it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from discovery.core.errors import MemoryFileError
from discovery.core.redaction import redact_keys
from discovery.core.texts import one_line

MAX_TEXT_CHARS = 240
MAX_PROGRAMS = 8
MAX_REWARD = 20.0
"""Standard deviations that one program may count."""
_WORD = re.compile(r"[^\W\d_]+|\d+")
_STOP = frozenset(("an", "and", "as", "at", "be", "by", "for", "from", "in", "into", "is", "it", "its", "of", "on", "or",
                   "that", "the", "this", "to", "with"))  # fmt: skip

HOPE = 0.3
"""Value of an item that was never shown. Of 0, 0.2, 0.4 and 0.7, the second and third did best (benchmarks.learned.learning)."""

Kind = Literal["do", "avoid"]
Stage = Literal["draft", "refine"]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an item comes from.

    Attributes:
        problem: the problem's name; version: the hash of its files, the scorer's among them.
        evaluator: the version of the package that judged.
        run: the run's name.
        programs: ids of the programs that it was learned from, the first ones.
    """

    problem: str = ""
    version: str = ""
    evaluator: str = ""
    run: str = ""
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """What came of showing an item at one stage: the mean of the rewards is its Q (EvoKernel, arXiv:2603.10846).

    Attributes:
        shown: how many programs were made with it in the prompt.
        reward: sum of their rewards, each in standard deviations above what questions brought at that time.
    """

    shown: float = 0.0
    reward: float = 0.0

    def mean(self, prior: float) -> float:
        """Returns Q, drawn towards `HOPE` as by `prior` more programs: what was never shown is worth a try."""
        return (self.reward + prior * HOPE) / (self.shown + prior)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was learned.

    Attributes:
        item_id: 8 hex digits of its kind and words.
        kind: "do" for an idea that gained, "avoid" for one that failed.
        text: one line.
        helpful: programs that gained with it: by its idea, or citing it; harmful: those that failed or lost.
        draft: whether programs made with it ran at all; refine: what those gained that had a parent to beat.
        origin: where it comes from.
    """

    item_id: str
    kind: Kind
    text: str
    helpful: float = 0.0
    harmful: float = 0.0
    draft: Value = field(default_factory=Value)
    refine: Value = field(default_factory=Value)
    origin: Provenance = field(default_factory=Provenance)

    def value(self, stage: Stage) -> Value:
        """Returns what came of it at a stage."""
        return self.draft if stage == "draft" else self.refine

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        data = asdict(self)
        data["origin"]["programs"] = list(self.origin.programs)
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Item:
        """Returns the item of a JSON form; its text is bounded and made printable, its id is made anew.

        Raises:
            MemoryFileError: a field is missing, unknown or out of range.
        """
        if unknown := set(data) - {f.name for f in fields(Item)}:
            raise MemoryFileError(f"an item of a memory has unknown fields: {sorted(unknown)}")
        try:
            origin = dict(data["origin"])
            programs = tuple(str(one)[:16] for one in origin.pop("programs"))[:MAX_PROGRAMS]
            words = {key: one_line(str(value), 80) for key, value in origin.items()}
            if data["kind"] not in ("do", "avoid"):
                raise ValueError(f"kind must be 'do' or 'avoid', got {data['kind']!r}")
            text = clean(str(data["text"]))
            return Item(
                item_id_of(data["kind"], text),
                data["kind"],
                text,
                _count(data["helpful"]),
                _count(data["harmful"]),
                _value(data["draft"]),
                _value(data["refine"]),
                Provenance(**words, programs=programs),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MemoryFileError(f"an item of a memory cannot be read: {error}") from error


def clean(text: str) -> str:
    """Returns a foreign text as an item may hold it."""
    return redact_keys(one_line(text, MAX_TEXT_CHARS)).replace("`", "'")


def item_id_of(kind: str, text: str) -> str:
    """Returns the id that an item of this kind and text has: equal for texts of the same words."""
    data = "\0".join([kind, *_WORD.findall(text.lower())])
    return hashlib.blake2b(data.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def words_of(text: str) -> list[str]:
    """Returns the words of a text by which it is compared: lower case, parts of names apart, no stop words."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return [word for word in _WORD.findall(apart.lower()) if len(word) > 1 and word not in _STOP]


def _count(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError(f"a count must be a number >= 0, got {value!r}")
    return float(value)


def _value(data: Mapping[str, object]) -> Value:
    shown, reward = _count(data["shown"]), data["reward"]
    is_number = isinstance(reward, int | float) and not isinstance(reward, bool)
    if len(data) != 2 or not is_number or not abs(float(str(reward))) <= MAX_REWARD * shown * (1 + 1e-9):
        raise ValueError(
            f"a value must have a reward within {MAX_REWARD:g} per program shown, got {dict(data)}"
        )
    return Value(shown, float(str(reward)))
