from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOY = '''"""Return three numbers; the closer their squares are to 0.5, the better."""
from evaluators.contract import Case, Invalid, Limits, Measure, Objective

SEED = """# EVOLVE-BLOCK-START
def answer():
    if 1 > 2:
        return None
    return [0.25, 0.35, 0.45]
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("closeness", "maximize", bound=0.0)
MEASURES = (Measure("first", 0, 1, bins=16),)
LIMITS = Limits(cpu_s=2, wall_s=5)


def cases(rng, stage):
    return [Case(None)]


def run(program, inputs):
    return program.answer()


def score(case, output):
    if not isinstance(output, list) or len(output) != 3 or not all(isinstance(x, float) for x in output):
        raise Invalid("three floats are asked for")
    return {"closeness": -sum((x * x - 0.5) ** 2 for x in output), "first": output[0]}
'''


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.py"
    path.write_text(TOY)
    return path


Discovery = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def discovery(tmp_path: Path) -> Discovery:
    """Runs the command line as a person would: in another folder, in a process of its own."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "discovery", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    return call


def last_json(done: subprocess.CompletedProcess[str]) -> dict:
    """Returns the JSON object on the last line of stdout."""
    return json.loads(done.stdout.splitlines()[-1])
