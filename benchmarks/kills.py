"""kill -9 of the whole tree at a random moment, many times over one run; then everything is counted.

    python -m benchmarks.kills [--kills 20] [--seed 1] [--problem circle_packing]

After each kill: nothing of the tree is left running; every program that the run had announced as recorded is in the
journal; `git fsck` is clean. After each resume: the first new evaluation is timed, git holds every record of the
journal in order, and the archive of every island (read from git, the tip of its branch) equals that of a replay of the
whole journal in a fresh state. At the end no program was evaluated twice and the indices have no gap.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from discovery.execution.runs import replayed_state
from discovery.storage.git import history
from discovery.storage.git.commits import CERTIFICATE
from discovery.storage.journal import read_entries
from discovery.storage.run_folder import RunFolder
from evaluators.contract import Program


def journal_ids(folder: RunFolder) -> list[str]:
    """Returns the ids of the recorded programs, in order."""
    if not folder.journal.exists():
        return []
    return [e["record"]["program_id"] for e in read_entries(folder.journal) if e["type"] == "evaluated"]


def start(folder: RunFolder, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Starts a session as a person would, in a process group of its own."""
    command = [sys.executable, "-m", "discovery", *arguments]
    return subprocess.Popen(command, stdout=log.open("ab"), stderr=subprocess.STDOUT, start_new_session=True)


def kill_tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kills a process and all below it at once, and returns what there was."""
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in tree:
        try:
            one.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.wait()
    return tree


def git_elites(folder: RunFolder, island: int) -> set[str]:
    """Returns the ids of an island's elites as git has them: made from the files in the cells of its tip."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder.lineage), *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    cells: dict[str, dict[str, str]] = {}
    for path in git("ls-tree", "-r", "--name-only", f"island/{island}", "cells/").splitlines():
        _, coarse, fine, name = path.split("/", 3)
        if name != CERTIFICATE:
            cells.setdefault(coarse + fine, {})[name] = git("show", f"island/{island}:{path}")
    return {Program(files).id for files in cells.values()}


def main() -> None:
    """Kills, resumes, counts, and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--problem", default="circle_packing")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    first_s, lost, left = [], 0, 0
    with tempfile.TemporaryDirectory() as place:
        folder, log = RunFolder(Path(place) / "run"), Path(place) / "log"
        arguments = [
            "run",
            options.problem,
            "--evals",
            "1000000",
            "--seed",
            str(options.seed),
            "--out",
            str(folder.path),
        ]
        before: list[str] = []
        for kill in range(options.kills + 1):
            begun = time.perf_counter()
            process = start(folder, arguments, log)
            size = folder.journal.stat().st_size if before else 0
            while (
                not folder.journal.exists() or folder.journal.stat().st_size < size + 1000
            ):  # more than "opened"
                assert process.poll() is None, log.read_text()
                time.sleep(0.01)
            first_s.append(time.perf_counter() - begun)
            time.sleep(float(rng.uniform(0.0, 4.0)))
            if kill == options.kills:
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 130, log.read_text()
                break
            announced = journal_ids(folder)
            tree = kill_tree(process)
            time.sleep(0.3)
            left += sum(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in tree)
            after = journal_ids(folder)
            lost += announced != after[: len(announced)] or before != after[: len(before)]
            fsck = subprocess.run(
                ["git", "-C", folder.lineage, "fsck", "--full"], capture_output=True, text=True, check=False
            )
            assert fsck.returncode == 0, fsck.stderr
            before = after
            arguments = ["resume", str(folder.path), "--evals", "1000000"]
        ids = journal_ids(folder)
        state = replayed_state(folder)
        in_git = [entry.program_id for entry in reversed([*history.log(folder.lineage, limit=10**9)])]
        same = all(
            {elite.program_id for elite in state.archipelago.elites(k)} == git_elites(folder, k)
            for k in range(len(state.archipelago))
        )
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, seed {options.seed}, {options.problem}, {len(ids)} programs"
    )
    print(
        "| kills | lost | doubled | left running | git = journal | archives = replay | first new evaluation s, median (max) |"
    )
    print("|---|---|---|---|---|---|---|")
    resumes = first_s[1:]
    print(
        f"| {options.kills} | {lost} | {len(ids) - len(set(ids))} | {left} | {in_git == ids} | {same} | "
        f"{statistics.median(resumes):.2f} ({max(resumes):.2f}) |"
    )
    assert lost == 0
    assert left == 0
    assert len(ids) == len(set(ids))
    assert in_git == ids
    assert same


if __name__ == "__main__":
    main()
