"""Settings of what learns in a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from discovery.core.errors import ConfigError
from discovery.settings.schema import LISTS, STRICT, checked, setting

MANY = 10**9
"""Above every count that a run comes to."""


@checked("bandit")
@dataclass(frozen=True, slots=True, config=STRICT)
class BanditConfig:
    """How models, operators and prompt variants are chosen."""

    enabled: Annotated[
        bool,
        setting(
            "Choose operators and models by what they bring; otherwise they are drawn by their weights alone."
        ),
    ] = False
    floor: Annotated[
        float, setting("Share of the choices that are drawn by the weights alone.", ge=0, le=1)
    ] = 0.1
    half_life: Annotated[
        float,
        setting("After so many trials of mean cost, evidence counts half.", unit="trials", gt=0, le=MANY),
    ] = 200.0
    prior: Annotated[
        float,
        setting(
            "Weight of what an arm is expected to bring before it was tried.", unit="trials", gt=0, le=MANY
        ),
    ] = 4.0
    dollars: Annotated[
        float,
        setting(
            "Weight of a trial's money in its cost, in units of the mean; tokens stand for it while a price is unknown.",
            ge=0,
            le=MANY,
        ),
    ] = 1.0
    seconds: Annotated[
        float, setting("Weight of a trial's time in its cost, in units of the mean.", ge=0, le=MANY)
    ] = 1.0
    evaluations: Annotated[
        float, setting("Weight of a trial's evaluation in its cost, in units of the mean.", ge=0, le=MANY)
    ] = 1.0
    stall: Annotated[
        int,
        setting(
            "Trials of models without a new best after which strong models are called; 0 for never.",
            ge=0,
            le=MANY,
        ),
    ] = 40
    strong_share: Annotated[
        float,
        setting("Share of the choices that go to strong models then; it falls as they fail.", ge=0, le=1),
    ] = 0.5
    strong: Annotated[
        tuple[Annotated[str, Field(max_length=200)], ...],
        setting(
            "Names of the strong models; left out, those whose calls cost 3 times the cheapest one's or more.",
            max_length=64,
        ),
        LISTS,
    ] = ()

    def __post_init__(self) -> None:
        if not self.dollars + self.seconds + self.evaluations > 0:
            raise ConfigError(
                "bandit.dollars, bandit.seconds and bandit.evaluations must not all be 0; weigh at least one"
            )


@checked("memory")
@dataclass(frozen=True, slots=True, config=STRICT)
class MemoryConfig:
    """What is remembered, and how it is shown."""

    enabled: Annotated[bool, setting("Remember what worked, and show it.")] = False
    capacity: Annotated[int, setting("Items at most.", ge=1, le=100_000)] = 200
    count: Annotated[int, setting("Items in a question at most.", ge=1, le=1000)] = 4
    shortlist: Annotated[
        int, setting("The most similar items, among which value decides.", ge=1, le=100_000)
    ] = 24
    epsilon: Annotated[
        float, setting("Share of the shown items that are drawn at random from the shortlist.", ge=0, le=1)
    ] = 0.1
    control: Annotated[
        float,
        setting("Share of the questions that show no items, to tell what memory brings.", ge=0, lt=1),
    ] = 0.1
    prior: Annotated[
        float,
        setting("Weight of the value of an item that was never shown.", unit="programs", gt=0, le=MANY),
    ] = 2.0
    trial: Annotated[
        int,
        setting(
            "Programs after which an item goes that brought less than all questions, by half a standard error.",
            ge=1,
            le=MANY,
        ),
    ] = 8
    batch: Annotated[
        int, setting("Programs of models whose evidence is merged at once.", ge=1, le=1_000_000)
    ] = 8
    least_gain: Annotated[float, setting("Gain from which a child's idea is worth an item.", ge=0, le=1)] = (
        0.2
    )
    starts: Annotated[
        bool,
        setting(
            "Choose parents of models' children by what their children brought, with the same prior and epsilon."
        ),
    ] = False


@checked("screening")
@dataclass(frozen=True, slots=True, config=STRICT)
class ScreeningConfig:
    """Which replies of models are refused before an evaluation is spent."""

    enabled: Annotated[
        bool,
        setting(
            "Refuse replies that are unlikely to be better; never with several objectives, nor with from_best."
        ),
    ] = True
    threshold: Annotated[
        float,
        setting("Probability of being better than its parent below which a child is refused.", ge=0, le=0.5),
    ] = 0.2
    audit: Annotated[
        float, setting("Share of those refused that are evaluated all the same.", ge=0, le=1)
    ] = 0.1


@checked("tuning")
@dataclass(frozen=True, slots=True, config=STRICT)
class TuningConfig:
    """How constants are tuned."""

    sessions: Annotated[int, setting("Sessions that may be open at once.", ge=1, le=1024)] = 4
    sigma0: Annotated[float, setting("First step, in units of a constant's scale.", gt=0, le=1_000_000)] = 0.1
    batch: Annotated[
        float,
        setting("Programs per generation, in units of the CMA-ES default 4 + 3 ln n.", gt=0, le=10_000),
    ] = 1.5
    max_constants: Annotated[
        int,
        setting(
            "With more constants than this, a session tunes a random choice of so many.", ge=1, le=10_000
        ),
    ] = 100
    tolerance: Annotated[
        float,
        setting(
            "A session ends when its last generations gained less than this share of all that it gained.",
            gt=0,
            lt=1,
        ),
    ] = 0.002
    explore: Annotated[
        float,
        setting("Share of the sessions that tune the least tuned of the best programs.", ge=0, le=1),
    ] = 0.25
    within: Annotated[
        float,
        setting(
            "With models, no program is tuned that lies further below the best than this share of all that was gained.",
            ge=0,
            le=1,
        ),
    ] = 0.25


@checked("duplicates")
@dataclass(frozen=True, slots=True, config=STRICT)
class DuplicatesConfig:
    """What counts as too much alike."""

    enabled: Annotated[
        bool, setting("Refuse near-duplicates too; otherwise only exact duplicates are refused.")
    ] = False
    threshold: Annotated[
        float,
        setting("Estimated Jaccard index of token 4-grams from which a child is refused.", gt=0, le=1),
    ] = 0.97
    recent: Annotated[
        int, setting("Latest programs of the island that a child is compared with.", ge=0, le=100_000)
    ] = 64
    elites: Annotated[
        int, setting("Best elites of the island that a child is compared with.", ge=0, le=100_000)
    ] = 32
