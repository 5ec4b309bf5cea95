"""The contract of a sandbox, over every tier there is, and the parts it is built from."""

from __future__ import annotations

import gc
import os
import platform
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from evaluators.contract import Exhausted, Invalid, Limits, Program, Status
from evaluators.sandbox import (
    Harness,
    LinuxSandbox,
    SandboxError,
    SandboxUnavailable,
    control,
    linux,
    probe,
    scratch,
)
from evaluators.sandbox.clean import clean, clean_line
from evaluators.sandbox.locks import lock, seccomp
from evaluators.source.files import SourceFiles
from tests.evaluators.arena import TIERS

RUN = """
import numpy as np

def run(program, inputs, oracle, report, deadline_s):
    return program.f(inputs, oracle, report, deadline_s)
"""
LIMITS = Limits(cpu_s=1.0, wall_s=2.0, memory_mib=256, output_mib=1, log_kib=64, scratch_mib=2)


def program(text, **files):
    return Program(
        {"program.py": text, **{name.replace("__", "/") + ".py": body for name, body in files.items()}}
    )


@pytest.fixture(scope="module", params=TIERS, ids=[f"tier{tier}" for tier in TIERS])
def sandbox(request):
    opened = LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), limits=LIMITS, tier=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("number", lock.PARKED)
def test_a_judge_with_many_files_open_has_a_sandbox_too(number):
    """The control channel then comes with a number that the locks reserve."""
    held = []
    while (fd := os.open(os.devnull, os.O_RDONLY)) < number - 1:
        held.append(fd)
    os.close(fd)
    try:
        opened = LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), limits=LIMITS, tier=TIERS[0])
        try:
            for _ in range(2):
                session = opened.start(program("def f(x, *rest):\n    return x + 1"), LIMITS)
                assert session.run(1).output == 2
                session.close()
        finally:
            opened.close()
    finally:
        for fd in held:
            os.close(fd)


