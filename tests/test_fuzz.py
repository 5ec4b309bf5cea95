"""A little of what fuzz.py does for as long as one likes, and the inputs that it found faults with."""

from __future__ import annotations

import json

import pytest

from discovery.certify import certificates
from tests import fuzz

TARGETS = fuzz.targets()


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_read_or_refused(name: str) -> None:
    fuzz.fuzz(TARGETS[name], examples=25, seed=7)


def certificate_with(program: object) -> bytes:
    data = dict.fromkeys(certificates._KEYS) | {
        "format": certificates.FORMAT, "package": "1", "claim": "program", "program": program,
        "problem": {"name": "a", "version": "b"}, "score": {"float": 1.0, "exact": None},
    }  # fmt: skip
    return certificates.render(data | {"sha256": certificates.hashes(data)})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("journal", b'{"type":' + b"[" * 1991 + b"\n"),
        ("certificate", certificate_with({"files": {}, "entry": [], "id": None})),
        ("fingerprint", "X = 0x" + "f" * 5000 + "\n"),
        ("fingerprint", "x = f'" + "{a}" * 42_000 + "'\n"),
        ("fingerprint", '"\\' * 8000),
        ("reply", ("```python\nX = 0x" + "f" * 5000 + "\n```", fuzz.PARENTS[1], "rewrite")),
        ("reply", ("```c\n/*\n" + "a" * 40_000 + "\n*/\n```", fuzz.PARENTS[2], "diff")),
        ("blocks", (fuzz.PYTHON, fuzz.PYTHON.replace("    x = 1\n", '    "\\' * 8000))),
        ("service", ("/runs", json.dumps({"problem": "circle_packing", "minutes": 10**400}).encode())),
    ],
)
def test_what_was_found(name: str, found: object) -> None:
    fuzz.check(TARGETS[name], found)
