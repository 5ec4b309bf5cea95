from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ribs.archives import CVTArchive, GridArchive

from islands import IslandsError
from islands.archive import AddStatus, Archive, Axis

SQUARE = (Axis("width", -1.0, 3.0, 7), Axis("depth", 0.0, 10.0, 5))
FIVE = tuple(Axis(f"m{index}", 0.0, 10.0**index, 4) for index in range(5))


def random_adds(count, axes, seed):
    rng = np.random.default_rng(seed)
    fitnesses = rng.integers(-20, 20, count) / 4.0  # coarse, so that ties happen
    low, high = (np.array([getattr(axis, side) for axis in axes]) for side in ("low", "high"))
    measures = rng.uniform(low - (high - low) * 0.2, high + (high - low) * 0.2, (count, len(axes)))
    return [(f"p{i}", float(fitnesses[i]), tuple(measures[i])) for i in range(count)]


@pytest.mark.parametrize("axes", [SQUARE, FIVE, ()], ids=["grid", "tessellation", "no axes"])
def test_every_occupied_cell_keeps_its_best(axes):
    archive, best = Archive(axes, cvt_cells=40), {}
    for program_id, fitness, measures in random_adds(1000, axes, seed=3):
        result = archive.add(program_id, fitness, measures)
        was = best.get(result.cell)
        if was is None:
            assert (result.status, result.displaced) == (AddStatus.NEW, None)
        elif fitness > was[1]:
            assert (result.status, result.displaced) == (AddStatus.IMPROVED, was[0])
        else:
            assert (result.status, result.displaced) == (AddStatus.REJECTED, None)
            continue
        best[result.cell] = (program_id, fitness)
    assert {elite.cell: (elite.program_id, elite.fitness) for elite in archive.elites()} == best
    assert len(archive) == len(best)
    assert archive.best.fitness == max(fitness for _, fitness in best.values())
    assert [elite.fitness for elite in archive.top(5)] == sorted((f for _, f in best.values()), reverse=True)[
        :5
    ]


@pytest.mark.parametrize("axes", [SQUARE, FIVE], ids=["grid", "tessellation"])
@pytest.mark.parametrize("read_every", [1, 7, 10_000])
def test_ribs_holds_the_same_elites_as_if_it_had_been_told_one_by_one(axes, read_every):
    archive = Archive(axes, cvt_cells=40)
    low, high = (np.array([getattr(axis, side) for axis in axes]) for side in ("low", "high"))
    common = {"solution_dim": (), "solution_dtype": object}
    if axes is SQUARE:
        ribs = GridArchive(dims=[a.bins for a in axes], ranges=list(zip(low, high, strict=True)), **common)
    else:
        ribs = CVTArchive(centroids=archive.store.centroids, ranges=[(0, 1)] * 5, **common)
    for turn, (program_id, fitness, measures) in enumerate(random_adds(400, axes, seed=5)):
        in_ribs = measures if axes is SQUARE else np.clip((measures - low) / (high - low), 0, 1)
        status = int(ribs.add_single(program_id, fitness, in_ribs)["status"])
        result = archive.add(program_id, fitness, measures)
        assert result.status == ("rejected", "improved", "new")[status]
        assert result.cell == ribs.index_of_single(in_ribs)
        if turn % read_every == 0:
            assert len(archive.store) == len(ribs)

    def contents(store):
        data = store.data(["index", "solution", "objective"], return_type="tuple")
        return sorted(zip(*data, strict=True))

    assert contents(archive.store) == contents(ribs)
    assert archive.qd_score == pytest.approx(float(ribs.stats.qd_score))
    assert archive.coverage == pytest.approx(float(ribs.stats.coverage))
    assert archive.store.best_elite["objective"] == archive.best.fitness


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-2, 4), st.floats(-1, 11)), min_size=1, max_size=20))
def test_cells_are_those_of_ribs_up_to_the_last_bit(points):
    archive = Archive(SQUARE)
    assert [archive.cell_of(point) for point in points] == archive.store.index_of(points).tolist()


