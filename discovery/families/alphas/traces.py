"""The hidden metrics by which an alpha problem asks for a verdict on luck: a performance in block after block."""

from __future__ import annotations

from collections.abc import Mapping

TRACE = "_ic_"


def has_trace(metrics: Mapping[str, float]) -> bool:
    """Returns whether a program's metrics ask for a verdict."""
    return f"{TRACE}00" in metrics
