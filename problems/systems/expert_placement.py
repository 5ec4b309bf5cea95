"""Place the experts of a mixture-of-experts model on devices, step by step, so that no device is kept waiting.

Each device has 6 slots, each slot holds one expert, and every expert must be somewhere; several slots may hold the same.
In each step the experts get loads, which are not known beforehand; an expert's load is shared equally by its slots.
The step takes as long as the device with the largest load. Loads change over time, in a manner that is not told.

The program defines a class `Balancer`, made once per model as Balancer(experts, devices, slots). Its method

    place(step, loads, placement)

is called before each step, with the loads of the last step, an array (experts,), zeros before the first, and the placement
of the last step, an integer array (devices, slots) of experts. It returns the next placement, such an array, too. It may
remember what it saw.

The score is the mean over all steps of (largest load of a device / mean load of a device - 1), plus 0.002 per slot that was
filled with an expert which its device did not hold before: 0 is perfect balance without a move. It is averaged over hidden
models of five kinds and is to be made as small as possible. There are 8 seconds of CPU for the 80 steps of a model.
"""

# After the expert-parallel load balancers of DeepSeek-V3 (arXiv 2412.19437) and of the ADRS tasks (Cheng et al., arXiv
# 2510.06189). The time of the balancer is bounded by the limits, not scored: on shared machines it is noise.

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, PlainData

STEPS = 80
MOVE = 0.002
SLOTS = 6
TOKENS = 100_000

