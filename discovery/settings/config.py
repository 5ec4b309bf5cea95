"""The settings of a run: one frozen dataclass that composes those of its parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.agents import AgentConfig
from discovery.settings.budget import Budget, stored_limits
from discovery.settings.learning import (
    BanditConfig,
    DuplicatesConfig,
    MemoryConfig,
    ScreeningConfig,
    TuningConfig,
)
from discovery.settings.models import ModelConfig
from discovery.settings.questions import ContextConfig, PlanningConfig
from discovery.settings.schema import (
    LISTS,
    STRICT,
    checked,
    explain,
    fields_of,
    nearest,
    setting,
    shown_value,
)
from islands import IslandsError
from islands.config import IslandsConfig

MAX_OPERATOR_WEIGHT = 1e6
_FORMER: Mapping[str, tuple[str, ...]] = {"context": ("failures", "siblings", "direction", "attribution")}
"""Settings of runs that were begun earlier which nothing reads any more."""


@checked("")
@dataclass(frozen=True, slots=True, config=STRICT)
class RunConfig:
    """Everything that decides a run."""

    problem: Annotated[
        str,
        setting("Shipped name, entry point, dotted module, file or folder.", min_length=1, max_length=4000),
    ]
    seed: Annotated[
        int,
        setting(
            "Seed of all choices; drawn and recorded if left out. Hidden cases do not follow from it.",
            ge=0,
            le=2**63 - 1,
        ),
    ]
    workers: Annotated[
        int, setting("Evaluations at the same time; one per CPU if left out.", ge=1, le=1024)
    ] = 2
    model_slots: Annotated[int, setting("Model calls at the same time.", ge=1, le=1024)] = 4
    operators: Annotated[
        Mapping[str, float],
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "number"}}]}
        ),
        setting("Operators and weights, as in diff=3,tune; those that suit the problem if left out."),
    ] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    target: Annotated[
        float | None, setting("End when a score reaches this value; the problem's own if left out.")
    ] = None
    stoppers: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        LISTS,
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 16}]}
        ),
        setting(
            "A rule that ends the run early, NAME or NAME=TEXT, as in no_gain=500; may be repeated.",
            key="stopper",
            max_length=16,
        ),
    ] = ()
    tier: Annotated[
        int | None, setting("Sandbox tier to use; the best there is if left out.", ge=1, le=2)
    ] = None
    unsafe: Annotated[
        bool,
        setting(
            "Run even where the sandbox lacks protections (never for untrusted code).",
            operator_only="programs would run without protection",
        ),
    ] = False
    grace_s: Annotated[
        float,
        setting(
            "How long, once a run ends, replies of models are waited for that are under way and will be charged.",
            key="grace",
            unit="s",
            ge=0,
            le=3600,
        ),
    ] = 20.0
    parents: Annotated[
        Literal["boltzmann", "best", "uniform", "seed"],
        setting("How parents are drawn; all but boltzmann are for comparisons."),
    ] = "boltzmann"
    rebase: Annotated[
        bool,
        setting(
            "Carry a change of the best program over into what is the best when the model's reply comes."
        ),
    ] = True
    islands: IslandsConfig = field(default_factory=IslandsConfig)
    models: ModelConfig = field(default_factory=ModelConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    bandit: BanditConfig = field(default_factory=BanditConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    screening: ScreeningConfig = field(default_factory=ScreeningConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    planning: PlanningConfig = field(default_factory=PlanningConfig)
    agents: AgentConfig = field(default_factory=AgentConfig)

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunConfig:
        """Returns the settings of a JSON form, of earlier versions too: what they lack has its default.

        Raises:
            ConfigError: it holds what is no setting.
        """
        values: dict[str, Any] = {}
        for name, value in data.items():
            if name not in GROUPS:
                values[name] = value
            elif not isinstance(value, Mapping):
                raise ConfigError(f"config.json: {name} must be a table, got {shown_value(value)}")
            else:
                known = {key: one for key, one in value.items() if key not in _FORMER.get(name, ())}
                values[name] = make_group(name, stored_limits(known) if name == "budget" else known)
        check_keys(values, list(fields_of(RunConfig)), where="config.json")
        return RunConfig(**values)


GROUPS: Mapping[str, type] = {
    name: found.annotation
    for name, found in fields_of(RunConfig).items()
    if dataclasses.is_dataclass(found.annotation) and isinstance(found.annotation, type)
}
"""The classes of the parts of a run's settings, by field."""


def make_group(name: str, values: Mapping[str, Any]) -> Any:
    """Returns a part of a run's settings.

    Raises:
        ConfigError: a value is no setting of it.
    """
    check_keys(values, list(fields_of(GROUPS[name])), where=name)
    try:
        return GROUPS[name](**values)
    except IslandsError as error:
        cause = error.__cause__
        assert isinstance(cause, ValidationError)
        raise ConfigError(explain(cause, GROUPS[name], name)) from cause


def parse_operators(given: object, known: Iterable[str]) -> dict[str, float]:
    """Returns the weights of a text such as "diff=3,tune" (a name alone weighs 1), or of a table.

    Raises:
        ConfigError: an unknown operator or a weight that is no number >= 0.
    """
    if isinstance(given, str):
        pairs = [part.strip().partition("=") for part in given.split(",") if part.strip()]
        given = {name: _number(weight, name) if sign else 1.0 for name, sign, weight in pairs}
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"operators must be a text such as 'diff=3,tune', or a table of weights, got {shown_value(given)}"
        )
    names, weights = sorted(known), dict(given)
    for name, weight in weights.items():
        if name not in names:
            raise ConfigError(
                f"unknown operator {shown_value(name)}{nearest(str(name), names)}; there are: {', '.join(names)}"
            )
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise ConfigError(f"the weight of operator {name} must be a number, got {shown_value(weight)}")
        if not 0 <= weight <= MAX_OPERATOR_WEIGHT:
            raise ConfigError(
                f"the weight of operator {name} must be in [0, {MAX_OPERATOR_WEIGHT:g}], got {weight}"
            )
    if not any(weights.values()):
        raise ConfigError(
            "operators must name at least one with a weight > 0, for example: --operators tune,splice"
        )
    return {name: float(weight) for name, weight in weights.items()}


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"the weight of operator {name} must be a number, got {shown_value(text)}"
        ) from None


def check_keys(keys: Iterable[str], names: list[str], *, where: str) -> None:
    """Checks that every key is one of `names`.

    Raises:
        ConfigError: one is not; the message has the nearest valid one.
    """
    for key in keys:
        if key not in names:
            raise ConfigError(
                f"{where}: unknown key {shown_value(key)}{nearest(str(key), names)}; there are: {', '.join(names)}"
            )
