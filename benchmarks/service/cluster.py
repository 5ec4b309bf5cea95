"""A Redis, workers, a scripted model and the coordinator of one run, for benchmarks.chaos and benchmarks.service.celery_ratio."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, Latency, ScriptedMutator
from discovery.testing.redis_server import RedisServer

PROBLEM = '''"""Return three numbers; the closer their squares are to 0.5, the better."""
import os
from evaluators.contract import Case, Invalid, Limits, Measure, Objective

SEED = """# EVOLVE-BLOCK-START
def answer():
    return [0.25, 0.35, 0.45]
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("closeness", "maximize", bound=0.0)
MEASURES = (Measure("first", 0, 1, bins=64), Measure("second", 0, 1, bins=64))
LIMITS = Limits(cpu_s=5, wall_s=10)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    import time
    time.sleep({work_s})
    return program.answer()


def score(case, output):
    if not isinstance(output, list) or len(output) != 3 or not all(isinstance(x, float) for x in output):
        raise Invalid("three floats are asked for")
    digits = repr(output[1])[-2:]
    if digits in {poison}:  # a scorer whose bug takes its worker with it
        os.kill(os.getppid(), 9)
    return {{"closeness": -sum((x * x - 0.5) ** 2 for x in output), "first": output[0], "second": output[1]}}
'''


START_S = 30.0
"""A coordinator that has not begun by then is left to itself."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run.

    Attributes:
        evals: evaluations asked for.
        evaluators, proposers: worker processes.
        work_s: how long a program takes.
        poison: last two digits of what a program returns that make the scorer kill its worker.
    """

    evals: int
    evaluators: int = 3
    proposers: int = 2
    work_s: float = 0.4
    poison: tuple[str, ...] = ()


class Cluster:
    """A context manager: everything that one distributed run needs.

    All its processes tell the time of day by a clock that `move_clocks` moves, Redis by moving the ends of its keys.
    """

    def __init__(self, place: Path, size: Size, seed: int) -> None:
        self.place, self.size, self.seed = place, size, seed
        self.problem = place / "chaos.py"
        self.problem.write_text(PROBLEM.format(work_s=size.work_s, poison=size.poison))
        self.run = place / "run"
        self.redis = RedisServer()
        self.endpoint = ChatEndpoint(ScriptedMutator(seed=seed), latency=Latency(0.5, seed=seed))
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.coordinator: subprocess.Popen[bytes] | None = None
        self.offset_s = 0.0
        self._clock = place / "clock"
        self.log_path = place / "log"
        self._log = self.log_path.open("ab")

    def spawn(
        self, *arguments: str, log: Path | None = None, program: tuple[str, ...] = ()
    ) -> subprocess.Popen[bytes]:
        """Returns a process of the command line, in a process group of its own."""
        program = program or ("-m", "discovery.testing.moved_clock", str(self._clock))
        stream = log.open("wb") if log is not None else self._log
        try:
            return subprocess.Popen(
                [sys.executable, *program, *arguments], stdout=stream, stderr=stream, start_new_session=True
            )
        finally:
            if log is not None:
                stream.close()

    def start_worker(self, name: str) -> None:
        """Starts the worker of a name, which begins with its queue."""
        queue = name.split("-", maxsplit=1)[0]
        concurrency = "8" if queue == "propose" else "1"
        self.workers[name] = self.spawn(
            *("worker", "--queues", queue, "--concurrency", concurrency, "--broker", self.redis.url)
        )

    def begin(self) -> None:
        """Begins the run. Its limit in minutes is never reached, unless a clock that jumps counts."""
        self.coordinator = self.spawn(
            *("run", str(self.problem), "--evals", str(self.size.evals), "--minutes", "600"),
            *("--seed", str(self.seed), "--out", str(self.run), "--broker", self.redis.url),
            *("--model", "scripted", "--api-base", self.endpoint.api_base, "--model-slots", "12"),
            *("--operators", "diff=1,perturb=3", "--workers", str(2 * self.size.evaluators)),
        )

    def resume(self) -> None:
        """Goes on with the run; waits until the broker has answered, without which a process that begins is right to give up."""
        before, deadline = self._beginnings(), time.monotonic() + START_S
        self.coordinator = self.spawn(*self.resuming)
        while (
            self.coordinator.poll() is None and self._beginnings() == before and time.monotonic() < deadline
        ):
            time.sleep(0.05)

    def _beginnings(self) -> int:
        """Returns how often a coordinator said that it works on the run."""
        return self.log_path.read_text(errors="replace").count(f"run {self.run}  (")

    @property
    def resuming(self) -> tuple[str, ...]:
        """Returns the arguments that go on with the run."""
        return ("resume", str(self.run), "--broker", self.redis.url)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a process and those it started, with SIGKILL."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def recorded(self) -> list[dict[str, Any]]:
        """Returns the entries of evaluated programs in the run's journal."""
        path = self.run / "journal.jsonl"
        return [e for e in read_entries(path) if e["type"] == "evaluated"] if path.exists() else []

    def tend(self) -> None:
        """Starts again what a supervisor would."""
        for name, worker in list(self.workers.items()):
            if worker.poll() is not None:
                self.start_worker(name)

    def move_clocks(self, jump_s: float) -> None:
        """Sets the time of day of all processes on or back."""
        self.offset_s += jump_s
        draft = self._clock.with_suffix(".new")
        draft.write_text(repr(self.offset_s))
        draft.rename(self._clock)
        with redis.Redis.from_url(self.redis.url) as client:
            for key in client.keys("*"):
                if (rest_ms := client.pttl(key)) > 0:
                    rest_ms -= int(1000 * jump_s)
                    client.pexpire(key, rest_ms) if rest_ms > 0 else client.delete(key)

    def __enter__(self) -> Cluster:
        self.redis.start()
        self.endpoint.__enter__()
        for kind, count in (("evaluate", self.size.evaluators), ("propose", self.size.proposers)):
            for number in range(count):
                self.start_worker(f"{kind}-{number}")
        return self

    def __exit__(self, *error: object) -> None:
        for process in [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]:
            self.kill(process)
        self._log.close()
        self.endpoint.__exit__(None, None, None)
        self.redis.__exit__(None, None, None)
