from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands import IslandsError
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import AddStatus, Archive, Axis
from islands.fronts import crowding, dominates, non_dominated, place_for

AXES = [Axis("x", 0.0, 1.0, 4)]
points = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8)).map(lambda p: (float(p[0]), float(p[1]))), max_size=40
)


def test_domination_by_hand():
    assert dominates((2, 1), (1, 1))
    assert not dominates((1, 1), (1, 1))
    assert not dominates((2, 0), (1, 1))
    assert non_dominated([(0, 3), (1, 1), (3, 0), (1, 2), (0, 0)]) == [0, 2, 3]


def test_crowding_by_hand():
    # objective 1: (2 - 0) / 4 and (4 - 1) / 4; objective 2: (4 - 2) / 4 and (3 - 0) / 4
    assert crowding([(0, 4), (1, 3), (2, 2), (4, 0)]).tolist() == [np.inf, 1.0, 1.5, np.inf]


@given(points, st.integers(-3, 3), st.integers(-9, 9))
def test_places_do_not_know_the_unit_of_an_objective(members, power, shift):
    front = [members[n] for n in non_dominated(members)]
    moved = [(a * 2.0**power + shift, b) for a, b in front]
    for newcomer in members[:5]:
        other = (newcomer[0] * 2.0**power + shift, newcomer[1])
        assert place_for(front, newcomer, 4) == place_for(moved, other, 4)


@given(points)
def test_a_front_with_room_holds_all_that_nobody_dominates(offered):
    archive = Archive(AXES, order="pareto", places=100)
    for n, values in enumerate(offered):
        archive.add(f"p{n}", values[0], (0.1,), values)
    kept = [elite.values for elite in archive.elites()]
    assert {kept[n] for n in non_dominated(kept)} == {offered[n] for n in non_dominated(offered)}
    assert len(set(kept)) == len(kept)


@given(points.filter(bool), st.integers(2, 5))
def test_a_full_front_keeps_the_best_in_every_objective(offered, places):
    archive = Archive(AXES, order="pareto", places=places)
    for n, values in enumerate(offered):
        archive.add(f"p{n}", values[0], (0.1,), values)
    elites = archive.elites()
    assert len(elites) <= places
    for objective in (0, 1):
        assert max(e.values[objective] for e in elites) == max(values[objective] for values in offered)
    assert archive.best is not None
    assert archive.best.fitness == max(values[0] for values in offered)
    assert archive.coverage == 0.25
    assert archive.qd_score == pytest.approx(max(values[0] for values in offered))


def test_places_of_a_cell_are_cells_of_their_own_for_whoever_keeps_programs_by_cell():
    archive = Archive(AXES, order="pareto", places=3)
    results = [
        archive.add(f"p{n}", v[0], (0.3,), v) for n, v in enumerate([(1.0, 3.0), (3.0, 1.0), (2.0, 2.0)])
    ]
    assert [result.cell for result in results] == [1, 5, 9]
    assert [result.status for result in results] == [AddStatus.NEW] * 3
    better = archive.add("q", 2.5, (0.3,), (2.5, 2.5))
    assert (better.status, better.cell, better.displaced) == (AddStatus.IMPROVED, 9, "p2")
    assert archive.add("r", 2.0, (0.3,), (2.0, 2.4)).status is AddStatus.REJECTED


def test_lexicographic_order_asks_the_next_objective_where_the_first_is_equal():
    archive = Archive(AXES, order="lexicographic")
    assert archive.add("a", 1.0, (0.1,), (1.0, 5.0)).status is AddStatus.NEW
    assert archive.add("b", 1.0, (0.1,), (1.0, 6.0)).displaced == "a"
    assert archive.add("c", 0.9, (0.1,), (0.9, 9.0)).status is AddStatus.REJECTED
    assert archive.add("d", 1.0, (0.6,), (1.0, 7.0)).status is AddStatus.NEW
    assert archive.best is not None
    assert archive.best.program_id == "d"
    assert archive.normalised("rank").tolist() == [0.0, 1.0]


def test_parents_of_a_front_are_drawn_by_one_objective_at_random():
    world = Archipelago(IslandsConfig(islands=1), AXES, "pareto")
    for n in range(5):
        world.add(0, f"p{n}", float(n), (0.1,), (float(n), float(4 - n)))
    drawn = [world.select(0, np.random.default_rng(seed))[0].program_id for seed in range(200)]
    assert set(drawn) == {"p0", "p4"}  # cold: the best in one objective, or in the other
    assert 70 < drawn.count("p0") < 130


@pytest.mark.parametrize("places", [2, 4])
def test_the_settings_say_how_many_places_a_cell_has(places):
    world = Archipelago(IslandsConfig(islands=1, places=places), AXES, "pareto")
    for n in range(5):
        world.add(0, f"p{n}", float(n), (0.1,), (float(n), float(4 - n)))
    assert len(world.elites(0)) == places


def test_migrants_take_their_values_along():
    config = IslandsConfig(islands=2, opening_interval=0, migration_interval=3)
    world = Archipelago(config, AXES, "pareto")
    for n in range(3):
        changes = world.add(0, f"p{n}", float(n), (0.1,), (float(n), float(4 - n)))
    assert [change.cause for change in changes] == ["birth", "migration", "migration"]
    assert {elite.values for elite in world.elites(1)} == {(2.0, 2.0), (1.0, 3.0)}


def test_what_cannot_be_ordered_is_refused():
    archive = Archive(AXES, order="pareto")
    for values in ((), (1.0, float("nan"))):
        with pytest.raises(IslandsError, match="values"):
            archive.add("a", 1.0, (0.1,), values)
    with pytest.raises(IslandsError, match="places"):
        Archive(AXES, order="pareto", places=1)