class TestConformance:
    """What every sandbox keeps."""

    def run(self, sandbox, text, inputs=None, oracle=None, limits=LIMITS, **files):
        session = sandbox.start(program(text, **files), limits)
        try:
            return session.run(inputs, oracle)
        finally:
            session.close()

    def test_inputs_and_outputs_cross(self, sandbox):
        inputs = {"a": np.arange(6.0).reshape(2, 3), "b": ["é", None, True, 1.5, 10**30]}
        outcome = self.run(sandbox, "def f(x, *rest):\n    x['a'] += 1\n    return x", inputs)
        assert (outcome.status, outcome.reason, outcome.is_partial) == ("ok", "", False)
        assert outcome.output["a"].tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        assert outcome.output["b"] == inputs["b"]

    def test_large_inputs_and_outputs_cross(self, sandbox):
        big = np.arange(120_000.0)
        limits = Limits(cpu_s=5, wall_s=10, output_mib=2)
        outcome = self.run(sandbox, "def f(x, *rest):\n    return x[::-1]", big, limits=limits)
        assert np.array_equal(outcome.output, big[::-1])

    def test_one_child_serves_all_cases(self, sandbox):
        session = sandbox.start(
            program("n = 0\ndef f(x, *rest):\n    global n\n    n += x\n    return n"), LIMITS, cases=3
        )
        assert [session.run(k).output for k in (1, 10, 100)] == [1, 11, 111]
        assert session.close() > 0
        assert session.close() > 0

    def test_no_program_meets_another(self, sandbox):
        leave = (
            "import os, sys\nsys.modules['left'] = sys\nos.environ['LEFT'] = '1'\n"
            "open('left', 'w').write('x')\ndef f(x, *rest): return os.listdir('.')"
        )
        find = "import os, sys\ndef f(x, *rest): return [os.listdir('.'), 'left' in sys.modules, 'LEFT' in os.environ]"
        assert self.run(sandbox, leave).output == ["left"]
        assert self.run(sandbox, find).output == [[], False, False]

    def test_files_of_a_program_import_each_other(self, sandbox):
        outcome = self.run(
            sandbox,
            "import helper\nfrom lib.util import double\nimport lib.deep.more as more\n"
            "def f(x, *rest):\n    return double(helper.ONE) + more.TEN",
            helper="ONE = 1",
            lib__util="from lib.deep import more\ndef double(v): return 2 * v",
            lib__deep__more="from . import more as me\nTEN = 10",
        )
        assert (outcome.output, outcome.reason) == (12, "")

    def test_an_error_names_line_and_text_of_the_program_only(self, sandbox):
        outcome = self.run(sandbox, "def g(v):\n    return 1 / v\n\ndef f(x, *rest):\n    return g(0)\n")
        assert (outcome.status, outcome.reason) == (
            "error",
            'ZeroDivisionError: division by zero (File "program.py", line 2, in g)',
        )
        assert outcome.feedback.splitlines() == [
            'File "program.py", line 5, in f',
            "    return g(0)",
            'File "program.py", line 2, in g',
            "    return 1 / v",
            "ZeroDivisionError: division by zero",
        ]

    def test_a_program_that_does_not_load_says_where(self, sandbox):
        outcome = self.run(sandbox, "x = 1\ndef f(x:\n    pass\n")
        assert outcome.status == "error"
        assert outcome.reason.startswith("does not load: SyntaxError")
        assert "line 2" in outcome.reason
        outcome = self.run(sandbox, "import nothing_like_that")
        assert outcome.reason.startswith(
            "does not load: ModuleNotFoundError: No module named 'nothing_like_that'"
        )

    def test_what_is_printed_becomes_feedback(self, sandbox):
        outcome = self.run(
            sandbox,
            "import sys\ndef f(x, *rest):\n    print('one')\n    print('two', file=sys.stderr)\n    return 1",
        )
        assert (outcome.status, outcome.feedback) == ("ok", "one\ntwo")

    def test_an_oracle_answers_in_order(self, sandbox):
        seen = []

        def oracle(request):
            seen.append(request if isinstance(request, int) else request.tolist())
            return np.asarray(request) * 2

        outcome = self.run(
            sandbox,
            "import numpy as np\ndef f(x, oracle, *rest):\n    return [int(oracle(1)), oracle(np.array([1.5, 2.5])), int(oracle(3))]",
            oracle=oracle,
        )
        assert seen == [1, [1.5, 2.5], 3]
        assert outcome.output[0] == 2
        assert outcome.output[1].tolist() == [3.0, 5.0]

    @pytest.mark.parametrize("error", [Exhausted("spent"), Invalid("no"), KeyError("x")])
    def test_what_an_oracle_raises_ends_the_child_and_passes(self, sandbox, error):
        def oracle(request):
            raise error

        session = sandbox.start(
            program(
                "def f(x, oracle, *rest):\n    try: oracle(1)\n    except BaseException: pass\n    return 1"
            ),
            LIMITS,
        )
        with pytest.raises(type(error)):
            session.run(None, oracle)
        with pytest.raises(SandboxError, match="over"):
            session.run(None, oracle)

    def test_the_last_report_counts_when_time_is_up(self, sandbox):
        outcome = self.run(
            sandbox,
            "def f(x, oracle, report, d):\n    n = 0\n    while True:\n        n += 1\n        if n <= 5: report([n])",
        )
        assert (outcome.status, outcome.output, outcome.is_partial) == ("ok", [5], True)

    def test_the_last_report_counts_when_nothing_is_returned(self, sandbox):
        outcome = self.run(sandbox, "def f(x, oracle, report, d):\n    report(1)\n    report(2)")
        assert (outcome.status, outcome.output, outcome.is_partial) == ("ok", 2, False)

    def test_an_empty_scratch_folder_of_each_program_whatever_the_one_before_did(self, sandbox):
        spoil = (
            "import os\ndef f(x, *rest):\n    os.mkdir('deep'); open('deep/file', 'w').close()\n"
            "    for path in ('deep/file', 'deep', '.', os.getcwd()):\n"
            "        for attempt in (lambda: os.chmod(path, 0), lambda: os.utime(path, (7, 7)), lambda: os.unlink(path),\n"
            "                        lambda: os.rmdir(path), lambda: os.rename(path, '../elsewhere')):\n"
            "            try: attempt()\n"
            "            except OSError: pass\n"
            "    return 1\n"
        )
        close = (
            "import os\ndef f(x, *rest):\n    try: os.chmod('.', 0)\n    except OSError: pass\n    return 1\n"
        )
        look = (
            "import os, time\ndef f(x, *rest):\n    state = os.stat('.')\n    open('mine', 'w').write('x')\n"
            "    return [os.listdir('.'), state.st_mode & 0o7777, state.st_nlink, time.time() - state.st_mtime < 60]\n"
        )
        first = self.run(sandbox, look).output
        for text in (spoil, close):
            assert self.run(sandbox, text).status in ("ok", "error")
            assert self.run(sandbox, look).output == first == [["mine"], 0o700, 2, True]

    def test_a_user_has_a_name(self, sandbox):
        outcome = self.run(sandbox, "import getpass\ndef f(x, *rest): return getpass.getuser()")
        assert (outcome.status, outcome.output) == ("ok", "program")

    def test_a_report_does_not_hide_an_error(self, sandbox):
        outcome = self.run(
            sandbox, "def f(x, oracle, report, d):\n    report(1)\n    raise ValueError('after')"
        )
        assert (outcome.status, outcome.output) == ("error", None)

    def test_the_deadline_is_told(self, sandbox):
        assert self.run(sandbox, "def f(x, oracle, report, deadline_s):\n    return deadline_s").output == 1.0

    def test_threads_and_numpy_work(self, sandbox):
        outcome = self.run(
            sandbox,
            "import threading, tempfile, os, numpy as np\nfrom concurrent.futures import ThreadPoolExecutor\n"
            "def f(x, *rest):\n"
            "    with ThreadPoolExecutor(4) as pool: total = sum(pool.map(lambda k: k * k, range(10)))\n"
            "    with tempfile.TemporaryDirectory() as folder:\n"
            "        open(os.path.join(folder, 'a'), 'w').write('b')\n"
            "    a = np.ones((200, 200))\n"
            "    return [total, float((a @ a).sum()), float(np.linalg.norm(np.linalg.inv(np.eye(3))))]",
        )
        assert (outcome.reason, outcome.output) == ("", [285, 8e6, pytest.approx(3**0.5)])

    def test_unseeded_programs_repeat_themselves(self, sandbox):
        text = (
            "import random, numpy as np\ndef f(x, *rest): return [random.random(), float(np.random.rand())]"
        )
        assert self.run(sandbox, text).output == self.run(sandbox, text).output

    def test_late_imports_work(self, sandbox):
        text = "def f(x, *rest):\n    import decimal, sqlite3, zoneinfo, encodings.idna, numpy.fft\n    return str(decimal.Decimal('1.10'))"
        outcome = self.run(sandbox, text)
        assert (outcome.reason, outcome.output) == ("", "1.10")

    def test_cpu_time_counts_per_case(self, sandbox):
        spin = "import time\ndef f(x, *rest):\n    end = time.process_time() + x\n    while time.process_time() < end: pass\n    return 1"
        limits = Limits(cpu_s=0.5, wall_s=5)
        session = sandbox.start(program(spin), limits, cases=3)
        assert [session.run(0.3).status for _ in range(3)] == ["ok"] * 3
        session.close()
        session = sandbox.start(program(spin), limits, cases=3)
        assert (session.run(1.4).status) == Status.TIMEOUT
        assert 0.4 < session.close() < 1.2

    def test_a_dead_zygote_is_replaced(self, sandbox):
        os.kill(sandbox.zygote_pid, 9)
        try:
            outcome = sandbox.start(program("def f(x, *rest): return 5"), LIMITS).run(None)
        except SandboxError:
            outcome = self.run(sandbox, "def f(x, *rest): return 5")
        assert outcome.output == 5

    def test_layers_are_named(self, sandbox):
        assert {"rlimits", "no-new-privs", "seccomp"} <= set(sandbox.layers)
        assert any(layer.startswith("landlock-") for layer in sandbox.layers)

    def test_many_evaluations_leave_nothing(self, sandbox):
        gc.collect()  # what earlier tests left is not counted, and may go at any time
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(30):
            self.run(sandbox, "def f(x, *rest): return 1")
        gc.collect()
        assert len(os.listdir("/proc/self/fd")) <= before


