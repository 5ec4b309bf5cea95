"""Celery against embedded on the same work: throughput and processor time per evaluation.

    python -m benchmarks.service.celery_ratio [--evals 600] [--slots 64] [--latency-s 2] [--repeats 3]

Both do the same run with a scripted model behind HTTP on loopback that takes a constant latency, `slots` calls at a time,
and 4 evaluators. The rate counts from the 64th recorded evaluation to the last. Runs come in pairs, with the order turned
round from pair to pair; a ratio is that of one pair. Processor time is that of all processes (coordinator, workers, judges,
programs; not Redis, whose is given apart, nor the model's); the coordinator's own, with its git, is given apart too.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.service.cluster import PROBLEM
from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, Latency, ScriptedMutator
from discovery.testing.redis_server import RedisServer

WARM = 64


def cpu_s(pids: list[int], *, with_ended: bool = True) -> float:
    """Returns the processor seconds of processes, and of all that they have waited for."""
    total = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        total += times.children_user + times.children_system if with_ended else 0.0
    return total


def tree(roots: list[int]) -> list[int]:
    """Returns processes and all below them."""
    found: list[int] = []
    for pid in roots:
        try:
            found += [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        except psutil.NoSuchProcess:
            continue
    return found


def git_of(pid: int) -> list[int]:
    """Returns the processes of git that a process has started."""
    try:
        return [child.pid for child in psutil.Process(pid).children() if child.name() == "git"]
    except psutil.NoSuchProcess:
        return []


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "discovery", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: evaluations per second; CPU ms per evaluation of all, of the coordinator, of Redis; the machine's load."""

    rate: float
    cpu_ms: float
    coordinator_ms: float
    redis_ms: float
    load: float


def measure(place: Path, options: argparse.Namespace, *, with_broker: bool) -> Measured:
    """Returns the figures of one run."""
    problem, run = place / "cheap.py", place / "run"
    problem.write_text(PROBLEM.format(work_s=0.0, poison=()))
    latency = Latency(options.latency_s, sigma=1e-9)
    workers: list[subprocess.Popen[bytes]] = []
    with RedisServer() as server, ChatEndpoint(ScriptedMutator(seed=1), latency=latency) as endpoint:
        broker = ["--broker", server.url] if with_broker else []
        if with_broker:
            workers.append(
                spawn("worker", "--queues", "propose", "--concurrency", str(options.slots), *broker)
            )
            workers.append(
                spawn("worker", "--queues", "evaluate", "--concurrency", str(options.evaluators), *broker)
            )
            time.sleep(6.0)
        main = spawn(
            *(
                "run",
                str(problem),
                "--evals",
                str(options.evals),
                "--seed",
                "1",
                "--out",
                str(run),
                "--workers",
                str(options.evaluators),
            ),
            *(
                "--model",
                "scripted",
                "--api-base",
                endpoint.api_base,
                "--model-slots",
                str(options.slots),
            ),
            *("--operators", "diff", *broker),
        )
        roots = [main.pid, *(worker.pid for worker in workers)]
        samples: list[tuple[int, list[float]]] = []
        while main.poll() is None:
            journal = run / "journal.jsonl"
            count = sum(e["type"] == "evaluated" for e in read_entries(journal)) if journal.exists() else 0
            coordinator_s = cpu_s([main.pid, *git_of(main.pid)], with_ended=False)
            samples.append((count, [cpu_s(tree(roots)), coordinator_s, cpu_s([server.pid])]))
            time.sleep(1.0)
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    times = [e["record"]["at_s"] for e in read_entries(run / "journal.jsonl") if e["type"] == "evaluated"]
    assert len(times) == options.evals, f"{len(times)} of {options.evals} evaluations"
    rate = (len(times) - WARM) / (times[-1] - times[WARM - 1])
    warm = next(sample for sample in samples if sample[0] >= WARM)
    last = [sample for sample in samples if sample[0] < options.evals][-1]  # then everything ends
    each_ms = [1000 * (b - a) / (last[0] - warm[0]) for a, b in zip(warm[1], last[1], strict=True)]
    return Measured(rate, each_ms[0], each_ms[1], each_ms[2], os.getloadavg()[0])


def main() -> None:
    """Measures pairs and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, default=600)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--latency-s", type=float, default=2.0)
    parser.add_argument("--evaluators", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rows: dict[str, list[Measured]] = {"embedded": [], "celery": []}
    for repeat in range(options.repeats):
        for name in list(rows)[:: -1 if repeat % 2 else 1]:
            with tempfile.TemporaryDirectory() as place:
                rows[name].append(measure(Path(place), options, with_broker=name == "celery"))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, {options}")
    print(
        "| executor | evaluations/s, median (all; load) | CPU ms per evaluation, median | coordinator ms | Redis ms |"
    )
    print("|---|---|---|---|---|")
    for name, found in rows.items():
        shown = ", ".join(f"{one.rate:.1f}; {one.load:.1f}" for one in found)
        medians = [
            statistics.median(getattr(one, key) for one in found)
            for key in ("cpu_ms", "coordinator_ms", "redis_ms")
        ]
        rate = statistics.median(one.rate for one in found)
        print(f"| {name} | {rate:.2f} ({shown}) | {' | '.join(f'{median:.1f}' for median in medians)} |")
    ratios = [c.rate / e.rate for c, e in zip(rows["celery"], rows["embedded"], strict=True)]
    print(
        f"ratio celery/embedded: {statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