def test_cells_are_those_of_ribs_on_every_border():
    axes = (Axis("x", 0.1, 0.7, 6), Axis("y", -3.0, 0.3, 33))
    archive = Archive(axes)
    for point in [(x, y) for x in np.linspace(0.1, 0.7, 7) for y in np.linspace(-3.0, 0.3, 34)]:
        assert archive.cell_of(point) == archive.store.index_of_single(point)


def test_tessellation_weighs_every_axis_alike():
    archive = Archive(FIVE, cvt_cells=64)
    middle = [axis.high / 2 for axis in FIVE]
    for index, axis in enumerate(FIVE):
        ends = [[*middle[:index], end, *middle[index + 1 :]] for end in (axis.low, axis.high)]
        assert archive.cell_of(ends[0]) != archive.cell_of(ends[1])


def test_tessellation_is_the_same_in_every_process_and_fills_its_cells():
    points = np.random.default_rng(0).random((3000, 5)) * [axis.high for axis in FIVE]
    one, other = (Archive(FIVE, cvt_cells=32) for _ in range(2))
    cells = [one.cell_of(point) for point in points]
    assert cells == [other.cell_of(point) for point in points]
    assert np.bincount(cells, minlength=32).min() > 30  # 94 expected of an even tessellation


def test_importing_and_filling_an_archive_leaves_ribs_alone():
    code = (
        "import sys; from islands.archipelago import Archipelago, IslandsConfig; import islands.emitter\n"
        "from islands.archive import Axis\n"
        "import numpy as np\n"
        "population = Archipelago(IslandsConfig(), [Axis('x', 0, 1)])\n"
        "population.add(0, 'seed', 1.0, (0.5,)); population.select(0, np.random.default_rng(0))\n"
        "sys.exit('ribs' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tries_are_counted_afresh_for_a_new_elite():
    archive = Archive(SQUARE)
    for number in range(200):  # more cells than the index is made for at first
        archive.add(
            f"p{number}", float(number), tuple(np.random.default_rng(number).uniform((-1, 0), (3, 10)))
        )
    cell = archive.best.cell
    for _ in range(3):
        archive.count_try(cell)
    assert archive.tries().sum() == 3
    archive.add("worse", -1.0, archive.best.measures)
    assert archive.tries().sum() == 3
    archive.add("better", 999.0, archive.best.measures)
    assert archive.tries().sum() == 0


def test_score_zero_and_negative_scores_are_ordinary():
    archive = Archive(SQUARE)
    assert archive.add("negative", -3.0, (0, 0)).status is AddStatus.NEW
    assert archive.add("zero", 0.0, (0, 0)).status is AddStatus.IMPROVED
    assert archive.best.program_id == "zero"


@pytest.mark.parametrize("fitness", [float("nan"), float("inf"), float("-inf")])
def test_a_fitness_that_is_not_finite_is_refused(fitness):
    with pytest.raises(IslandsError, match="fitness must be finite"):
        Archive(SQUARE).add("x", fitness, (0, 0))


@pytest.mark.parametrize("axes", [SQUARE, FIVE], ids=["grid", "tessellation"])
def test_measures_that_are_not_one_finite_number_per_axis_are_refused(axes):
    archive = Archive(axes)
    with pytest.raises(IslandsError, match="finite"):
        archive.add("x", 1.0, (float("nan"),) * len(axes))
    with pytest.raises(IslandsError, match=f"one number per axis, {len(axes)}, got 1"):
        archive.add("x", 1.0, (0.0,))
    assert len(archive) == 0


def test_bad_axes_are_refused():
    with pytest.raises(IslandsError, match="low < high"):
        Axis("x", 1.0, 1.0)
    with pytest.raises(IslandsError, match="bins >= 1"):
        Axis("x", 0.0, 1.0, 0)
    with pytest.raises(IslandsError, match="different names"):
        Archive([Axis("x", 0, 1), Axis("x", 0, 2)])
    with pytest.raises(IslandsError, match="cvt_cells"):
        Archive(FIVE, cvt_cells=0)
