from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from islands import IslandsError
from islands.archipelago import Archipelago, Change, IslandsConfig
from islands.archive import Axis

AXES = (Axis("x", 0.0, 1.0, 10), Axis("y", 0.0, 1.0, 10))
ALL_OPEN = IslandsConfig(islands=3, opening_interval=0, migration_interval=5, migrants=1, stagnation=0)


def seeded(config):
    population = Archipelago(config, AXES)
    for island in range(config.islands):
        population.add(island, "seed", 0.0, (0.0, 0.0))
    return population


def live(config, steps, seed, *, read_store_every=None):
    """Breeds without a model: a child is its parent moved a little. Returns the population and its calls."""
    population, calls = seeded(config), []
    for decision in range(steps):
        rng = np.random.default_rng([seed, decision])
        island = population.island_of(decision)
        parent = population.select(island, rng)[0]
        measures = tuple(np.clip(np.add(parent.measures, rng.normal(0, 0.1, 2)), 0, 1))
        fitness = float(-abs(measures[0] - 0.7) + 0.1 * np.sin(30 * measures[1]))
        calls.append((island, parent.program_id, f"p{decision}", fitness, measures))
        population.add(island, f"p{decision}", fitness, measures)
        population.record_parents(island, [parent.program_id])
        if read_store_every and decision % read_store_every == 0:
            assert len(population.archive(island).store) == len(population.archive(island))
    return population, calls


def state(population):
    return [
        (population.elites(island), population.temperature(island), population.diversity(island))
        for island in range(len(population))
    ]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from(["ring", "all", "none"]))
def test_replay_of_the_same_calls_rebuilds_the_state(seed, islands, topology):
    config = IslandsConfig(
        islands=islands, topology=topology, opening_interval=20, migration_interval=7, stagnation=15
    )
    population, calls = live(config, 200, seed)
    again = seeded(config)
    for island, parent, program_id, fitness, measures in calls:
        again.add(island, program_id, fitness, measures)
        again.record_parents(island, [parent])
    assert state(again) == state(population)
    rngs = (np.random.default_rng(seed), np.random.default_rng(seed))
    for island in range(islands):
        assert again.select(island, rngs[0], 3) == population.select(island, rngs[1], 3)


def test_reading_the_ribs_archive_on_the_way_changes_nothing():
    config = IslandsConfig(islands=3, opening_interval=20, migration_interval=7, stagnation=15)
    read, unread = (live(config, 300, 1, read_store_every=every)[0] for every in (3, None))
    assert state(read) == state(unread)
    for island in range(3):
        stores = [
            p.archive(island).store.data(["index", "solution", "objective"], "tuple") for p in (read, unread)
        ]
        assert sorted(zip(*stores[0], strict=True)) == sorted(zip(*stores[1], strict=True))


def test_no_cell_ever_gets_worse_through_births_migrations_and_reseeds():
    population = seeded(
        IslandsConfig(islands=3, opening_interval=0, migration_interval=3, stagnation=10, reseeding="elites")
    )
    rng, causes, best = np.random.default_rng(2), set(), [{}, {}, {}]
    for number in range(1000):
        island = int(rng.integers(3))
        for change in population.add(island, f"p{number}", float(rng.random()), tuple(rng.random(2))):
            causes.add(change.cause)
            elite = population.archive(change.island).cell_elite(change.cell)
            assert change.cause != "birth" or elite.fitness >= best[change.island].get(change.cell, -1)
        for index in range(3):
            for elite in population.elites(index):
                assert elite.fitness >= best[index].get(elite.cell, -1)
                best[index][elite.cell] = elite.fitness
    assert causes == {"birth", "migration", "reseed"}


