"""What a run promises, held against what is done to it: every request counted at the endpoint and on the ledger.

    python -m benchmarks.promises [--repeats 20] [--seed 1] [--only NAME ...] [--full]

Each repetition is a run of the command line on a small problem with a scripted model on loopback; then one thing
happens to it, at a moment drawn at random:

- `stop`: a signal, with calls under way;  `stop twice`: a second one while it waits;
- `kill`: SIGKILL, then a resume;
- `outage`: the model answers 503 for a third of the run (with --full: for 3 minutes of a run of 10; else all of it, and
  the patience with models, on a scale of 1 to 20);
- `death`: one of two models answers 401 from then on;
- `stop while closing`: a hosted run is stopped for good while its service closes.

Counted at the end, over sessions: requests that the endpoint worked on and that are not on the ledger (unbooked), or are on it
twice (doubled); replies that were journalled and never evaluated, though the run went on (lost); wrong ends.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from discovery.execution.runs import replayed_state
from discovery.service.hosting import Host, HostConfig
from discovery.settings.config import make_config
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from discovery.testing import Answer, ChatEndpoint, ChatRequest, Latency, ScriptedMutator

SCALE = 20.0
PROBLEM = "circle_packing"


@dataclass(slots=True)
class Count:
    """What was found over the repetitions of one kind of trouble."""

    runs: int = 0
    requests: int = 0
    unbooked: int = 0
    doubled: int = 0
    lost: int = 0
    wrong: list[str] = field(default_factory=list)


class Script:
    """A model that can be made to fail, and that counts what it worked on."""

    def __init__(self, seed: int) -> None:
        self._mutator = ScriptedMutator(seed=seed)
        self._lock = threading.Lock()
        self.worked_on = 0
        self.is_away = False
        self.dead = ""

    def __call__(self, request: ChatRequest) -> Answer:
        """Returns the answer to one request."""
        if self.is_away:
            return Answer("Service unavailable", status=503)
        if request.model == self.dead:
            return Answer("Incorrect API key provided", status=401)
        with self._lock:
            self.worked_on += 1
        return self._mutator(request)


class Trial:
    """One run in a folder of its own."""

    def __init__(self, place: Path, script: Script, endpoint: ChatEndpoint, rng: np.random.Generator) -> None:
        self.folder, self.script, self.endpoint, self.rng = RunFolder(place / "run"), script, endpoint, rng
        self.log = place / "log"
        self.config = place / "run.toml"

    def start(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "discovery", *map(str, arguments)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def begin(
        self, *limits: object, models: tuple[str, ...] = ("scripted",), outage_s: float = 600.0
    ) -> None:
        self.config.write_text(f"[models]\noutage_s = {outage_s}\nretries = 1\n")
        named = [part for name in models for part in ("--model", name)]
        where = ("--out", self.folder.path, "--config", self.config, "--api-base", self.endpoint.api_base)
        self.start("run", PROBLEM, *where, *named, "--operators", "diff", "--workers", 2, *limits)

    def until_asked(self, count: int, limit_s: float = 120.0) -> None:
        end_s = time.monotonic() + limit_s
        while self.script.worked_on < count:
            if time.monotonic() > end_s or self.process.poll() is not None:
                raise SystemExit(f"it never asked {count} times: {self.log.read_text()[-2000:]}")
            time.sleep(0.01)

    def wait(self) -> int:
        return self.process.wait(900)

    def count(self, into: Count, *codes: int) -> None:
        """Counts a run that has ended, after one more resume that gives it room to do what it owes."""
        if (code := self.process.returncode) not in codes:
            into.wrong.append(f"exit {code}: {self.log.read_text()[-300:]}")
        if "Traceback" in self.log.read_text():
            into.wrong.append(self.log.read_text()[-800:])
        before = list(read_entries(self.folder.journal))
        paid = {e["decision"] for e in before if e["type"] == "proposed"}
        done = {e["record"]["decision"] for e in before if e["type"] == "evaluated"}
        if owed := paid - done:
            self.start("resume", self.folder.path, "--evals", len(done) + len(owed), "--minutes", 1000)
            self.wait()
            after = list(read_entries(self.folder.journal))
            into.lost += len(owed - {e["record"]["decision"] for e in after if e["type"] == "evaluated"})
        booked = replayed_state(self.folder).ledger.calls
        ids = [
            e["record"]["program_id"] for e in read_entries(self.folder.journal) if e["type"] == "evaluated"
        ]
        into.runs += 1
        into.requests += self.script.worked_on
        into.unbooked += max(0, self.script.worked_on - booked)
        into.doubled += max(0, booked - self.script.worked_on) + len(ids) - len(set(ids))


def stop(trial: Trial, into: Count) -> None:
    trial.begin("--minutes", 10)
    trial.until_asked(int(trial.rng.integers(3, 25)))
    time.sleep(float(trial.rng.uniform(0, 1)))
    trial.process.send_signal(signal.SIGINT)
    trial.wait()
    trial.count(into, 130)


def stop_twice(trial: Trial, into: Count) -> None:
    trial.begin("--minutes", 10, "--grace", 300)
    trial.until_asked(int(trial.rng.integers(3, 25)))
    trial.process.send_signal(signal.SIGINT)
    time.sleep(float(trial.rng.uniform(0, 1)))
    trial.process.send_signal(signal.SIGINT)
    trial.wait()
    trial.count(into, 130)


def kill(trial: Trial, into: Count) -> None:
    trial.begin("--minutes", 10)
    trial.until_asked(int(trial.rng.integers(3, 25)))
    time.sleep(float(trial.rng.uniform(0, 1)))
    os.killpg(trial.process.pid, signal.SIGKILL)
    trial.wait()
    more = trial.script.worked_on + 5
    trial.start("resume", trial.folder.path, "--minutes", 10)
    trial.until_asked(more)
    trial.process.send_signal(signal.SIGINT)
    trial.wait()
    trial.count(into, 130)


def outage(trial: Trial, into: Count, *, scale: float = SCALE) -> None:
    trial.begin("--minutes", 10 / scale + 0.2, outage_s=600 / scale)
    trial.until_asked(3)
    time.sleep(float(trial.rng.uniform(0, 120)) / scale)
    trial.script.is_away = True
    time.sleep(180 / scale)
    trial.script.is_away = False
    back = trial.script.worked_on
    trial.wait()
    if trial.script.worked_on == back:
        into.wrong.append("nothing was asked after the outage")
    trial.count(into, 0)


def death(trial: Trial, into: Count) -> None:
    trial.begin("--evals", 30, models=("scripted", "frail"))
    trial.until_asked(int(trial.rng.integers(1, 12)))
    trial.script.dead = "frail"
    trial.wait()
    trial.count(into, 0)


def stop_while_closing(trial: Trial, into: Count) -> None:
    config = HostConfig(trial.folder.path.parent / "runs")
    host = Host(config)
    settings = {"workers": 1, "minutes": 10, "model": "scripted", "api_base": trial.endpoint.api_base}
    run = host.create("one", lambda spec: make_config({"problem": spec, **settings}, "here"), PROBLEM)
    while trial.script.worked_on < int(trial.rng.integers(2, 10)):
        time.sleep(0.01)
    closing = threading.Thread(target=host.close)
    first_s = float(trial.rng.uniform(-0.5, 0.5))
    if first_s > 0:
        closing.start()
    time.sleep(abs(first_s))
    run.stop(for_good=True)
    if first_s <= 0:
        closing.start()
    closing.join()
    again = Host(config)
    if names := again.resume_unfinished():
        into.wrong.append(f"{names} goes on though it was stopped for good")
    again.close()
    booked = replayed_state(run.folder).ledger.calls
    into.runs += 1
    into.requests += trial.script.worked_on
    into.unbooked += max(0, trial.script.worked_on - booked)
    into.doubled += max(0, booked - trial.script.worked_on)


TROUBLES: dict[str, Callable[[Trial, Count], None]] = {
    "stop": stop,
    "stop twice": stop_twice,
    "kill": kill,
    "outage": outage,
    "death": death,
    "stop while closing": stop_while_closing,
}


def main() -> None:
    """Does each thing to so many runs, and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=[*TROUBLES], default=[*TROUBLES])
    parser.add_argument("--full", action="store_true", help="outages of 3 minutes, in real time")
    options = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = "none"
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options}", flush=True
    )
    print("| what happens | runs | requests | unbooked | doubled | lost | wrong ends |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    faults: list[str] = []
    for name in options.only:
        count = Count()
        for repeat in range(options.repeats):
            rng = np.random.default_rng([options.seed, repeat])
            script = Script(options.seed + repeat)
            latency = Latency(mean_s=1.0, seed=repeat)
            with tempfile.TemporaryDirectory() as place, ChatEndpoint(script, latency=latency) as endpoint:
                trial = Trial(Path(place), script, endpoint, rng)
                if name == "outage" and options.full:
                    outage(trial, count, scale=1.0)
                else:
                    TROUBLES[name](trial, count)
        row = (count.runs, count.requests, count.unbooked, count.doubled, count.lost, len(count.wrong))
        print(f"| {name} | {' | '.join(map(str, row))} |", flush=True)
        faults += count.wrong
        if count.unbooked or count.doubled or count.lost:
            faults.append(f"{name}: not all is booked once")
    print(f"load {os.getloadavg()[0]:.1f}")
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
