"""How long a run with many recorded programs takes to go on: from the command to its first new evaluation.

    python -m benchmarks.resume [--records 100000] [--seed 1]

The run is made by the real coordinator, operators, journal and lineage on a trivial problem, with the sandbox replaced
by a call in this process (the records are the same; making them takes a minute or two). Then `discovery resume`
is started as a person would start it, with the real sandbox.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.overhead import TRIVIAL
from discovery.core.events import Evaluated, EvaluateJob, Event
from discovery.core.records import Record
from discovery.core.types import ProposeJob
from discovery.execution.ending import StopRequest
from discovery.execution.jobs import propose
from discovery.execution.runs import create_run
from discovery.execution.session import Session
from discovery.operators.registry import OPERATORS
from discovery.search.state import RunState
from discovery.settings.budget import Budget
from discovery.settings.config import RunConfig
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Case, Evaluation, Invalid, Status
from evaluators.problems.loading import Problem, load_problem


class DirectExecutor:
    """Runs jobs at once in this process. For programs that this benchmark made itself."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._events: list[Event] = []

    def propose(self, job: ProposeJob, *, needs_model: bool) -> None:
        self._events.append(propose(job, OPERATORS[job.operator], None))

    def evaluate(self, job: EvaluateJob) -> None:
        scope: dict[str, object] = {}
        try:
            exec(compile(job.program.text, "program.py", "exec"), scope)
            metrics = self._problem.score_output(Case(None), scope["answer"]())  # type: ignore[operator]
        except (Invalid, ArithmeticError, KeyError, NameError, TypeError, ValueError) as error:
            evaluation = Evaluation(Status.ERROR, reason=str(error), cases_total=1)
        else:
            measures = (metrics["first"], metrics["last"])
            evaluation = Evaluation(
                Status.OK, metrics["closeness"], metrics, measures, cases_done=1, cases_total=1
            )
        self._events.append(Evaluated(job.job_id, replace(evaluation, cpu_s=0.001), time.time()))

    def next_events(self, timeout_s: float) -> list[Event]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        pass


class Silent:
    """Observes nothing."""

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        pass

    def ticked(self, state: RunState, in_flight: int) -> None:
        pass

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        pass

    def warned(self, text: str) -> None:
        pass

    def informed(self, text: str) -> None:
        pass


def main() -> None:
    """Makes a run, resumes it, prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        path, folder = Path(place) / "trivial.py", RunFolder(Path(place) / "run")
        path.write_text(TRIVIAL)
        config = RunConfig(str(path), options.seed, workers=2, budget=Budget(evaluations=options.records))
        problem = load_problem(config.problem)
        create_run(folder, config, problem)
        begun = time.perf_counter()
        session = Session(
            folder,
            config,
            problem,
            observer=Silent(),
            stop=StopRequest(),
            make_executor=lambda _, loaded, __: DirectExecutor(loaded),
        )
        outcome = session.run()
        made_s = time.perf_counter() - begun
        assert outcome.reason == "evaluations", outcome
        size = folder.journal.stat().st_size
        begun = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "discovery",
            "resume",
            str(folder.path),
            "--evals",
            str(options.records + 10),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while folder.journal.stat().st_size < size + 1000:
                assert process.poll() is None, "the resume ended early"
                time.sleep(0.01)
            first_s = time.perf_counter() - begun
            code = process.wait()
            whole_s = time.perf_counter() - begun
        git_bytes = sum(f.stat().st_size for f in folder.lineage.rglob("*") if f.is_file())
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    print(
        "| records | made in s | journal MB | git MB | first new evaluation after s | 10 more and the end after s | exit |"
    )
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {options.records} | {made_s:.0f} | {size / 1e6:.0f} | {git_bytes / 1e6:.0f} | {first_s:.2f} | "
        f"{whole_s:.2f} | {code} |"
    )


if __name__ == "__main__":
    main()
