"""What the service takes and answers, as pydantic models: FastAPI checks bodies by them and writes the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from discovery.core.requests import Kind
from discovery.settings.doors import LIMITS, REMOTE, RESUMED, body_schema


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Encoded(_Body):
    """A file that is no text."""

    base64: str


class ProblemFiles(_Body):
    """A problem from outside."""

    files: dict[str, str | Encoded] = Field(description="Its files by path.")
    name: str = Field("", description="The problem's name.")
    module: str = Field("", description="The path of its module; problem.py or the only one by default.")
    is_folder: bool = Field(False, description="Whether all files belong to its version.")


class ProgramFiles(_Body):
    """A program to put into a search."""

    files: dict[str, str]
    entry: str


class Ask(_Body):
    """What a person asks of a run under way."""

    kind: Kind
    text: str = Field("", max_length=20_000, description="The hint, or a note that stays with a program.")
    program: ProgramFiles | None = None
    budget: Annotated[
        dict[str, Any], WithJsonSchema(body_schema(LIMITS)), Field(description="New limits; others stay.")
    ] = Field(default_factory=dict)


class Asked(BaseModel):
    """The receipt of a request."""

    request_id: str


class Purge(_Body):
    """A program to take out of a run that is not under way, with all that came of it."""

    program: str = Field(min_length=4, max_length=64, description="Its id, or the beginning of it.")
    reason: str = Field(min_length=1, max_length=200, description="Why, for example: it read the clock.")


class Purged(BaseModel):
    """What went."""

    program_ids: list[str] = Field(description="The program and its descendants.")


class Problems(BaseModel):
    """The service's own problems."""

    problems: list[str]


class Error(BaseModel):
    """What is wrong, and the remedy."""

    error: str


class Status(BaseModel):
    """How a run is doing."""

    model_config = ConfigDict(extra="forbid")
    name: str
    problem: str
    state: Literal["running", "paused", "stopping", "done", "stopped", "failed"]
    message: str
    created_at: float
    budget: dict[str, float | None]
    evaluations: int
    best_score: float | None
    best_id: str | None
    self_scored: bool | None = Field(
        None, description="Whether the program's own process gave the score, which it may have forged."
    )
    statuses: dict[str, int] = {}
    seconds: float = 0.0
    model_calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced_calls: int = 0
    in_flight: int = Field(
        0, description="Decisions under way: at a model, waiting for an evaluator, evaluated."
    )
    open_calls: int = Field(0, description="Of these, at a model that is paid.")
    evaluating: int = Field(0, description="Of these, at an evaluator.")
    watched: bool = Field(
        False, description="Whether this service only watches the run: it cannot end it or go on with it."
    )
    waits: list[str] = Field([], description="What the run does without: models that do not answer, and why.")


class Runs(BaseModel):
    """All runs, oldest first."""

    runs: list[Status]


def _new_run() -> dict[str, Any]:
    """Returns the schema of a new run's settings, whose problem may be sent along."""
    schema = body_schema(REMOTE, required=["problem"])
    name = schema["properties"]["problem"]
    files = ProblemFiles.model_json_schema()
    encoded = files.pop("$defs")["Encoded"]
    files["properties"]["files"]["additionalProperties"] = {"anyOf": [{"type": "string"}, encoded]}
    schema["properties"]["problem"] = {"anyOf": [name, files]}
    return schema


NewRun: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(_new_run())]
Changes: TypeAlias = Annotated[dict[str, Any], WithJsonSchema(body_schema(RESUMED))]
