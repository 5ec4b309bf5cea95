"""The judge process: honest answers, true words for its own failures, and an end with its owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from evaluators import worker
from evaluators.contract import Program
from evaluators.judging.judge import JudgeError
from evaluators.problems.loading import ProblemError, load_problem
from evaluators.sandbox import SandboxError
from evaluators.worker import JudgeProcess
from tests.evaluators.arena import HONEST, PROBLEM, SECRET, STRICT

HONEST_PROGRAM = Program({"program.py": HONEST})


def write_problem(folder, **changes):
    text = PROBLEM.replace("LIMITS_HERE", STRICT)
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / "one_more.py"
    path.write_text(text)
    return load_problem(str(path))


@pytest.fixture
def judge_of(tmp_path):
    opened = []

    def make(**changes):
        judge = JudgeProcess(write_problem(tmp_path, **changes).source, SECRET, tier=1)
        opened.append(judge)
        return judge

    yield make
    for judge in opened:
        judge.close()


def descendants(pid):
    return psutil.Process(pid).children(recursive=True)


def gone(processes, timeout_s=10.0):
    return not psutil.wait_procs(processes, timeout=timeout_s)[1]


def test_a_program_is_judged_in_another_process(judge_of):
    judge = judge_of()
    evaluation = judge.evaluate(HONEST_PROGRAM)
    assert (evaluation.status, evaluation.score, evaluation.measures) == ("ok", 4.0, (float(len(HONEST)),))
    assert evaluation.layers == judge.layers
    assert judge.pid != os.getpid()


def test_neither_secret_nor_program_stands_in_a_command_line_or_environment(judge_of):
    judge = judge_of()
    judge.evaluate(HONEST_PROGRAM)
    for process in [psutil.Process(judge.pid), *descendants(judge.pid)]:
        shown = " ".join(process.cmdline()) + repr(process.environ())
        assert SECRET.hex() not in shown
        assert SECRET.decode() not in shown
        assert "one_more" not in shown
        assert set(process.environ()) <= {
            "LANG",
            "USER",
            "LOGNAME",
            "PATH",
            "TMPDIR",
            "HOME",
            "MALLOC_ARENA_MAX",
            "MALLOC_MMAP_THRESHOLD_",
            "MALLOC_TRIM_THRESHOLD_",
            "LD_BIND_NOW",
            *_NUMERIC,
            *_PYTHON,
        }


_NUMERIC = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"}
_PYTHON = {"PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE", "LC_CTYPE"}


def test_the_zygote_holds_neither_scorer_nor_secret_nor_case(judge_of):
    judge = judge_of()
    judge.evaluate(HONEST_PROGRAM)
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root")
    memory = b"".join(_memory_of(descendants(judge.pid)[0].pid))
    assert b"def run(program, inputs)" in memory
    for needle in (SECRET, SECRET.hex().encode(), b"HIDDEN-ANSWER", b"the output must be a finite number"):
        assert needle not in memory


def _memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            span, rights, *_ = line.split()
            first, last = (int(part, 16) for part in span.split("-"))
            if "rw" in rights and last - first < 1 << 28:
                memory.seek(first)
                try:
                    yield memory.read(last - first)
                except OSError:
                    continue


def test_closing_ends_everything(judge_of):
    judge = judge_of()
    processes = [psutil.Process(judge.pid), *descendants(judge.pid)]
    judge.close()
    judge.close()
    assert gone(processes)
    assert judge.pid is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_judge_is_replaced(judge_of, number):
    judge = judge_of()
    old = [psutil.Process(judge.pid), *descendants(judge.pid)]
    os.kill(judge.pid, number)
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0
    assert gone(old)


def test_a_judge_killed_while_a_program_runs_is_replaced(judge_of):
    judge = judge_of()
    pid = judge.pid
    timer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    timer.start()
    evaluation = judge.evaluate(
        Program({"program.py": "import time\ndef f(x):\n    time.sleep(1)\n    return 1\n"})
    )
    timer.join()
    assert (evaluation.status, evaluation.score) == ("ok", 1.0)
    assert judge.pid != pid


def test_a_killed_zygote_costs_no_evaluation(judge_of):
    judge = judge_of()
    judge.evaluate(HONEST_PROGRAM)
    os.kill(descendants(judge.pid)[0].pid, signal.SIGKILL)
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0


def test_a_scorer_that_dies_on_an_output_makes_it_invalid(judge_of):
    judge = judge_of(crash=("    return {", "    if output == 7: import os; os.abort()\n    return {"))
    evaluation = judge.evaluate(Program({"program.py": "def f(x): return 7"}))
    assert (evaluation.status, evaluation.reason) == ("invalid", "the judge died of SIGABRT on this program")
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0


def test_a_scorer_that_hangs_in_c_is_ended_from_outside(judge_of):
    hang = "    if output == 7:\n        import re; re.match('(a*)*b', 'a' * 60)\n    return {"
    judge = judge_of(hang=("    return {", hang))
    begun = time.monotonic()
    evaluation = judge.evaluate(Program({"program.py": "def f(x): return 7"}), timeout_s=1.0)
    assert (evaluation.status, evaluation.reason) == ("invalid", "the judge did not finish within 1 s")
    assert time.monotonic() - begun < 5
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0


def test_an_output_that_explodes_when_decoded_is_survived(judge_of):
    judge = judge_of(size=("output_mib=1", "output_mib=8"))
    source = """
