"""A round trip in two phases: what a program keeps of the first is not there in the second."""

from __future__ import annotations

import textwrap

import pytest

from evaluators.contract import Program
from evaluators.problems.loading import load_problem
from evaluators.worker import JudgeProcess
from tests.evaluators.arena import TIERS

COMPRESSOR = '''"""Compress texts: compress(data) is given bytes and returns fewer, from which expand(packed) makes them again."""

from evaluators.contract import Case, Invalid, Limits, Objective

SEED = """
import bz2

# EVOLVE-BLOCK-START
def compress(data):
    return bz2.compress(data)


def expand(packed):
    return bz2.decompress(packed)
# EVOLVE-BLOCK-END
"""
OBJECTIVE = Objective("ratio", "minimize")
LIMITS = Limits(cpu_s=4, wall_s=20)


def cases(rng, stage):
    words = [bytes(rng.integers(97, 123, int(n)).tolist()) for n in rng.integers(2, 9, 200)]
    texts = [b" ".join(words[i] for i in rng.integers(0, 200, 2000)) for _ in range(2)]
    return [Case({"compress": text}, text, name=f"text {n}") for n, text in enumerate(texts)]


def run(program, inputs):
    return program.compress(inputs["compress"]) if "compress" in inputs else program.expand(inputs["expand"])


def follow(case, output):
    if "expand" in case.inputs:
        return None
    if not isinstance(output, bytes):
        raise Invalid("compress() must return bytes")
    return Case({"expand": output}, case.answer)


def score(case, output):
    if output != case.answer:
        raise Invalid("expand() does not give the text that was compressed")
    return {"ratio": len(case.inputs["expand"]) / len(case.answer)}
'''
STASHES = {
    "global": ("KEPT = []", "KEPT.append(data)", "KEPT[-1]"),
    "module": ("import sys", "sys.kept = data", "sys.kept"),
    "file": (
        "import os, tempfile\nPATH = os.path.join(tempfile.gettempdir(), 'kept')",
        "open(PATH, 'wb').write(data)",
        "open(PATH, 'rb').read()",
    ),
    "descriptor": (
        "import os, tempfile\nPATH = os.path.join(tempfile.gettempdir(), 'kept')",
        "os.pwrite(os.open(PATH, os.O_CREAT | os.O_RDWR), data, 0)",
        "max(filled(), key=len)\n"
        "def filled():\n"
        "    for fd in range(64):\n"
        "        try:\n"
        "            yield os.pread(fd, 1 << 20, 0)\n"
        "        except OSError:\n"
        "            pass",
    ),
}
ONE_PROCESS = """
def run(program, inputs):
    packed = program.compress(inputs["compress"])
    return [packed, program.expand(packed)]


def score(case, output):
    if output[1] != case.answer:
        raise Invalid("expand() does not give the text that was compressed")
    return {"ratio": len(output[0]) / len(case.answer)}
"""


def stash(kind: str) -> Program:
    before, keep, find = STASHES[kind]
    keeping = f"{before}\n\ndef compress(data):\n    {keep}\n    return b'x'\n\ndef expand(packed):\n    return {find}\n"
    return Program({"program.py": textwrap.dedent(keeping)})


@pytest.fixture(scope="module", params=TIERS, ids=[f"tier{tier}" for tier in TIERS])
def judge(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("problem") / "compressor.py"
    path.write_text(COMPRESSOR)
    problem = load_problem(str(path))
    opened = JudgeProcess(problem.source, b"secret", tier=request.param)
    yield opened, problem.seed
    opened.close()


def test_an_honest_round_trip_has_its_score(judge):
    opened, seed = judge
    evaluation = opened.evaluate(seed)
    assert evaluation.status == "ok", evaluation
    assert 0.1 < evaluation.score < 0.5
    assert evaluation.cases_done == evaluation.cases_total == 2


@pytest.mark.parametrize("kind", STASHES)
def test_what_the_first_phase_keeps_is_not_there_in_the_second(judge, kind):
    opened, _ = judge
    evaluation = opened.evaluate(stash(kind))
    assert evaluation.status in ("error", "invalid"), evaluation
    assert (evaluation.score, evaluation.cases_done) == (None, 0)


@pytest.mark.parametrize("kind", STASHES)
def test_in_one_process_every_stash_would_win(kind, tmp_path):
    """So the programs above are what they claim to be."""
    path = tmp_path / "compressor.py"
    path.write_text(COMPRESSOR[: COMPRESSOR.index("def run")] + ONE_PROCESS)
    opened = JudgeProcess(load_problem(str(path)).source, b"secret", tier=1)
    try:
        assert opened.evaluate(stash(kind)).score < 0.001
    finally:
        opened.close()
