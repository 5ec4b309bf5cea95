"""Has programs judged for one operator at work, in a thread of the process that runs the search."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from discovery.core.allowance import Verdict
from discovery.core.events import Event, Tried
from discovery.core.texts import one_line
from discovery.core.types import ProposeJob
from discovery.programs.fingerprint import fingerprint
from evaluators.contract import Program
from evaluators.text.blocks import check_frozen

MAX_IDEA_CHARS = 240
TRANSCRIPTS = "transcripts"
"""The folder of transcripts in that of a run."""
_LOOK_S = 0.2


class JobBench:
    """The `Bench` of one job. See there.

    Args:
        job: whose.
        emit: takes events for the coordinator.
        stop: is set once the run ends.
        folder: the run's; None where nothing is kept.
    """

    def __init__(
        self, job: ProposeJob, emit: Callable[[Event], None], stop: threading.Event, folder: Path | None
    ) -> None:
        self._job = job
        self._emit = emit
        self._stop = stop
        self._folder = folder
        self._count = 0
        self._waiting: dict[int, queue.SimpleQueue[Verdict]] = {}
        self._lock = threading.Lock()
        self.hidden = () if folder is None else (str(folder.absolute()),)

    def evaluate(self, programs: Sequence[Program], idea: str = "") -> Sequence[Verdict]:
        """Returns a verdict for each program, in order; blocks until they are there, or the run ends."""
        numbers = [self._ask(program, one_line(idea, MAX_IDEA_CHARS)) for program in programs]
        return [self._await(number, program) for number, program in zip(numbers, programs, strict=True)]

    def take(self, verdict: Verdict) -> None:
        """Hands a verdict to whoever waits for it."""
        with self._lock:
            waiting = self._waiting.get(verdict.number)
        if waiting is not None:
            waiting.put(verdict)

    def is_stopped(self) -> bool:
        """Returns whether the run ends."""
        return self._stop.is_set()

    def keep(self, transcript: str) -> str:
        """Keeps a transcript; a full disk shows itself at the journal."""
        if self._folder is None:
            return ""
        name = f"{TRANSCRIPTS}/{self._job.job_id}.txt"
        with contextlib.suppress(OSError):
            (self._folder / TRANSCRIPTS).mkdir(mode=0o700, exist_ok=True)
            fd = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
                file.write(transcript)
            return name
        return ""

    def _ask(self, program: Program, idea: str) -> int:
        with self._lock:
            number, self._count = self._count, self._count + 1
            self._waiting[number] = queue.SimpleQueue()
        try:
            refusal, print_ = check_frozen(self._job.context.seed, program) or "", fingerprint(program)
        except Exception as error:  # noqa: BLE001 - a program is foreign text: nothing in it may end a run
            refusal = one_line(f"the program cannot be read: {type(error).__name__}: {error}", 200)
            self.take(Verdict(self._job.job_id, number, None, refusal, program.id))
            return number
        self._emit(Tried(self._job.job_id, number, program, print_, refusal, idea))
        return number

    def _await(self, number: int, program: Program) -> Verdict:
        waiting = self._waiting[number]
        try:
            while True:
                with contextlib.suppress(queue.Empty):
                    return waiting.get(timeout=_LOOK_S)
                if self._stop.is_set():
                    return Verdict(self._job.job_id, number, None, "the run ends", program.id)
        finally:
            with self._lock:
                del self._waiting[number]
