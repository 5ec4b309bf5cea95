"""Decide on which machine of a data centre to start each virtual machine, so that few must be turned away.

Virtual machines (VMs) arrive one by one, each with a demand of processor cores and of memory, and leave after
a time that is not told. A new VM is put on a machine that has both free; if there is none, it is turned away.
The program defines

    priority(demand, free, size) -> one number per machine; the VM goes to the machine with the largest

where demand is [cores, memory], and free and size are integer arrays (machines, 2) of what is free and of
what there is in all, for those machines on which the VM fits. The score is the share of the offered work
(demand times duration) that is turned away, over several hidden workloads; it is to be made as small as
possible. Resources are wasted where a machine's memory is full but cores are free, or the other way
round, and where what is free is scattered in pieces too small for large VMs.
"""

# After the data-centre scheduling of AlphaEvolve (arXiv 2506.13131, section 3.3.1), on synthetic
# workloads. The cluster is simulated on the trusted side: the program never sees what arrives later, or
# when anything leaves.

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, PlainData
from evaluators.exact import read_integer

MACHINES = ((96, 384), (64, 512))  # cores, GB; half of the machines are of each kind
ORDINARY = (8, 32)  # a machine strands what it has free if a VM of this size does not fit
CORES = np.array([1, 2, 4, 8, 16, 32, 48])
GB_PER_CORE = np.array([2, 4, 8])
TAIL = 1.5  # durations fall off with this power
SHORTEST_S, LONGEST_S = 300, 500_000

