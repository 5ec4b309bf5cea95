"""What a run with a model costs beside the model: processor time, memory, and the time to the first question.

    python -m benchmarks.model_path [--evals 200 1000] [--repeats 1] [--seed 1] [--openevolve PYTHON]

The model is a loopback server in this process that answers at once, with a whole program of 0.6 kB that no other answer has. Two
slots, one operator (`rewrite`), no learning beside what is on by default. Measured is the whole tree of processes of
`python -m discovery run`: processor time as the kernel accounts it (children waited for included), memory as the largest sum of
PSS in samples every 0.2 s. `--openevolve` names the interpreter of an environment that has OpenEvolve (`pip install openevolve`):
the same server, replies, program and score, two workers, in turn with ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from discovery.testing import Answer, ChatEndpoint, ChatRequest

SAMPLE_S = 0.2
LIMIT_S = 1800.0
PADDING = "\n".join(
    f"    # line {number:02d} of a program that is about as long as small ones are" for number in range(7)
)
PROGRAM = """# EVOLVE-BLOCK-START
def answer():
    number = {number}
{padding}
    return [0.25, 0.35, (number % 997) / 997]
# EVOLVE-BLOCK-END
"""
PROBLEM = '''"""Return three numbers; the closer their squares are to 0.5, the better."""
from evaluators.contract import Case, Measure, Objective

SEED = {seed!r}
OBJECTIVE = Objective("closeness", "maximize", bound=0.0)
MEASURES = (Measure("last", 0, 1, bins=16),)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    return {{"closeness": -sum((x * x - 0.5) ** 2 for x in output), "last": output[2]}}
'''
EVALUATOR = """import importlib.util, pathlib, time

