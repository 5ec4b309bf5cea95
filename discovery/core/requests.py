"""What a person asks of a run while it works: a program to try, a hint for the models, a pause, other limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from discovery.core.errors import ConfigError
from discovery.core.texts import printable
from evaluators.contract import Program

Kind: TypeAlias = Literal["inject", "hint", "forget-hints", "pause", "resume", "budget"]


KINDS: tuple[Kind, ...] = ("inject", "hint", "forget-hints", "pause", "resume", "budget")


KIND_WORDS: Mapping[str, str] = {
    "inject": "program injected",
    "hint": "hint to the models",
    "forget-hints": "hints forgotten",
    "pause": "paused",
    "resume": "resumed",
    "budget": "limits changed",
}
"""What a person reads of each kind."""
MAX_HINT_CHARS = 2000


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        request_id: 16 hex digits; what makes it one and the same.
        kind: see `KINDS`.
        at_s: when it was made, unix time in seconds.
        program: for "inject", the program to evaluate.
        text: for "hint", what the models are told; for "inject", a note that stays with the program.
        budget: for "budget", the new limits by name, checked where the request is made; others stay.
    """

    request_id: str
    kind: Kind
    at_s: float = 0.0
    program: Program | None = None
    text: str = ""
    budget: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"a request's kind must be one of {', '.join(KINDS)}, got {self.kind!r:.40}")
        if (self.kind == "inject") != (self.program is not None):
            raise ConfigError("a request carries a program if, and only if, it is to inject one")
        if self.kind == "hint" and not 0 < len(self.text.strip()) <= MAX_HINT_CHARS:
            raise ConfigError(
                f"a hint must have 1 to {MAX_HINT_CHARS} characters, got {len(self.text.strip())}"
            )
        if self.kind == "budget" and not self.budget:
            raise ConfigError("no new limit is given; name at least one, as in --evals 100")
        if not math.isfinite(self.at_s):  # what is taken in must fit into the journal
            raise ConfigError(f"a request's time must be finite, got {self.at_s}")

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form; what is empty is left out."""
        data: dict[str, Any] = {"request_id": self.request_id, "kind": self.kind, "at_s": self.at_s}
        if self.program is not None:
            data["program"] = self.program.to_json()
        if self.text:
            data["text"] = self.text
        if self.budget:
            data["budget"] = dict(self.budget)
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Request:
        """Returns the request of a JSON form.

        Raises:
            ConfigError: it is not one; the message says what is wrong.
        """
        try:
            program = Program.from_json(data["program"]) if "program" in data else None
            budget = dict(data.get("budget", {}))
            return Request(
                str(data["request_id"]),
                data["kind"],
                float(data.get("at_s", 0.0)),
                program,
                printable(str(data.get("text", ""))),
                budget,
            )
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise ConfigError(f"this is no request: {type(error).__name__}: {error}") from error