def test_a_closed_sandbox_leaves_no_folder_and_no_process():
    opened = LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), tier=1)
    session = opened.start(program("import os\ndef f(x, *rest): return os.getcwd()"), LIMITS)
    folder, pid = session.run(None).output, opened.zygote_pid
    opened.close()
    opened.close()
    assert not os.path.exists(folder)
    assert not os.path.exists(f"/proc/{pid}")


def test_an_unknown_tier_is_refused():
    with pytest.raises(ValueError, match="tier must be 1, 2 or None, got 3"):
        LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), tier=3)


def test_a_broken_preload_is_reported():
    with pytest.raises(SandboxError, match="no_such_module"):
        LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN}), preload=("no_such_module",)), tier=1)


def test_a_missing_layer_refuses_unless_unsafe(monkeypatch):
    from evaluators.sandbox import linux

    broken = linux._BOOT.replace(
        "from evaluators.sandbox.zygote",
        "import evaluators.sandbox.locks.landlock as l; l.abi = lambda: 0; from evaluators.sandbox.zygote",
    )
    monkeypatch.setattr(linux, "_BOOT", broken)
    harness = Harness(SourceFiles("t", "t.py", {"t.py": RUN}))
    with pytest.raises(SandboxUnavailable, match=r"Landlock is missing: Linux 5.13.*--unsafe"):
        LinuxSandbox(harness, tier=1)
    opened = LinuxSandbox(harness, tier=1, unsafe=True)
    assert not any(layer.startswith("landlock") for layer in opened.layers)
    session = opened.start(program("def f(x, *rest): return 3"), LIMITS)
    assert session.run(None).output == 3
    opened.close()


