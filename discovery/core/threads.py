"""One thread for every library that would take one per processor: processes of ours work side by side already."""

from __future__ import annotations

import os
from collections.abc import Mapping

ONE_THREAD: Mapping[str, str] = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}
"""What libraries read when they are loaded."""


def pin_threads() -> None:
    """Sets these for this process and those that it starts, where a person did not; before any such library is loaded."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
