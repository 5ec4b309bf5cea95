"""What is kept of outputs and of oracles with an evaluation."""

from __future__ import annotations

import json

import numpy as np

from evaluators.contract import PlainData

MAX_CERTIFICATE_BYTES = 128 * 1024
MAX_EXHIBIT_BYTES = 256 * 1024


def exhibit(pages: list[PlainData]) -> PlainData:
    """Returns the pages of the held-out cases, None if there are none or they take more than 256 KiB as JSON."""
    return pages if pages and len(json.dumps(pages, allow_nan=False)) <= MAX_EXHIBIT_BYTES else None


def certificate(outputs: list[PlainData]) -> PlainData:
    """Returns the output (of several cases: their list) as JSON data, None if it takes more than 128 KiB."""
    plain = _without_arrays(outputs[0] if len(outputs) == 1 else outputs)
    return plain if len(json.dumps(plain, separators=(",", ":"))) <= MAX_CERTIFICATE_BYTES else None


def _without_arrays(value: PlainData) -> PlainData:
    """Returns a value as JSON data: arrays and bytes as lists of numbers."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, list):
        return [_without_arrays(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_arrays(item) for key, item in value.items()}
    return value
