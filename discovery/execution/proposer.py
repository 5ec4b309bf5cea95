"""A proposer: a process that asks models, reads their replies, edits and fingerprints programs. proposers.py holds its other end.

Replies are foreign text: what reads them may hang or die, and can be killed here without harm to the run. It loads what it needs
while the first program is judged. What it sends back is plain data.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import queue
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from discovery.core.allowance import Verdict
from discovery.core.events import Broken, Event, Tried
from discovery.core.types import ModelCall, ProposeJob
from discovery.execution.bench import JobBench
from discovery.execution.wire import Done, event_to_json, to_plain
from discovery.storage.open_calls import note_calls

_HEAD = struct.Struct(">I")
_MAX_BYTES = 1 << 30


def send(channel: socket.socket, data: bytes) -> None:
    """Sends one message.

    Raises:
        OSError: the other end is gone.
    """
    channel.sendall(_HEAD.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes | None:
    """Returns the next message, None at the end.

    Raises:
        OSError: the channel broke.
    """
    head = _exactly(channel, _HEAD.size)
    if head is None or (size := _HEAD.unpack(head)[0]) > _MAX_BYTES:
        return None
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)


class _Proposer:
    """The process' own side.

    Args:
        channel: to the coordinator.
        settings: what it was started with.
    """

    def __init__(self, channel: socket.socket, settings: dict[str, Any]) -> None:
        from discovery.llm.client import ChatModels  # heavy, and for this process alone

        self._channel = channel
        self._model = ChatModels(settings["models"])
        self._calls = Path(settings["calls"])
        self._benches: dict[str, JobBench] = {}
        self._jobs: queue.SimpleQueue[ProposeJob] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._warm = threading.Thread(target=self._model.warm_up, name="warm-up", daemon=True)
        self._warm.start()
        for _ in range(settings["slots"]):
            threading.Thread(target=self._work, name="model", daemon=True).start()

    def serve(self) -> None:
        """Takes jobs until the coordinator goes away."""
        self._tell({"ready": True})
        while (data := receive(self._channel)) is not None:
            message = pickle.loads(data)
            if isinstance(message, ProposeJob):
                self._jobs.put(message)
            elif isinstance(message, Verdict):
                if (bench := self._benches.get(message.job_id)) is not None:
                    bench.take(message)
            else:
                (self._stop.clear if message else self._stop.set)()

    def _work(self) -> None:
        from discovery.execution.jobs import propose
        from discovery.llm.meter import CallMeter
        from discovery.operators.registry import JOBS

        self._warm.join()
        while True:
            job = self._jobs.get()
            self._tell({"job": job.job_id, "reads": True})
            meter = CallMeter(self._stop, functools.partial(self._note, job.job_id))
            bench = None
            if job.allowance is not None:
                bench = self._benches[job.job_id] = JobBench(
                    job, self._tell_tried, self._stop, self._calls.parent
                )
            try:
                event: Done = propose(job, JOBS[job.operator], self._model, meter, bench)
            except Exception as error:  # noqa: BLE001 - the outermost loop of a worker: a fault of ours must end the run loudly
                event = Broken(f"operator {job.operator} failed: {type(error).__name__}: {error}")
            self._benches.pop(job.job_id, None)
            self._tell({"job": job.job_id, "event": event_to_json(event)})

    def _tell_tried(self, event: Event) -> None:
        """Tells of a program that an operator at work wants judged."""
        assert isinstance(event, Tried)
        self._tell({"job": event.job_id, "tried": to_plain(event)})

    def _note(self, job_id: str, calls: Sequence[ModelCall], is_open: bool) -> None:
        """Writes the calls of a job down, and tells whether it waits for a model or reads what came."""
        note_calls(self._calls, job_id, calls)
        self._tell({"job": job_id, "reads": not is_open})

    def _tell(self, message: dict[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode()
        try:
            with self._lock:
                send(self._channel, data)
        except OSError:
            os._exit(0)  # nobody is there any more


def main() -> NoReturn:
    """Serves the coordinator on the descriptor that the last argument names, until that goes away."""
    channel = socket.socket(fileno=int(sys.argv[-1]))
    settings = receive(channel)
    if settings is not None:
        _Proposer(channel, pickle.loads(settings)).serve()
    os._exit(0)  # calls that nobody waits for sit in threads, and taking litellm's modules down takes seconds
