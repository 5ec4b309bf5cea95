"""What it takes to read a run of very many programs, and to go on with it.

    python -m benchmarks.service.readers [--programs 10000,100000,1000000] [--keep FOLDER] [--events 2000] [--no-git]

The journal is made up: children of elites with other constants, in an archive of two axes, a fifth of them failures; the
lineage is written from it as a run would write it. Then every reader is started as a person would start it. "open, after the
import" is `discovery.open`, its repr, best score and last program in a process that has imported the package; "replay" what a
resume does before anything else; "resume" is `discovery resume` up to its end after ten new programs. "CPU/event" is the
coordinator's own processor time for each further evaluation of a run of that size, in a process that judges by a call. With
`--no-git` no lineage is written, and what needs one is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.overhead import TRIVIAL
from benchmarks.resume import DirectExecutor, Silent
from discovery.core.records import Change, Record
from discovery.execution.ending import StopRequest
from discovery.execution.runs import create_run
from discovery.execution.session import Session
from discovery.search.state import RunState
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.storage.git.lineage import Lineage
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Evaluation, Program, Status
from evaluators.problems.loading import load_problem
from islands.archipelago import Archipelago
from islands.archive import Axis

STARTED_S = 1_700_000_000.0


def simulated(count: int, config: RunConfig, seed: Program) -> Iterator[Record]:
    """Yields the records of a run that never was."""
    rng = np.random.default_rng(0)
    population = Archipelago(config.islands, [Axis("first", 0, 1, 16), Axis("last", 0, 1, 16)])
    values = {seed.id: (0.11, 0.22, 0.33, 0.44, 0.55, 0.66, 0.77, 0.88, 0.99, 0.10)}
    for number in range(count):
        island = population.island_of(number)
        parents: tuple[str, ...] = ()
        program, numbers = seed, values[seed.id] if number == 0 else ()
        if number:
            elites = population.elites(island)
            parents = (elites[int(rng.integers(len(elites)))].program_id,)
            drawn = list(values[parents[0]])
            drawn[int(rng.integers(10))] = round(float(rng.random()), 9)
            numbers = tuple(drawn)
            program = seed.with_text(f"\ndef answer():\n    return {drawn}\n")
            population.record_parents(island, parents)
        changes: list[Change] = []
        if number % 5 == 4:
            evaluation = Evaluation(Status.ERROR, reason=f"ValueError: {number} is too small", cases_total=1)
        else:
            score = -sum((x * x - 0.5) ** 2 for x in numbers)
            measures = (numbers[0], numbers[-1])
            metrics = {"closeness": score, "first": measures[0], "last": measures[1]}
            evaluation = Evaluation(
                Status.OK,
                score,
                metrics,
                measures,
                cases_done=1,
                cases_total=1,
                cpu_s=0.001,
                layers=("none",),
            )
            for home in range(len(population)) if number == 0 else (island,):
                for one in population.add(home, program.id, score, measures):
                    changes.append(Change(one.island, one.cell, one.program_id, one.displaced, one.cause))
        for change in changes:
            values[change.program_id] = (
                numbers if change.program_id == program.id else values[change.program_id]
            )
        yield Record(
            number,
            program,
            program.id,
            parents,
            evaluation,
            "perturb" if number else "seed",
            island,
            next((c.cell for c in changes if c.program_id == program.id and c.island == island), None),
            number,
            at_s=STARTED_S + number * 0.01,
            changes=tuple(changes),
            fingerprint=hashlib.blake2b(program.text.encode(), digest_size=16).hexdigest(),
        )


def make(place: Path, count: int, *, has_git: bool) -> RunFolder:
    """Makes the run: its folder, its journal and, if wanted, its lineage."""
    path, folder = place / "trivial.py", RunFolder(place / f"run-{count}")
    path.write_text(TRIVIAL)
    config = RunConfig(str(path), 1, workers=2, budget=Budget(evaluations=count))
    problem = load_problem(config.problem)
    create_run(folder, config, problem)
    with folder.journal.open("w") as file, contextlib.ExitStack() as stack:
        lineage = stack.enter_context(Lineage(folder.lineage, problem.objective)) if has_git else None
        file.write(json.dumps({"type": "opened", "at_s": STARTED_S}) + "\n")
        for record in simulated(count, config, problem.seed):
            line = {"type": "evaluated", "record": record.to_json()}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
            if lineage is not None:
                lineage.append(record)
        end = {
            "type": "closed",
            "at_s": STARTED_S + count * 0.01,
            "reason": "evaluations",
            "message": "made up",
        }
        file.write(json.dumps(end) + "\n")
        while lineage is not None:
            try:
                lineage.flush(600)
                break
            except Exception as error:
                if "did not catch up" not in str(error):
                    raise
    return folder


def cost(*command: str, shell: bool = False) -> tuple[float, float, float]:
    """Returns wall seconds, processor seconds and the largest MiB of a process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    arguments = " ".join(command) if shell else list(command)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, shell=shell)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (command, process.returncode)
    wall_s = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s, usage.ru_maxrss / 1024


