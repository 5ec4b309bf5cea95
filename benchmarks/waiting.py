"""What evaluators do while a model thinks: what `tune` brings, and how long a model's child waits for an evaluator.

    python -m benchmarks.waiting PROBLEM [--replies JOURNAL] [--calls 24] [--call-s 8] [--workers 2] [--seed 1]

A run with default settings, with the real executor and sandbox; the model is none: its calls take `call-s` seconds in the median
(lognormal, sigma 0.4), and it answers with the programs that models made in a recorded run, one after the other, or else with the
current program, one number changed. Told are, for each operator, evaluations, CPU seconds, new bests and their share of all that
was gained, and how long children of models waited between the reply and the begin of their evaluation.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from discovery.core.allowance import Verdict
from discovery.core.events import Evaluate, Event, Finish, Instruction, Propose, Save, StopAsked, Ticked
from discovery.core.records import Record
from discovery.core.types import Model, ModelCall, ProposeJob, Reply
from discovery.execution.embedded import EmbeddedExecutor
from discovery.execution.jobs import propose
from discovery.operators.registry import JOBS
from discovery.search.assembly import assemble
from discovery.settings.doors import make_config
from discovery.testing.mutator import perturb_number, scripted_reply
from evaluators.contract import Evaluation, Program
from evaluators.problems.loading import load_problem
from evaluators.text.blocks import block_texts
from evaluators.worker import JudgeProcess

TICK_S = 0.1


class Threads:
    """Asks the model in a thread for each job. See `Asker`."""

    def __init__(self, model: Model, put: Callable[[Event], None]) -> None:
        self._model, self._put = model, put

    def begin(self, job: ProposeJob) -> None:
        """Begins a job."""
        threading.Thread(target=self._ask, args=(job,), daemon=True).start()

    def _ask(self, job: ProposeJob) -> None:
        self._put(propose(job, JOBS[job.operator], self._model))

    def let_ask(self, is_allowed: bool) -> None:
        """Lets all go on."""

    def answer(self, verdict: Verdict) -> None:
        """Tells nobody: no operator here has programs judged."""

    def look(self, returned: Iterable[str]) -> None:
        """Ends nothing."""

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns nothing: the calls cost nothing."""
        return {}

    def close(self) -> None:
        """Leaves the threads to end by themselves."""