SEED = '''"""Takes the first machine that has room."""

import numpy as np

# EVOLVE-BLOCK-START
CORE_WEIGHT = 0.0
MEMORY_WEIGHT = 0.0


def priority(demand, free, size):
    left = (free - demand) / size
    return -(CORE_WEIGHT * left[:, 0] + MEMORY_WEIGHT * left[:, 1])
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("turned_away", "minimize", bound=0.0)
MEASURES = (
    Measure("stranded_cores", 0.0, 0.3, bins=12),
    Measure("stranded_memory", 0.0, 0.3, bins=12),
    Measure("ast_nodes", 0, 600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=40, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    0.09739133806648964,
    "balanced best fit, benchmarks/baselines/algorithms/vm_packing.py, other workloads",
    1.0,
)


class Workload(NamedTuple):
    """Machines (n, 2): cores, GB. VMs (m, 4): arrival and duration in seconds, cores, GB."""

    machines: NDArray[np.int64]
    vms: NDArray[np.int64]


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns four workloads."""
    del stage
    return [_case(rng, machines=40, vms=1500, load=load) for load in (1.2, 1.3, 1.4, 1.5)]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns larger clusters, of other load."""
    return [_case(rng, machines=80, vms=2500, load=load) for load in (1.25, 1.45)]


def _case(rng: np.random.Generator, *, machines: int, vms: int, load: float) -> Case:
    return Case(
        inputs=None, answer=draw(rng, machines, vms, load), name=f"{machines} machines, load {load:g}"
    )


def draw(rng: np.random.Generator, machines: int, vms: int, load: float) -> Workload:
    """Returns a workload that offers `load` times what the cluster has, with heavy tails and a daily rhythm."""
    sizes = np.array([MACHINES[i % len(MACHINES)] for i in range(machines)])
    shares = 1.0 / np.arange(1, len(CORES) + 1) ** rng.uniform(0.8, 1.3)
    cores = rng.choice(CORES, vms, p=shares / shares.sum())
    memory = cores * rng.choice(GB_PER_CORE, vms, p=rng.dirichlet([4.0, 8.0, 4.0]))
    durations = SHORTEST_S * rng.random(vms) ** (-1 / TAIL) * 8 ** rng.random(vms)
    durations = np.minimum(durations, LONGEST_S).astype(int)
    demand = np.stack([cores, memory], axis=1) / sizes.sum(axis=0)
    span = float((demand.mean(axis=1) * durations).sum()) / load
    gaps = rng.exponential(1.0, vms) * (1 + 0.5 * np.sin(np.arange(vms) * 8 * np.pi / vms))
    arrivals = (np.cumsum(gaps) / gaps.sum() * span).astype(int)
    return Workload(sizes, np.stack([arrivals, durations, cores, memory], axis=1))


def run(program: Any, inputs: None, oracle: Any) -> None:
    """Lets the program choose a machine for every VM that has a choice."""
    del inputs
    told = oracle(None)
    while told is not None:
        priorities = np.asarray(program.priority(told["demand"], told["free"], told["size"]), dtype=float)
        if priorities.shape != (len(told["free"]),):
            raise ValueError(f"priority() must return one number per machine, got shape {priorities.shape}")
        told = oracle(int(np.argmax(priorities)))


class Cluster:
    """The oracle: it keeps the clock and the machines, and what was turned away."""

    def __init__(self, workload: Workload) -> None:
        self._size, self._vms = workload
        self._free = self._size.copy()
        self._leaving: list[tuple[int, int, int]] = []  # time, number of the VM, machine
        self._next = 0
        self._open: NDArray[np.int64] | None = None  # machines among which the program is to choose
        self._weights = self._size.sum(axis=0)[::-1].tolist()
        self.work = [0, 0]  # offered, turned away
        self.stranded: list[NDArray[np.float64]] = []

    @property
    def is_done(self) -> bool:
        """Returns whether all VMs have been dealt with."""
        return self._open is None and self._next == len(self._vms)

    def __call__(self, request: PlainData) -> PlainData:
        """Takes the choice for the VM at hand; returns the next one that has a choice, None at the end."""
        if self._open is not None:
            choice = read_integer(request, "the machine chosen", 0, len(self._open) - 1)
            self._start(int(self._open[choice]))
        elif request is not None or self._next:
            raise Invalid("there is no VM to place")
        while self._next < len(self._vms):
            fitting = self._arrive()
            if len(fitting) > 1:
                self._open = fitting
                demand = self._vms[self._next, 2:]
                return {"demand": demand, "free": self._free[fitting], "size": self._size[fitting]}
            self._start(int(fitting[0]) if len(fitting) else None)
        return None

    def _arrive(self) -> NDArray[np.int64]:
        """Returns the machines that have room for the next VM, when it comes."""
        arrival, _, cores, memory = self._vms[self._next].tolist()
        while self._leaving and self._leaving[0][0] <= arrival:
            _, number, machine = heapq.heappop(self._leaving)
            self._free[machine] += self._vms[number, 2:]
        is_stuck = (self._free < ORDINARY).any(axis=1)
        self.stranded.append(self._free[is_stuck].sum(axis=0) / self._size.sum(axis=0))
        return np.flatnonzero((self._free >= (cores, memory)).all(axis=1))

    def _start(self, machine: int | None) -> None:
        arrival, duration, cores, memory = self._vms[self._next].tolist()
        work = duration * (cores * self._weights[0] + memory * self._weights[1])
        self.work[0] += work
        if machine is None:
            self.work[1] += work
        else:
            self._free[machine] -= (cores, memory)
            heapq.heappush(self._leaving, (arrival + duration, self._next, machine))
        self._next += 1
        self._open = None


def serve(case: Case) -> Cluster:
    """Returns the cluster, empty."""
    return Cluster(case.answer)


def score(case: Case, output: Any, oracle: Cluster) -> dict[str, float]:
    """Returns `turned_away`, an exact share rounded once, and the mean shares of cores and memory stranded.

    Work counts cores and memory alike, each as a share of the whole cluster's.

    Raises:
        Invalid: the program ended before the last VM.
    """
    del case, output
    if not oracle.is_done:
        raise Invalid("the program ended before the last VM had arrived")
    cores, memory = np.mean(oracle.stranded, axis=0)
    return {
        "turned_away": oracle.work[1] / oracle.work[0],
        "stranded_cores": float(cores),
        "stranded_memory": float(memory),
    }
