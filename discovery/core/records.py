"""What a run remembers of each evaluated program, and of itself: plain records, JSON both ways.

One `Record` per evaluated program is what the journal keeps, what the lineage turns into commits and what the
report draws. It is complete: the state of a run is a function of its records in order.

Exceptions:
    RecordError    a JSON form is not that of a record (missing or unknown fields, wrong types)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

from discovery.core.types import ModelCall
from evaluators.contract import ContractError, Evaluation, Measure, Objective, Program


class RecordError(Exception):
    """A JSON form is not that of a record; the message names the field."""


class ChangeLike(Protocol):
    """One cell of one island that got a new elite (`islands` has its own class of this shape)."""

    @property
    def island(self) -> int:
        """Returns the island's number."""
        ...

    @property
    def cell(self) -> int:
        """Returns the cell's number in that island's archive."""
        ...

    @property
    def program_id(self) -> str:
        """Returns the new elite."""
        ...

    @property
    def displaced(self) -> str | None:
        """Returns the elite that stood there before, if any."""
        ...

    @property
    def cause(self) -> str:
        """Returns why: "birth", "migration", "reseed", or "founder": the only elite that the island has from then on."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One cell of one island that got a new elite.

    `displaced` stood there before; `cause` is birth, migration, reseed, or founder (see `ChangeLike`).
    """

    island: int
    cell: int
    program_id: str
    displaced: str | None = None
    cause: str = "birth"


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluated program and everything that its evaluation changed.

    Attributes:
        index: position in the run, from 0, without gaps: the n-th program whose evaluation was recorded.
        program: the program itself.
        program_id: its id (16 hex digits).
        parents: ids of its genealogical parents, recorded earlier; none for a seed, several for a crossover.
        evaluation: what was learned about it, failures included.
        operator: the name of what made it; "seed" for the first.
        island: the island that it was born on.
        cell: its cell in the island's archive; None where it has no place (it failed).
        decision: the number of the decision that asked for it.
        calls: the model calls it took, all of them.
        texts: texts that stay with it (plan, summary), by name.
        at_s: when its evaluation was recorded, unix time in seconds.
        changes: archive cells that got a new elite because of it, in order, migrations too.
        fingerprint: hash of its normalised form (fingerprint.py), by which duplicates are known, or "".
        session: the tuning session that asked for it, and step: its number there; None for other operators.
        model: the model that the decision named, None where it named none; variant: its prompt variant, or "".
    """

    index: int
    program: Program
    program_id: str
    parents: tuple[str, ...]
    evaluation: Evaluation
    operator: str
    island: int
    cell: int | None
    decision: int
    calls: tuple[ModelCall, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    at_s: float = 0.0
    changes: tuple[ChangeLike, ...] = ()
    fingerprint: str = ""
    session: int | None = None
    step: int | None = None
    model: str | None = None
    variant: str = ""

    @property
    def score(self) -> float | None:
        """The score, None where it has none."""
        return self.evaluation.score

    @property
    def text(self) -> str:
        """The text of the program's entry file."""
        return self.program.text

    @property
    def tokens(self) -> int:
        """Returns the tokens of all its model calls, prompts and completions."""
        return sum(call.prompt_tokens + call.completion_tokens for call in self.calls)

    @property
    def cost_usd(self) -> float | None:
        """Returns what its model calls cost; None where any price is unknown, 0 where there were no calls."""
        return total_cost_usd(self.calls)

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form; empty fields are left out, a change is a list in the order of its fields."""
        data: dict[str, Any] = {
            "index": self.index,
            "program": self.program.to_json(),
            "program_id": self.program_id,
            "parents": list(self.parents),
            "evaluation": self.evaluation.to_json(),
            "operator": self.operator,
            "island": self.island,
            "cell": self.cell,
            "decision": self.decision,
            "at_s": self.at_s,
        }
        if self.calls:
            data["calls"] = [asdict(call) for call in self.calls]
        if self.texts:
            data["texts"] = dict(self.texts)
        if self.changes:
            data["changes"] = [[c.island, c.cell, c.program_id, c.displaced, c.cause] for c in self.changes]
        if self.fingerprint:
            data["fingerprint"] = self.fingerprint
        if self.session is not None:
            data |= {"session": self.session, "step": self.step}
        if self.model is not None:
            data["model"] = self.model
        if self.variant:
            data["variant"] = self.variant
        return data

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Record:
        """Returns the record of a JSON form.

        Raises:
            RecordError: a field is missing, unknown or of the wrong kind.
        """
        if unknown := data.keys() - _RECORD_FIELDS:
            raise RecordError(
                f"unknown fields in a record: {sorted(unknown)}; it was written by another version"
            )
        try:
            return Record(
                index=data["index"],
                program=Program.from_json(data["program"]),
                program_id=data["program_id"],
                parents=tuple(data["parents"]),
                evaluation=Evaluation.from_json(data["evaluation"]),
                operator=data["operator"],
                island=data["island"],
                cell=data["cell"],
                decision=data["decision"],
                calls=tuple(ModelCall(**call) for call in data.get("calls", ())),
                texts=data.get("texts", {}),
                at_s=data["at_s"],
                changes=tuple(Change(*change) for change in data.get("changes", ())),
                fingerprint=data.get("fingerprint", ""),
                session=data.get("session"),
                step=data.get("step"),
                model=data.get("model"),
                variant=data.get("variant", ""),
            )
        except KeyError as error:
            raise RecordError(f"field {error} is missing in record {data.get('index', '?')}") from error
        except (AttributeError, ContractError, TypeError, ValueError) as error:
            raise RecordError(f"record {data.get('index', '?')} cannot be read: {error}") from error


_RECORD_FIELDS = frozenset(f.name for f in fields(Record))


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What a run is about, beside its records.

    Attributes:
        problem: the problem's name; goal: its statement.
        objective: what is optimised; measures: the axes of the archives, in order.
        islands: how many; seed: of all random choices.
        started_at: unix time in seconds. When and why it ended stands in the journal.
        models: model names that operators may use.
        known: scores to compare with, by what they are ("best known", "baseline").
    """

    problem: str
    goal: str = ""
    objective: Objective = field(default_factory=Objective)
    measures: tuple[Measure, ...] = ()
    islands: int = 1
    seed: int = 0
    started_at: float = 0.0
    models: tuple[str, ...] = ()
    known: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return {**asdict(self), "measures": [asdict(m) for m in self.measures], "models": list(self.models)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunInfo:
        """Returns the information of a JSON form.

        Raises:
            RecordError: a field is missing, unknown or of the wrong kind.
        """
        values = dict(data)
        try:
            if "objective" in values:
                values["objective"] = Objective(**values["objective"])
            values["measures"] = tuple(Measure(**measure) for measure in values.get("measures", ()))
            values["models"] = tuple(values.get("models", ()))
            return RunInfo(**values)
        except (TypeError, ValueError) as error:
            raise RecordError(f"the run's information cannot be read: {error}") from error


def total_cost_usd(calls: Iterable[ModelCall]) -> float | None:
    """Returns what `calls` cost together; None where any price is unknown."""
    total = 0.0
    for call in calls:
        if call.cost_usd is None:
            return None
        total += call.cost_usd
    return total


FOUNDER = "founder"
"""The cause of a change after which the island holds this program alone."""
HIDDEN = "_"


def shown(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the metrics that are not hidden."""
    return {name: value for name, value in metrics.items() if not name.startswith(HIDDEN)}
