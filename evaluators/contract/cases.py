"""What passes between a problem and a program: cases, oracles, programs, what to improve on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

PlainData: TypeAlias = Any
"""None, bool, int, float, str, bytes, lists and str-keyed dicts of these, numeric numpy arrays (see plain.py)."""

DEFAULT_ENTRY = "program.py"


@dataclass(frozen=True, slots=True)
class Case:
    """One test case.

    Attributes:
        inputs: what is handed to the program.
        answer: what stays on the trusted side.
        name: what people and models are told it is called.
        group: the kind of cases that it belongs to; metrics are told by group, too. "" for none.
    """

    inputs: PlainData
    answer: Any = None
    name: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one case came to: what the problem's `aggregate` gets a list of.

    Attributes:
        case: the case; of a case in phases the first one.
        metrics: what `score` returned for it.
    """

    case: Case
    metrics: Mapping[str, float]

    @property
    def group(self) -> str:
        """The group of the case."""
        return self.case.group


@dataclass(frozen=True, slots=True)
class Incumbent:
    """What a program is handed to improve on: the best output so far.

    Attributes:
        output: one object, or, where there are several cases, their list, as JSON data.
        score: what it is worth.
        program_id: what found it; "" for what a run began with.
    """

    output: PlainData
    score: float
    program_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {"output": self.output, "score": self.score, "program_id": self.program_id}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Incumbent:
        """Returns the start of a JSON form."""
        return Incumbent(data["output"], data["score"], data["program_id"])


class Oracle(Protocol):
    """A trusted object that serves a running program call by call (made by the problem's `serve(case)`).

    It is called in the judge, once per request, in order; what it remembers is the record that `score` reads.
    It may raise `Exhausted` (the case ends, and is scored) or `Invalid` (the program is rejected). On held-out
    cases it may have an attribute `exhibit` that `score` fills: a list of pages that reports draw (exhibits of
    the best program only are kept; see evaluators/alphas/exhibits.py for their form).
    """

    def __call__(self, request: PlainData) -> PlainData:
        """Returns the reply to one request of the program."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A program: one or several text files, by relative path; `entry` is the one that `run` is handed."""

    files: Mapping[str, str]
    entry: str = DEFAULT_ENTRY

    @property
    def id(self) -> str:
        """Returns 16 hex digits derived from the content alone."""
        digest = hashlib.blake2b(digest_size=8)
        for path in sorted(self.files):
            for part in (path, self.files[path]):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "big") + data)
        digest.update(self.entry.encode())
        return digest.hexdigest()

    @property
    def text(self) -> str:
        """Returns the entry file's text."""
        return self.files[self.entry]

    def with_text(self, text: str, path: str | None = None) -> Program:
        """Returns a copy in which one file (the entry by default) reads `text`."""
        return Program({**self.files, path or self.entry: text}, self.entry)

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {"files": dict(self.files), "entry": self.entry}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Program:
        """Returns the program of a JSON form."""
        return Program(dict(data["files"]), data.get("entry", DEFAULT_ENTRY))
