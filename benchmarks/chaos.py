"""Everything that can happen to a distributed run, done to it on purpose; then everything is counted.

    python -m benchmarks.chaos [--evals 500] [--kinds-each 3] [--seed 1] [--pause-s 1.5] [--short]

A run over 3 evaluator and 2 proposer processes on a real Redis, with a scripted model. Every few seconds one of: a
worker killed -9, one worker's child killed (as the kernel does when memory runs out), a worker stopped for longer than
its lease and then continued (it delivers late), a worker of another version in between, Redis killed and started again,
restarted empty, out of memory, jobs handed out twice, a job that kills every worker it meets, the coordinator killed -9
and resumed, a second coordinator on the same run. Clock jumps are not made (they would need root and would
move the whole machine); leases and patience count on monotonic clocks. At the end: exactly the asked number of
evaluations, none lost, none doubled, `git fsck` clean. It runs once undisturbed first, for the ratio.
"""

from __future__ import annotations

import argparse
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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import redis

from discovery import history
from discovery.journal import read_entries
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
    if {is_poisoned} and digits in ("37", "73"):  # a scorer whose bug takes its worker with it
        os.kill(os.getppid(), 9)
    return {{"closeness": -sum((x * x - 0.5) ** 2 for x in output), "first": output[0], "second": output[1]}}