import os, time
def f(x):
    data = b"j[" + b"[]," * 2_000_000 + b"0]"
    data = memoryview((len(data) + 1).to_bytes(4, "little") + b"O" + data)
    while data:
        data = data[os.write(4, data) :]
    time.sleep(9)
"""
    evaluation = judge.evaluate(Program({"program.py": source}))
    assert (evaluation.status, evaluation.reason) == (
        "invalid",
        "the output must be a finite number, got list",
    )
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0


def test_the_memory_of_the_judge_is_bounded(judge_of):
    judge = judge_of(huge=("    return {", "    if output == 7: bytearray(40 << 30)\n    return {"))
    evaluation = judge.evaluate(Program({"program.py": "def f(x): return 7"}))
    assert evaluation.status == "invalid"
    assert "MemoryError" in evaluation.reason
    assert judge.evaluate(HONEST_PROGRAM).score == 4.0


def test_a_broken_scorer_is_the_problems_fault(judge_of):
    judge = judge_of(broken=("float(output)}", "float(undefined)}"))
    for _ in range(2):
        with pytest.raises(
            JudgeError,
            match=r"score\(\) of the problem failed at one_more.py:\d+ on NameError: name 'undefined'",
        ):
            judge.evaluate(HONEST_PROGRAM)


def test_a_fault_of_the_judge_itself_is_no_verdict(tmp_path, monkeypatch):
    problem = write_problem(tmp_path)
    boot = "import evaluators.judging.judge as j; j.Judge._judge = lambda *a: 1 / 0; from evaluators.worker import main"
    monkeypatch.setattr(worker, "_BOOT", worker._BOOT.replace("from evaluators.worker import main", boot))
    judge = JudgeProcess(problem.source, SECRET, tier=1)
    with pytest.raises(SandboxError, match="the judge failed: ZeroDivisionError"):
        judge.evaluate(HONEST_PROGRAM)
    judge.close()


def test_a_changed_problem_is_noticed(tmp_path):
    problem = write_problem(tmp_path)
    (tmp_path / "one_more.py").write_text("x = 1\n")
    with pytest.raises(ProblemError):
        JudgeProcess(problem.source, SECRET, tier=1)


def test_cases_that_cannot_be_drawn_are_named(judge_of):
    with pytest.raises(
        JudgeError, match=r"cases\(\) of the problem failed at one_more.py:\d+ on ZeroDivisionError"
    ):
        judge_of(broken=("return [Case(", "1 / 0; return [Case("))


OWNER = """
import sys, time
from evaluators import worker
from evaluators.contract import Program
from evaluators.problems.loading import load_problem
from evaluators.sandbox import SandboxError
from evaluators.worker import JudgeProcess
judge = JudgeProcess(load_problem(sys.argv[1]).source, b"s", tier=1)
print(judge.pid, flush=True)
judge.evaluate(Program({"program.py": sys.argv[2]}))
"""


@pytest.mark.parametrize("where", ["running", "scoring"])
def test_everything_ends_with_its_owner(tmp_path, where):
    scoring = ("    return {", "    while output == 7: pass\n    return {")
    long = ("cpu_s=0.8, wall_s=1.8", "cpu_s=60, wall_s=60")
    write_problem(tmp_path, long=long, scoring=scoring)
    source = "def f(x): return 7" if where == "scoring" else "def f(x):\n    while True: pass"
    owner = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), str(tmp_path / "one_more.py"), source],
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        pid = int(owner.stdout.readline())
        deadline = time.monotonic() + 10
        while where == "running" and len(descendants(pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        processes = [psutil.Process(pid), *descendants(pid)]
        owner.kill()
        assert gone(processes)


def test_it_starts_fast(tmp_path):
    problem = write_problem(tmp_path)
    begun = time.process_time(), sum(os.times()[2:4])
    judge = JudgeProcess(problem.source, SECRET, tier=1)
    judge.evaluate(HONEST_PROGRAM)
    judge.close()
    assert time.process_time() - begun[0] + sum(os.times()[2:4]) - begun[1] < 2.0