SEED = '''"""Places experts by the loads that were seen, and only now and then."""

import numpy as np


# EVOLVE-BLOCK-START
class Balancer:
    KEEP = 0.8  # of what was seen before, per step
    PERIOD = 16.0  # steps between two placements

    def __init__(self, experts, devices, slots):
        self.shape = devices, slots
        self.seen = np.ones(experts)

    def place(self, step, loads, placement):
        self.seen = self.KEEP * self.seen + (1 - self.KEEP) * loads / max(loads.mean(), 1)
        if step % max(1, int(self.PERIOD)):
            return placement
        devices, slots = self.shape
        counts = np.ones(len(self.seen), dtype=int)
        for _ in range(devices * slots - len(counts)):
            counts[np.argmax(self.seen / counts)] += 1
        shares = np.repeat(self.seen / counts, counts)
        experts = np.repeat(np.arange(len(counts)), counts)
        filled, total = [[] for _ in range(devices)], np.zeros(devices)
        for at in np.argsort(-shares):
            free = [d for d in range(devices) if len(filled[d]) < slots]
            device = min(free, key=lambda d: total[d])
            filled[device].append(experts[at])
            total[device] += shares[at]
        return np.array(filled)
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("overhead", "minimize", bound=0.0)
MEASURES = (
    Measure("moves", 0.0, 48.0, bins=12),
    Measure("copies", 1.0, 12.0, bins=12),
    Measure("ast_nodes", 0, 900, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=8, wall_s=40, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    0.15708537148556373, "single changes that pay, benchmarks/baselines/systems/expert_placement.py", 7.0
)


class Model(NamedTuple):
    """Loads (steps, experts) in tokens, devices, and the placement (devices, slots) that there is at first."""

    loads: NDArray[np.int64]
    devices: int
    first: NDArray[np.int64]


def drifting(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns the logarithms of loads that walk at random and are drawn to their mean."""
    return _walk(rng, steps, experts, 0.06)


def steady(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads that only scatter."""
    return np.tile(rng.normal(0, 0.9, experts), (steps, 1)) + rng.normal(0, 0.1, (steps, experts))


def topical(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads that belong to one of four topics, which change at once and come back."""
    topics = rng.normal(0, 0.9, (4, experts))
    lasts = rng.integers(6, 25, steps)
    return topics[np.repeat(rng.integers(4, size=steps), lasts)[:steps]] + rng.normal(
        0, 0.05, (steps, experts)
    )


def periodic(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads that rise and fall in periods of 10 to 40 steps."""
    phase, period = rng.uniform(0, 2 * np.pi, experts), rng.integers(10, 41)
    waves = np.sin(2 * np.pi * np.arange(steps)[:, None] / period + phase)
    return rng.normal(0, 0.5, experts) + rng.uniform(0.2, 0.8, experts) * waves


def bursting(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads of which some are many times as large for a few steps."""
    logs = steady(rng, steps, experts)
    for _ in range(steps // 4):
        at = int(rng.integers(steps))
        logs[at : at + int(rng.integers(2, 9)), rng.integers(experts)] += rng.uniform(1, 2)
    return logs


def growing(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads that go from one state to another, steadily."""
    share = np.linspace(0, 1, steps)[:, None]
    return (1 - share) * rng.normal(0, 1, experts) + share * rng.normal(0, 1, experts)


def mixed(rng: np.random.Generator, steps: int, experts: int) -> NDArray[np.float64]:
    """Returns those of loads that drift, with topics on top."""
    return 0.7 * topical(rng, steps, experts) + _walk(rng, steps, experts, 0.04)


def _walk(rng: np.random.Generator, steps: int, experts: int, size: float) -> NDArray[np.float64]:
    logs = np.zeros((steps, experts))
    logs[0] = rng.normal(0, 0.8, experts)
    for step in range(1, steps):
        logs[step] = 0.99 * logs[step - 1] + rng.normal(0, 2 * size, experts)
    return logs


Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]
TRAINED: dict[str, Draw] = {
    "drifting": drifting,
    "steady": steady,
    "topical": topical,
    "periodic": periodic,
    "bursting": bursting,
}
WITHHELD: dict[str, Draw] = {"growing": growing, "mixed": mixed}


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one model of each kind."""
    del stage
    return [_case(rng, name, draw, 32, 8) for name, draw in TRAINED.items()]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns models of other sizes and kinds."""
    return [_case(rng, name, draw, *size) for name, draw in WITHHELD.items() for size in ((64, 16), (24, 5))]


def _case(rng: np.random.Generator, name: str, draw: Draw, experts: int, devices: int) -> Case:
    shares = np.exp(draw(rng, STEPS, experts))
    loads = np.rint(TOKENS * shares / shares.sum(axis=1, keepdims=True)).astype(np.int64)
    first = (np.arange(devices * SLOTS) % experts).reshape(devices, SLOTS)
    return Case(None, answer=Model(loads, devices, first), name=f"{name}, {experts} experts", group=name)


def run(program: Any, inputs: None, oracle: Any) -> None:
    """Lets the program place the experts before every step."""
    del inputs
    told = oracle(None)
    balancer = program.Balancer(told["experts"], *told["placement"].shape)
    while told is not None:
        told = oracle(np.asarray(balancer.place(told["step"], told["loads"], told["placement"])))


class Devices:
    """The oracle: it keeps the placement, serves the loads, and counts moves.

    The first request is None; each later one is a placement. The reply tells the loads of the step just served.
    """

    def __init__(self, model: Model) -> None:
        self._loads, self.count, self._placement = model
        self._step = -1  # before the first request
        self.waits: list[float] = []
        self.moves = 0
        self.copies: list[int] = []

    @property
    def is_done(self) -> bool:
        """Returns whether every step has been served."""
        return self._step == len(self._loads)

    def __call__(self, request: PlainData) -> PlainData:
        """Serves a step under a placement; returns what is known before the next one, None after the last.

        Raises:
            Invalid: the request is no placement, or leaves an expert out.
        """
        if self._step < 0:
            if request is not None:
                raise Invalid("the first request must be None, as nothing is known yet")
            self._step = 0
            return self._told(np.zeros_like(self._loads[0]))
        if self.is_done:
            raise Invalid("all steps are served")
        new = self._read(request)
        self._serve(new)
        self._step += 1
        is_last = self._step == len(self._loads)
        return None if is_last else self._told(self._loads[self._step - 1])

    def _told(self, loads: NDArray[np.int64]) -> dict[str, PlainData]:
        experts = self._loads.shape[1]
        return {"step": self._step, "experts": experts, "loads": loads, "placement": self._placement}

    def _read(self, request: PlainData) -> NDArray[np.int64]:
        shape, experts = self._placement.shape, self._loads.shape[1]
        if not isinstance(request, np.ndarray) or request.dtype.kind not in "iu" or request.shape != shape:
            got = (
                f"{request.dtype} {request.shape}"
                if isinstance(request, np.ndarray)
                else type(request).__name__
            )
            raise Invalid(f"place() must return an integer array of shape {shape}, got {got}")
        if request.min() < 0 or request.max() >= experts:
            raise Invalid(
                f"place() must name experts from 0 to {experts - 1}, got {request.min()} to {request.max()}"
            )
        missing = np.setdiff1d(np.arange(experts), request)
        if len(missing):
            raise Invalid(f"expert {missing[0]} is on no device")
        return request.astype(np.int64)

    def _serve(self, new: NDArray[np.int64]) -> None:
        experts = self._loads.shape[1]
        held, holds = (_counts(placement, experts) for placement in (self._placement, new))
        self.moves += int(np.maximum(holds - held, 0).sum())
        copies = holds.sum(axis=0)
        by_device = (holds * (self._loads[self._step] / copies)).sum(axis=1)
        self.waits.append(float(by_device.max() / by_device.mean()) - 1)
        self.copies.append(int(copies.max()))
        self._placement = new


def _counts(placement: NDArray[np.int64], experts: int) -> NDArray[np.int64]:
    """Returns how often each device holds each expert, (devices, experts)."""
    counts = np.zeros((len(placement), experts), dtype=np.int64)
    np.add.at(counts, (np.arange(len(placement))[:, None], placement), 1)
    return counts


def serve(case: Case) -> Devices:
    """Returns the devices, with the placement that there is at first."""
    return Devices(case.answer)


def score(case: Case, output: Any, oracle: Devices) -> dict[str, float]:
    """Returns `overhead`, `waiting` (without moves), `moves` per step and `copies` of the expert that has most.

    Raises:
        Invalid: the program ended before the last step.
    """
    del output
    if not oracle.is_done:
        raise Invalid(f"the program ended after {len(oracle.waits)} of {len(case.answer.loads)} steps")
    waiting, moves = float(np.mean(oracle.waits)), oracle.moves / len(oracle.waits)
    return {
        "overhead": max(0.0, waiting + MOVE * moves),
        "waiting": waiting,
        "moves": moves,
        "copies": float(np.mean(oracle.copies)),
    }
