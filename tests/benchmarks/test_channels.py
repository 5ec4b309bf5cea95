import numpy as np
import pytest

from benchmarks.channels import __main__ as channels
from benchmarks.channels.pairs import CHANNELS
from tests.evaluators.arena import TIERS


def trials(error: float, count: int = 40, bits: int = 16) -> list[tuple[list[int], list[float]]]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        sent = rng.integers(0, 2, bits)
        wrong = rng.random(bits) < error
        found.append((sent.tolist(), (5.0 - 3.0 * (sent ^ wrong) + rng.random(bits)).tolist()))
    return found


def test_a_clear_channel_has_all_its_bits_and_noise_has_none():
    assert channels.bits_of(trials(0.0), 16) == 16
    assert channels.bits_of(trials(0.5), 16) == 0
    assert 6 < channels.bits_of(trials(0.11), 16) < 10


@pytest.mark.parametrize(
    ("name", "column"), [("read that must not wait", 1), ("record locks", 2), ("inode", 0)]
)
def test_no_bit_crosses(name: str, column: int) -> None:
    (channel,) = (one for one in CHANNELS if name in one.name)
    assert float(channels.measure(max(TIERS), channel, 2, 1)[column]) == 0