def test_a_lock_that_does_not_hold_is_found(monkeypatch):
    from evaluators.sandbox import linux

    broken = linux._BOOT.replace(
        "from evaluators.sandbox.zygote",
        "import evaluators.sandbox.locks.landlock as l; old = l.readable_paths; "
        "l.readable_paths = lambda native: (*old(native=native), '/etc'); "
        "from evaluators.sandbox.zygote",
    )
    monkeypatch.setattr(linux, "_BOOT", broken)
    with pytest.raises(SandboxUnavailable, match="a file outside can be read"):
        LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), tier=1)


def test_a_machine_without_a_usable_dev_null_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "null"
    assert linux.null_fault() == ""
    assert "No such file" in linux.null_fault(str(plain))
    plain.touch()
    fault = linux.null_fault(str(plain))
    assert "it is no device" in fault
    assert f"mknod -m 666 {plain} c 1 3" in fault
    monkeypatch.setattr(linux, "null_fault", lambda: fault)
    (layer,) = probe()
    assert not layer.is_active
    assert fault in layer.detail


def test_the_doctor_names_the_layers():
    layers = {layer.name: layer for layer in probe()}
    assert {"resource limits", "Landlock", "seccomp", "user id", "namespaces", "self-test", "cgroups"} <= set(
        layers
    )
    assert layers["self-test"].is_active, layers["self-test"].detail
    assert all(layer.is_active for layer in layers.values() if layer.tier == 1 and layer.name != "user id")
    assert all(
        layer.remedy or layer.is_active or layer.tier == 0 or layer.name == "user id"
        for layer in layers.values()
    )
    assert layers["namespaces"].is_active == (2 in TIERS)


