"""A panel prepared for an exam: what programs are shown of it, and what they are measured by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.admission import NoiseFloor
from evaluators.alphas.factors import exposures
from evaluators.alphas.kin import Kin
from evaluators.alphas.markets.labels import Horizon, Labels, make_labels, twin_labels
from evaluators.alphas.markets.panel import Floats, Panel
from evaluators.alphas.markets.splits import Split, make_split
from evaluators.contract import ContractError

Array = NDArray[np.float64]

FEATURES = ("open", "high", "low", "close", "volume", "vwap")
WARM_UP_DAYS = 120
"""Days at the start that are shown, but not scored: long memories fill there."""


@dataclass(slots=True, eq=False)
class World:
    """A panel prepared for an exam, and the answers of the program that sits it.

    Attributes:
        panel: names in secret order.
        features: what programs see, (T, N) float32 by name, T up to the end of the search.
        labels: of the whole panel.
        split: train, validation and sealed test.
        exposures: what a factor may merely repeat, see `factors.exposures`.
        answers: the (T, N) factors of the first sitting; [] before it.
        metrics: what they scored.
        kin: tells which family of classic factors a factor is nearest to.
        twin: the labels of the twin world (twins.py); None where there is none.
        noise: how far worthless factors stray here, once an elite has asked.
    """

    panel: Panel
    features: dict[str, Floats]
    labels: Labels
    split: Split
    exposures: Mapping[str, Array]
    kin: Kin
    answers: list[Array] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    twin: Labels | None = None
    noise: NoiseFloor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Returns (T, N) of the features."""
        days, names = next(iter(self.features.values())).shape
        return days, names


def make_world(
    panel: Panel,
    rng: np.random.Generator,
    *,
    horizon: Horizon | None = None,
    features: Sequence[str] = FEATURES,
    sealed: bool = False,
    caused: Floats | None = None,
) -> World:
    """Returns a world with the names of `panel` in an order drawn from `rng`.

    `caused` (T, N), in the order of the panel's names, is what planted signals add to each day's log return; with it the
    world has a twin. With `sealed` the features reach to the panel's last day, for the one look at the test days.
    """
    if missing := [name for name in ("close", *features) if name not in panel.fields]:
        raise ContractError(f"the panel must have the fields {', '.join(features)}; missing: {missing}")
    order = rng.permutation(len(panel.symbols))
    fields = {name: np.ascontiguousarray(values[:, order]) for name, values in panel.fields.items()}
    symbols = tuple(panel.symbols[place] for place in order)
    shuffled = Panel(panel.dates, symbols, fields, panel.universe[:, order], panel.tradable[:, order])
    labels = make_labels(shuffled, horizon)
    split = make_split(len(panel.dates), labels.horizon, warm_up_days=WARM_UP_DAYS)
    rows = slice(0, None) if sealed else split.search
    shown = {name: fields[name][rows] for name in features}
    kin = Kin(
        {name: fields[name] for name in FEATURES if name in fields}, shuffled.universe, split.valid.stop
    )
    twin = None if caused is None else twin_labels(labels, caused[:, order])
    return World(shuffled, shown, labels, split, exposures(shuffled), kin, twin=twin)
