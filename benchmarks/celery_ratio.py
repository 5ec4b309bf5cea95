"""Celery against embedded on the same work: throughput and processor time per evaluation.

    python -m benchmarks.celery_ratio [--evals 600] [--slots 64] [--latency-s 2] [--repeats 3]

Both do the same run with a scripted model behind HTTP on loopback that takes a constant latency, `slots` calls at a time,
and 4 evaluators. The rate counts from the 64th recorded evaluation to the last. Pairs are interleaved; processor time is
that of all processes (coordinator, workers, judges, programs; not Redis, whose is given apart, nor the model's).
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
from pathlib import Path

import psutil

from benchmarks.cluster import PROBLEM
from discovery.journal import read_entries
from discovery.testing import ChatEndpoint, Latency, ScriptedMutator
from discovery.testing.redis_server import RedisServer

WARM = 64


def cpu_s(processes: list[psutil.Process]) -> float:
    """Returns the processor seconds of processes and all that they have waited for."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def tree(roots: list[int]) -> list[psutil.Process]:
    """Returns processes and all below them."""
    found: list[psutil.Process] = []
    for pid in roots:
        try:
            found += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    return found


def spawn(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "discovery", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def measure(place: Path, options: argparse.Namespace, *, with_broker: bool) -> tuple[float, float, float]:
    """Returns evaluations per second, CPU ms per evaluation, and that of Redis alone."""
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
                "openai/scripted",
                "--api-base",
                endpoint.api_base,
                "--model-slots",
                str(options.slots),
            ),
            *("--operators", "diff", *broker),
        )
        roots = [main.pid, *(worker.pid for worker in workers)]
        samples: list[tuple[int, float, float]] = []
        while main.poll() is None:
            journal = run / "journal.jsonl"
            count = sum(e["type"] == "evaluated" for e in read_entries(journal)) if journal.exists() else 0
            samples.append((count, cpu_s(tree(roots)), cpu_s([psutil.Process(server.pid)])))
            time.sleep(1.0)
        for worker in workers:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    times = [e["record"]["at_s"] for e in read_entries(run / "journal.jsonl") if e["type"] == "evaluated"]
    assert len(times) == options.evals, f"{len(times)} of {options.evals} evaluations"
    rate = (len(times) - WARM) / (times[-1] - times[WARM - 1])
    warm = next(sample for sample in samples if sample[0] >= WARM)
    last = samples[-1]
    count = last[0] - warm[0]
    return rate, 1000 * (last[1] - warm[1]) / count, 1000 * (last[2] - warm[2]) / count


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
    rows: dict[str, list[tuple[float, float, float]]] = {"embedded": [], "celery": []}
    for _ in range(options.repeats):
        for name, found in rows.items():
            with tempfile.TemporaryDirectory() as place:
                found.append(measure(Path(place), options, with_broker=name == "celery"))
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options}")
    print("| executor | evaluations/s, median (all) | CPU ms per evaluation, median | Redis ms |")
    print("|---|---|---|---|")
    for name, found in rows.items():
        rates, cpus, redis_ms = zip(*found, strict=True)
        all_rates = ", ".join(f"{rate:.1f}" for rate in rates)
        print(
            f"| {name} | {statistics.median(rates):.2f} ({all_rates}) | {statistics.median(cpus):.1f} | "
            f"{statistics.median(redis_ms):.1f} |"
        )
    ratios = [c[0] / e[0] for c, e in zip(rows["celery"], rows["embedded"], strict=True)]
    print(
        f"ratio celery/embedded: {statistics.median(ratios):.3f} ({', '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