def inside(python: str, code: str) -> tuple[float, float]:
    """Returns wall and processor seconds of some code in a process that has imported the package."""
    before = "import discovery, discovery.api.runs, time; begun = time.perf_counter(), time.process_time()"
    after = "print(time.perf_counter() - begun[0], time.process_time() - begun[1])"
    done = subprocess.run([python, "-c", f"{before}\n{code}\n{after}"], stdout=subprocess.PIPE, check=True)
    wall_s, cpu_s = map(float, done.stdout.split()[-2:])
    return wall_s, cpu_s


class Clocked(Silent):
    """Notes the processor time when programs are recorded."""

    def __init__(self) -> None:
        self.cpu_s: list[float] = []

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        self.cpu_s += [time.process_time() for _ in records]


def events(folder: RunFolder, count: int) -> None:
    """Goes on with a run in this process; prints CPU ms per event, and the MiB that the process holds."""
    config = RunConfig.from_json(folder.read_settings()["config"])
    held = sum(1 for line in folder.journal.open("rb") if line.startswith(b'{"type":"evaluated"'))
    config = RunConfig(config.problem, 1, workers=2, budget=Budget(evaluations=held + count))
    clocked = Clocked()
    problem = load_problem(config.problem)
    Session(
        folder,
        config,
        problem,
        observer=clocked,
        stop=StopRequest(),
        make_executor=lambda _, loaded, __: DirectExecutor(loaded),
    ).run()
    first = len(clocked.cpu_s) // 4  # what is loaded once is not counted
    each_ms = 1000 * (clocked.cpu_s[-1] - clocked.cpu_s[first]) / (len(clocked.cpu_s) - 1 - first)
    size_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([each_ms, size_mib]))


def measured(folder: RunFolder, count: int, more: int, *, has_git: bool) -> None:
    """Prints the rows of one run."""
    run, python = str(folder.path), sys.executable
    middle = folder_id(folder, count // 2)
    report = ["report", run, "--out", str(folder.path.with_suffix(".html"))]
    opening = f"import discovery; run = discovery.open({run!r}); print(repr(run), run.best.score, run.programs[-1].index)"
    folder.index.unlink(missing_ok=True)
    for name in ("open, no index yet", "open, after the import"):
        wall_s, cpu_s = inside(python, opening)
        print(f"| {count:,} | {name} | {wall_s:.2f} | {cpu_s:.2f} | |", flush=True)
    replaying = (
        "from pathlib import Path; from discovery.execution.runs import replayed_state, run_folder; "
        f"replayed_state(run_folder(Path({run!r})))"
    )
    rows = {
        "replay": [python, "-c", replaying],
        "open (Python)": [python, "-c", opening],
        "log": [python, "-m", "discovery", "log", run],
        "best": [python, "-m", "discovery", "best", run],
        "show": [python, "-m", "discovery", "show", run, middle[:10]],
        "archive": [python, "-m", "discovery", "archive", run],
        "report": [python, "-m", "discovery", *report],
    }
    needs_git = ("log", "best", "show")
    for name, command in rows.items():
        if name in needs_git and not has_git:
            continue
        wall_s, cpu_s, mib = cost(*command)
        print(f"| {count:,} | {name} | {wall_s:.2f} | {cpu_s:.2f} | {mib:.0f} |", flush=True)
    if not has_git:
        return
    piped = cost(f"{python} -m discovery log {run} -n 20000 | head -1", shell=True)
    print(f"| {count:,} | log -n 20000, piped into head -1 | {piped[0]:.2f} | {piped[1]:.2f} | |", flush=True)
    resumed = cost(python, "-m", "discovery", "resume", run, "--evals", str(count + 10))
    print(f"| {count:,} | resume | {resumed[0]:.2f} | {resumed[1]:.2f} | {resumed[2]:.0f} |", flush=True)
    made = subprocess.run(
        [python, "-m", "benchmarks.service.readers", "--continue", run, "--events", str(more)],
        stdout=subprocess.PIPE,
        check=True,
    )
    each_ms, size_mib = json.loads(made.stdout.splitlines()[-1])
    print(f"| {count:,} | CPU/event: {each_ms:.3f} ms | | | {size_mib:.0f} |", flush=True)


def folder_id(folder: RunFolder, number: int) -> str:
    """Returns the id of the program of a number."""
    with folder.journal.open("rb") as file:
        for line in file:
            if line.startswith(b'{"type":"evaluated"'):
                record = json.loads(line)["record"]
                if record["index"] == number:
                    return str(record["program_id"])
    raise AssertionError(number)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--programs", default="10000,100000")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-git", action="store_true")
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--continue", dest="run", type=Path)
    options = parser.parse_args()
    if options.run is not None:
        events(RunFolder(options.run), options.events)
        return
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}\n\n"
        "| programs | what | wall s | CPU s | MiB |\n|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as scratch:
        place = options.keep or Path(scratch)
        place.mkdir(exist_ok=True)
        for count in map(int, options.programs.split(",")):
            begun = time.perf_counter()
            folder = make(place, count, has_git=not options.no_git)
            size = folder.journal.stat().st_size / 1e6
            print(
                f"| {count:,} | made, journal of {size:.0f} MB | {time.perf_counter() - begun:.0f} | | |",
                flush=True,
            )
            measured(folder, count, options.events, has_git=not options.no_git)


if __name__ == "__main__":
    main()
