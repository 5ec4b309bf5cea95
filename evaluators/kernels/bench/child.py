"""What a kernel's child does once it is locked: load the kernel, then call it each time it is told to.

It runs on the wrong side: the kernel shares its memory and can do all it does, so nothing that comes from here is
believed but the bytes in the output buffers, once the child is frozen.

Messages to it are 9 bytes: b"G" and a nonce, which is sent back after the calls; or b"P" and the length of a
JSON plan that follows: for each of the calls to be made one after the other, where its arguments lie, their shapes and
types, from now on.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from evaluators.sandbox.locks.lock import IN_FD, OUT_FD

LOADED = b"loaded.."
PLANNED = b"planned."
RAISED = 70
"""Exit code of a child whose program raised."""

_SCALARS: Mapping[str, Any] = {
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "int8": ctypes.c_int8,
    "uint8": ctypes.c_uint8,
    "int16": ctypes.c_int16,
    "uint16": ctypes.c_uint16,
    "int32": ctypes.c_int32,
    "uint32": ctypes.c_uint32,
    "int64": ctypes.c_int64,
    "uint64": ctypes.c_uint64,
}
_LIBRARY = "kernel.so"


def serve(request: Mapping[str, Any], product: bytes, addresses: Sequence[int]) -> NoReturn:
    """Loads the kernel and serves calls until the bench closes the channel. Ends the process."""
    try:
        function: Callable[..., Any]
        bind: Callable[[Sequence[Mapping[str, Any]], Sequence[int]], list[Any]]
        if request["language"] == "c":
            function, bind = _load_c(request, product), _bind_c
        elif request["language"] == "triton":
            function, bind = _load_triton(request), _bind_triton
        else:
            function, bind = _load_python(request), _bind_python
        os.write(OUT_FD, LOADED)
        calls: list[list[Any]] = []
        while len(head := os.read(IN_FD, 9)) == 9:
            if head[:1] == b"P":
                plan = json.loads(_read_exactly(int.from_bytes(head[1:], "little")))
                calls = [bind(one, addresses) for one in plan]
                os.write(OUT_FD, PLANNED)
            else:
                for arguments in calls:
                    function(*arguments)
                os.write(OUT_FD, head[1:])
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - whatever a program raises is data
        _tell(error, request)
        os._exit(RAISED)


def _read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size and (part := os.read(IN_FD, size - len(data))):
        data += part
    return data


def _load_c(request: Mapping[str, Any], product: bytes) -> Callable[..., Any]:
    """Returns the function of a shared object, which is first written to the child's own folder."""
    path = os.path.join(os.getcwd(), _LIBRARY)
    with open(path, "wb") as file:
        file.write(product)
    function = getattr(ctypes.CDLL(path), request["function"])
    function.restype = None
    return function  # type: ignore[no-any-return]


def _bind_c(plan: Sequence[Mapping[str, Any]], addresses: Sequence[int]) -> list[Any]:
    bound: list[Any] = []
    for item in plan:
        if "region" in item:
            bound.append(ctypes.c_void_p(addresses[item["region"]] + item["offset"]))
        else:
            bound.append(_SCALARS[item["dtype"]](item["value"]))
    return bound


def _load_python(request: Mapping[str, Any]) -> Callable[..., Any]:
    from evaluators.sandbox import programs

    module = programs.load(request["files"], request["entry"])
    function = getattr(module, request["function"], None)
    if not callable(function):
        raise NameError(f"the program must define the function {request['function']}")
    return function  # type: ignore[no-any-return]


def _bind_python(plan: Sequence[Mapping[str, Any]], addresses: Sequence[int]) -> list[Any]:
    import numpy as np

    bound: list[Any] = []
    for item in plan:
        if "region" not in item:
            bound.append(np.dtype(item["dtype"]).type(item["value"]).item())
            continue
        kind = np.dtype(item["dtype"])
        count = int(np.prod(item["shape"], dtype=np.int64))
        address = addresses[item["region"]] + item["offset"]
        raw = (ctypes.c_char * max(1, count * kind.itemsize)).from_address(address)
        array = np.frombuffer(raw, kind, count=count).reshape(item["shape"])
        array.flags.writeable = item["is_output"]
        bound.append(array)
    return bound


def _load_triton(request: Mapping[str, Any]) -> Callable[..., Any]:
    from evaluators.kernels.bench import interpreter

    if request["is_ghost"]:
        interpreter.disable_kernels()
    return _load_python(request)


def _bind_triton(plan: Sequence[Mapping[str, Any]], addresses: Sequence[int]) -> list[Any]:
    import numpy as np

    from evaluators.kernels.bench.interpreter import Tensor

    bound = _bind_python(plan, addresses)
    return [Tensor(value) if isinstance(value, np.ndarray) else value for value in bound]


def _tell(error: BaseException, request: Mapping[str, Any]) -> None:
    """Prints the exception with the lines of the program's own files."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in request.get("files", {})
    ]
    lines = [f"File {frame.filename}, line {frame.lineno}: {frame.line}" for frame in frames[-8:]]
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - a program's own __str__
        text = type(error).__name__
    os.write(sys.stderr.fileno(), "\n".join([*lines, text])[-4000:].encode(errors="replace"))