class Reader:
    """A model that takes its time."""

    def __init__(self, programs: Iterator[Program], call_s: float) -> None:
        self._programs = programs
        self._call_s = call_s
        self._lock = threading.Lock()

    def complete(self, messages: Sequence[Mapping[str, Any]], *, rng: np.random.Generator) -> Reply:
        """Returns the next program, or a changed one."""
        seconds = float(self._call_s * rng.lognormal(0.0, 0.4))
        time.sleep(seconds)
        with self._lock:
            program = next(self._programs, None)
        if program is None:
            text = scripted_reply(messages, perturb_number, rng)
        else:
            text = f"Idea: as before.\n```python\n{''.join(block_texts(program.text))}\n```"
        return Reply(text, ModelCall("reader", len(str(messages)) // 4, len(text) // 4, 0.0, seconds))


class Timed:
    """A judge that notes when it begins."""

    def __init__(self, judge: JudgeProcess, begun: dict[str, float]) -> None:
        self._judge = judge
        self._begun = begun

    def evaluate(self, program: Program, *, held_out: bool = False, start: Any = None) -> Evaluation:
        """Returns the evaluation of a program."""
        if not held_out:
            self._begun.setdefault(program.id, time.monotonic())
        return self._judge.evaluate(program, held_out=held_out, start=start)

    def close(self) -> None:
        """Ends the judge."""
        self._judge.close()


def run(options: argparse.Namespace) -> tuple[list[Record], list[float]]:
    """Returns the records of a run, and how long children of models waited."""
    problem = load_problem(options.problem)
    settings = {
        "problem": options.problem,
        "seed": options.seed,
        "workers": options.workers,
        "model": ["reader"],
    }
    config = make_config({**settings, **dict(pair.split("=") for pair in options.set)}, "this benchmark")
    coordinator, _ = assemble(problem, config, "measured")
    begun: dict[str, float] = {}
    executor = EmbeddedExecutor(
        make_judge=lambda: Timed(JudgeProcess(problem.source, bytes(16)), begun),
        slots=config.workers,
        operators=JOBS,
        make_asker=partial(Threads, Reader(_recorded(options.replies), options.call_s)),
    )
    records: list[Record] = []
    waits: list[float] = []
    arrived: dict[str, float] = {}
    calls, start = 0, time.monotonic()
    instructions: list[Instruction] = coordinator.start()
    try:
        while True:
            for one in instructions:
                if isinstance(one, Propose):
                    executor.propose(one.job, needs_model=one.needs_model)
                elif isinstance(one, Evaluate):
                    executor.evaluate(one.job)
                elif isinstance(one, Finish):
                    return records, waits
                elif isinstance(one, Save) and one.entry["type"] == "evaluated":
                    record = one.entry["record"]
                    records.append(record)
                    if record.program_id in arrived:
                        waits.append(begun[record.program_id] - arrived[record.program_id])
                elif isinstance(one, Save) and one.entry["type"] in ("proposed", "unproposed"):
                    calls += 1
                    if one.entry["type"] == "proposed":
                        arrived[Program.from_json(one.entry["program"]).id] = time.monotonic()
            events = executor.next_events(TICK_S)
            if calls >= options.calls:
                events.append(StopAsked("enough"))
            instructions = coordinator.handle(Ticked(time.monotonic() - start))
            instructions += [found for event in events for found in coordinator.handle(event)]
    finally:
        executor.close(at_once=True)


def _recorded(journal: Path | None) -> Iterator[Program]:
    if journal is not None:
        for line in journal.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["type"] == "proposed":
                yield Program.from_json(entry["program"])


def report(records: Sequence[Record], waits: Sequence[float], sign: float) -> str:
    """Returns the table of a run."""
    rows: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0, 0.0])
    best = first = sign * (records[0].evaluation.score or 0.0)
    for record in records[1:]:
        row = rows["models" if record.calls else record.operator]
        row[0] += 1
        row[1] += record.evaluation.cpu_s
        if record.evaluation.score is not None and (fitness := sign * record.evaluation.score) > best:
            row[2] += 1
            row[3] += fitness - best
            best = fitness
    lines = ["| operator | evaluations | CPU s | new bests | share of the gain |", "|---|---|---|---|---|"]
    for name, (count, cpu_s, bests, gain) in sorted(rows.items()):
        share = gain / (best - first) if best > first else 0.0
        lines.append(
            f"| {name} | {count:.0f} ({count / max(1, len(records) - 1):.0%}) | {cpu_s:.1f} | {bests:.0f} | {share:.0%} |"
        )
    quantiles = np.quantile(waits, (0.5, 0.9, 1.0)) if waits else (np.nan,) * 3
    median, late, longest = (f"{one:.2f}" for one in quantiles)
    return "\n".join(
        [*lines, f"best {sign * best:.5g} from {sign * first:.5g}; a model's child waited {median} s in the median, {late} s in "
         f"the 90th percentile, {longest} s at most ({len(waits)} children)"]
    )  # fmt: skip


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problem")
    parser.add_argument("--replies", type=Path, help="a journal whose models' programs are the replies")
    parser.add_argument("--calls", type=int, default=24)
    parser.add_argument("--call-s", type=float, default=8.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="a further setting, NAME=VALUE")
    options = parser.parse_args()
    records, waits = run(options)
    sign = 1.0 if load_problem(options.problem).objective.direction == "maximize" else -1.0
    print(report(records, waits, sign))


if __name__ == "__main__":
    main()
