"""Files of a zygote's own: what programs find there, and what they do not."""

from __future__ import annotations

import os
import sys

import pytest

from evaluators.contract import Limits, Program
from evaluators.sandbox import Harness, LinuxSandbox, SandboxError, channels
from evaluators.sandbox.locks import elf, private_files
from evaluators.source.files import SourceFiles
from tests.evaluators.arena import TIERS

RUN = "def run(program, inputs):\n    return program.f(inputs)\n"

pytestmark = pytest.mark.skipif(2 not in TIERS, reason="namespaces are needed")


def ask(
    text: str, inputs: object = None, *, harness: str = RUN, limits: Limits | None = None, **files: str
) -> object:
    limits = limits or Limits(cpu_s=5, wall_s=15)
    source = SourceFiles("t", "t.py", {"t.py": harness, **files})
    sandbox = LinuxSandbox(Harness(source), limits=limits, tier=2)
    try:
        assert ("private-files" if not limits.native else "shared-files") in sandbox.layers
        assert limits.native or "uid+read" not in sandbox.layers
        outcome = sandbox.start(Program({"program.py": text}), limits).run(inputs)
        assert outcome.status == "ok", outcome
        return outcome.output
    finally:
        sandbox.close()


def test_nothing_of_the_machine_is_in_sight():
    look = (
        "import os\ndef f(paths):\n    return [p for p in paths if os.path.lexists(p)] + "
        "[p for p in ('/proc/self', '/proc/1', '/zygote/proc/self') if os.path.lexists(p)]\n"
    )
    assert (
        ask(
            look,
            ["/var", "/home", "/sys", "/etc/passwd", "/usr/bin", "/boot", "/run", os.path.abspath(__file__)],
        )
        == []
    )


def test_the_packages_that_programs_use_are_there():
    text = (
        "import bisect, ctypes, decimal, hashlib, json, sqlite3, ssl, zlib, heapq, concurrent.futures\n"
        "import numpy.fft, scipy.optimize, scipy.spatial, scipy.sparse.linalg\n"
        "def f(x):\n    return float(scipy.optimize.minimize(lambda v: (v[0] - 2) ** 2, [0.0]).x[0])\n"
    )
    assert ask(text) == pytest.approx(2.0, abs=1e-4)


def test_what_a_problem_imports_without_preloading_it_is_fetched():
    assert ask(
        "def f(x): return 1",
        harness="import yaml\n" + RUN.replace("program.f(inputs)", "yaml.safe_load('[3]')"),
    ) == [3]


def test_what_is_nowhere_is_a_fault_that_names_it():
    with pytest.raises(SandboxError, match="no_such_package"):
        ask("def f(x): return 1", harness="import no_such_package\n" + RUN)


def test_files_are_read_only_and_of_one_zygote():
    text = (
        "import os\ndef f(x):\n    made = []\n"
        "    for path in (os.__file__, os.path.dirname(os.__file__) + '/new', '/new', '/dev/shm/new', '/tmp/new'):\n"
        "        try: made.append(os.close(os.open(path, os.O_RDWR | os.O_CREAT)))\n        except OSError: pass\n"
        "    return made + [os.stat(os.__file__).st_dev]\n"
    )
    (device,) = ask(text)
    assert device != os.stat(os.__file__).st_dev


def test_programs_that_execute_others_keep_the_machines_files():
    found = ask(
        "import os\ndef f(x): return os.path.exists('/bin/sh')",
        limits=Limits(cpu_s=5, wall_s=15, native=True),
    )
    assert found is True


def test_the_libraries_that_a_binary_needs_are_known():
    needed = elf.needed(os.path.realpath(sys.executable))
    assert any("libc.so" in name or name.startswith("/") for name in needed)
    assert elf.needed(__file__) == ()


def test_a_package_comes_with_what_it_requires():
    names = {os.path.basename(path) for path in private_files.package_paths(["scipy"])}
    assert {"scipy", "numpy"} <= names
    assert private_files.package_paths(["no_such_package"]) == []


def test_the_doctor_names_what_is_open():
    private, shared = channels.summary(is_private=True), channels.summary(is_private=False)
    assert "processor" in private
    assert len(shared) > len(private)
    assert all("bits" in text for text in (private, shared))
