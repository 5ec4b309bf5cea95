"""Everything that can happen to a distributed run, done to it on purpose; then everything is counted.

    python -m benchmarks.chaos [--evals 500] [--kinds-each 3] [--seed 1] [--pause-s 1.5] [--short]

A run over 3 evaluator and 2 proposer processes on a real Redis, with a scripted model. Every few seconds one of: a
worker killed -9, one worker's child killed by the kernel for want of memory (by a memory cgroup; where none can be made,
with SIGKILL, which is all that the kernel sends), a worker stopped for longer than its lease and then continued (it
delivers late), a worker of another version in between, Redis killed and started again, restarted empty, out of memory,
away when coordinator and worker start, jobs and results handed out twice, all clocks set on or back by hours, the
coordinator killed -9 and resumed, a second coordinator on the same run; and all the time some jobs kill every worker they
meet. At the end: exactly the asked number of evaluations, none lost, none doubled, `git fsck` clean. It runs once
undisturbed first, for the ratio.

Clocks: the processes' time of day is moved by discovery.testing.moved_clock. A Redis server takes nothing from the clock
but the ends of its keys, so these are moved. Monotonic clocks cannot jump.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import redis

from benchmarks.service.cluster import Cluster, Size
from benchmarks.service.oom import MemorySqueeze
from discovery.storage.git import history

LONG = Size(evals=500, poison=("13", "31", "37", "73", "79", "97"))
SHORT = Size(
    evals=60, evaluators=2, proposers=1, work_s=0.8, poison=("13", "31", "37", "73", "79", "97", "19", "91")
)
JUMPS_S = (3600.0, 36_000.0, 7 * 86_400.0)
"""An hour, more than any trace of a job stays, a week."""


class Chaos:
    """What may happen, by name."""

    def __init__(self, cluster: Cluster, squeeze: MemorySqueeze, rng: np.random.Generator) -> None:
        self.cluster, self.squeeze, self.rng = cluster, squeeze, rng
        self.by_kernel = 0
        self.unclear: list[str] = []
        self.kinds: dict[str, Callable[[], None]] = {
            "worker killed": self.kill_worker,
            "worker out of memory": self.starve_worker,
            "worker hung, then late": self.hang_worker,
            "other version": self.other_version,
            "redis restarted": self.restart_redis,
            "redis restarted empty": self.empty_redis,
            "redis out of memory": self.fill_redis,
            "redis away at start": self.start_without_redis,
            "jobs and results twice": self.double,
            "clocks set on": self.set_on,
            "clocks set back": self.set_back,
            "coordinator killed": self.kill_coordinator,
            "second coordinator": self.second_coordinator,
        }

    def _pick(self, prefix: str = "") -> subprocess.Popen[bytes]:
        names = [name for name in self.cluster.workers if name.startswith(prefix)]
        return self.cluster.workers[names[int(self.rng.integers(len(names)))]]

    def kill_worker(self) -> None:
        self.cluster.kill(self._pick())

    def starve_worker(self) -> None:
        children: list[psutil.Process] = []
        while not children:  # a worker that is just starting has none yet
            time.sleep(0.1)
            self.cluster.tend()
            children = psutil.Process(self._pick("evaluate").pid).children()
        if self.squeeze.kill_one(child.pid for child in children):
            self.by_kernel += 1
        else:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def hang_worker(self) -> None:
        worker = self._pick("evaluate")

        def go_on() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGCONT)

        os.killpg(worker.pid, signal.SIGSTOP)
        threading.Timer(12.0, go_on).start()

    def other_version(self) -> None:
        code = (
            "import sys, discovery.execution.broker as b; b.FORMAT = 99; from discovery.__main__ import main; "
            "sys.argv[0] = 'discovery'; main()"
        )
        other = self.cluster.spawn(
            *("worker", "--queues", "evaluate", "--concurrency", "1", "--broker", self.cluster.redis.url),
            program=("-c", code),
        )
        time.sleep(4.0)
        self.cluster.kill(other)

    def restart_redis(self) -> None:
        self.cluster.redis.kill()
        time.sleep(float(self.rng.uniform(0.1, 1.5)))
        self.cluster.redis.start()

    def empty_redis(self) -> None:
        self.cluster.redis.kill()
        self.cluster.redis.forget()
        self.cluster.redis.start()

    def fill_redis(self) -> None:
        with redis.Redis.from_url(self.cluster.redis.url) as client:
            client.config_set("maxmemory", "1mb")
            time.sleep(2.0)
            client.config_set("maxmemory", "0")

    def start_without_redis(self) -> None:
        assert self.cluster.coordinator is not None
        self.cluster.kill(self.cluster.coordinator)
        self.kill_worker()
        self.cluster.redis.kill()
        self.cluster.tend()  # its workers wait for it
        self._refused("does not answer")
        self.cluster.redis.start()
        self.cluster.resume()

    def double(self) -> None:
        with redis.Redis.from_url(self.cluster.redis.url) as client:
            for key in client.keys("evaluate*"):
                if client.type(key) == b"list":
                    for message in client.lrange(key, 0, -1):
                        client.rpush(key, message)
            for message in client.hgetall("unacked").values():
                client.lpush("evaluate", json.dumps(json.loads(message)[0]))
            for stream in client.keys("discovery:events:*"):
                for _, fields in client.xrange(stream):
                    client.xadd(stream, fields)

    def set_on(self) -> None:
        self.cluster.move_clocks(float(self.rng.choice(JUMPS_S)))

    def set_back(self) -> None:
        self.cluster.move_clocks(-float(self.rng.choice(JUMPS_S)))

    def kill_coordinator(self) -> None:
        assert self.cluster.coordinator is not None
        self.cluster.kill(self.cluster.coordinator)
        self.cluster.resume()

    def second_coordinator(self) -> None:
        self._refused("in use by process")

    def _refused(self, reason: str) -> None:
        """Tries to go on with the run beside what there is; notes it if that is not refused for a reason."""
        said = self.cluster.place / "refusal"
        second = self.cluster.spawn(*self.cluster.resuming, log=said)
        try:
            code = second.wait(60)
        except subprocess.TimeoutExpired:
            self.cluster.kill(second)
            code = -9
        if code != 1 or reason not in said.read_text():
            self.unclear.append(
                f"exit {code} instead of a refusal with {reason!r}: {said.read_text()[-300:]}"
            )


@dataclass(slots=True)
class Count:
    """What became of a run.

    Attributes:
        gaps: places in the journal's numbering that are missing or come twice; doubled: programs recorded twice.
        longest_s: the longest time in which no evaluation was recorded, from the first to the last; longest_at: after how many.
        done: how often each kind was done to it.
        by_kernel: how many of those out of memory were killed by the kernel itself.
        unclear: refusals that did not come, or not with the reason.
    """

    code: int
    seconds: float
    longest_s: float
    longest_at: int
    done: Counter[str]
    recorded: int = 0
    gaps: int = 0
    doubled: int = 0
    fsck: int = 0
    equals_git: bool = False
    quarantined: int = 0
    by_kernel: int = 0
    unclear: list[str] = field(default_factory=list)

    def faults(self, evals: int) -> list[str]:
        """Returns what is wrong with it; nothing, if all is as it must be."""
        wanted = {"code": 0, "recorded": evals, "gaps": 0, "doubled": 0, "fsck": 0, "equals_git": True}
        found = [
            f"{name} is {getattr(self, name)}, not {value}"
            for name, value in wanted.items()
            if getattr(self, name) != value
        ]
        return found + self.unclear


def watch(cluster: Cluster, chaos: Chaos | None, *, each: int, pause_s: float, limit_s: float) -> Count:
    """Runs to the end, disturbed or not, and returns what was seen."""
    begun_s = last_s = time.monotonic()
    longest_s, longest_at, seen, done = 0.0, 0, 0, Counter[str]()
    next_s = begun_s
    while True:
        cluster.tend()
        assert cluster.coordinator is not None
        code, count = cluster.coordinator.poll(), len(cluster.recorded())
        now = time.monotonic()
        if count > seen:
            if seen and now - last_s > longest_s:
                longest_s, longest_at = now - last_s, seen
            last_s, seen = now, count
        if code is not None:
            break
        if now - begun_s > limit_s:
            raise SystemExit(
                f"not at its end after {limit_s:g} s, {seen} evaluations, last {now - last_s:.1f} s ago"
            )
        if chaos is not None and now > next_s and seen > 0:
            fewest = min(done[kind] for kind in chaos.kinds)
            open_kinds = [kind for kind in chaos.kinds if done[kind] == fewest]
            if fewest < each:
                kind = open_kinds[int(chaos.rng.integers(len(open_kinds)))]
                chaos.kinds[kind]()
                done[kind] += 1
                next_s = time.monotonic() + float(chaos.rng.uniform(0.5, 1.5)) * pause_s
        time.sleep(0.05)
    return Count(code, now - begun_s, longest_s, longest_at, done)


def judge(cluster: Cluster, count: Count) -> None:
    """Counts what was recorded, lost and doubled, and whether git agrees."""
    records = [entry["record"] for entry in cluster.recorded()]
    ids = [record["program_id"] for record in records]
    git = ["git", "-C", str(cluster.run / "lineage")]
    count.fsck = subprocess.run(
        [*git, "fsck", "--full", "--strict"], capture_output=True, check=False
    ).returncode
    in_git = [entry.program_id for entry in reversed([*history.log(cluster.run / "lineage", limit=10**9)])]
    count.recorded, count.equals_git = len(ids), in_git == ids
    count.gaps = sum(record["index"] != place for place, record in enumerate(records))
    count.doubled = len(ids) - len(set(ids))
    count.quarantined = sum("quarantined" in record["evaluation"].get("reason", "") for record in records)


def play(size: Size, *, seed: int, each: int, pause_s: float, limit_s: float) -> Count:
    """Returns what became of one run, each kind of trouble done to it so often; 0 for none."""
    with (
        tempfile.TemporaryDirectory() as place,
        MemorySqueeze() as squeeze,
        Cluster(Path(place), size, seed) as cluster,
    ):
        chaos = Chaos(cluster, squeeze, np.random.default_rng(seed)) if each else None
        cluster.begin()
        try:
            count = watch(cluster, chaos, each=each, pause_s=pause_s, limit_s=limit_s)
            judge(cluster, count)
        except BaseException:
            print(cluster.log_path.read_text()[-6000:], file=sys.stderr)
            raise
        if chaos is not None:
            count.by_kernel, count.unclear = chaos.by_kernel, chaos.unclear
        if count.faults(size.evals):
            print(cluster.log_path.read_text()[-6000:], file=sys.stderr)
        return count


def table(found: Mapping[str, Count]) -> str:
    """Returns the counts of runs by name as a table."""
    lines = [
        "| run | exit | evaluations | gaps | doubled | git = journal | fsck | quarantined | s | "
        "longest stall s (after evaluation) | evaluations/s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, count in found.items():
        cells = (
            count.code,
            count.recorded,
            count.gaps,
            count.doubled,
            count.equals_git,
            count.fsck,
            count.quarantined,
        )
        rate = count.recorded / count.seconds
        lines.append(
            f"| {name} | {' | '.join(map(str, cells))} | {count.seconds:.0f} | {count.longest_s:.1f} ({count.longest_at}) | {rate:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs undisturbed, then disturbed, and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, default=LONG.evals)
    parser.add_argument("--kinds-each", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=1.5)
    parser.add_argument("--limit-s", type=float, default=1500.0)
    parser.add_argument("--short", action="store_true", help="as in the tests; no undisturbed run")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options}", flush=True
    )
    if options.short:
        found = {"chaos": play(SHORT, seed=options.seed, each=1, pause_s=0.3, limit_s=options.limit_s)}
        evals = SHORT.evals
    else:
        evals = options.evals
        common = {"seed": options.seed, "pause_s": options.pause_s, "limit_s": options.limit_s}
        calm = Size(evals)
        rough = Size(evals, poison=LONG.poison)
        found = {"undisturbed": play(calm, each=0, **common)}
        found["chaos"] = play(rough, each=options.kinds_each, **common)
    print(table(found))
    count = found["chaos"]
    print("done:", ", ".join(f"{kind} {times}" for kind, times in sorted(count.done.items())))
    print(f"killed by the kernel: {count.by_kernel}, load {os.getloadavg()[0]:.1f}")
    faults = [fault for run in found.values() for fault in run.faults(evals)]
    each = 1 if options.short else options.kinds_each
    if len(count.done) < 13 or min(*count.done.values(), count.quarantined) < each:
        faults.append("not everything was done: ask for more evaluations")
    if faults:
        raise SystemExit("; ".join(faults))


if __name__ == "__main__":
    main()
