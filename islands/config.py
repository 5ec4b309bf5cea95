"""How a population lives: the settings of an archipelago."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from islands import IslandsError

Normalisation: TypeAlias = Literal["rank", "robust"]
Reseeding: TypeAlias = Literal["founder", "elites"]
Topology: TypeAlias = Literal["ring", "all", "none"]
_MANY = 10**9
T = TypeVar("T")


def _checked(cls: type[T]) -> type[T]:
    """Returns the class, which raises an IslandsError for what is out of range."""
    construct: Callable[..., None] = cls.__init__

    @functools.wraps(construct)
    def init(self: Any, *args: Any, **values: Any) -> None:
        try:
            construct(self, *args, **values)
        except ValidationError as error:
            wrong = [
                f"{one['loc'][0]} {one['msg'].replace('Input should', 'must')}, got {one['input']!r:.80}"
                for one in error.errors(include_url=False)
            ]
            raise IslandsError("; ".join(wrong)) from error

    setattr(cls, "__init__", init)  # noqa: B010 - mypy takes no assignment to a method
    return cls


@_checked
@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class IslandsConfig:
    """How the population lives; benchmarks/search.py justifies the defaults (docs/selection.md).

    `tau0`, `alpha` and `beta` are the law of the temperature (selection.temperature).
    """

    islands: Annotated[
        int, Field(ge=1, le=1024, description="Number of islands.", json_schema_extra={"x-key": "islands"})
    ] = 4
    opening_interval: Annotated[
        int,
        Field(
            ge=0,
            le=_MANY,
            description="Programs in all before the next island opens, so that a short run is not diluted; 0 opens all at once.",
        ),
    ] = 2000
    tau0: Annotated[
        float, Field(gt=0, le=_MANY, description="Lowest temperature, in units of normalised fitness.")
    ] = 0.005
    alpha: Annotated[
        float, Field(ge=0, le=_MANY, description="How much hotter selection gets as diversity is lost.")
    ] = 1.0
    beta: Annotated[float, Field(ge=0, le=_MANY, description="How fast that fades as diversity grows.")] = 2.0
    window: Annotated[
        int, Field(ge=2, le=1_000_000, description="Recent parents over which the diversity is taken.")
    ] = 64
    normalisation: Annotated[
        Normalisation, Field(description="How scores are made comparable: by rank, or by a robust z-score.")
    ] = "rank"
    patience: Annotated[
        int,
        Field(
            ge=0,
            le=_MANY,
            description="Children without a better one that an island's best elite may have before the island explores.",
        ),
    ] = 80
    fatigue: Annotated[
        float,
        Field(
            gt=0,
            le=_MANY,
            description="What each child then costs every elite of the island, in units of normalised fitness.",
        ),
    ] = 0.07
    migration_interval: Annotated[
        int,
        Field(ge=0, le=_MANY, description="Births of an island between two migrations from it; 0 for none."),
    ] = 50
    migrants: Annotated[
        int,
        Field(
            ge=1, le=10_000, description="How many of the island's best elites are offered to each neighbour."
        ),
    ] = 2
    topology: Annotated[
        Topology, Field(description="Where migrants go: ring (to the next), all (to every other), none.")
    ] = "ring"
    stagnation: Annotated[
        int,
        Field(
            ge=0,
            le=_MANY,
            description="Births of an island without a better best after which it is reseeded from the others; 0 for never.",
        ),
    ] = 300
    reseeding: Annotated[
        Reseeding,
        Field(
            description="What a reseeded island begins with: one founder of another island alone, or all elites beside its own."
        ),
    ] = "founder"
    protection: Annotated[
        int,
        Field(
            ge=0,
            le=_MANY,
            description="Births of an island that began anew from a founder, before it migrates or is reseeded again.",
        ),
    ] = 100
    cvt_cells: Annotated[
        int,
        Field(ge=1, le=65_536, description="Cells of the tessellation that serves more than 3 measures."),
    ] = 512
    places: Annotated[
        int,
        Field(
            ge=2,
            le=1024,
            description="Programs that a cell holds where several objectives make a Pareto front.",
        ),
    ] = 8
