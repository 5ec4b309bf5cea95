"""What a person asks of a run while it works: a program to try, a hint for the models, a pause, other limits.

A request is one small file in the run's folder, so it reaches a run in any process, one that a service hosts, and one
that is stopped (it waits for the next resume). The run journals it before acting on it, and then removes the file; a
request that was journalled already is not obeyed twice.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from discovery.core.budget import Budget
from discovery.core.errors import ConfigError, RunFolderError
from discovery.core.texts import printable
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program

Kind: TypeAlias = Literal["inject", "hint", "forget-hints", "pause", "resume", "budget"]
KINDS: tuple[Kind, ...] = ("inject", "hint", "forget-hints", "pause", "resume", "budget")
MAX_HINT_CHARS = 2000
MAX_REQUEST_BYTES = 4 << 20
BUDGET_FIELDS = ("evaluations", "minutes", "cost_usd", "tokens")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        request_id: 16 hex digits; what makes it one and the same.
        kind: see `KINDS`.
        at_s: when it was made, unix time in seconds.
        program: for "inject", the program to evaluate.
        text: for "hint", what the models are told; for "inject", a note that stays with the program.
        budget: for "budget", the new limits by name; others stay.
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
            raise ConfigError("no new limit is given; name one of --evals, --minutes, --cost-usd, --tokens")
        if unknown := self.budget.keys() - set(BUDGET_FIELDS):
            raise ConfigError(f"unknown limits {sorted(unknown)}; there are: {', '.join(BUDGET_FIELDS)}")
        Budget(**self.budget)  # it checks the values

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
            if any(
                isinstance(value, bool) or not isinstance(value, int | float) for value in budget.values()
            ):
                raise ConfigError(f"limits must be numbers, got {budget!r:.200}")
            return Request(
                str(data["request_id"]),
                data["kind"],
                float(data.get("at_s", 0.0)),
                program,
                printable(str(data.get("text", ""))),
                budget,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"this is no request: {type(error).__name__}: {error}") from error


def new_request(
    kind: Kind, *, program: Program | None = None, text: str = "", budget: Mapping[str, Any] | None = None
) -> Request:
    """Returns a request of this moment.

    Raises:
        ConfigError: it is not whole, or a value is out of range.
    """
    return Request(secrets.token_hex(8), kind, time.time(), program, printable(text), budget or {})


def completed(program: Program, seed: Program) -> Program:
    """Returns an injected program with the file names of the seed: a single file stands for the seed's entry.

    Raises:
        ConfigError: files are missing, or the seed has none of that name.
    """
    if len(program.files) == 1:
        return seed.with_text(next(iter(program.files.values())))
    if program.files.keys() != seed.files.keys():
        names, given = ", ".join(sorted(seed.files)), ", ".join(sorted(program.files))
        raise ConfigError(f"a program here consists of {names}; what was given has {given:.200}")
    return Program(program.files, seed.entry)


def send(folder: RunFolder, request: Request) -> None:
    """Leaves a request in a run's folder.

    Raises:
        RunFolderError: this is no run folder, or it cannot be written.
    """
    folder.read_settings()
    place = folder.requests
    name = f"{time.time_ns():020d}-{request.request_id}.json"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        draft = place / f".{name}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(request.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(place / name)
    except OSError as error:
        raise RunFolderError(f"cannot leave a request in {place}: {error.strerror}") from error


def waiting(folder: RunFolder) -> list[tuple[str, Request]]:
    """Returns the requests that wait in a run's folder, oldest first, each with its file's name.

    A file that is no request is renamed to end in `.refused`, so that it is not looked at again.
    """
    try:
        names = sorted(
            name for name in os.listdir(folder.requests) if name.endswith(".json") and name[0] != "."
        )
    except OSError:
        return []
    found: list[tuple[str, Request]] = []
    for name in names:
        path = folder.requests / name
        try:
            with path.open("rb") as file:
                found.append((name, Request.from_json(json.loads(file.read(MAX_REQUEST_BYTES)))))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, ConfigError):
            path.rename(path.with_suffix(".refused"))
    return found


def done(folder: RunFolder, name: str) -> None:
    """Removes the file of a request that is in the journal."""
    (folder.requests / name).unlink(missing_ok=True)
