"""What a bench has ready before it forks: libraries, sources of the recorder; and what its children are not to see."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from evaluators.kernels.bench import recorder

_PRELOADED_LIBRARIES = ("libm.so.6", "libmvec.so.1")
_OF_SANITIZERS = ("LD_PRELOAD", "ASAN_OPTIONS")


def hide_sanitizer() -> None:
    """Removes from the environment, and from the memory it was started with, what the sanitizer was told there."""
    strings = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    places = []
    for number in range(len(os.environ) + 1):
        if not (place := strings[number]):
            break
        text = ctypes.string_at(place)
        if text.partition(b"=")[0].decode(errors="replace") in _OF_SANITIZERS:
            places.append((place, len(text)))
    for name in _OF_SANITIZERS:
        os.environ.pop(name, None)
    for place, size in places:
        ctypes.memset(place, 0, size)


def warm_up(request: Mapping[str, Any]) -> Callable[..., Any]:
    """Imports what kernels of this language will want. C kernels get a process without numpy and its BLAS."""
    if request["language"] != "c":
        import importlib

        for name in ("evaluators.sandbox.programs", "numpy", *request["preload"]):
            importlib.import_module(name)
        if request["language"] == "triton":
            from evaluators.kernels.bench import interpreter

            with contextlib.suppress(ImportError):  # the backend says what is missing
                interpreter.prepare()
    else:
        for name in _PRELOADED_LIBRARIES:  # the child may open no file, so what gcc links to must be there
            with contextlib.suppress(OSError):
                ctypes.CDLL(name)
    return lambda: None


@functools.cache
def recorder_sources() -> dict[str, str]:
    """Returns the modules of a recording child by their paths, in packages that are empty but for them."""
    found: dict[str, str] = {}
    for name in recorder.MODULES:
        parts = name.split(".")
        found |= {"/".join((*parts[:end], "__init__.py")): "" for end in range(1, len(parts))}
        with open(str(sys.modules[name].__file__), encoding="utf-8") as file:
            found["/".join(parts) + ".py"] = file.read()
    return found