# ---- parts


def _simulate(code, number, arguments=(), arch=0xC000003E):
    """Runs a BPF filter on one call; returns the verdict."""
    data = struct.pack(
        "<iIQ6Q",
        number & 0x7FFFFFFF if number < 2**31 else number - 2**32,
        arch,
        0,
        *[a & (2**64 - 1) for a in (*arguments, *[0] * 6)[:6]],
    )
    accumulator, index = 0, 0
    while True:
        operation, on_true, on_false, value = struct.unpack_from("<HBBI", code, 8 * index)
        index += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[
                operation
            ]
            index += on_true if holds else on_false


ALLOW, KILL = 0x7FFF0000, 0x80000000
PRETEND, EPERM, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP = (0x50000 | number for number in (0, 1, 22, 37, 38, 95))


@pytest.mark.parametrize(
    ("options", "call", "verdict"),
    [
        ({}, (0,), ALLOW),
        ({}, (1, 1), ALLOW),
        ({}, (41, 2, 1, 0), EPERM),
        ({}, (435, 0, 88), ENOSYS),
        ({}, (56, 0x10000 | 0x100 | 0x200), ALLOW),
        ({}, (56, 17), EPERM),
        ({}, (56, 0x10000 | 0x10000000), EPERM),
        ({"processes": True}, (56, 17), ALLOW),
        ({"processes": True}, (56, 17 | 0x20000000), EPERM),
        ({"processes": True}, (56, 17 | 0x8000), EPERM),
        ({}, (57,), EPERM),
        ({"processes": True}, (57,), ALLOW),
        ({}, (59,), EPERM),
        ({"native": True}, (59,), ALLOW),
        ({}, (322,), EPERM),
        ({}, (62, 0, 9), ALLOW),
        ({}, (62, 7, 9), EPERM),
        ({}, (62, -1, 9), EPERM),
        ({"signals": True}, (62, 7, 9), ALLOW),
        ({}, (302, 0, 7, 0), ALLOW),
        ({}, (302, 0, 7, 1 << 32), EPERM),
        ({}, (302, 0, 7, 4096), EPERM),
        ({}, (302, 5, 7, 0), EPERM),
        ({}, (157, 15, 0), ALLOW),
        ({}, (157, 1, 0), EPERM),
        ({}, (72, 3, 8, 1), EPERM),
        ({}, (72, 3, 10, 9), EPERM),
        ({}, (72, 3, 1030, 0), ALLOW),
        ({}, (16, 0, 0x5401, 0), ALLOW),
        ({}, (16, 0, 0x5412, 0), EPERM),
        ({}, (257, 0, 0, 0o1000), ALLOW),
        ({"truncate": False}, (257, 0, 0, 0o1000), EPERM),
        ({"truncate": False}, (257, 0, 0, 0o1001), ALLOW),
        ({"truncate": False}, (2, 0, 0o1000), EPERM),
        ({"truncate": False}, (76, 0, 0), EPERM),
        ({}, (90, 0, 0), EPERM),
        ({"modes": True}, (90, 0, 0), ALLOW),
        ({}, (27, 0, 4096, 0), EPERM),  # mincore
        ({}, (187, 0, 0, 4096), EPERM),  # readahead
        ({}, (451, 0, 0, 0, 0), EPERM),  # cachestat
        ({}, (99, 0), EPERM),  # sysinfo
        ({}, (137, 0, 0), EPERM),  # statfs
        ({}, (138, 0, 0), EPERM),
        ({}, (449, 0), EPERM),  # futex_waitv
        ({}, (221, 0, 0, 0, 4), PRETEND),  # fadvise64
        ({"processes": True}, (221, 0, 0, 0, 4), PRETEND),
        ({}, (73, 0, 2), PRETEND),  # flock
        ({"processes": True}, (73, 0, 2), ENOLCK),
        ({}, (72, 0, 6), PRETEND),  # F_SETLK
        ({}, (72, 0, 37), PRETEND),
        ({"processes": True}, (72, 0, 37), ENOLCK),
        ({}, (72, 0, 5), EPERM),  # F_GETLK
        ({}, (72, 0, 36), EPERM),
        ({}, (72, 0, 1024), EPERM),  # F_SETLEASE
        ({}, (327, 0, 0, 1, 0, 0, 0), ALLOW),  # preadv2
        ({}, (327, 0, 0, 1, 0, 0, 8), EOPNOTSUPP),  # RWF_NOWAIT
        ({}, (328, 0, 0, 1, 0, 0, 0x80), EOPNOTSUPP),  # RWF_DONTCACHE
        ({}, (28, 0, 4096, 4), ALLOW),  # MADV_DONTNEED
        ({}, (28, 0, 4096, 3), PRETEND),  # MADV_WILLNEED
        ({}, (28, 0, 4096, 12), EINVAL),  # MADV_MERGEABLE
        ({}, (28, 0, 4096, 20), EINVAL),  # MADV_COLD
        ({}, (28, 0, 4096, 21), EINVAL),  # MADV_PAGEOUT
        ({}, (332, 0, 0, 0, 0x4000), ENOSYS),  # statx
        ({}, (257, 0, 0, 0o40000), EPERM),  # O_DIRECT
        ({}, (257, 0, 0, 0o1000000), EPERM),  # O_NOATIME
        ({}, (257, 0, 0, 0o200000), ALLOW),  # O_DIRECTORY
        ({}, (202, 0, 128 | 1), ALLOW),  # a private FUTEX_WAKE
        ({}, (202, 0, 0), ALLOW),  # a shared FUTEX_WAIT, as of pthread_join
        ({}, (202, 0, 1), EPERM),
        ({"processes": True}, (202, 0, 1), ALLOW),
        ({}, (228, 1, 0), ALLOW),
        ({}, (228, -2 ^ (7 << 3), 0), EINVAL),  # the CPU time of another process
        ({}, (121, 0), ALLOW),  # getpgid
        ({}, (121, 7), EPERM),
        ({"strangers": True}, (121, 7), ALLOW),
        ({"processes": True}, (112,), ALLOW),  # setsid
        ({"processes": True, "sessions": False}, (112,), EPERM),
        ({}, (0x40000000,), EPERM),
        ({}, (1000,), EPERM),
        ({}, (2**32 - 1,), EPERM),
    ],
)
def test_the_filter_judges_calls(options, call, verdict):
    code, _ = seccomp.build(seccomp.FilterOptions(**options), "x86_64")
    assert _simulate(code, call[0], call[1:]) == verdict