def evaluate(path):
    spec = importlib.util.spec_from_file_location("program", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    score = -sum((x * x - 0.5) ** 2 for x in program.answer())
    with open({done!r}, "a") as file:
        file.write(f"{{time.time()}}\\n")
    return {{"combined_score": score}}
"""
CONFIG = """max_iterations: {evals}
checkpoint_interval: 1000000
log_level: WARNING
diff_based_evolution: false
llm:
  api_base: {api_base}
  api_key: none
  models:
    - {{name: mock, weight: 1.0}}
database: {{num_islands: 4}}
evaluator: {{parallel_evaluations: 2, cascade_evaluation: false}}
"""


def text_of(number: int) -> str:
    """Returns a program that no other number has."""
    return PROGRAM.format(number=number, padding=PADDING)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    Attributes:
        cpu_ms: of the whole tree, per evaluated program.
        seed_s, question_s: from the start to the first evaluation's end, and to the first question.
        peak_mib: largest sum of PSS.
        wall_s: from start to end; evaluated: programs.
    """

    cpu_ms: float
    seed_s: float
    question_s: float
    peak_mib: float
    wall_s: float
    evaluated: int


class Mock:
    """The script of the model, which notes when it was first asked."""

    def __init__(self) -> None:
        self.first_s = 0.0

    def __call__(self, request: ChatRequest) -> Answer:
        if not request.number:
            self.first_s = time.time()
        return Answer(f"Idea: other numbers.\n\n```python\n{text_of(request.number + 1)}```\n")


def measured(
    command: list[str],
    environment: Mapping[str, str],
    mock: Mock,
    first: Callable[[], float],
    count: Callable[[], int],
) -> Cost:
    """Returns what a command and all that it starts cost; `first` tells when the first program was judged, `count` how many were."""
    begun_s = time.time()
    process = subprocess.Popen(
        command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
    watcher.start()
    assert process.stderr is not None
    errors = process.stderr.read()[-2000:]
    _, status, usage = os.wait4(process.pid, 0)
    ended_s = time.time()
    watcher.join()
    evaluated = count()
    if os.waitstatus_to_exitcode(status) or not evaluated:
        raise SystemExit(f"{command} failed: {errors.decode()}")
    cpu_ms = 1e3 * (usage.ru_utime + usage.ru_stime) / evaluated
    return Cost(
        cpu_ms, first() - begun_s, mock.first_s - begun_s, peak[0] / 2**20, ended_s - begun_s, evaluated
    )


def _watch(pid: int, peak: list[int]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        try:
            root = psutil.Process(pid)
            total = 0
            for process in (root, *root.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            if root.status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.Error:
            return
        peak[0] = max(peak[0], total)
        time.sleep(SAMPLE_S)


class Journal:
    """Watches a run's journal for its first evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            if self.path.exists() and b'"evaluated"' in self.path.read_bytes():
                self.first_s = time.time()
                return

    def evaluations(self) -> int:
        """Returns how many programs were judged."""
        self._stop.set()
        return sum(line.startswith(b'{"type":"evaluated"') for line in self.path.read_bytes().splitlines())


def ours(place: Path, evals: int, seed: int) -> Cost:
    """Returns what a run of ours costs."""
    (place / "toy.py").write_text(PROBLEM.format(seed=text_of(0)))
    mock = Mock()
    with ChatEndpoint(mock) as endpoint:
        journal = Journal(place / "run" / "journal.jsonl")
        command = [
            *(
                sys.executable,
                "-m",
                "discovery",
                "run",
                str(place / "toy.py"),
                "--out",
                str(place / "run"),
            ),
            *("--evals", str(evals + 1), "--seed", str(seed), "--workers", "2", "--model-slots", "2"),
            *("--model", "mock", "--api-base", endpoint.api_base, "--operators", "rewrite"),
        ]
        return measured(command, os.environ, mock, lambda: journal.first_s, journal.evaluations)


def theirs(python: str, place: Path, evals: int) -> Cost:
    """Returns what a run of OpenEvolve costs."""
    done = place / "done"
    (place / "initial.py").write_text(text_of(0))
    (place / "evaluator.py").write_text(EVALUATOR.format(done=str(done)))
    mock = Mock()
    with ChatEndpoint(mock) as endpoint:
        (place / "config.yaml").write_text(CONFIG.format(evals=evals, api_base=endpoint.api_base))
        program = "from openevolve.cli import main; import sys; sys.exit(main())"
        command = [
            *(python, "-c", program, str(place / "initial.py"), str(place / "evaluator.py")),
            *(
                "--config",
                str(place / "config.yaml"),
                "--iterations",
                str(evals),
                "--output",
                str(place / "out"),
            ),
        ]
        lines = lambda: done.read_text().split()  # noqa: E731 - read twice, once the run has ended
        return measured(command, os.environ, mock, lambda: float(lines()[0]), lambda: len(lines()))


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evals", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--openevolve", help="the interpreter of an environment that has OpenEvolve")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, {options.repeats} runs each, "
        f"seeds from {options.seed}, load before {os.getloadavg()[0]:.1f}; medians"
    )
    print(
        "| | evaluated | CPU ms per program | seed judged, s | first question, s | peak PSS, MiB | wall, s |"
    )
    print("|---|---|---|---|---|---|---|")
    for evals in options.evals:
        costs: dict[str, list[Cost]] = {"ours": [], "OpenEvolve": []}
        for repeat in range(options.repeats):
            with tempfile.TemporaryDirectory() as place:
                costs["ours"].append(ours(Path(place), evals, options.seed + repeat))
            if options.openevolve:
                with tempfile.TemporaryDirectory() as place:
                    costs["OpenEvolve"].append(theirs(options.openevolve, Path(place), evals))
        for name, found in costs.items():
            if found:
                print(_row(f"{name}, {evals}", found), flush=True)


def _row(name: str, found: list[Cost]) -> str:
    def middle(field: str) -> float:
        return statistics.median(getattr(cost, field) for cost in found)

    return (
        f"| {name} | {middle('evaluated'):.0f} | {middle('cpu_ms'):.1f} | {middle('seed_s'):.2f} | {middle('question_s'):.2f} | "
        f"{middle('peak_mib'):.0f} | {middle('wall_s'):.1f} |"
    )


if __name__ == "__main__":
    main()
