"""The contract between a problem, the programs that try to solve it, and whoever runs them.

The rule of trust: a program returns a certificate (plain data), never a score. `cases` and `score` run on the
trusted side; `run` and the program run in the sandbox; only plain data crosses between them.

Exceptions:
    ContractError            a problem module or a value breaks the contract (ours to report, with the remedy)
    Invalid                  raised by `score` or an oracle: this output is rejected, with the reason
    Exhausted                raised by an oracle: nothing is left to ask; the case ends at once and is scored
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeAlias

PlainData: TypeAlias = Any
"""None, bool, int, float, str, lists and str-keyed dicts of these, numeric numpy arrays (see plain.py)."""

DEFAULT_ENTRY = "program.py"


class ContractError(Exception):
    """A problem module, or a value given to the contract, is not what the contract asks for."""


def _require_number(what: str, value: object, rule: str = "a finite number") -> float:
    """Returns `value` as a float, or says what it must be (a bool is no number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ContractError(f"{what} must be {rule}, got {value!r}")
    return float(value)


def _require_count(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ContractError(f"{what} must be a whole number >= 1, got {value!r}")


def _require_name(what: str, value: object, remedy: str = "give the name of a metric") -> None:
    if not isinstance(value, str) or not value:
        raise ContractError(f"{what} must be a non-empty text, got {value!r}; {remedy}")


def _require_choice(what: str, value: object, *choices: object) -> None:
    if value not in choices:
        raise ContractError(f"{what} must be {' or '.join(map(repr, choices))}, got {value!r}")


class Invalid(Exception):
    """Raised by `score` (or by an oracle) to reject an output; its message is shown to people and models."""


class Exhausted(Exception):
    """Raised by an oracle whose budget is spent: the case ends and is scored on the oracle's record."""


class Status(StrEnum):
    """What became of a program. Everything except OK carries no score."""

    OK = "ok"
    REJECTED = "rejected"  # ran, but stopped at a stage threshold or a held gate
    INVALID = "invalid"  # the scorer refused the output
    ERROR = "error"  # the program raised, or does not compile
    TIMEOUT = "timeout"  # wall-clock or CPU limit
    MEMORY = "memory"  # memory limit
    OUTPUT = "output"  # oversized or malformed output, or too much on stdout
    CRASHED = "crashed"  # died by a signal or left without an answer
    FROZEN = "frozen"  # changed a part that the problem froze; never run


@dataclass(frozen=True, slots=True)
class Objective:
    """What is optimised.

    Attributes:
        name: the metric that `score` returns under this key.
        direction: "maximize" or "minimize".
        target: a value that ends the run when reached (declared direction), or None.
        bound: a proven bound; a better value is a bug in the scorer or a trick, and is rejected.
        plausible: a better value than this is not believed without a second look: rejected, with that reason.
        repeats: how often a program is measured that would displace another, where the same program may score
            differently; 1 where it may not. The score of a run is then a lower confidence bound (docs/problems.md).
        also: further metrics that count, as (name, direction) pairs; the target and the best are by the first.
        order: how: "pareto" keeps what nothing beats in everything, in "lexicographic" order the next one counts
            where those before are equal.
    """

    name: str = "score"
    direction: Literal["maximize", "minimize"] = "maximize"
    target: float | None = None
    bound: float | None = None
    plausible: float | None = None
    repeats: int = 1
    also: tuple[tuple[str, str], ...] = ()
    order: Literal["pareto", "lexicographic"] = "pareto"

    def __post_init__(self) -> None:
        self._check_also()
        _require_count("Objective repeats", self.repeats)
        _require_name("Objective name", self.name)
        _require_choice("Objective direction", self.direction, "maximize", "minimize")
        for what in ("target", "bound", "plausible"):
            if getattr(self, what) is not None:
                _require_number(f"Objective {what}", getattr(self, what), "a finite number or None")
        for what in ("bound", "plausible"):
            limit = getattr(self, what)
            if limit is not None and self.target is not None and not self.is_reached(limit):
                raise ContractError(
                    f"Objective target {self.target} cannot be reached: scores beyond {what} {limit} are "
                    "rejected; correct one of them"
                )

    def fitness(self, score: float) -> float:
        """Returns the score turned so that larger is better."""
        return score if self.direction == "maximize" else -score

    def values(self, score: float, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Returns the fitness in every objective, the first from `score`; none where there is only one."""
        if not self.also:
            return ()
        turned = (metrics[name] if way == "maximize" else -metrics[name] for name, way in self.also)
        return (self.fitness(score), *turned)

    def _check_also(self) -> None:
        _require_choice("Objective order", self.order, "pareto", "lexicographic")
        pairs: Any = self.also
        if not isinstance(pairs, (tuple, list)) or not all(
            isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs
        ):
            raise ContractError(
                f'Objective also must hold (name, direction) pairs, got {pairs!r}; for example (("length", "minimize"),)'
            )
        for name, way in pairs:
            _require_name("Objective also: a name", name)
            _require_choice(f"Objective also: the direction of {name!r}", way, "maximize", "minimize")
        names = [self.name, *(name for name, _ in pairs)]
        if len(set(names)) < len(names):
            raise ContractError(f"Objective also must name other metrics, each once, got {names}")
        object.__setattr__(self, "also", tuple((name, way) for name, way in pairs))  # as read from JSON

    def is_reached(self, score: float) -> bool:
        """Returns whether `score` meets the target (False where there is none)."""
        return self.target is not None and self.fitness(score) >= self.fitness(self.target)


@dataclass(frozen=True, slots=True)
class Measure:
    """One behaviour axis of the archive: `bins` equal cells over [low, high]; values outside go to the edge.

    `source` "metrics" reads `name` from the metrics of `score`; "code" computes it from the program's text
    (measures.py); "novelty" is how far a program lies from the nearest elites of its island when it is recorded, in
    [0, 1], which the search tells and no judge can.
    """

    name: str
    low: float
    high: float
    bins: int = 16
    source: Literal["metrics", "code", "novelty"] = "metrics"

    def __post_init__(self) -> None:
        _require_name("Measure name", self.name)
        low = _require_number(f"Measure {self.name!r} low", self.low)
        high = _require_number(f"Measure {self.name!r} high", self.high)
        if low >= high:
            raise ContractError(
                f"Measure {self.name!r} low must be below high, got {low:g} and {high:g}; swap them"
            )
        _require_count(f"Measure {self.name!r} bins", self.bins)
        _require_choice(f"Measure {self.name!r} source", self.source, "metrics", "code", "novelty")
        if self.source == "novelty" and not 0 <= low < high <= 1:
            raise ContractError(
                f"Measure {self.name!r} is a novelty, so its range must lie in [0, 1], got {low:g} to {high:g}"
            )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation (all cases of one stage) may use. Times are per case.

    Attributes:
        cpu_s: CPU seconds of the whole process tree.
        wall_s: wall-clock seconds.
        memory_mib: address space beyond the warm interpreter.
        output_mib: size of one output on the channel.
        log_kib: how much of stdout and stderr is read; more ends the program.
        scratch_mib: size of the scratch folder.
        processes: 1 forbids new processes (threads stay allowed); more allows that many at once.
        native: whether the program may execute other programs and load libraries it wrote (compilers).
    """

    cpu_s: float = 10.0
    wall_s: float = 20.0
    memory_mib: int = 512
    output_mib: int = 4
    log_kib: int = 256
    scratch_mib: int = 16
    processes: int = 1
    native: bool = False

    def __post_init__(self) -> None:
        for what in ("cpu_s", "wall_s"):
            if _require_number(f"Limits {what}", getattr(self, what), "a number of seconds > 0") <= 0:
                raise ContractError(f"Limits {what} must be > 0 seconds, got {getattr(self, what)}")
        for what in ("memory_mib", "output_mib", "log_kib", "scratch_mib", "processes"):
            _require_count(f"Limits {what}", getattr(self, what))
        _require_choice("Limits native", self.native, True, False)


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: `inputs` are handed to the program, `answer` stays on the trusted side."""

    inputs: PlainData
    answer: Any = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class BestKnown:
    """A best published value of a problem: data beside the problem, never an aim that is told to programs.

    Attributes:
        value: the value of the objective.
        source: who published it and where.
        date: when, as "YYYY" or "YYYY-MM".
        certified: whether the published object was recomputed exactly; False where the value is only claimed.
        scope: "" where the value answers this very problem; else how what it answers differs ("600 steps"), and
            results are not compared with it.
    """

    value: float
    source: str
    date: str
    certified: bool
    scope: str = ""

    def __post_init__(self) -> None:
        _require_number("BestKnown value", self.value)
        _require_name("BestKnown source", self.source, "say who published it and where")
        if not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2]))?", str(self.date)):
            raise ContractError(f'BestKnown date must be "YYYY" or "YYYY-MM", got {self.date!r}')
        _require_choice("BestKnown certified", self.certified, True, False)


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a strong method without any model reaches, so that a result can be seen for what it is.

    Attributes:
        value: the value of the objective.
        source: the method, and how to run it again.
        seconds: CPU seconds that it was given.
    """

    value: float
    source: str
    seconds: float = 60.0

    def __post_init__(self) -> None:
        _require_number("Baseline value", self.value)
        _require_name("Baseline source", self.source, "say what it is and how to run it")
        if _require_number("Baseline seconds", self.seconds, "a number of seconds > 0") <= 0:
            raise ContractError(f"Baseline seconds must be > 0, got {self.seconds}")


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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was learned about one program. A failed program is data: status, reason, how far it came.

    Attributes:
        status: see `Status`.
        score: the objective's value as declared; None unless status is OK.
        metrics: aggregated metrics of `score`, finite floats.
        measures: one value per `Measure` of the problem, in order; None unless OK.
        reason: one line for people and prompts; "" when OK (why the held-out cases were refused, where they were).
        feedback: cleaned excerpt of the program's own output and traceback; its own word, never trusted.
        cases_done: cases that were scored; of cases_total, over all stages.
        cpu_s: CPU seconds of the candidate; wall_s: wall-clock seconds of the whole evaluation.
        layers: the sandbox layers that were in force.
        certificate: the output itself, where the problem keeps it (CERTIFICATE = True), else None.
        held_out: metrics on the held-out cases, where they were asked for.
        scores: the single measurements, where the problem asks for repeats; `score` is their lower confidence bound.
        exhibit: pages about the held-out cases that reports draw, where oracles have them.
        self_scored: whether the score is what the program's own process said (SELF_SCORED = True), which it may
            have forged.
        start_id: the program whose output this one was handed to improve on; "" for what the run began with.
        start_score: what that output is worth; None where the program started from nothing.
    """

    status: Status
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    measures: tuple[float, ...] | None = None
    reason: str = ""
    feedback: str = ""
    cases_done: int = 0
    cases_total: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    layers: tuple[str, ...] = ()
    certificate: PlainData = None
    held_out: Mapping[str, float] | None = None
    scores: tuple[float, ...] = ()
    exhibit: PlainData = None
    self_scored: bool = False
    start_id: str = ""
    start_score: float | None = None

    def __post_init__(self) -> None:
        if (self.status is Status.OK) != (self.score is not None):
            raise ContractError(
                f"score must be given exactly when status is ok, got {self.status} and {self.score}"
            )
        if self.score is not None and not math.isfinite(self.score):
            raise ContractError(f"score must be finite, got {self.score}")

    @property
    def is_ok(self) -> bool:
        """Returns whether there is a score."""
        return self.status is Status.OK

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form (the certificate as it is); fields at their default are left out."""
        data: dict[str, Any] = {"status": str(self.status)}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "status" or _is_default(value, item.default, item.default_factory):
                continue
            if item.name in ("metrics", "held_out"):
                value = dict(value)
            elif item.name in ("measures", "layers", "scores"):
                value = list(value)
            data[item.name] = value
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Evaluation:
        """Returns the evaluation of a JSON form; unknown keys are refused."""
        known = {f.name for f in fields(Evaluation)}
        if unknown := set(data) - known:
            raise ContractError(f"unknown fields in an evaluation: {sorted(unknown)}")
        values = dict(data)
        try:
            values["status"] = Status(values["status"])
        except (KeyError, ValueError) as error:
            raise ContractError(
                f"status must be one of {', '.join(Status)}, got {values.get('status')!r}"
            ) from error
        for key in ("measures", "layers", "scores"):
            if values.get(key) is not None:
                values[key] = tuple(values[key])
        return Evaluation(**values)


def _is_default(value: object, default: object, factory: object) -> bool:
    """Returns whether `value` is a field's default, type included (0 is not False, an array is neither)."""
    if factory is not MISSING:
        return isinstance(value, Mapping) and not value
    return type(value) is type(default) and value == default
