"""How much of a model's throughput a run uses: 16 slots, replies that take 2 s (lognormal), on this machine.

    python -m benchmarks.latency [--evals 400] [--slots 16] [--mean-s 2.0] [--seed 1]

The model is a loopback server in a process of its own that speaks the OpenAI chat format and mutates the parent it
finds in the prompt; the run reaches it through litellm, as it would reach any provider. Ideal throughput = slots /
mean of the latencies that the server really drew. Steady state leaves out filling and draining (the first `slots`
and the last `slots` evaluations); the whole-run figure has them in.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.overhead import TRIVIAL, tree_cpu_s
from discovery.core.records import Record
from discovery.execution.ending import StopRequest
from discovery.execution.runs import create_run
from discovery.execution.session import Session
from discovery.search.state import RunState
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.settings.models import ModelConfig
from discovery.storage.run_folder import RunFolder
from discovery.testing import Latency
from evaluators.problems.loading import load_problem


class Clock:
    """Observes when each evaluation was recorded."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        self.times += [time.perf_counter() for _ in records]

    def ticked(self, state: RunState, in_flight: int) -> None:
        pass

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        pass

    def warned(self, text: str) -> None:
        pass

    def informed(self, text: str) -> None:
        pass


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, default=400)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--mean-s", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "loopback")
    latency = Latency(mean_s=options.mean_s, seed=options.seed)
    command = [
        sys.executable,
        "-m",
        "discovery.testing",
        "--mean-latency-s",
        str(options.mean_s),
        "--seed",
        str(options.seed),
    ]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as place,
    ):
        assert server.stdout is not None
        api_base = server.stdout.readline().split()[-1]
        path = Path(place) / "trivial.py"
        path.write_text(TRIVIAL)
        config = RunConfig(
            str(path),
            options.seed,
            model_slots=options.slots,
            operators={"diff": 1.0},
            budget=Budget(evaluations=options.evals + 1),
            models=ModelConfig(models=(("scripted", 1.0),), api_base=api_base),
        )
        problem, folder, clock = load_problem(config.problem), RunFolder(Path(place) / "run"), Clock()
        create_run(folder, config, problem)
        start_cpu = tree_cpu_s()
        session = Session(folder, config, problem, observer=clock, stop=StopRequest())
        outcome = session.run()
        cpu_s = tree_cpu_s() - start_cpu
        server.terminate()
    assert outcome.reason == "evaluations", outcome
    calls = int(outcome.summary["model_calls"])
    drawn = sum(latency.seconds(number) for number in range(calls)) / calls
    ideal = options.slots / drawn
    times = clock.times[1:]
    steady = times[options.slots : -options.slots]
    steady_rate = (len(steady) - 1) / (steady[-1] - steady[0])
    useful = options.evals / calls
    whole_rate = len(times) / (times[-1] - clock.times[0])
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, n = {options.evals}, seed {options.seed}"
    )
    print(
        f"ideal {ideal:.2f} calls/s ({options.slots} slots, {drawn:.3f} s mean latency drawn over {calls} calls)"
    )
    print("| | evaluations/s | model calls/s | share of ideal |")
    print("|---|---|---|---|")
    print(
        f"| steady state | {steady_rate:.2f} | {steady_rate / useful:.2f} | {steady_rate / useful / ideal:.1%} |"
    )
    print(
        f"| whole run, filling and draining included | {whole_rate:.2f} | {whole_rate / useful:.2f} | {whole_rate / useful / ideal:.1%} |"
    )
    print(f"CPU of the run's tree: {1e3 * cpu_s / options.evals:.1f} ms per evaluation")


if __name__ == "__main__":
    main()
