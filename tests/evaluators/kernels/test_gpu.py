"""The processes behind a GPU, with a library that stands in for CUDA's driver; and what Triton launches, where it is."""

import base64
import contextlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from evaluators.contract import Limits, Program, Status
from evaluators.judging.judge import JudgeError
from evaluators.kernels.bench import interpreter
from evaluators.kernels.bench.client import Bench, Recorded
from evaluators.kernels.bench.recorder import Memory
from evaluators.kernels.device import Device
from evaluators.kernels.gpu import launches
from evaluators.kernels.gpu.backend import GpuProcess, GpuStand, find
from evaluators.kernels.gpu.launches import LaunchError
from evaluators.kernels.roofline import Peaks
from evaluators.problems.loading import load_problem
from evaluators.sandbox.base import SandboxError
from tests.evaluators.kernels import triton_programs
from tests.evaluators.kernels.tasks import SOFTMAX_TRITON, quick_judge, write_problem
from tests.evaluators.kernels.test_triton import FAKE, PLAIN, needs_triton

HERE = Path(__file__).parent
PROGRAM = Program({"kernel.py": PLAIN}, "kernel.py")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Returns the paths of the driver and of the kernels, compiled."""
    folder = tmp_path_factory.mktemp("cuda")
    for name in ("fake_cuda", "fake_kernels"):
        command = [
            "gcc",
            "-O1",
            "-w",
            "-shared",
            "-fPIC",
            str(HERE / f"{name}.c"),
            "-o",
            str(folder / f"{name}.so"),
            "-lm",
        ]
        subprocess.run(command, check=True)
    return folder / "fake_cuda.so", folder / "fake_kernels.so"


def recipe(kernels, arguments, name):
    """Returns what a recorder would say: one launch of a kernel, a block for each row."""
    rows, cols = arguments[2]["value"], arguments[3]["value"]
    handed = [
        {"buffer": 0, "offset": arguments[0]["alignment"]},
        {"buffer": 1, "offset": arguments[1]["alignment"]},
    ]
    handed += [{"type": "i32", "value": cols}, {"scratch": 0, "offset": 0}]
    launch = {"kernel": 0, "grid": [rows, 1, 1], "threads": 128, "arguments": handed}
    return {
        "kernels": [{"name": name, "cubin": base64.b64encode(str(kernels).encode()).decode(), "shared": 0}],
        "launches": [launch] if rows else [],
        "scratches": [{"bytes": 64, "is_zero": True}],
    }


@pytest.fixture
def judged(libraries, tmp_path, monkeypatch):
    """Judges a program whose kernel on the GPU is the one of a name; the baseline's is `baseline`."""
    monkeypatch.syspath_prepend(str(FAKE))
    problem = write_problem(tmp_path, SOFTMAX_TRITON, "softmax")
    driver, kernels = libraries
    made = []

    def evaluate(name, baseline="honest", change=lambda made: made):
        def record(program, _function, arguments):
            return Recorded(change(recipe(kernels, arguments, name if program.text == PLAIN else baseline)))

        @contextlib.contextmanager
        def opened():
            stand = GpuStand(record, limits=Limits(wall_s=30.0), library=str(driver))
            yield stand
            stand.close()

        device = Device("Fake GPU", "fake-gpu", opened, lambda: Peaks(0.0, ()))
        made.append(quick_judge(problem, device=device))
        return made[-1].evaluate(PROGRAM)

    yield evaluate
    for judge in made:
        judge.close()


@needs_gcc
def test_a_kernel_is_checked_and_timed_through_the_driver(judged):
    evaluation = judged("honest", baseline="slow")
    assert evaluation.status is Status.OK, (evaluation.reason, evaluation.feedback)
    assert evaluation.metrics["speedup_high"] > 1.2
    assert evaluation.metrics["speedup_events"] > 1.2
    assert evaluation.certificate["device"] == "Fake GPU"