'''


class Cluster:
    """A Redis, workers, a model and the coordinator of one run."""

    def __init__(self, place: Path, evals: int, seed: int, *, is_poisoned: bool) -> None:
        self.place, self.evals, self.seed = place, evals, seed
        self.problem = place / "chaos.py"
        self.problem.write_text(PROBLEM.format(work_s=0.4, is_poisoned=is_poisoned))
        self.run = place / "run"
        self.redis = RedisServer()
        self.endpoint = ChatEndpoint(ScriptedMutator(seed=seed), latency=Latency(0.5, seed=seed))
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.coordinator: subprocess.Popen[bytes] | None = None
        self.log = (place / "log").open("ab")

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "discovery", *arguments]
        return subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)

    def start_worker(self, name: str) -> None:
        queue = name.split("-", maxsplit=1)[0]
        concurrency = "8" if queue == "propose" else "1"
        self.workers[name] = self.spawn(
            "worker", "--queues", queue, "--concurrency", concurrency, "--broker", self.redis.url
        )

    def begin(self) -> None:
        self.coordinator = self.spawn(
            *(
                "run",
                str(self.problem),
                "--evals",
                str(self.evals),
                "--seed",
                str(self.seed),
                "--out",
                str(self.run),
            ),
            *("--model", "openai/scripted", "--api-base", self.endpoint.api_base, "--model-slots", "12"),
            *("--operators", "diff=1,perturb=3", "--workers", "6", "--broker", self.redis.url),
        )

    def resume(self) -> None:
        self.coordinator = self.spawn("resume", str(self.run), "--broker", self.redis.url)

    def __enter__(self) -> Cluster:
        self.redis.start()
        self.endpoint.__enter__()
        for name in ("evaluate-0", "evaluate-1", "evaluate-2", "propose-0", "propose-1"):
            self.start_worker(name)
        return self

    def __exit__(self, *error: object) -> None:
        for process in [*self.workers.values(), *([self.coordinator] if self.coordinator else [])]:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.endpoint.__exit__(None, None, None)
        self.redis.__exit__(None, None, None)

    def recorded(self) -> list[dict]:
        path = self.run / "journal.jsonl"
        return [e for e in read_entries(path) if e["type"] == "evaluated"] if path.exists() else []

    def tend(self) -> None:
        """Starts again what a supervisor would."""
        for name, worker in list(self.workers.items()):
            if worker.poll() is not None:
                self.start_worker(name)


class Chaos:
    """What may happen, by name."""

    def __init__(self, cluster: Cluster, rng: np.random.Generator) -> None:
        self.cluster, self.rng = cluster, rng
        self.refused = 0
        self.kinds: dict[str, Callable[[], None]] = {
            "worker killed": self.kill_worker,
            "child killed": self.kill_child,
            "worker hung, then late": self.hang_worker,
            "other version": self.other_version,
            "redis restarted": self.restart_redis,
            "redis restarted empty": self.empty_redis,
            "redis out of memory": self.fill_redis,
            "jobs twice": self.double_jobs,
            "coordinator killed": self.kill_coordinator,
            "second coordinator": self.second_coordinator,
        }

    def _pick(self, prefix: str = "") -> tuple[str, subprocess.Popen[bytes]]:
        names = [name for name in self.cluster.workers if name.startswith(prefix)]
        name = names[int(self.rng.integers(len(names)))]
        return name, self.cluster.workers[name]

    def kill_worker(self) -> None:
        _, worker = self._pick()
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    def kill_child(self) -> None:
        _, worker = self._pick("evaluate")
        for child in psutil.Process(worker.pid).children():
            child.kill()

    def hang_worker(self) -> None:
        _, worker = self._pick("evaluate")
        os.killpg(worker.pid, signal.SIGSTOP)
        threading.Timer(12.0, lambda: worker.poll() is None and os.killpg(worker.pid, signal.SIGCONT)).start()

    def other_version(self) -> None:
        code = "import sys, discovery.broker as b; b.FORMAT = 99; from discovery.__main__ import main; sys.argv[0] = 'discovery'; main()"
        arguments = [
            "worker",
            "--queues",
            "evaluate",
            "--concurrency",
            "1",
            "--broker",
            self.cluster.redis.url,
        ]
        other = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=self.cluster.log,
            stderr=self.cluster.log,
            start_new_session=True,
        )
        time.sleep(4.0)
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()

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

    def double_jobs(self) -> None:
        with redis.Redis.from_url(self.cluster.redis.url) as client:
            for key in client.keys("evaluate*"):
                if client.type(key) == b"list":
                    for message in client.lrange(key, 0, -1):
                        client.rpush(key, message)
            for message in client.hgetall("unacked").values():
                client.lpush("evaluate", json.dumps(json.loads(message)[0]))

    def kill_coordinator(self) -> None:
        assert self.cluster.coordinator is not None
        os.killpg(self.cluster.coordinator.pid, signal.SIGKILL)
        self.cluster.coordinator.wait()
        self.cluster.resume()

    def second_coordinator(self) -> None:
        second = self.cluster.spawn("resume", str(self.cluster.run), "--broker", self.cluster.redis.url)
        if second.wait(60) == 1:
            self.refused += 1


def watch(cluster: Cluster, chaos: Chaos | None, *, each: int, pause_s: float, limit_s: float) -> dict:
    """Runs to the end, disturbed or not, and returns what was counted."""
    begun_s = last_s = time.monotonic()
    longest_s, seen, done = 0.0, 0, Counter()
    next_s = begun_s + 3.0
    while True:
        cluster.tend()
        assert cluster.coordinator is not None
        code, count = cluster.coordinator.poll(), len(cluster.recorded())
        now = time.monotonic()
        if count > seen:
            longest_s, last_s, seen = max(longest_s, now - last_s), now, count
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
    return {"code": code, "seconds": now - begun_s, "longest_s": longest_s, "done": done}


def judge(cluster: Cluster, counted: dict) -> dict:
    """Returns what became of a run: how many were recorded, lost, doubled; whether git agrees."""
    records = [entry["record"] for entry in cluster.recorded()]
    ids = [record["program_id"] for record in records]
    git = ["git", "-C", str(cluster.run / "lineage")]
    fsck = subprocess.run([*git, "fsck", "--full", "--strict"], capture_output=True, check=False)
    in_git = [entry.program_id for entry in reversed(history.log(cluster.run / "lineage", limit=10**9))]
    return {
        **counted,
        "recorded": len(ids),
        "gaps": sum(record["index"] != place for place, record in enumerate(records)),
        "doubled": len(ids) - len(set(ids)),
        "git equals journal": in_git == ids,
        "fsck": fsck.returncode,
        "quarantined": sum("quarantined" in record["evaluation"].get("reason", "") for record in records),
    }


def main() -> None:
    """Runs undisturbed, then disturbed, and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, default=500)
    parser.add_argument("--kinds-each", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause-s", type=float, default=1.5)
    parser.add_argument("--limit-s", type=float, default=1500.0)
    parser.add_argument(
        "--short", action="store_true", help="each kind once over 150 evaluations; no undisturbed run"
    )
    options = parser.parse_args()
    if options.short:
        options.evals, options.kinds_each, options.pause_s = 150, 1, 1.0
    found: dict[str, dict] = {}
    for name in ("undisturbed", "chaos") if not options.short else ("chaos",):
        with tempfile.TemporaryDirectory() as place:
            with Cluster(Path(place), options.evals, options.seed, is_poisoned=name == "chaos") as cluster:
                chaos = Chaos(cluster, np.random.default_rng(options.seed)) if name == "chaos" else None
                cluster.begin()
                try:
                    counted = watch(
                        cluster,
                        chaos,
                        each=options.kinds_each,
                        pause_s=options.pause_s,
                        limit_s=options.limit_s,
                    )
                except BaseException:
                    print((Path(place) / "log").read_text()[-6000:], file=sys.stderr)
                    raise
                found[name] = judge(cluster, counted)
                found[name]["refused"] = chaos.refused if chaos else 0
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, seed {options.seed}, {options.evals} evaluations asked"
    )
    print(
        "| run | exit | evaluations | gaps | doubled | git = journal | fsck | quarantined | s | longest stall s | evaluations/s |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, row in found.items():
        cells = (
            row["code"],
            row["recorded"],
            row["gaps"],
            row["doubled"],
            row["git equals journal"],
            row["fsck"],
            row["quarantined"],
        )
        rate = row["recorded"] / row["seconds"]
        print(
            f"| {name} | {' | '.join(map(str, cells))} | {row['seconds']:.0f} | {row['longest_s']:.1f} | {rate:.2f} |"
        )
    done = found["chaos"]["done"]
    print("done:", ", ".join(f"{kind} {count}" for kind, count in sorted(done.items())))
    for row in found.values():
        assert row["code"] == 0
        assert row["recorded"] == options.evals
        assert row["gaps"] == row["doubled"] == row["fsck"] == 0
        assert row["git equals journal"]
    assert min(done[kind] for kind in chaos.kinds) >= options.kinds_each
    assert found["chaos"]["refused"] >= options.kinds_each


if __name__ == "__main__":
    main()
