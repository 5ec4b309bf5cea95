"""What the operator `agent` promises, counted on whole runs with the scripted agent: metering, and nothing lost to kills.

    python -m benchmarks.agents --kills 20              three problems, each run once whole; then one run killed at random moments

For every run it compares what the endpoint saw with what the journal holds: calls, tokens, and each score that an agent was told.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from discovery.execution.runs import replayed_state
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from discovery.testing import Answer, ChatEndpoint, ChatRequest, ScriptedMutator
from discovery.testing.endpoint import CHARS_PER_TOKEN

AGENT = Path(__file__).parents[1] / "discovery" / "testing" / "agent.py"
PROBLEMS = ("circle_packing", "heilbronn_convex", "sums_and_differences")
EVALUATIONS_OF_A_JOB = 3
_SCORE = re.compile(
    r"^(?:\[\d+\] )?[a-z_]+ (-?[\d.]+(?:e[-+]?\d+)?), (?:better|worse|no effect|where)", re.MULTILINE
)


class Counted:
    """A scripted model that keeps what it answered, and so what each call cost. Thread-safe."""

    def __init__(self, seed: int, delay_s: float = 0.0) -> None:
        self._mutator = ScriptedMutator(seed=seed)
        self._delay_s = delay_s
        self._lock = threading.Lock()
        self.tokens = 0

    def __call__(self, request: ChatRequest) -> Answer:
        answer = self._mutator(request)
        prompt = sum(len(str(message.get("content"))) for message in request.messages)
        with self._lock:
            self.tokens += prompt // CHARS_PER_TOKEN + len(answer.text or "") // CHARS_PER_TOKEN
        return Answer(answer.text, delay_s=self._delay_s)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a run's journal holds, beside what the endpoint saw.

    Attributes:
        evaluations: recorded programs; jobs: agents that came to an end.
        most_trials: the most programs that one job had judged.
        calls, tokens: on the ledger; asked, told_tokens: as the endpoint counted them.
        owed: programs that agents had asked for and that were never judged.
        lost: scores that an agent was told and that no record has.
    """

    evaluations: int
    jobs: int
    most_trials: int
    calls: int
    asked: int
    tokens: int
    told_tokens: int
    owed: int
    lost: int


def audit(folder: RunFolder, endpoint: ChatEndpoint, told_tokens: int) -> Audit:
    """Returns what the journal of a run holds, beside what the endpoint saw."""
    entries = list(read_entries(folder.journal))
    judged = {entry["record"]["decision"] for entry in entries if entry["type"] == "evaluated"}
    scores = {
        f"{score:.8g}"
        for entry in entries
        if entry["type"] == "evaluated" and (score := entry["record"]["evaluation"].get("score")) is not None
    }
    proposed = [entry for entry in entries if entry["type"] == "proposed"]
    said = [text for request in endpoint.requests for text in _SCORE.findall(request.prompt)]
    texts = [
        entry.get("texts", {}).get("agent", "") for entry in entries if entry["type"] in ("proposed", "noted")
    ]
    trials = [int(text.split()[0]) for text in texts if text]
    ledger = replayed_state(folder).ledger
    return Audit(
        evaluations=ledger.evaluations,
        jobs=len(trials),
        most_trials=max(trials, default=0),
        calls=ledger.calls,
        asked=len(endpoint.requests),
        tokens=ledger.tokens,
        told_tokens=told_tokens,
        owed=sum(entry["decision"] not in judged for entry in proposed),
        lost=sum(text not in scores for text in said),
    )


class AgentRun:
    """A run of the command line in which scripted agents are the only operator."""

    def __init__(self, problem: str, folder: Path, endpoint: ChatEndpoint, *, evals: int, seed: int) -> None:
        self.folder = RunFolder(folder / "run")
        self._log = folder / "log"
        config = folder / "run.toml"
        command = json.dumps(["python3", "-I", str(AGENT), "4"])
        config.write_text(
            f'[agents]\ncommand = {command}\nreadable = ["{AGENT}"]\nevaluations = {EVALUATIONS_OF_A_JOB}\n'
        )
        self._begin = [
            *(
                "run",
                problem,
                "--out",
                str(self.folder.path),
                "--config",
                str(config),
                "--operators",
                "agent",
            ),
            *("--evals", str(evals), "--seed", str(seed), "--workers", "1", "--model-slots", "2"),
            *("--model", "scripted", "--api-base", endpoint.api_base),
        ]

    def start(self) -> subprocess.Popen[bytes]:
        """Begins the run, or goes on with it."""
        is_begun = self.folder.journal.exists()
        arguments = ["resume", str(self.folder.path)] if is_begun else self._begin
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "discovery", *arguments], stdout=log, stderr=log, env=os.environ
            )

    @property
    def log(self) -> str:
        """What it wrote."""
        return self._log.read_text()


def whole(problem: str, *, evals: int = 16, seed: int = 0) -> Audit:
    """Returns what a run comes to that nobody disturbs."""
    model = Counted(seed)
    with tempfile.TemporaryDirectory() as place, ChatEndpoint(model) as endpoint:
        run = AgentRun(problem, Path(place), endpoint, evals=evals, seed=seed)
        code = run.start().wait()
        assert code == 0, run.log
        return audit(run.folder, endpoint, model.tokens)


def killed(problem: str, moments: Sequence[float], *, evals: int, seed: int = 0) -> tuple[Audit, int]:
    """Returns what a run comes to that is killed so many seconds after each start, and how many kills hit it at work.

    Args:
        problem: what is solved.
        moments: seconds after its folder is there, or after a resume.
        evals: how many evaluations it is to make.
        seed: of the run.
    """
    model, hits = Counted(seed, delay_s=0.1), 0
    with tempfile.TemporaryDirectory() as place, ChatEndpoint(model) as endpoint:
        run = AgentRun(problem, Path(place), endpoint, evals=evals, seed=seed)
        for moment in moments:
            process = run.start()
            while not run.folder.journal.exists() and process.poll() is None:
                time.sleep(0.05)
            time.sleep(moment)
            hits += process.poll() is None
            process.kill()
            process.wait()
        process = run.start()
        assert process.wait() in (0, 3), run.log
        return audit(run.folder, endpoint, model.tokens), hits


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for problem in PROBLEMS:
        print(problem, whole(problem, seed=given.seed), flush=True)
    if given.kills:
        moments = np.random.default_rng(given.seed).uniform(0.5, 8.0, given.kills)
        found, hits = killed(PROBLEMS[0], list(moments), evals=10 * given.kills, seed=given.seed)
        print(f"{hits} of {given.kills} kills hit the run at work", found)
        print(Counter(owed=found.owed, lost=found.lost))


if __name__ == "__main__":
    main()