@needs_gcc
@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("wrong", Status.INVALID, "on the GPU: out is off by more than the tolerance"),
        ("beside", Status.INVALID, "on the GPU: it wrote beside its outputs"),
        ("spoiler", Status.INVALID, "on the GPU: a call wrote to an input"),
        ("astray", Status.CRASHED, "on the GPU: died of SIGSEGV in a call"),
        ("missing", Status.ERROR, "cuModuleGetFunction failed with CUDA error 500"),
    ],
)
def test_what_goes_wrong_on_the_gpu_is_the_program_s(judged, name, status, reason):
    evaluation = judged(name)
    assert evaluation.status is status, evaluation.reason
    assert reason in evaluation.reason
    assert evaluation.score is None


@needs_gcc
def test_scratch_memory_that_must_be_zero_is_zero_in_each_call(judged):
    evaluation = judged("scratch")
    assert evaluation.is_ok, evaluation.reason


@needs_gcc
def test_scratch_memory_of_no_promise_is_rubbish(judged):
    def unpromised(made):
        return {**made, "scratches": [{"bytes": 64, "is_zero": False}]}

    assert judged("trusting").is_ok
    assert judged("trusting", change=unpromised).status is Status.INVALID


@needs_gcc
def test_what_a_recorder_cannot_have_said_is_refused(judged):
    """Of the baseline, too, which comes first: it says how many calls make a sample."""
    with pytest.raises(JudgeError, match="scratch memory must be in"):
        judged("honest", change=lambda made: {**made, "scratches": [{"bytes": 1 << 50, "is_zero": False}]})


@needs_gcc
def test_a_gpu_is_found_and_named(libraries):
    gpu = find(Limits(), {}, library=str(libraries[0]))
    assert gpu.name == "Fake GPU (9.0)"
    assert gpu.peaks().least_s(0, 1e12) == pytest.approx(1e12 / 1.024e12)


def test_a_machine_without_a_driver_has_no_gpu(tmp_path):
    assert find(Limits(), {}, library=str(tmp_path / "none.so")) is None
    with pytest.raises(SandboxError, match="the GPU cannot be used"):
        GpuProcess(str(tmp_path / "none.so"))


def good():
    return recipe("/k.so", [{"alignment": 4}, {"alignment": 0}, {"value": 5}, {"value": 7}], "honest")


def test_a_record_is_read():
    found = launches.read(good(), buffer_bytes=[144, 140], memory_bytes=1000)
    assert found.kernels[0].cubin == b"/k.so"
    assert found.launches[0].grid == (5, 1, 1)
    assert [(one.kind, one.number, one.value) for one in found.launches[0].arguments] == [
        ("buffer", 0, 4),
        ("buffer", 1, 0),
        ("i32", 0, 7),
        ("scratch", 0, 0),
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("kernels",), None),
        (("kernels", 0, "name"), "a b"),
        (("kernels", 0, "cubin"), "!"),
        (("kernels", 0, "shared"), 1 << 30),
        (("kernels", 0, "shared"), True),
        (("launches", 0, "kernel"), 1),
        (("launches", 0, "grid"), [1, 1]),
        (("launches", 0, "grid"), [0, 1, 1]),
        (("launches", 0, "grid"), [1, 1 << 20, 1]),
        (("launches", 0, "threads"), 2048),
        (("launches", 0, "arguments", 0, "buffer"), 2),
        (("launches", 0, "arguments", 0, "offset"), 145),
        (("launches", 0, "arguments", 0, "offset"), -1),
        (("launches", 0, "arguments", 2, "type"), "*fp32"),
        (("launches", 0, "arguments", 2, "value"), 1 << 40),
        (("launches", 0, "arguments", 3, "scratch"), 1),
        (("scratches", 0, "bytes"), 1001),
        (("scratches",), [{"bytes": 600, "is_zero": False}] * 2),
        (("launches",), good()["launches"] * 257),
    ],
)
def test_a_record_that_is_damaged_or_greedy_is_refused(path, value):
    data = good()
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(LaunchError):
        launches.read(data, buffer_bytes=[144, 140], memory_bytes=1000)


