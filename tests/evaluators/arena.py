"""Where the hostile suite fights: a judge process on a small problem, and what must hold after every attack."""

from __future__ import annotations

import os
import textwrap
from dataclasses import dataclass
from pathlib import Path

import psutil

from evaluators.contract import Evaluation, Program
from evaluators.problems.loading import load_problem
from evaluators.sandbox import LinuxSandbox, SandboxError
from evaluators.worker import JudgeProcess

SECRET = b"the hidden cases derive from this"
HONEST = "def f(x):\n    return x + 1\n"
PROBLEM = '''"""Return one more than you are given."""
import math
from evaluators.contract import Case, Invalid, Limits, Measure, Objective

SEED = "def f(x):\\n    return x + 1\\n"
OBJECTIVE = Objective("value", "maximize", plausible=1000.0)
MEASURES = (Measure("code_bytes", 0, 1000, source="code"),)
LIMITS = Limits(LIMITS_HERE)


def cases(rng, stage):
    return [Case(inputs=3, answer="HIDDEN-ANSWER")]


def run(program, inputs):
    return program.f(inputs)


def score(case, output):
    if not isinstance(output, int | float) or not math.isfinite(output):
        raise Invalid(f"the output must be a finite number, got {type(output).__name__}")
    return {"value": float(output)}
'''
STRICT = "cpu_s=0.8, wall_s=1.8, memory_mib=256, output_mib=1, log_kib=64, scratch_mib=2"
ROOMY = "cpu_s=8.0, wall_s=15.0, memory_mib=256, output_mib=1, log_kib=64, scratch_mib=2"
FORKING = "cpu_s=4.0, wall_s=2.5, memory_mib=256, output_mib=1, log_kib=64, scratch_mib=2, processes=40, native=True"


@dataclass
class Arena:
    """A judge process, and files and processes that no program may touch."""

    judge: JudgeProcess
    folder: Path
    tier: int

    def attack(self, source: str, files: dict[str, str] | None = None) -> Evaluation:
        """Evaluates an attack and checks that nothing is left of it; @NAMES@ are filled in."""
        names = {
            "@PARENT@": str(os.getpid()),
            "@JUDGE@": str(self.judge.pid),
            "@ZYGOTE@": str(self.zygote_pid()),
            "@FOLDER@": str(self.folder),
        }
        text = textwrap.dedent(source)
        for name, value in names.items():
            text = text.replace(name, value)
        before = self.snapshot()
        evaluation = self.judge.evaluate(Program({"program.py": text, **(files or {})}))
        assert self.snapshot() == before
        assert self.survivors() == []
        self.check_honest()
        assert self.survivors() == []
        return evaluation

    def check_honest(self) -> None:
        honest = self.judge.evaluate(Program({"program.py": HONEST}))
        assert (honest.status, honest.score, honest.reason) == ("ok", 4.0, "")

    def zygote_pid(self) -> int:
        return psutil.Process(self.judge.pid).children()[0].pid

    def survivors(self) -> list[psutil.Process]:
        """Returns the processes below the judge, or of its slot's user, that should not be there."""
        below = psutil.Process(self.judge.pid).children(recursive=True)
        uid = int(
            self.judge.evaluate(
                Program({"program.py": "import os\ndef f(x): return os.getuid() / 1e9"})
            ).score
            * 1e9
            + 0.5
        )
        of_user = [] if uid == os.getuid() else [p for p in psutil.process_iter() if _uid(p) == uid]
        zygotes = 1 if os.geteuid() == 0 or self.tier == 1 else 2
        return [p for p in [*below[zygotes:], *of_user] if _is_alive(p)]

    def snapshot(self) -> dict[str, object]:
        """Returns the state of everything that a program could be after."""
        return {
            "files": {
                str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()
            },
            "modes": {str(path): path.stat().st_mode for path in sorted(self.folder.rglob("*"))},
            "marks": sorted(str(path) for path in MARKS if os.path.exists(path)),
            "judge": self.judge.pid,
            "alive": psutil.pid_exists(os.getpid()),
        }


MARKS = [
    Path(folder, "discovery-hostile-mark")
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/root", "/", "/etc")
]


def _uid(process: psutil.Process) -> int:
    try:
        return process.uids().real
    except psutil.Error:
        return -1


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def open_arena(folder: Path, tier: int, limits: str = STRICT) -> Arena:
    """Returns an arena; its folder holds a secret (0600), an open file (0644) and one that all may write."""
    home = folder / "home"
    home.mkdir()
    for name, mode in (("secret", 0o600), ("open", 0o644), ("writable", 0o666)):
        (home / name).write_text(f"{name}: TOP-SECRET\n")
        (home / name).chmod(mode)
    (folder / "one_more.py").write_text(PROBLEM.replace("LIMITS_HERE", limits))
    problem = load_problem(str(folder / "one_more.py"))
    return Arena(JudgeProcess(problem.source, SECRET, tier=tier), folder, tier)


def tiers() -> list[int]:
    """Returns the tiers that this machine has."""
    from evaluators.sandbox.linux import Harness
    from evaluators.source.files import SourceFiles

    harness = Harness(SourceFiles("t", "t.py", {"t.py": "def run(program, inputs):\n    return 0\n"}))
    found = [1]
    try:
        LinuxSandbox(harness, tier=2).close()
        found.append(2)
    except SandboxError:
        pass
    return found


TIERS = tiers()
