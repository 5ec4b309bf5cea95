"""A strong parent whose only child crashed is given another: selection as it is does that (SWE-Search has a bonus for it)."""

from __future__ import annotations

import numpy as np
import pytest

from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis


@pytest.mark.parametrize("seed", range(10))
def test_no_best_program_is_left_after_one_child_that_crashed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = Archipelago(IslandsConfig(islands=1), [Axis("m", 0.0, 1.0, 16)])
    world.add(0, "0", 0.0, (0.5,))
    values, children, bests = {"0": 0.0}, {"0": []}, ["0"]
    for n in range(1, 400):
        parent = world.select(0, np.random.default_rng([seed, n]))[0].program_id
        world.record_parents(0, [parent])
        crashed = bool(rng.random() < 0.6)
        children[parent].append(crashed)
        if crashed:
            continue
        fitness = values[parent] + float(rng.normal(-0.5, 1.0))
        if world.add(0, str(n), fitness, (float(rng.random()),)):
            values[str(n)], children[str(n)] = fitness, []
        if world.best is not None and world.best.program_id == str(n):
            bests.append(str(n))
    assert len(bests) > 10
    assert not [best for best in bests[:-1] if children[best] == [True]]
