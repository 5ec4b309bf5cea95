"""The settings of a run: one frozen dataclass that composes those of its parts. Read from the command line and TOML."""

from __future__ import annotations

import dataclasses
import difflib
import os
import secrets
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from discovery.core import plugins
from discovery.core.budget import Budget
from discovery.core.errors import ConfigError
from discovery.settings.learning import (
    BanditConfig,
    DuplicatesConfig,
    MemoryConfig,
    ScreeningConfig,
    TuningConfig,
)
from discovery.settings.models import ModelConfig, parse_models
from discovery.settings.questions import ContextConfig, PlanningConfig
from islands.archipelago import IslandsConfig

DEFAULT_MINUTES = 5.0
BUDGET_KEYS: Mapping[str, str] = {
    "evals": "evaluations",
    "minutes": "minutes",
    "cost_usd": "cost_usd",
    "tokens": "tokens",
}
"""What a person calls the parts of a budget, and its fields."""
_PLAIN_KEYS = ("seed", "workers", "model_slots", "target", "parents", "rebase", "tier", "unsafe")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that decides a run.

    Attributes:
        problem: shipped name, entry point, dotted module, file or folder.
        seed: of all random choices, and of the hidden cases.
        workers: evaluations at the same time; model_slots: model calls at the same time.
        operators: name -> weight; empty means the default (discovery.operators.registry).
        budget: what may be spent.
        target: score that ends the run; None takes the problem's.
        tier: the sandbox tier to use, 1 or 2; None takes the best there is.
        unsafe: run with whatever protection there is (never for code you do not trust).
        parents: how they are drawn: see discovery/search/parents.py; all but "boltzmann" are for comparisons.
        rebase: whether a change of the best program is carried over into what is the best when the model's reply comes.
        islands, models, tuning, bandit, memory, duplicates, screening, context, planning: settings of the parts.
    """

    problem: str
    seed: int
    workers: int = 2
    model_slots: int = 4
    operators: Mapping[str, float] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    target: float | None = None
    tier: int | None = None
    unsafe: bool = False
    parents: Literal["boltzmann", "best", "uniform", "seed"] = "boltzmann"
    rebase: bool = True
    islands: IslandsConfig = field(default_factory=IslandsConfig)
    models: ModelConfig = field(default_factory=ModelConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    bandit: BanditConfig = field(default_factory=BanditConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    screening: ScreeningConfig = field(default_factory=ScreeningConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    planning: PlanningConfig = field(default_factory=PlanningConfig)

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 1024:
            raise ConfigError(f"workers must be in 1..1024, got {self.workers}")
        if not 1 <= self.model_slots <= 1024:
            raise ConfigError(f"model_slots must be in 1..1024, got {self.model_slots}")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed must be in 0..2**63-1, got {self.seed}")
        if self.tier not in (None, 1, 2):
            raise ConfigError(f"tier must be 1 or 2, got {self.tier}")

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RunConfig:
        """Returns the settings of a JSON form."""
        return build(RunConfig, data, where="config.json")


def make_config(settings: Mapping[str, Any], where: str) -> RunConfig:
    """Returns the run's settings from the options of the command line, of a TOML file or of a request.

    Args:
        settings: options by name.
        where: what to call their source in a message.

    Raises:
        ConfigError: an unknown option or a value out of range.
    """
    rest = dict(settings)
    data: dict[str, Any] = {key: rest.pop(key) for key in _PLAIN_KEYS if key in rest}
    if not (problem := rest.pop("problem", None)):
        raise ConfigError("no problem is named; try: discovery run circle_packing")
    path = Path(str(problem)).expanduser()
    data["problem"] = str(path.absolute()) if path.exists() else str(problem)
    data.setdefault("seed", secrets.randbits(48))
    data.setdefault("workers", default_workers())
    budget = {field: rest.pop(key) for key, field in BUDGET_KEYS.items() if key in rest}
    data["budget"] = budget or {"minutes": DEFAULT_MINUTES}
    if isinstance(operators := rest.pop("operators", None), str):
        data["operators"] = parse_operators(operators, plugins.names("discovery.operators"))
    elif isinstance(operators, Mapping):
        data["operators"] = parse_operators(
            ",".join(f"{k}={v}" for k, v in operators.items()), plugins.names("discovery.operators")
        )
    islands = rest.pop("islands", {})
    data["islands"] = dict(islands) if isinstance(islands, Mapping) else {"islands": islands}
    models = dict(rest.pop("models", {}))
    if names := rest.pop("model", ()):
        models["models"] = parse_models([names] if isinstance(names, str) else names)
    if "api_base" in rest:
        models["api_base"] = rest.pop("api_base")
    data["models"] = models
    return build(RunConfig, data | rest, where=where)


def default_workers() -> int:
    """Returns how many evaluations this machine can run at once."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def parse_operators(text: str, known: typing.Iterable[str]) -> dict[str, float]:
    """Returns the weights of a list such as "diff=3,tune" (a name alone weighs 1).

    Raises:
        ConfigError: an unknown operator or a weight that is no number >= 0.
    """
    weights: dict[str, float] = {}
    names = sorted(known)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        if name not in names:
            raise ConfigError(
                f"unknown operator {name!r}{_nearest(name, names)}; there are: {', '.join(names)}"
            )
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            raise ConfigError(f"the weight of operator {name} must be a number, got {weight!r}") from None
        if not 0 <= weights[name] < float("inf"):
            raise ConfigError(f"the weight of operator {name} must be >= 0, got {weight}")
    if not any(weights.values()):
        raise ConfigError(
            "operators must name at least one with a weight > 0, for example: --operators tune,splice"
        )
    return weights


def read_toml(path: Path) -> dict[str, Any]:
    """Returns the tables of a TOML file, with dashes in keys read as underscores.

    Raises:
        ConfigError: the file cannot be read or is no TOML.
    """
    try:
        with path.open("rb") as file:
            return {key.replace("-", "_"): value for key, value in tomllib.load(file).items()}
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def build(cls: type[T], data: Mapping[str, Any], *, where: str) -> T:
    """Returns a configuration dataclass from plain data, nested ones included.

    Raises:
        ConfigError: an unknown key (with the nearest valid one), a value of the wrong type or out of range.
    """
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(typing.cast(Any, cls))]
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = key.replace("-", "_")
        check_keys([name], names, where=where)
        values[name] = _convert(hints[name], value, where=f"{where}: {key}")
    try:
        return cls(**values)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from error


def check_keys(keys: typing.Iterable[str], names: typing.Sequence[str], *, where: str) -> None:
    """Checks that every key is one of `names`.

    Raises:
        ConfigError: one is not; the message has the nearest valid one.
    """
    for key in keys:
        if key not in names:
            raise ConfigError(
                f"{where}: unknown key {key!r}{_nearest(key, names)}; there are: {', '.join(names)}"
            )


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        origin = typing.get_origin(option) or option
        if option is type(None) and value is None:
            return None
        if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
            return build(typing.cast(Any, option), value, where=where)
        if origin is typing.Literal and value in typing.get_args(option):
            return value
        if origin is tuple and isinstance(value, list | tuple):
            return tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if origin is bool and isinstance(value, bool):
            return value
        if origin is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if origin is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if origin in (str, dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
            wanted = str if origin is str else Mapping
            if isinstance(value, wanted):
                return value
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise ConfigError(f"{where} must be {expected}, got {value!r}")


def _nearest(name: str, names: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
