"""Settings of what learns in a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from discovery.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class BanditConfig:
    """How models, operators and prompt variants are chosen.

    Attributes:
        enabled: False draws operators and models by their weights, whatever they bring.
        floor: share of the choices that are drawn by the weights alone, in [0, 1].
        half_life: after so many trials of mean cost, evidence counts half, > 0.
        prior: weight of what an arm is expected to bring before it was tried, in trials of mean cost, > 0.
        dollars, seconds, evaluations: what a trial costs, as weights >= 0 of its money, its time and its evaluation, each in
            units of its mean. Tokens stand for dollars as soon as a price is unknown.
        stall: trials of models without a new best after which strong models are called; 0 for never.
        strong_share: share of the choices that go to strong models then; it falls as they fail, too; in [0, 1].
        strong: names of the strong models; left out, those whose calls cost 3 times the cheapest one's or more.
    """

    enabled: bool = False
    floor: float = 0.1
    half_life: float = 200.0
    prior: float = 4.0
    dollars: float = 1.0
    seconds: float = 1.0
    evaluations: float = 1.0
    stall: int = 40
    strong_share: float = 0.5
    strong: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("floor", "strong_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"bandit {name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("half_life", "prior"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"bandit {name} must be > 0, got {getattr(self, name)}")
        costs = (self.dollars, self.seconds, self.evaluations)
        if not (all(0 <= cost < math.inf for cost in costs) and sum(costs) > 0):
            raise ConfigError(
                f"bandit dollars, seconds and evaluations must be >= 0 and not all 0, got {costs}"
            )
        if self.stall < 0:
            raise ConfigError(f"bandit stall must be >= 0, got {self.stall}; 0 never calls strong models in")


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """What is remembered, and how it is shown.

    Attributes:
        enabled: False remembers nothing and shows nothing.
        capacity: items at most, >= 1.
        count: items in a question at most, >= 1; shortlist: the most similar ones among which value decides.
        epsilon: share of the shown items that are drawn at random from these, in [0, 1].
        control: share of the questions that show none, to tell what memory brings, in [0, 1).
        prior: weight of the value of an item that was never shown, in programs, > 0.
        trial: programs after which an item goes that brought less than all questions, by half a standard error; >= 1.
        batch: programs of models whose evidence is merged at once, >= 1.
        least_gain: gain (gains.py) from which a child's idea is worth an item, in [0, 1].
        starts: whether parents of models' children are chosen by what their children brought (starts.py), with the
            same `prior` and `epsilon`, where parents are drawn by the archipelago's law.
    """

    enabled: bool = False
    capacity: int = 200
    count: int = 4
    shortlist: int = 24
    epsilon: float = 0.1
    control: float = 0.1
    prior: float = 2.0
    trial: int = 8
    batch: int = 8
    least_gain: float = 0.2
    starts: bool = False

    def __post_init__(self) -> None:
        for name in ("capacity", "count", "shortlist", "trial", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"memory {name} must be >= 1, got {getattr(self, name)}")
        for name in ("epsilon", "least_gain"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"memory {name} must be in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.control < 1:
            raise ConfigError(f"memory control must be in [0, 1), got {self.control}")
        if not 0 < self.prior < math.inf:
            raise ConfigError(f"memory prior must be > 0, got {self.prior}")


@dataclass(frozen=True, slots=True)
class ScreeningConfig:
    """Which replies of models are refused before an evaluation is spent.

    Attributes:
        enabled: False evaluates all; so do runs with several objectives, and those that improve on the best output so far.
        threshold: probability of being better than its parent below which a child is refused, in [0, 0.5].
        audit: share of those that are evaluated all the same, in [0, 1].
    """

    enabled: bool = True
    threshold: float = 0.2
    audit: float = 0.1

    def __post_init__(self) -> None:
        for name, most in (("threshold", 0.5), ("audit", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"screening {name} must be in [0, {most:g}], got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class TuningConfig:
    """How constants are tuned.

    Attributes:
        sessions: how many sessions may be open at once, >= 1.
        sigma0: first step in units of a constant's scale, > 0.
        batch: programs per generation, in units of the CMA-ES default 4 + 3 ln n, > 0.
        max_constants: with more constants than this, a session tunes a random choice of so many, >= 1.
        tolerance: a session ends when its last generations gained less than this share of all that it gained,
            in (0, 1).
        explore: share of the sessions that tune the least tuned of the best programs, in [0, 1].
    """

    sessions: int = 4
    sigma0: float = 0.1
    batch: float = 1.5
    max_constants: int = 100
    tolerance: float = 0.002
    explore: float = 0.25

    def __post_init__(self) -> None:
        rules = {
            "sessions": (self.sessions >= 1, ">= 1"),
            "sigma0": (0 < self.sigma0 < math.inf, "> 0"),
            "batch": (0 < self.batch < math.inf, "> 0"),
            "max_constants": (self.max_constants >= 1, ">= 1"),
            "tolerance": (0 < self.tolerance < 1, "in (0, 1)"),
            "explore": (0 <= self.explore <= 1, "in [0, 1]"),
        }
        for name, (is_kept, rule) in rules.items():
            if not is_kept:
                raise ConfigError(f"tuning.{name} must be {rule}, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class DuplicatesConfig:
    """What counts as too much alike.

    Attributes:
        enabled: False refuses exact duplicates only.
        threshold: estimated Jaccard index of token 4-grams from which a child is refused, in (0, 1].
        recent: latest programs of the island that it is compared with, >= 0.
        elites: best elites of the island that it is compared with, >= 0.
    """

    enabled: bool = False
    threshold: float = 0.97
    recent: int = 64
    elites: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"duplicates threshold must be in (0, 1], got {self.threshold}")
        if self.recent < 0 or self.elites < 0:
            raise ConfigError(
                f"duplicates recent and elites must be >= 0, got {self.recent} and {self.elites}"
            )
