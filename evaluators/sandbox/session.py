"""The judge's side of one child: messages out and in, deadlines, and a true word for how it ended.

What the child says decides only what the program answered. Whether it ran out of time or memory, or died, is
read from the clock, the kernel and the zygote.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import select
import signal
import struct
import termios
import time
from dataclasses import dataclass
from typing import Any, Protocol

from evaluators.contract import Limits, Oracle, PlainData, Program, Status
from evaluators.sandbox import frames, plain
from evaluators.sandbox.base import Outcome, SandboxError
from evaluators.sandbox.clean import clean, clean_line

_LOCK_FAILED = 72
_GRACE_S = 0.25
_FIRST_WATCH_S = 0.02
_LAST_WATCH_S = 0.1
_READ_BYTES = 1 << 20
_PIPE_BYTES = 1 << 20
"""What a pipe should hold, so that arrays of many MiB do not pass in pieces of 64 KiB."""
_REPORTED_OUTPUTS = 64
_TRACE_CHARACTERS = 1200
_LOG_CHARACTERS = 800
_MIB = 1 << 20
_KIB = 1 << 10


class Zygote(Protocol):
    """What a session needs of the process that forks."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Returns the layers in force."""
        ...

    @property
    def extras(self) -> frozenset[str]:
        """Returns which optional parameters the problem's `run` declares."""
        ...

    @property
    def hangup_fd(self) -> int | None:
        """Returns a descriptor whose hanging up means that nobody waits for the answer."""
        ...

    def send(self, message: object, descriptors: tuple[int, ...] = ()) -> None:
        """Sends a request."""
        ...

    def receive(self) -> dict[str, Any]:
        """Returns the answer to the request before."""
        ...


@dataclass(frozen=True, slots=True)
class _End:
    """Why a case is over: what was found, and whether the last report may stand in for an output."""

    status: Status
    reason: str
    trace: str = ""
    allows_report: bool = False


