import os

import numpy as np
import pytest

from evaluators.kernels.arena import Arena, slot_bytes
from tests.evaluators.kernels.test_tolerance import make_task

RNG = np.random.default_rng(3)
DIMS = ({"n": 5}, {"n": 3000})


@pytest.fixture
def arena():
    made = Arena(make_task(), [DIMS] * 2)
    yield made
    made.close()


def _output(arena, spots):
    return arena._view(spots["y"], is_output=True)


@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("dims", DIMS)
def test_poison_is_seen_until_every_item_is_written(arena, place, dims):
    spots = arena.spots(dims, place)
    arena.poison(RNG, range(2))
    assert np.isnan(_output(arena, spots)).all()
    assert arena.is_unwritten(spots, "y")
    _output(arena, spots)[1:] = 0
    assert arena.is_unwritten(spots, "y")
    _output(arena, spots)[0] = 7
    assert not arena.is_unwritten(spots, "y")
    assert not arena.is_damaged([spots])
    assert arena.read_outputs(spots)["y"][0] == 7


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_byte_beside_the_output_is_damage(arena, place):
    spots = arena.spots({"n": 5}, place)
    spot = spots["y"]
    for position in (spot.start + spot.offset - 1, spot.start + spot.offset + 20):
        arena.poison(RNG, range(2))
        everything = arena._files[True].bytes
        if 0 <= position < everything.size:
            everything[position] ^= 1
            assert arena.is_damaged([spots])


def test_a_second_slot_is_no_damage_where_it_is_used(arena):
    both = [arena.spots({"n": 5}, "end", slot) for slot in (0, 1)]
    arena.poison(RNG, range(2))
    for spots in both:
        _output(arena, spots)[...] = 1
    assert not arena.is_damaged(both)
    assert arena.is_damaged(both[:1])


def test_the_end_of_a_buffer_is_the_end_of_its_pages(arena):
    spot = arena.spots({"n": 5}, "end")["x"]
    size = arena.regions[spot.region][1]
    assert spot.offset + 20 == size
    assert size % 4096 == 0


def test_poison_is_new_each_time(arena):
    spots = arena.spots({"n": 5}, "start")
    seen = set()
    for _ in range(4):
        arena.poison(RNG, range(2))
        seen.add(_output(arena, spots).tobytes())
    assert len(seen) == 4


def test_inputs_are_handed_over_for_reading_only(arena):
    spots = arena.spots({"n": 5}, "start")
    arena.write_inputs(spots, {"x": np.arange(5, dtype=np.float32)})
    input_fd = arena.descriptors[0]
    assert np.frombuffer(os.pread(input_fd, 20, 0), np.float32).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(input_fd, b"x")


def test_the_files_cannot_be_shrunk_under_the_judge(arena):
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(arena.descriptors[1], 0)


def test_a_plan_tells_scalars_and_places(arena):
    spots = arena.spots({"n": 5}, "end", 1)
    x, y, n = arena.plan(spots, {}, {"n": 5})
    assert (x["region"], y["region"]) == (2, 3)
    assert (x["is_output"], y["is_output"]) == (False, True)
    assert n == {"value": 5, "dtype": "int64"}


def test_slots_take_whole_pages():
    assert slot_bytes(make_task(), DIMS) == 2 * 12288


@pytest.mark.parametrize("place", ["start", "end"])
def test_bands_of_rubbish_lie_round_every_buffer_where_no_pages_guard_it(place):
    arena = Arena(make_task(), [DIMS] * 2, band_bytes=64)
    all_spots = [arena.spots(DIMS[1], place, slot) for slot in range(2)]
    arena.poison(RNG, range(2))
    for spots in all_spots:
        arena.write_inputs(spots, {"x": np.zeros(3000, np.float32)})
        _output(arena, spots)[:] = 0
    assert not arena.is_damaged(all_spots)
    for name, is_output in (("x", False), ("y", True)):
        everything = arena._files[is_output].bytes
        for spots in all_spots:
            spot = spots[name]
            begin, end = spot.start + spot.offset, spot.start + spot.offset + 12_000
            assert np.isnan(everything[begin - 64 : begin].view(np.float32)).all()
            assert np.isnan(everything[end : end + 64].view(np.float32)).all()
    for step in (-1, 12_000):
        spot = all_spots[0]["y"]
        place_beside = spot.start + spot.offset + step
        everything = arena._files[True].bytes
        everything[place_beside] ^= 1
        assert arena.is_damaged(all_spots)
        everything[place_beside] ^= 1
    del everything
    arena.close()