def test_the_filter_kills_another_architecture():
    code, _ = seccomp.build(seccomp.FilterOptions(), "x86_64")
    assert _simulate(code, 0, (), 0x40000003) == KILL
    code, offsets = seccomp.build(seccomp.FilterOptions(), "aarch64")
    assert _simulate(code, 63, (), 0xC00000B7) == ALLOW
    assert _simulate(code, 198, (2, 1, 0), 0xC00000B7) == EPERM
    assert _simulate(code, 0, (), 0xC00000B7) == EPERM
    assert len(offsets) == 8  # kill, tgkill, and six that ask about a process


def test_the_filter_knows_the_pid_where_it_is_written():
    code, offsets = seccomp.build(seccomp.FilterOptions(), "x86_64")
    patched = bytearray(code)
    for offset in offsets:
        patched[offset : offset + 4] = (4321).to_bytes(4, "little")
    assert _simulate(bytes(patched), 62, (4321, 9)) == ALLOW
    assert _simulate(bytes(patched), 234, (4321, 4321, 9)) == ALLOW
    assert _simulate(bytes(patched), 62, (4322, 9)) == EPERM


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(ValueError, match="machine must be x86_64 or aarch64, got 'vax'"):
        seccomp.build(seccomp.FilterOptions(), "vax")
    assert platform.machine() in ("x86_64", "aarch64")


