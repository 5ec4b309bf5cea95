"""Run batch jobs on rented machines, each before its deadline, as cheaply as possible.

Time passes in ticks. A job needs `work` ticks of progress before `deadline`. In each tick one machine at most
is rented: "on_demand" (always to be had), "spot" (cheaper; only in ticks in which spot machines are available,
and lost when they no longer are), or none, "idle", which gives the machine back. A machine that is started
anew, or changed for the other kind, spends its first `overhead` ticks starting up, which cost the same and
bring no progress. A guard takes over where it must: if after this tick an on-demand machine started anew
could no longer finish in time, the tick is one on demand.

The program defines a class `Policy`, made once per job as Policy(deadline, work, overhead, spot_price,
on_demand_price), prices per tick in whole cents. Its method

    decide(tick, remaining, spot, machine, starting)

is called in each tick: the ticks of work `remaining`, whether `spot` is available in this tick, the `machine`
kept from the last one ("idle" where a spot machine was just lost) and how many ticks it is still `starting`
up. It returns "spot", "on_demand" or "idle" ("spot" where there is none means "idle"). It may remember what
it saw; what will be available is not known.

The score is the mean, over hidden jobs, of the share of the possible saving: 0 for renting on demand all the
way, 1 for the best that could have been done in hindsight. Availability is of five kinds: flaky, steady,
scarce, following the time of day, and changing for good in the middle.
"""

# After Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines" (NSDI 2024), on synthetic
# availability. Prices are whole numbers, so costs are exact, and so is the optimum in hindsight.

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, PlainData

IDLE, SPOT, ON_DEMAND = "idle", "spot", "on_demand"
JOBS = 6  # per kind of availability
DEADLINE = 240
ON_DEMAND_PRICE = 100
LEAST_SAVING = 0.15  # a job of which less could be saved tells nothing
NEVER = 1 << 40  # more than anything costs

