"""A simulated cluster: what the coordinator costs per event, in processor time and memory, with many slots.

    python -m benchmarks.service.scale [--jobs 10000] [--slots 10 100 1000] [--seed 1]

Time is simulated: each job has a lognormal length (models 20 s, evaluations 5 s in the mean) and ends in that order.
What is measured is real: the coordinator's decisions, the journal with its syncs, and the JSON forms that a job
and its result take on the wire. Celery, Redis and git work in other processes and threads: benchmarks.service.celery_ratio and
benchmarks.lineage have their figures.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from discovery.core.events import Evaluate, Evaluated, Event, Finish, Instruction, Propose, Proposed, Save
from discovery.core.types import ModelCall, Proposal
from discovery.execution import wire
from discovery.learning.tuning import Tuner
from discovery.operators.registry import OPERATORS
from discovery.programs.fingerprint import fingerprint
from discovery.search.coordinator import Coordinator
from discovery.search.scheduler import SearchSettings
from discovery.search.state import RunState, Statement
from discovery.settings.budget import Budget
from discovery.settings.learning import TuningConfig
from discovery.storage.journal import Journal
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

LINES = 120
"""A program's length, about 5 KB."""


class Clock:
    """Adds up processor seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - begun


def child_of(text: str, number: int) -> Program:
    """Returns a program that differs from all others."""
    return Program({"program.py": text.replace("VALUE = 0", f"VALUE = {number}")})


def simulate(slots: int, jobs: int, seed: int) -> dict[str, float]:
    """Returns the figures of one run."""
    text = "VALUE = 0\n" + "".join(f"def f{n}(x):\n    return x * {n} + VALUE\n\n" for n in range(LINES))
    rng, clock = np.random.default_rng(seed), Clock()
    statement = Statement("simulated", "Find it.", "", Objective(), Program({"program.py": text}))
    axes = [Axis("a", 0, 1, 32), Axis("b", 0, 1, 32)]
    state = RunState(
        statement, lambda: Archipelago(IslandsConfig(islands=8), axes), Tuner(TuningConfig(), seed=seed)
    )
    plan = SearchSettings(seed, slots, slots, {"diff": 3.0, "rewrite": 1.0}, Budget(evaluations=jobs))
    coordinator = Coordinator(plan, state, OPERATORS)
    state.archipelago  # noqa: B018 - its library is loaded before the measurement
    process = psutil.Process()
    before_mib = process.memory_info().rss / 2**20
    ends: list[tuple[float, int, Event]] = []
    events = now = number = 0
    wire_bytes = 0
    with tempfile.TemporaryDirectory() as place:
        journal = Journal(Path(place) / "journal.jsonl")
        instructions: list[Instruction] = coordinator.start()
        is_over = False
        while not is_over:
            with clock.of("journal"):
                entries = [i.entry for i in instructions if isinstance(i, Save)]
                journal.append(
                    {**e, "record": e["record"].to_json()} if e["type"] == "evaluated" else e for e in entries
                )
            for instruction in instructions:
                number += 1
                event: Event
                if isinstance(instruction, Propose):
                    with clock.of("wire"):
                        wire_bytes += len(json.dumps(wire.to_plain(instruction.job)))
                    program = child_of(text, number)
                    call = ModelCall("simulated", 2000, 800, 0.01, 20.0)
                    parents = tuple(parent.program_id for parent in instruction.job.parents)
                    event = Proposed(
                        instruction.job.job_id, Proposal(program, parents, (call,)), fingerprint(program)
                    )
                    heapq.heappush(ends, (now + float(rng.lognormal(3.0, 0.5)), number, event))
                elif isinstance(instruction, Evaluate):
                    with clock.of("wire"):
                        wire_bytes += len(json.dumps(wire.to_plain(instruction.job)))
                    score = float(rng.normal())
                    measures = (float(rng.uniform()), float(rng.uniform()))
                    evaluation = Evaluation(Status.OK, score, {"score": score}, measures)
                    event = Evaluated(instruction.job.job_id, evaluation, now)
                    heapq.heappush(ends, (now + float(rng.lognormal(1.6, 0.5)), number, event))
                elif isinstance(instruction, Finish):
                    is_over = True
            if is_over:
                break
            now, _, event = heapq.heappop(ends)
            with clock.of("wire"):
                wire.event_from_json(json.loads(json.dumps(wire.event_to_json(event))))
            with clock.of("decide"):
                instructions = coordinator.handle(event)
            events += 1
        journal.close()
    assert state.ledger.evaluations == jobs
    per_event = {part: 1e6 * seconds / events for part, seconds in clock.seconds.items()}
    return {
        **per_event,
        "events": events,
        "jobs_per_s": jobs / sum(clock.seconds.values()),
        "rss_mib": process.memory_info().rss / 2**20 - before_mib,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "wire_kib": wire_bytes / events / 1024,
    }


def main() -> None:
    """Simulates each number of slots and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options.jobs} evaluations, seed {options.seed}"
    )
    print(
        "| slots | CPU us per event: decide | journal | wire | evaluations/s of one CPU | memory gained MiB | KiB per job sent |"
    )
    print("|---|---|---|---|---|---|---|")
    for slots in options.slots:
        row = simulate(slots, options.jobs, options.seed)
        cells = [f"{row[key]:.0f}" for key in ("decide", "journal", "wire", "jobs_per_s", "rss_mib")]
        print(f"| {slots} | {' | '.join(cells)} | {row['wire_kib']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