@pytest.fixture(scope="module")
def bench():
    made = Bench("triton", limits=Limits(memory_mib=1024, wall_s=20.0))
    yield made
    made.close()


def arguments(rows, cols):
    buffer = {"shape": [rows, cols], "dtype": "float32"}
    return [{**buffer, "alignment": 0}, {**buffer, "alignment": 4}, {"value": rows}, {"value": cols}]


@needs_triton
def test_what_triton_launches_is_compiled_and_recorded_without_a_gpu(bench):
    problem = load_problem("softmax_triton")
    recorded = bench.record(problem.seed, "softmax", arguments(5, 64), arch=90)
    found = launches.read(recorded.launches, buffer_bytes=[1280, 1284], memory_bytes=0)
    assert [one.name for one in found.kernels] == ["softmax_rows"]
    assert found.kernels[0].cubin.startswith(b"\x7fELF")
    launch = found.launches[0]
    assert (launch.grid, launch.threads) == ((5, 1, 1), 32)
    assert [(one.kind, one.number, one.value) for one in launch.arguments] == [
        ("buffer", 0, 0),
        ("buffer", 1, 4),
        ("i32", 0, 64),
    ]


@needs_triton
def test_several_kernels_and_scratch_memory_are_recorded(bench):
    program = Program({"kernel.py": triton_programs.HONEST["two kernels and scratch memory"]}, "kernel.py")
    recorded = bench.record(program, "softmax", arguments(5, 64), arch=90)
    found = launches.read(recorded.launches, buffer_bytes=[1280, 1284], memory_bytes=1000)
    assert [one.name for one in found.kernels] == ["totals", "divide"]
    assert [one.grid for one in found.launches] == [(5, 1, 1), (5, 1, 1)]
    assert [(one.size, one.is_zero) for one in found.scratches] == [(20, False), (20, True)]


@needs_triton
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("    if rows > 0:", "    raise KeyError('no')\n    if rows > 0:"), "KeyError"),
        (("tl.max(row", "tl.maxi(row"), "maxi"),
        (("    if rows > 0:", "    open('/etc/passwd')\n    if rows > 0:"), "PermissionError"),
        (("    if rows > 0:", "    import socket; socket.socket()\n    if rows > 0:"), "PermissionError"),
    ],
)
def test_a_program_that_fails_to_be_recorded_says_why(bench, change, words):
    program = Program({"kernel.py": triton_programs.SEED.replace(*change)}, "kernel.py")
    recorded = bench.record(program, "softmax", arguments(5, 64), arch=90)
    assert recorded.launches is None
    assert words in recorded.log


def test_tensors_without_memory_say_of_themselves_what_those_in_memory_say():
    shape = (3, 0, 5)
    pair = (
        interpreter.Tensor(np.zeros(shape, "float32")),
        Memory([{"shape": shape, "dtype": "float32", "alignment": 4}]).values[0],
    )
    for one in pair:
        assert (one.shape, one.size(), one.size(2), one.dim(), one.numel()) == (shape, shape, 5, 3, 0)
        assert (one.element_size(), one.dtype, one.is_contiguous()) == (4, "float32", True)
        assert (one.stride(), one.stride(0), one.stride(-1)) == ((5, 5, 1), 5, 1)
        assert one.new_empty(7, dtype="int64").shape == (7,)
        assert one.new_zeros((2, 3)).element_size() == 4


def test_an_address_stands_for_a_buffer_or_for_scratch_memory():
    memory = Memory([{"shape": (2,), "dtype": "float32", "alignment": 4}, {"value": 3}])
    scratch = memory.values[0].new_zeros(4)
    assert memory.place(memory.values[0].data_ptr() + 8) == {"buffer": 0, "offset": 12}
    assert memory.place(scratch.data_ptr()) == {"scratch": 0, "offset": 0}
    assert memory.scratches == [{"bytes": 16, "is_zero": True}]
    with pytest.raises(ValueError, match="no tensor's"):
        memory.place(5)
