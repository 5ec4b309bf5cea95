"""What a child does once it is locked: load the program, serve the cases, answer, and go.

It runs on the wrong side: everything here can be patched by the program, so nothing here is believed by the
judge.
"""

from __future__ import annotations

import inspect
import json
import linecache
import os
import random  # noqa: TID251 - to seed it
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from evaluators.sandbox import frames, plain, programs
from evaluators.sandbox.locks.lock import IN_FD, OUT_FD

_MAX_FRAMES = 12
_MEMORY_FRAME = frames.frame(
    frames.ERROR, b'{"type":"MemoryError","message":"","trace":"","is_loading":false}'
)
_WARM_PROGRAM = "import numpy as np\n\n\ndef answer(given):\n    return given\n"
_WARM_ROUNDS = 10


def serve(
    run: Callable[..., Any],
    extras: frozenset[str],
    reserve: list[bytearray],
    in_fd: int = IN_FD,
    out_fd: int = OUT_FD,
) -> None:
    """Serves cases until the judge closes the channel.

    Args:
        run: the problem's function.
        extras: which of "oracle", "report", "deadline_s", "files" it wants; where it wants the program's files it
            is given no program: nothing of them has been executed.
        reserve: memory to let go of when the program has used up all.
        in_fd: where the judge's messages come from.
        out_fd: where the answers go.
    """
    reader = frames.Reader(in_fd)
    first = reader.read()
    if first is None:
        return
    paths: frozenset[str] = frozenset()
    is_loading = True
    try:
        start = json.loads(first[1])
        paths = frozenset(start["files"])
        max_bytes = start["output_bytes"]
        program = None if "files" in extras else programs.load(start["files"], start["entry"])
        is_loading = False
        while (message := reader.read()) is not None:
            inputs = plain.decode(message[1], writable=True)
            options = _options(extras, reader, out_fd, start) if extras else {}
            _answer(out_fd, frames.OUTPUT, run(program, inputs, **options), max_bytes)
            if message[0] == frames.LAST_INPUTS:
                return
    except MemoryError:
        reserve.clear()
        frames.write_all(out_fd, _MEMORY_FRAME)
    except _Refused as refused:
        frames.write_all(out_fd, frames.frame(frames.REFUSED, str(refused).encode(errors="replace")[:2000]))
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is data
        frames.write_all(out_fd, frames.frame(frames.ERROR, _describe(error, paths, is_loading=is_loading)))


def warm_up() -> None:
    """Serves a few programs of our own in the zygote, so that less is left to do (and to copy) in each child."""
    value = {"numbers": [1, 2.5], "text": "warm", "array": np.ones((2, 2))}
    start = {
        "files": {"warm.py": _WARM_PROGRAM},
        "entry": "warm.py",
        "output_bytes": 1 << 16,
        "deadline_s": 1.0,
    }
    for inputs in (1, value) * _WARM_ROUNDS:
        read_fd, feed = os.pipe()
        drain, answer_fd = os.pipe()
        frames.write_all(feed, frames.frame(frames.PROGRAM, json.dumps(start).encode()))
        frames.write_all(feed, frames.frame(frames.INPUTS, plain.encode(inputs)))
        os.close(feed)
        serve(lambda program, given: program.answer(given), frozenset(), [], read_fd, answer_fd)
        for descriptor in (read_fd, drain, answer_fd):
            os.close(descriptor)
    del sys.modules["warm"], linecache.cache["warm.py"]


def seed_generators() -> None:
    """Seeds the global generators: programs that draw from them give the same output every time."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002, TID251 - the programs' generator, not ours


class _Refused(Exception):
    """The program's value cannot be sent."""


def wanted_extras(run: Callable[..., Any]) -> frozenset[str]:
    """Returns which of the optional parameters `run` declares."""
    return frozenset({"oracle", "report", "deadline_s", "files"} & set(inspect.signature(run).parameters))


def _options(
    extras: frozenset[str], reader: frames.Reader, out_fd: int, start: dict[str, Any]
) -> dict[str, Any]:
    max_bytes = start["output_bytes"]

    def oracle(request: Any) -> Any:
        _answer(out_fd, frames.REQUEST, request, max_bytes)
        message = reader.read()
        if message is None:
            os._exit(0)
        return plain.decode(message[1], writable=True)

    def report(output: Any) -> None:
        _answer(out_fd, frames.REPORT, output, max_bytes)

    options: dict[str, Any] = {"oracle": oracle, "report": report}
    options |= {"deadline_s": start["deadline_s"], "files": start["files"]}
    return {name: options[name] for name in extras}


def _answer(out_fd: int, kind: bytes, value: Any, max_bytes: int) -> None:
    try:
        payload = plain.encode(value)
    except plain.PlainDataError as error:
        raise _Refused(str(error)) from None
    if len(payload) > max_bytes:
        raise _Refused(f"the output takes {len(payload)} bytes, the limit is {max_bytes}")
    frames.write_all(out_fd, frames.frame(kind, payload))


def _describe(error: BaseException, paths: frozenset[str], *, is_loading: bool) -> bytes:
    """Returns the type, message and traceback (lines of the program's own files only) of an exception."""
    sys.settrace(None)
    lines = []
    for path, line, name in _own_frames(error.__traceback__, paths)[-_MAX_FRAMES:]:
        lines += [f'File "{path}", line {line}, in {name}', "    " + linecache.getline(path, line).strip()]
    if isinstance(error, SyntaxError):
        lines.append(f'File "{error.filename}", line {error.lineno}')
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - a program's own __str__
        message = "(its message cannot be read)"
    trace = "\n".join(lines)
    data = {
        "type": type(error).__name__,
        "message": message[:4000],
        "trace": trace[:8000],
        "is_loading": is_loading,
    }
    return json.dumps(data).encode()


def _own_frames(traceback: TracebackType | None, paths: frozenset[str]) -> list[tuple[str, int, str]]:
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename in paths:
            found.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return found
