"""The coordinator's side of its proposers: processes that ask models and read replies, and that can be killed."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from discovery.core.allowance import Verdict
from discovery.core.events import Broken, Event, NotProposed, Tried
from discovery.core.threads import ONE_THREAD
from discovery.core.types import ModelCall, ProposeJob
from discovery.execution.proposer import receive, send
from discovery.execution.wire import event_from_json, from_plain
from discovery.settings.models import ModelConfig
from discovery.storage.open_calls import OpenCalls
from evaluators.contract import ContractError

READ_LIMIT_S = 60.0
"""How long a proposer may read one reply, and make a program of it."""
START_LIMIT_S = 180.0
SLOTS_PER_PROCESS = 32
DEATHS = 3
"""Processes in a row that may end without one job done."""
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); {}from discovery.execution.proposer import main; main()"


@dataclass(slots=True)
class _Flight:
    """A job that a process has; `since_s` is when it last began to read, None while it waits for its turn or for a model."""

    job: ProposeJob
    since_s: float | None = None


@dataclass(slots=True)
class _Process:
    """One proposer."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    begun_s: float
    is_ready: bool = False
    flights: dict[str, _Flight] = field(default_factory=dict)
    sending: threading.Lock = field(default_factory=threading.Lock)


class ProposerProcesses:
    """Asks models from processes of their own. See `Asker`.

    They start at once. One that reads a reply for too long, or dies, is replaced: jobs that had asked nothing go to the new one,
    the others end without a program, with every call that they made on the bill.

    Args:
        models: what is asked.
        slots: calls at the same time.
        put: takes events, from any thread.
        calls: where the calls of jobs under way outlive a kill.
        read_limit_s: how long one reply may be read.
        prelude: Python code that each process runs first, for tests.
        monotonic: the clock.
    """

    def __init__(
        self,
        models: ModelConfig,
        *,
        slots: int,
        put: Callable[[Event], None],
        calls: Path,
        read_limit_s: float = READ_LIMIT_S,
        prelude: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._put, self._monotonic = put, monotonic
        self._read_limit_s, self._prelude = read_limit_s, prelude
        self._calls = OpenCalls(calls)
        self._may_ask = True
        self._is_closed = False
        self._deaths = 0
        self._lock = threading.RLock()
        count = min(os.cpu_count() or 1, -(-slots // SLOTS_PER_PROCESS))
        settings = {"models": models, "calls": str(calls), "slots": -(-slots // count)}
        self._settings = pickle.dumps(settings)
        self._processes = [self._start() for _ in range(count)]

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids."""
        with self._lock:
            return tuple(one.process.pid for one in self._processes)

    def begin(self, job: ProposeJob) -> None:
        """Begins a job, in the process that has the fewest."""
        with self._lock:
            self._calls.expect(job.job_id)
            one = min(self._processes, key=lambda process: len(process.flights))
            one.flights[job.job_id] = _Flight(job)
        _send(one, job)

    def let_ask(self, is_allowed: bool) -> None:
        """Says whether models may be asked from now on."""
        with self._lock:
            self._may_ask = is_allowed
            processes = list(self._processes)
        for one in processes:
            _send(one, is_allowed)

    def answer(self, verdict: Verdict) -> None:
        """Tells an operator at work what came of a program of its own."""
        with self._lock:
            found = [one for one in self._processes if verdict.job_id in one.flights]
        for one in found:
            _send(one, verdict)

    def look(self, returned: Iterable[str]) -> None:
        """Takes in which jobs' events are saved, and ends processes that hang."""
        if found := list(returned):
            self._calls.settle(found)
        now_s = self._monotonic()
        with self._lock:
            late = [one for one in self._processes if self._is_late(one, now_s)]
        for one in late:
            one.process.kill()  # its reader replaces it

    def open_calls(self) -> Mapping[str, tuple[ModelCall, ...]]:
        """Returns the calls that are written down: of jobs under way, and of earlier sessions."""
        return self._calls.read()

    def close(self) -> None:
        """Ends the processes, with the calls that nobody waits for."""
        with self._lock:
            self._is_closed = True
            processes = list(self._processes)
        for one in processes:
            one.process.kill()
        for one in processes:
            one.process.wait()

    def _is_late(self, one: _Process, now_s: float) -> bool:
        if not one.is_ready:
            return now_s - one.begun_s > START_LIMIT_S
        begun = [flight.since_s for flight in one.flights.values() if flight.since_s is not None]
        return any(now_s - since_s > self._read_limit_s for since_s in begun)

    def _start(self) -> _Process:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-c",
                    _BOOT.format(self._prelude),
                    json.dumps(sys.path),
                    str(theirs.fileno()),
                ],
                env={**os.environ, **ONE_THREAD},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the coordinator, which ends this one by closing the channel
            )
        one = _Process(process, ours, self._monotonic())
        ours.sendall(len(self._settings).to_bytes(4, "big") + self._settings)
        threading.Thread(target=self._listen, args=(one,), name="proposer", daemon=True).start()
        return one

    def _listen(self, one: _Process) -> None:
        """Takes what a process says until it ends, then replaces it."""
        try:
            while (data := receive(one.channel)) is not None:
                self._take(one, json.loads(data))
        except (OSError, ValueError, TypeError, ContractError) as error:
            if not isinstance(error, OSError):
                self._put(Broken(f"a proposer sent what cannot be read: {error!r:.200}"))
        one.process.kill()
        code = one.process.wait()
        one.channel.close()
        with self._lock:
            if not self._is_closed:
                self._replace(one, code)

    def _take(self, one: _Process, message: Mapping[str, Any]) -> None:
        with self._lock:
            if "ready" in message:
                one.is_ready = True
                return
            job_id = str(message["job"])
            if "tried" in message:
                if job_id in one.flights:
                    self._put(from_plain(Tried, message["tried"]))
            elif "event" in message:
                event = event_from_json(message["event"])
                self._deaths = 0
                if one.flights.pop(job_id, None) is not None:
                    self._put(event)
            elif (flight := one.flights.get(job_id)) is not None:
                works_on = (
                    flight.job.allowance is not None
                )  # an agent at work: it reads, runs and asks as long as it may
                flight.since_s = self._monotonic() if message["reads"] and not works_on else None

    def _replace(self, one: _Process, code: int) -> None:
        self._deaths += 1
        self._processes.remove(one)
        hung = [job_id for job_id, flight in one.flights.items() if self._hangs(flight)]
        if self._deaths >= DEATHS and not hung:
            self._put(
                Broken(
                    f"{DEATHS} proposers in a row ended before they did anything, the last with code {code}"
                )
            )
        new = self._start()
        self._processes.append(new)
        if not self._may_ask:
            _send(new, False)
        made = self._calls.read() if one.flights else {}
        for job_id, flight in one.flights.items():
            if job_id in hung:
                why = f"the reply could not be read within {self._read_limit_s:g} s"
            elif job_id in made:
                why = f"the process that asked ended (code {code})"
            else:
                new.flights[job_id] = _Flight(flight.job)
                _send(new, flight.job)
                continue
            self._put(NotProposed(job_id, why, made.get(job_id, ())))

    def _hangs(self, flight: _Flight) -> bool:
        return flight.since_s is not None and self._monotonic() - flight.since_s > self._read_limit_s


def _send(one: _Process, message: ProposeJob | Verdict | bool) -> None:
    """Sends a job, or whether models may be asked; where the process is gone, its reader sends what matters to the next."""
    data = pickle.dumps(message)
    try:
        with one.sending:
            send(one.channel, data)
    except OSError:
        return