def test_changes_tell_every_cell_that_got_another_elite():
    population, mirror, founded = seeded(IslandsConfig(islands=3, opening_interval=0, stagnation=10)), {}, 0
    for island in range(3):
        mirror[island, 0] = "seed"
    rng = np.random.default_rng(4)
    for number in range(500):
        for change in population.add(number % 3, f"p{number}", float(rng.random()), tuple(rng.random(2))):
            if change.cause == "founder":
                mirror = {key: one for key, one in mirror.items() if key[0] != change.island}
                founded += 1
            assert mirror.get((change.island, change.cell)) == change.displaced
            mirror[change.island, change.cell] = change.program_id
    assert founded > 3
    assert mirror == {
        (island, elite.cell): elite.program_id for island in range(3) for elite in population.elites(island)
    }


def test_migration_goes_round_the_ring_every_so_many_births():
    population = seeded(ALL_OPEN)
    for number in range(3):  # with the seed, births 2 to 4
        assert {c.cause for c in population.add(2, f"p{number}", float(number), (0.1 * number, 0.5))} == {
            "birth"
        }
    changes = population.add(2, "best", 9.0, (0.95, 0.95))
    assert changes == (Change(2, 99, "best", None, "birth"), Change(0, 99, "best", None, "migration"))
    assert population.archive(1).cell_elite(99) is None
    assert population.best.program_id == "best"


def test_topology_none_keeps_islands_apart_and_all_reaches_everyone():
    for topology, reached in (("none", {2}), ("all", {0, 1, 2})):
        population = seeded(dataclasses.replace(ALL_OPEN, topology=topology))
        for number in range(4):
            population.add(2, f"p{number}", 1.0 + number, (0.95, 0.95))
        assert {island for island in range(3) if population.archive(island).best.fitness > 0} == reached


def test_a_stagnant_island_gets_the_others_elites_and_keeps_its_own():
    config = dataclasses.replace(ALL_OPEN, migration_interval=0, stagnation=4, reseeding="elites")
    population = seeded(config)
    population.add(1, "far", 5.0, (0.95, 0.95))
    population.add(0, "near", 1.0, (0.15, 0.05))
    for number in range(3):
        assert population.add(0, f"worse{number}", 0.5, (0.15, 0.05)) == ()
    changes = population.add(0, "worse3", 0.5, (0.15, 0.05))
    assert changes == (Change(0, 99, "far", None, "reseed"),)
    assert {elite.program_id for elite in population.elites(0)} == {"seed", "near", "far"}
    assert population.add(0, "worse4", 0.5, (0.15, 0.05)) == ()  # the count starts afresh


FOUNDED = dataclasses.replace(ALL_OPEN, migration_interval=2, topology="all", stagnation=4, protection=6)


def stagnant(population, island, count, first=0):
    """Adds children that are worse than all; returns what changed."""
    changes = []
    for number in range(first, first + count):
        changes += population.add(island, f"worse{island}-{number}", -1.0, (0.15, 0.05))
    return changes


def fill(population, island):
    """Gives an island elites in several cells, the best of all among them."""
    for number in range(4):
        population.add(island, f"there{number}", 2.0 + number, (0.95, 0.05 + 0.3 * number))


def test_a_stagnant_island_begins_anew_from_one_founder_and_is_left_alone():
    population = seeded(dataclasses.replace(FOUNDED, migration_interval=0))
    fill(population, 1)
    population.add(0, "near", 1.0, (0.15, 0.05))
    assert stagnant(population, 0, 3) == []
    (founded,) = stagnant(population, 0, 1, 3)
    assert (founded.island, founded.displaced, founded.cause) == (0, None, "founder")
    assert [elite.program_id for elite in population.elites(0)] == [founded.program_id]
    assert founded.program_id in {elite.program_id for elite in population.elites(1)}
    causes = [change.cause for change in stagnant(population, 0, 5, 4)]
    assert set(causes) == {"birth"}  # a new cell, and no second founder while it is protected
    again = [change for change in stagnant(population, 0, 6, 9) if change.cause == "founder"]
    assert len(again) == 1


