"""CPU per record of the lineage, this process and git: python -m benchmarks.lineage [--records N ...]."""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from discovery.core.records import Change, Record
from discovery.storage.git.lineage import Lineage
from evaluators.contract import Evaluation, Objective, Program, Status

CELLS, ISLANDS = 256, 4


def records(count: int, seed: int = 0) -> Iterator[Record]:
    """Yields a run of 3 KB programs with certificates: elites breed, one in five children crosses two."""
    rng = np.random.default_rng(seed)
    texts: dict[str, list[str]] = {}
    archives: list[dict[int, str]] = [{} for _ in range(ISLANDS)]
    base = [f"def step_{n}(x, y):\n    return x * {rng.random():.4f} + y - {n}\n" for n in range(60)]
    for index in range(count):
        island, archive = index % ISLANDS, archives[index % ISLANDS]
        elites = list(archive.values())
        parents = (
            tuple({elites[int(rng.integers(len(elites)))] for _ in range(1 + (index % 5 == 0))})
            if elites
            else ()
        )
        lines = list(texts[parents[0]] if parents else base)
        lines[int(rng.integers(60))] = f"def changed(x, y):\n    return x * {rng.random():.6f} + {index}\n"
        program = Program({"program.py": "\n".join(lines)})
        score, cell = float(rng.random()), int(rng.integers(CELLS))
        changes: tuple[Change, ...] = ()
        if cell not in archive or rng.random() < 0.15:
            changes = (Change(island, cell, program.id, archive.get(cell)),)
            archive[cell], texts[program.id] = program.id, lines
        evaluation = Evaluation(
            Status.OK, score, {"score": score}, tuple(rng.random(2).tolist()),
            layers=("landlock", "rlimits", "seccomp"), certificate=rng.random((26, 2)).round(12).tolist(),
        )  # fmt: skip
        yield Record(
            index,
            program,
            program.id,
            parents,
            evaluation,
            "tune",
            island,
            cell,
            index,
            at_s=1.7e9 + index,
            changes=changes,
        )


def measure(count: int) -> dict[str, float]:
    """Returns the cost of writing so many records, from an empty repository to a tidy one."""
    run = list(records(count))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lineage"
        lineage = Lineage(path, Objective())
        lineage.recorded()
        start_s, own_s, git_s = time.perf_counter(), *_cpu()
        for record in run:
            lineage.append(record)
        lineage.close()
        own_end_s, git_end_s = _cpu()
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return {
            "records": count,
            "records_per_s": round(count / (time.perf_counter() - start_s)),
            "own_cpu_ms": round((own_end_s - own_s) / count * 1e3, 3),
            "git_cpu_ms": round((git_end_s - git_s) / count * 1e3, 3),
            "bytes": round(size / count),
        }


def _cpu() -> tuple[float, float]:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return usage[0].ru_utime + usage[0].ru_stime, usage[1].ru_utime + usage[1].ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[100, 1000, 10_000])
    for count in parser.parse_args().records:
        print(json.dumps(measure(count)))


if __name__ == "__main__":
    main()
