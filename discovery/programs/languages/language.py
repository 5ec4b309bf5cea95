"""What is known of a language, and which language a file is in: by its ending, among those that packages register.

    [project.entry-points."discovery.languages"]
    zig = "my_package.zig:ZIG"       # an object that keeps the protocol `Language`

What ships is registered the same way. A file that no language claims is plain text, and prompts say so; nothing is taken
for Python because it is nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, Protocol

from discovery.core import plugins
from discovery.core.errors import ConfigError
from discovery.programs.languages.statements import Source
from evaluators.contract import Program
from evaluators.text.blocks import BlockError, Span, editable


@dataclass(frozen=True, slots=True)
class Number:
    """One number of a text that may be tuned: characters [start, end), minus and suffix included.

    Attributes:
        value: what stands there; is_int: whether it must stay an int.
        scale: > 0, the size of a step of order 1.
        before, after: what must stand before and after another value to keep the text's meaning.
        is_guarded: whether a minus in front would bind differently, so that it needs brackets.
        least: the smallest value that may stand there.
    """

    start: int
    end: int
    value: float
    is_int: bool
    scale: float
    before: str = ""
    after: str = ""
    is_guarded: bool = False
    least: float = -math.inf


@dataclass(frozen=True, slots=True)
class Definition:
    """What a text defines for others to use, outside all functions.

    Attributes:
        name: its name; signature: how it is called, as questions tell it.
        start: the character at which it begins.
        kind: what it is; is_public: whether other files may use it.
    """

    name: str
    signature: str
    start: int
    kind: Literal["function", "type", "value"] = "function"
    is_public: bool = True


class Language(Protocol):
    """What must be known of a language; every text is foreign, so nothing here may fail on any."""

    @property
    def name(self) -> str:
        """The name as people write it, for questions ("C++")."""

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of its files end in, dot included; the longest that fits counts."""

    @property
    def fences(self) -> tuple[str, ...]:
        """The words after a code fence that mean it; questions use the first."""

    @property
    def comment(self) -> str:
        """What begins a comment ("//")."""

    def tokens(self, text: str, *, is_skeleton: bool = False) -> list[str]:
        """Returns the text's code: equal for texts of equal meaning; in a skeleton, all numbers are equal."""

    def numbers(self, text: str) -> Sequence[Number]:
        """Returns the numbers that may be tuned, in reading order."""

    def definitions(self, text: str) -> Sequence[Definition]:
        """Returns what the text defines, in reading order."""

    def fault(self, text: str) -> str | None:
        """Returns in one line why a program with this text is certain to fail, or None: the smoke check."""

    def source(self, path: str, text: str, spans: Sequence[Span]) -> Source | None:
        """Returns the text as statements, for `splice`, `prune` and `perturb`; None if they cannot take it apart so."""


def of(path: str) -> Language:
    """Returns the language of a file of this name."""
    endings = _endings()
    name = path.rpartition("/")[2].lower()
    at = name.find(".")
    while at >= 0:
        if (found := endings.get(name[at:])) is not None:
            return found
        at = name.find(".", at + 1)
    return endings[""]


def sources(program: Program) -> tuple[Source, ...]:
    """Returns the files of the program's entry language that are statements and may change, by path."""
    return _cached_sources(tuple(program.files.items()), program.entry)


@cache
def _endings() -> Mapping[str, Language]:
    found: dict[str, Language] = {}
    for language in plugins.load("discovery.languages").values():
        for ending in language.endings:
            if (other := found.setdefault(ending, language)) is not language:
                raise ConfigError(
                    f"files that end in {ending!r} belong to two languages: {other.name} and {language.name}; "
                    "remove one of the packages that register them"
                )
    return found


@lru_cache(maxsize=64)
def _cached_sources(files: tuple[tuple[str, str], ...], entry: str) -> tuple[Source, ...]:
    program, language = Program(dict(files), entry), of(entry)
    try:
        spans = editable(program)
    except BlockError:
        return ()
    found = (
        language.source(path, program.files[path], spans[path])
        for path in sorted(spans)
        if of(path) is language
    )
    return tuple(source for source in found if source is not None)