def test_cleaned_text_is_harmless():
    assert clean("a\x1b[31mb\x00\x07c\u202ed\u200be\r\nf\rg") == "a[31mbcde\nf\ng"
    assert clean("keeps\ttabs\nand lines é 漢") == "keeps\ttabs\nand lines é 漢"
    assert clean("```python\n```") == "'''python\n'''"
    assert len(clean("x" * 10**6)) == 2000
    assert clean("start" + "x" * 5000 + "end").startswith("start")
    assert clean("start" + "x" * 5000 + "end").endswith("end")
    assert clean_line("two\n  lines\x1b[0m") == "two lines[0m"
    assert len(clean_line("x" * 1000)) == 300
    assert clean("") == clean_line("") == ""


def test_a_scratch_folder_is_emptied_whatever_is_in_it(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    deep = os.open(folder, os.O_RDONLY)
    for _ in range(200):
        os.mkdir("d" * 60, dir_fd=deep)
        inner = os.open("d" * 60, os.O_RDONLY, dir_fd=deep)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.symlink("/etc/passwd", "link", dir_fd=inner)
        os.close(deep)
        deep = inner
    os.close(deep)
    (folder / ".moved-1").mkdir()
    (folder / ".moved-1" / "x").write_text("x")
    (folder / "closed").mkdir(0o000)
    os.mkfifo(folder / "pipe")
    assert scratch.used_bytes(str(folder)) > 2**60
    scratch.empty(str(folder))
    assert os.listdir(folder) == []
    assert (outside / "kept").read_text() == "kept"


def test_used_bytes_count_files_folders_and_entries(tmp_path):
    assert scratch.used_bytes(str(tmp_path)) == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 100_000)
    assert 100_000 <= scratch.used_bytes(str(tmp_path)) < 120_000


def test_control_messages_carry_descriptors():
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    with ours, theirs:
        control.send(ours, {"do": "spawn"}, (read, write))
        message, descriptors = control.receive(theirs)
        assert message == {"do": "spawn"}
        assert len(descriptors) == 2
        os.write(descriptors[1], b"hello")
        assert os.read(read, 10) == b"hello"
        for descriptor in (*descriptors, read, write):
            os.close(descriptor)
        ours.close()
        assert control.receive(theirs) is None


def test_folders_of_killed_zygotes_are_removed(tmp_path):
    mine = scratch.make([str(tmp_path / "nowhere"), str(tmp_path)])
    assert os.path.dirname(mine) == str(tmp_path)
    left = tmp_path / "discovery-scratch-left"
    (left / "deep" / "er").mkdir(parents=True)
    os.utime(left, (0, 0))
    os.utime(mine, (0, 0))
    fresh = tmp_path / "discovery-scratch-fresh"
    fresh.mkdir()
    other = scratch.make([str(tmp_path)])
    assert sorted(os.listdir(tmp_path)) == sorted(
        [os.path.basename(mine), os.path.basename(other), fresh.name]
    )
    with pytest.raises(OSError, match="no folder"):
        scratch.make([str(tmp_path / "nowhere")])


def test_a_killed_zygote_leaves_no_folder():
    opened = LinuxSandbox(Harness(SourceFiles("t", "t.py", {"t.py": RUN})), tier=1)
    session = opened.start(program("import os\ndef f(x, *rest): return os.getcwd()"), LIMITS)
    folder = session.run(None).output
    os.kill(opened.zygote_pid, 9)
    opened.close()
    assert not os.path.exists(folder)