class LinuxSession:
    """One child. See `Session` for the contract.

    Times count per case; CPU time that one case leaves over, a later one may use.
    """

    def __init__(self, zygote: Zygote, program: Program, limits: Limits, cases: int) -> None:
        self._zygote = zygote
        self._limits = limits
        self._max_bytes = limits.output_mib * _MIB
        self._watches_scratch = "namespaces" not in zygote.layers
        self._cases = max(1, cases)
        self._cases_begun = 0
        self._is_reaping = False
        self._cpu_s = 0.0
        self._is_open = True
        self._pending = bytearray()
        self._buffer = bytearray()
        self._log = bytearray()
        self._report: bytes | None = None
        self._reported_bytes = 0
        self._written_bytes = 0
        start = {
            "files": dict(program.files),
            "entry": program.entry,
            "output_bytes": self._max_bytes,
            "deadline_s": min(limits.wall_s, limits.cpu_s),
        }
        self._pending += frames.frame(frames.PROGRAM, json.dumps(start).encode())
        self._spawn()

    def run(self, inputs: PlainData, oracle: Oracle | None = None) -> Outcome:
        """Returns how the next case ended."""
        if not self._is_open:
            raise SandboxError("this session is over; start another one")
        self._cases_begun += 1
        self._report, self._reported_bytes = None, 0
        is_last = self._cases_begun >= self._cases
        self._pending += frames.frame(frames.LAST_INPUTS if is_last else frames.INPUTS, plain.encode(inputs))
        try:
            ended = self._exchange(oracle)
        except BaseException:
            self._abandon()
            raise
        if isinstance(ended, _End):
            return self._close_with(ended)
        try:
            output = plain.decode(ended)
        except plain.PlainDataError as error:
            return self._close_with(_End(Status.OUTPUT, f"the output is malformed: {error}"))
        self._read_log()
        if self._has_too_much_log():
            return self._close_with(self._log_end())
        if is_last:
            self._ask_to_reap(0.0)  # which goes on while the output is being scored
        if output is None and self._has_report():
            return self._reported(is_partial=False)
        return Outcome(Status.OK, output, feedback=self._feedback(""))

    def close(self) -> float:
        """Ends the child; returns the CPU seconds it took."""
        if self._is_open:
            self._ask_to_reap(0.0)
        if self._is_reaping:
            self._await_reaping()
        return self._cpu_s

    # ---- the child's life

    def _spawn(self) -> None:
        in_read, self._in = os.pipe()
        self._out, out_write = os.pipe()
        self._log_fd, log_write = os.pipe()
        theirs = (in_read, out_write, log_write)
        try:
            for descriptor in (self._in, self._out, self._log_fd):
                os.set_blocking(descriptor, False)
            for descriptor in (self._in, self._out):
                with contextlib.suppress(OSError):  # this user's pipes hold too much already
                    fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            limits = self._limits
            numbers = [
                limits.cpu_s * self._cases,
                limits.memory_mib,
                limits.scratch_mib,
                limits.processes,
                limits.native,
            ]
            self._zygote.send({"do": "spawn", "limits": numbers}, theirs)
        except BaseException:
            self._close_descriptors()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._log_fd, select.POLLIN)
        if self._zygote.hangup_fd is not None:
            self._poll.register(self._zygote.hangup_fd, 0)

    def _reap(self, grace_s: float) -> dict[str, Any]:
        self._ask_to_reap(grace_s)
        return self._await_reaping()

    def _ask_to_reap(self, grace_s: float) -> None:
        self._is_open = False
        try:
            self._zygote.send({"do": "reap", "grace_s": grace_s})
            self._is_reaping = True
        except SandboxError:
            self._close_descriptors()
            raise

    def _await_reaping(self) -> dict[str, Any]:
        self._is_reaping = False
        try:
            answer = self._zygote.receive()
            self._read_log()
        finally:
            self._close_descriptors()
        self._cpu_s = float(answer["cpu_s"])
        return answer

    def _abandon(self) -> None:
        """Ends the child after a failure on this side, which is what counts."""
        with contextlib.suppress(SandboxError):
            self.close()

    def _close_descriptors(self) -> None:
        self._is_open = False
        for descriptor in (self._in, self._out, self._log_fd):
            os.close(descriptor)

    def _close_with(self, end: _End) -> Outcome:
        """Ends the child and returns the outcome."""
        self.close()
        if end.allows_report and self._has_report():
            return self._reported(is_partial=True)
        return Outcome(end.status, reason=end.reason, feedback=self._feedback(end.trace))

    def _has_report(self) -> bool:
        return self._report is not None

    def _reported(self, *, is_partial: bool) -> Outcome:
        try:
            output = plain.decode(self._report or b"")
        except plain.PlainDataError as error:
            return self._close_with(_End(Status.OUTPUT, f"the last report is malformed: {error}"))
        return Outcome(Status.OK, output, feedback=self._feedback(""), is_partial=is_partial)

    # ---- messages

    def _exchange(self, oracle: Oracle | None) -> bytes | _End:
        """Returns the payload of the program's output, or why there is none."""
        limits = self._limits
        begun = time.monotonic()
        deadline = begun + limits.wall_s
        interval = _FIRST_WATCH_S
        cpu_left = limits.cpu_s
        next_watch = begun + (interval if self._watches_scratch else max(interval, cpu_left / _cores()))
        self._flush()
        while True:
            message = self._next_message()
            if isinstance(message, _End):
                return message
            if message is not None:
                kind, payload = message
                if kind == frames.OUTPUT:
                    return payload
                if (end := self._handle(kind, payload, oracle)) is not None:
                    return end
                continue
            now = time.monotonic()
            if now >= deadline:
                return _End(Status.TIMEOUT, f"ran longer than {limits.wall_s:g} s", allows_report=True)
            if now >= next_watch:
                self._zygote.send({"do": "watch"})
                used = self._zygote.receive()
                if (end := self._judge_use(used)) is not None:
                    return end
                cpu_left = limits.cpu_s * self._cases_begun - float(used["cpu_s"])
                interval = min(2 * interval, _LAST_WATCH_S)
                next_watch = now + (
                    interval if self._watches_scratch else max(_FIRST_WATCH_S, cpu_left / _cores())
                )
            if (end := self._wait(min(deadline, next_watch) - time.monotonic())) is not None:
                return end

    def _wait(self, timeout_s: float) -> _End | None:
        """Waits for news from the child and takes them in."""
        for descriptor, _ in self._poll.poll(max(0, math.ceil(timeout_s * 1000))):
            if descriptor == self._in:
                self._flush()
            elif descriptor == self._log_fd:
                self._read_log()
                if self._has_too_much_log():
                    return self._log_end()
            elif descriptor == self._zygote.hangup_fd:
                raise SystemExit(0)
            else:
                with contextlib.suppress(BlockingIOError):
                    data = os.read(self._out, _READ_BYTES)
                    if not data:
                        return self._death()
                    self._buffer += data
        return None

    def _next_message(self) -> tuple[bytes, bytes] | _End | None:
        buffer = self._buffer
        if len(buffer) < frames.HEADER_BYTES:
            return None
        size = int.from_bytes(buffer[:4], "little")
        kind = bytes(buffer[4:5])
        if kind not in frames.FROM_CHILD or size < 1:
            return _End(Status.OUTPUT, "sent something that is no message")
        limit = frames.MAX_TEXT_BYTES if kind in (frames.ERROR, frames.REFUSED) else self._max_bytes
        if size - 1 > limit:
            return _End(Status.OUTPUT, f"sent a message of {size - 1} bytes, the limit is {limit}")
        if len(buffer) < 4 + size:
            return None
        payload = bytes(buffer[5 : 4 + size])
        del buffer[: 4 + size]
        return kind, payload

    def _handle(self, kind: bytes, payload: bytes, oracle: Oracle | None) -> _End | None:
        """Does what a message other than the output asks for."""
        if kind == frames.REPORT:
            if "report" not in self._zygote.extras:
                return _End(Status.OUTPUT, "reported an output, but this problem takes none before the last")
            self._report = payload
            self._reported_bytes += len(payload)
            if self._reported_bytes > _REPORTED_OUTPUTS * self._max_bytes:
                return _End(Status.OUTPUT, f"reported more than {_REPORTED_OUTPUTS} times the output limit")
            return None
        if kind == frames.REQUEST:
            if oracle is None or "oracle" not in self._zygote.extras:
                return _End(Status.OUTPUT, "asked an oracle, but this problem serves none")
            try:
                request = plain.decode(payload)
            except plain.PlainDataError as error:
                return _End(Status.OUTPUT, f"a request to the oracle is malformed: {error}")
            self._pending += frames.frame(frames.REPLY, plain.encode(oracle(request)))
            self._flush()
            return None
        text = payload.decode(errors="replace")
        return _error_end(text) if kind == frames.ERROR else _End(Status.OUTPUT, clean_line(text))

    def _flush(self) -> None:
        """Writes what is pending, as far as the pipe takes it."""
        while self._pending:
            try:
                written = os.write(self._in, self._pending)
            except BlockingIOError:
                self._poll.register(self._in, select.POLLOUT)
                return
            except BrokenPipeError:
                self._pending.clear()  # the child is gone, which its own channel will tell
                break
            self._written_bytes += written
            del self._pending[:written]
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._in)

    # ---- what was seen

    def _read_log(self) -> None:
        limit = self._limits.log_kib * _KIB
        while len(self._log) <= limit:
            try:
                data = os.read(self._log_fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._log_fd)
                return
            self._log += data

    def _has_too_much_log(self) -> bool:
        return len(self._log) > self._limits.log_kib * _KIB

    def _log_end(self) -> _End:
        return _End(Status.OUTPUT, f"printed more than {self._limits.log_kib} KiB")

    def _judge_use(self, used: dict[str, Any]) -> _End | None:
        limits = self._limits
        if used["cpu_s"] > limits.cpu_s * self._cases_begun:
            return _End(Status.TIMEOUT, f"used more than {limits.cpu_s:g} s of CPU time", allows_report=True)
        if used["scratch_bytes"] > limits.scratch_mib * _MIB:
            return _End(Status.OUTPUT, f"wrote more than {limits.scratch_mib} MiB to its scratch folder")
        return None

    def _death(self) -> _End:
        """Returns why the child closed its channel: read from how it ended, not from what it said."""
        limits = self._limits
        unread = _unread_bytes(self._in) if not self._pending else 0
        has_read = unread < self._written_bytes
        answer = self._reap(_GRACE_S)
        if self._has_too_much_log():
            return self._log_end()
        if answer["was_killed"]:
            return _End(Status.CRASHED, "closed its channel and ran on without an answer")
        number = int(answer["signal"])
        # nearly: the clock that kills counts otherwise than the one that is read
        out_of_cpu = self._cpu_s >= 0.9 * limits.cpu_s * self._cases_begun
        if number in (signal.SIGXCPU, signal.SIGKILL) and out_of_cpu:
            return _End(Status.TIMEOUT, f"used more than {limits.cpu_s:g} s of CPU time", allows_report=True)
        if number == signal.SIGKILL and answer["peak_kib"] * _KIB > 0.8 * limits.memory_mib * _MIB:
            return _End(Status.MEMORY, "was killed by the system for using too much memory")
        if number:
            return _End(Status.CRASHED, f"died of {_signal_name(number)}")
        if answer["code"] == _LOCK_FAILED and not has_read:
            raise SandboxError("a child could not lock itself")
        return _End(Status.CRASHED, f"left with exit code {answer['code']} without an answer")

    def _feedback(self, trace: str) -> str:
        parts = [clean(trace, _TRACE_CHARACTERS)] if trace else []
        if self._log:
            parts.append(clean(self._log.decode(errors="replace"), _LOG_CHARACTERS))
        return "\n".join(part for part in parts if part)


def _error_end(text: str) -> _End:
    """Returns the end that an ERROR message tells of (its fields are the child's own word)."""
    try:
        data = json.loads(text)
        kind, message, trace = (data[key] for key in ("type", "message", "trace"))
        is_loading = data["is_loading"] is True
    except (ValueError, KeyError, TypeError, RecursionError):
        return _End(Status.OUTPUT, "sent a malformed error")
    if not (isinstance(kind, str) and isinstance(message, str) and isinstance(trace, str)):
        return _End(Status.OUTPUT, "sent a malformed error")
    line = clean_line(f"{kind}: {message}" if message else kind)
    if kind == "MemoryError":
        return _End(Status.MEMORY, "ran out of memory", trace)
    if is_loading:
        line = f"does not load: {line}"
    places = [part for part in trace.split("\n") if part.startswith("File ")]
    where = f" ({clean_line(places[-1], 100)})" if places else ""
    return _End(Status.ERROR, line + where, f"{trace}\n{kind}: {message}")


def _unread_bytes(write_end: int) -> int:
    """Returns how much lies in a pipe."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(write_end, termios.FIONREAD, b"\0" * 4))[0])
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EPIPE):
            return 0
        raise


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _cores() -> int:
    return os.cpu_count() or 1