def test_nothing_goes_into_or_out_of_an_island_that_has_just_begun_anew():
    population = seeded(FOUNDED)
    fill(population, 1)
    while not any(change.cause == "founder" for change in stagnant(population, 0, 1)):
        pass
    for number in range(6):
        changes = population.add(0, f"own{number}", 9.0 + number, (0.5, 0.5))
        assert {change.island for change in changes} == {0}, "it sends nothing out"
        changes = population.add(1, f"other{number}", 20.0 + number, (0.05, 0.95))
        assert all(change.island != 0 for change in changes) or number == 5, "it lets nothing in"
    changes = [
        *population.add(1, "late1", 40.0, (0.05, 0.95)),
        *population.add(1, "late2", 41.0, (0.05, 0.95)),
    ]
    assert any(change.island == 0 and change.cause == "migration" for change in changes)


def test_the_island_that_holds_the_best_never_begins_anew():
    population = seeded(dataclasses.replace(FOUNDED, migration_interval=0))
    population.add(1, "far", 5.0, (0.95, 0.95))
    assert not [change for change in stagnant(population, 1, 50) if change.cause == "founder"]
    alone = seeded(dataclasses.replace(FOUNDED, islands=1))
    assert not [change for change in stagnant(alone, 0, 50) if change.cause == "founder"]


def shared(reseeding):
    """Returns how many elites two islands without migration share after a while, and how many the smaller one holds."""
    config = IslandsConfig(
        islands=2,
        opening_interval=0,
        migration_interval=0,
        stagnation=200,
        protection=30,
        reseeding=reseeding,
    )
    population, _ = live(config, 3000, 3)
    one, other = ({elite.program_id for elite in population.elites(island)} for island in (0, 1))
    return len(one & other), min(len(one), len(other))


def test_islands_without_migration_share_few_elites():
    common, count = shared("founder")
    assert count > 10
    assert common <= 0.3 * count
    cloned, count = shared("elites")
    assert cloned > 0.5 * count, "what it was before"


def test_islands_open_one_after_the_other_and_are_drawn():
    population = Archipelago(IslandsConfig(islands=3, opening_interval=10), AXES)
    assert {population.island_of(decision) for decision in range(10)} == {0}
    assert {population.island_of(decision) for decision in range(10, 20)} == {0, 1}
    turns = [population.island_of(decision) for decision in range(20, 620)]
    assert all(150 < turns.count(island) < 250 for island in range(3))
    again = Archipelago(IslandsConfig(islands=3, opening_interval=10), AXES)
    assert turns == [again.island_of(decision) for decision in range(20, 620)]
    other = Archipelago(IslandsConfig(islands=3, opening_interval=10), AXES, seed=1)
    assert turns != [other.island_of(decision) for decision in range(20, 620)]


def test_parents_from_one_cell_make_it_hot_and_from_many_cold():
    population = seeded(dataclasses.replace(ALL_OPEN, migration_interval=0))
    for number in range(10):
        population.add(0, f"p{number}", float(number), (number / 10 + 0.05, 0.5))
    for _ in range(50):
        population.record_parents(0, ["p9"])
    hot = population.temperature(0)
    config = population.config
    assert population.diversity(0) == 0.0
    assert hot == pytest.approx(config.tau0 * (1 + config.alpha))
    for number in range(config.window):
        population.record_parents(0, [f"p{number % 10}"])
    assert population.diversity(0) > 0.95
    assert population.temperature(0) < hot


def test_a_parent_displaced_meanwhile_still_counts_for_its_cell():
    population = seeded(ALL_OPEN)
    population.add(0, "old", 1.0, (0.5, 0.5))
    population.add(0, "new", 2.0, (0.5, 0.5))
    population.record_parents(0, ["old", "new", "unknown"])
    assert population.diversity(0) == 0.0
    population.record_parents(0, ["seed", "seed"])
    assert population.diversity(0) == pytest.approx(1.0)


def test_selection_draws_from_the_islands_own_cells():
    population = seeded(dataclasses.replace(ALL_OPEN, topology="none"))
    for number in range(20):
        population.add(number % 3, f"i{number % 3}p{number}", float(number), (number / 20, 0.5))
    for island in range(3):
        chosen = population.select(island, np.random.default_rng(0), 5)
        assert len({elite.program_id for elite in chosen}) == 5
        assert all(
            elite.program_id == "seed" or elite.program_id.startswith(f"i{island}") for elite in chosen
        )
    assert len(population.select(0, np.random.default_rng(0), 99)) == len(population.elites(0))