SEED = '''"""Decides, tick by tick, which machine a job runs on."""


# EVOLVE-BLOCK-START
class Policy:
    RESERVE = 1.0  # where less slack is left, on demand is rented; in units of the overhead
    STAY = 1.0  # where less is left, a machine on demand is not given up
    WORTH = 1.0  # how long spot machines must last for one to be changed to, in the same unit
    PRIOR = 20.0  # how long they last before anything is seen, in ticks

    def __init__(self, deadline, work, overhead, spot_price, on_demand_price):
        self.deadline, self.overhead = deadline, overhead
        self.ticks, self.ends, self.was = self.PRIOR, 1, False

    def decide(self, tick, remaining, spot, machine, starting):
        self.ticks += spot
        self.ends += self.was and not spot
        self.was = spot
        lasts = self.ticks / self.ends
        slack = self.deadline - tick - remaining - self.overhead
        is_worth_it = slack >= self.STAY * self.overhead and lasts > self.WORTH * self.overhead
        if spot and (machine != "on_demand" or is_worth_it):
            return "spot"
        if slack < self.RESERVE * self.overhead:
            return "on_demand"
        return "idle"
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("saving", "maximize", bound=1.0)
MEASURES = (Measure("starts", 0, 16, bins=12), Measure("on_demand_share", 0, 1, bins=12))
LIMITS = Limits(cpu_s=10, wall_s=40, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    0.7387420832873615,
    "a plan for a Markov chain learned on the way, benchmarks/baselines/systems/spot_deadline.py",
    1.0,
)


class Job(NamedTuple):
    """One job: availability (deadline,), ticks of work and of starting up, cents per spot tick, least cost."""

    available: NDArray[np.bool_]
    work: int
    overhead: int
    spot_price: int
    least: int


def runs(rng: np.random.Generator, length: int, on: float, off: float) -> NDArray[np.bool_]:
    """Returns a trace that is available for `on` ticks at a time, and away for `off`, on average."""
    trace = np.zeros(length, dtype=bool)
    is_on, at = bool(rng.random() < on / (on + off)), 0
    while at < length:
        lasts = 1 + int(rng.exponential((on if is_on else off) - 0.5))
        trace[at : at + lasts] = is_on
        is_on, at = not is_on, at + lasts
    return trace


def daily(rng: np.random.Generator, length: int) -> NDArray[np.bool_]:
    """Returns a trace whose availability follows a day of 72 ticks."""
    level = 0.5 + 0.45 * np.sin(2 * np.pi * (np.arange(length) + rng.uniform(0, 72)) / 72)
    return np.repeat(rng.random(length), rng.integers(2, 7, length))[:length] < level


def shifting(rng: np.random.Generator, length: int) -> NDArray[np.bool_]:
    """Returns a trace that is mostly available up to some tick and mostly away from then on, or the other way."""
    cut = int(rng.integers(length // 4, 3 * length // 4))
    trace = np.concatenate([runs(rng, cut, 40, 8), runs(rng, length - cut, 5, 25)])
    return trace if rng.random() < 0.5 else trace[::-1].copy()


def bursty(rng: np.random.Generator, length: int) -> NDArray[np.bool_]:
    """Returns a trace whose stretches have heavy tails: many of a few ticks, some that hardly end."""
    lasts = np.minimum(1 + 2 * rng.pareto(1.1, length), length).astype(int)
    is_on = (np.arange(length) + rng.integers(2)) % 2 == 0
    return np.repeat(is_on, lasts)[:length]


def crowded(rng: np.random.Generator, length: int) -> NDArray[np.bool_]:
    """Returns a trace that is available where any of three pools has a machine, each calm and then restless."""
    available = np.zeros(length, dtype=bool)
    for _ in range(3):
        available |= shifting(rng, length) & runs(rng, length, 12, 6)
    return available


TRAINED = {
    "flaky": lambda rng, length: runs(rng, length, 6, 4),
    "steady": lambda rng, length: runs(rng, length, 45, 20),
    "scarce": lambda rng, length: runs(rng, length, 8, 28),
    "daily": daily,
    "shifting": shifting,
}
WITHHELD = {"bursty": bursty, "crowded": crowded}


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one case of several jobs per kind of availability."""
    del stage
    return [
        Case(
            None,
            answer=[draw_job(rng, draw, DEADLINE, (1, 3, 6)) for _ in range(JOBS)],
            name=kind,
            group=kind,
        )
        for kind, draw in TRAINED.items()
    ]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns jobs of other lengths and overheads, under kinds of availability that are not trained on."""
    return [
        Case(
            None,
            answer=[draw_job(rng, draw, length, (2, 4, 9)) for length in (160, 320) for _ in range(8)],
            name=kind,
            group=kind,
        )
        for kind, draw in WITHHELD.items()
    ]


def draw_job(rng: np.random.Generator, draw: Any, deadline: int, overheads: tuple[int, ...]) -> Job:
    """Returns a job on which at least LEAST_SAVING of the cost on demand could be saved."""
    while True:
        work = int(deadline * rng.uniform(0.45, 0.85))
        overhead, price = int(rng.choice(overheads)), int(rng.integers(20, 51))
        available = draw(rng, deadline)
        least = cheapest(available, work, overhead, price)
        full = ON_DEMAND_PRICE * (work + overhead)
        if full - least >= LEAST_SAVING * full:
            return Job(available, work, overhead, price, least)


def cheapest(available: NDArray[np.bool_], work: int, overhead: int, spot_price: int) -> int:
    """Returns the least cost, under the guard, of whoever knows the whole trace: dynamic programming, exact.

    A state is what is kept, the ticks of starting up that it still needs, p, and the work that remains, r.
    """
    remaining = np.arange(work + 1)
    ended = np.where(remaining > 0, NEVER, 0)
    idle, spot, demand = ended, np.tile(ended, (overhead + 1, 1)), np.tile(ended, (overhead + 1, 1))

    def step(after: NDArray[np.int64], price: int) -> NDArray[np.int64]:
        """Returns what is to be paid from here if the machine runs for a tick, (p, r)."""
        worked = np.concatenate([[0], after[0, :-1]])
        return price + np.concatenate([worked[None], after[:-1]])

    for tick in range(len(available) - 1, -1, -1):
        by_demand = step(demand, ON_DEMAND_PRICE)
        fresh = np.minimum(idle, by_demand[overhead])
        by_spot = step(spot, spot_price)
        if available[tick]:
            fresh = np.minimum(fresh, by_spot[overhead])
        fresh[0] = 0
        demand = np.minimum(by_demand, fresh)
        spot = np.minimum(by_spot, fresh) if available[tick] else np.tile(fresh, (overhead + 1, 1))
        late = (remaining > 0) & (
            remaining + overhead > len(available) - tick
        )  # the guard leaves no such state
        idle = np.where(late, NEVER, fresh)
        spot = np.where(late, NEVER, spot)
        demand[:, 0] = spot[:, 0] = 0
    return int(idle[work])


def run(program: Any, inputs: None, oracle: Any) -> None:
    """Plays all jobs tick by tick, each with a policy of its own."""
    del inputs
    states = oracle(None)
    policies = [program.Policy(*state["terms"]) for state in states]
    while any(state["remaining"] for state in states):
        states = oracle(
            [
                policy.decide(
                    state["tick"], state["remaining"], state["spot"], state["machine"], state["starting"]
                )
                for policy, state in zip(policies, states, strict=True)
                if state["remaining"]
            ]
        )


class Rental:
    """One job under way: the clock, what is kept, the bill, and the guard of the deadline."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.tick, self.remaining, self.starting, self.machine = 0, job.work, 0, IDLE
        self.cost = self.starts = self.rented = self.on_demand = 0

    @property
    def has_spot(self) -> bool:
        """Returns whether spot machines are available in this tick."""
        return self.remaining > 0 and bool(self.job.available[self.tick])

    def state(self) -> dict[str, PlainData]:
        """Returns what a policy may know."""
        return {
            "tick": self.tick,
            "remaining": self.remaining,
            "spot": self.has_spot,
            "machine": self.machine,
            "starting": self.starting,
        }

    def rent(self, machine: str) -> None:
        """Rents a machine for this tick, or none, or what the guard must."""
        job = self.job
        if machine == SPOT and not self.has_spot:
            machine = IDLE
        starting = 0 if machine == IDLE else self.starting if machine == self.machine else job.overhead
        remaining = self.remaining - (machine != IDLE and not starting)
        left = len(job.available) - self.tick - 1
        if machine != ON_DEMAND and remaining and remaining + job.overhead > left:
            starting = self.starting if self.machine == ON_DEMAND else job.overhead
            machine, remaining = ON_DEMAND, self.remaining - (not starting)
        self.starts += machine not in (IDLE, self.machine)
        self.rented += machine != IDLE
        self.on_demand += machine == ON_DEMAND
        self.cost += {IDLE: 0, SPOT: job.spot_price, ON_DEMAND: ON_DEMAND_PRICE}[machine]
        self.machine, self.starting, self.remaining = machine, max(0, starting - 1), remaining
        self.tick += 1
        if self.machine == SPOT and not self.has_spot:
            self.machine, self.starting = IDLE, 0


class Market:
    """The oracle: it plays all jobs of a case tick by tick.

    The first request is None; each later one is a list of what to rent, one entry per job that is not done, in their
    order. The reply is a list of states, one per job.
    """

    def __init__(self, jobs: list[Job]) -> None:
        self.rentals = [Rental(job) for job in jobs]
        self._is_open = False

    @property
    def is_done(self) -> bool:
        """Returns whether every job has been run to its end."""
        return not any(rental.remaining for rental in self.rentals)

    def __call__(self, request: PlainData) -> PlainData:
        """Rents for one tick; returns what there is to know.

        Raises:
            Invalid: the request is anything else than one machine per job that is not done.
        """
        if not self._is_open:
            if request is not None:
                raise Invalid("the first request must be None, as no job is known yet")
            self._is_open = True
            return [{**rental.state(), "terms": _terms(rental.job)} for rental in self.rentals]
        running = [rental for rental in self.rentals if rental.remaining]
        if type(request) is not list or len(request) != len(running):
            raise Invalid(
                f"a request must be a list of {len(running)} machines, one per job that is not done"
            )
        for machine in request:
            if type(machine) is not str or machine not in (IDLE, SPOT, ON_DEMAND):
                raise Invalid(f'decide() must return "spot", "on_demand" or "idle", got {machine!r:.60}')
        for rental, machine in zip(running, request, strict=True):
            rental.rent(machine)
        return [rental.state() for rental in self.rentals]


def _terms(job: Job) -> list[int]:
    return [len(job.available), job.work, job.overhead, job.spot_price, ON_DEMAND_PRICE]


def serve(case: Case) -> Market:
    """Returns the market, before the first job."""
    return Market(case.answer)


def score(case: Case, output: Any, oracle: Market) -> dict[str, float]:
    """Returns `saving`, `starts` of machines per job, and `on_demand_share` of the ticks rented.

    Raises:
        Invalid: the program ended before the last job did.
    """
    del case, output
    if not oracle.is_done:
        raise Invalid("not all jobs were run to their end")
    rentals = oracle.rentals
    return {
        "saving": float(np.mean([_saving(rental) for rental in rentals])),
        "starts": float(np.mean([rental.starts for rental in rentals])),
        "on_demand_share": sum(r.on_demand for r in rentals) / sum(r.rented for r in rentals),
    }


def _saving(rental: Rental) -> float:
    full = ON_DEMAND_PRICE * (rental.job.work + rental.job.overhead)
    return (full - rental.cost) / (full - rental.job.least)