def test_a_fruitless_best_elite_makes_room_for_the_others():
    config = IslandsConfig(islands=1, patience=10, fatigue=0.1)
    population = seeded(config)
    for number in range(8):
        population.add(0, f"p{number}", 1.0 + number, (number / 10 + 0.15, 0.5))

    def drawn(times):
        chosen = [population.select(0, np.random.default_rng([3, n]))[0].program_id for n in range(times)]
        return {program_id: chosen.count(program_id) for program_id in chosen}

    population.record_parents(0, ["p7"] * 9)
    assert drawn(200) == {"p7": 200}  # cold, and still within its patience
    population.record_parents(0, ["p7"])
    assert "p7" not in drawn(200)
    for _ in range(200):  # explored on, every cell gets its turn, the better ones more of them
        parent = population.select(0, np.random.default_rng([4, _]))[0]
        population.record_parents(0, [parent.program_id])
    tries = dict(
        zip((e.program_id for e in population.elites(0)), population.archive(0).tries(), strict=True)
    )
    assert min(tries.values()) >= 10
    assert tries["p7"] > tries["p4"] > tries["seed"]
    population.add(0, "better", 99.0, (0.85, 0.5))  # into the cell of p7: a fresh start for it
    assert drawn(200) == {"better": 200}


def test_selection_is_a_function_of_the_rng():
    population, _ = live(IslandsConfig(), 100, 5)
    picks = [population.select(0, np.random.default_rng([1, 2]), 2) for _ in range(2)]
    assert picks[0] == picks[1]


def test_memory_is_bounded_by_the_elites():
    population = seeded(IslandsConfig(islands=1))
    for number in range(20_000):
        population.add(0, f"p{number}", float(number), (0.5, 0.5))
        population.record_parents(0, [f"p{number}"])
    island = population._islands[0]
    held = len(island._cells) + len(island._former) + len(island._recent) + len(island._counts)
    assert held < 700
    assert len(population.archive(0)._pending) <= 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("islands", 0),
        ("tau0", 0.0),
        ("tau0", float("nan")),
        ("alpha", -1.0),
        ("window", 1),
        ("patience", -1),
        ("fatigue", 0.0),
        ("migrants", 0),
        ("normalisation", "raw"),
        ("topology", "star"),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(IslandsError, match=f"{field} must be"):
        IslandsConfig(**{field: value})


def test_bad_calls_are_refused():
    population = Archipelago(ALL_OPEN, AXES)
    with pytest.raises(IslandsError, match="add the seed program"):
        population.select(0, np.random.default_rng(0))
    with pytest.raises(IslandsError, match=r"island must be in \[0, 3\), got 3"):
        population.add(3, "x", 0.0, (0.0, 0.0))
    assert population.best is None


def test_every_field_of_the_config_changes_something():
    base = IslandsConfig(
        islands=3, opening_interval=20, patience=5, migration_interval=10, stagnation=30, window=20
    )
    varied = {
        "islands": 2,
        "opening_interval": 50,
        "tau0": base.tau0 * 3,
        "alpha": base.alpha * 3,
        "beta": base.beta + 3,
        "patience": 2,
        "fatigue": 0.02,
        "window": 10,
        "normalisation": "robust",
        "migration_interval": 17,
        "migrants": base.migrants + 2,
        "topology": "all",
        "stagnation": 11,
        "reseeding": "elites",
        "protection": 3,
    }
    assert varied.keys() == {field.name for field in dataclasses.fields(base)} - {"cvt_cells", "places"}
    reference = state(live(base, 300, 9)[0])
    for field, value in varied.items():
        assert state(live(dataclasses.replace(base, **{field: value}), 300, 9)[0]) != reference, field
