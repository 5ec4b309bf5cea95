"""Measures the table behind the problem `tiling_heuristic`: the time of one C matrix product per shape and tiling.

    python -m benchmarks.kernels.tiling_table [--seed 1] [--rounds 5] > problems/kernels/tiling_times.py

The C code is problems/kernels/tiling_heuristic.py's MATMUL. Each time is the least CPU time of `--rounds` rounds that
pass over all shapes and tilings, in an order drawn anew for each; one thread.
"""

from __future__ import annotations

import argparse
import ctypes
import platform
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np

from problems.kernels.tiling_heuristic import DEPTHS, HEIGHTS, MATMUL, WIDTHS

SHAPES = 96
FLAGS = ("-O3", "-march=native", "-ffast-math")
LEAST_S = 0.0004


def compiled() -> Callable[..., None]:
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "matmul.c"), Path(folder, "matmul.so")
        source.write_text(MATMUL)
        subprocess.run(["gcc", *FLAGS, "-shared", "-fPIC", "-o", library, source], check=True)
        return ctypes.CDLL(str(library)).matmul  # type: ignore[no-any-return]


def shapes(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Sizes of every order of magnitude: square, flat, deep and thin ones, a third of them powers of two."""
    found: list[tuple[int, int, int]] = []
    while len(found) < SHAPES:
        sizes = 2.0 ** rng.uniform(2, 9.6, 3)
        if rng.random() < 1 / 3:
            sizes = 2.0 ** np.round(np.log2(sizes))
        m, n, k = (int(size) for size in sizes)
        if 2000 <= m * n * k <= 3e7 and (m, n, k) not in found:
            found.append((m, n, k))
    return found


def measure(matmul: Callable[..., None], shape: tuple[int, int, int], tile: tuple[int, int, int]) -> float:
    """Returns the CPU seconds of one product."""
    m, n, k = shape
    arrays = [np.ones(size, dtype=np.float32) for size in (m * k, k * n, m * n)]
    arguments = [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]
    arguments += [ctypes.c_long(size) for size in (*shape, *tile)]
    repeats, spent = 1, 0.0
    while True:
        start = time.process_time()
        for _ in range(repeats):
            matmul(*arguments)
        spent = time.process_time() - start
        if spent >= LEAST_S:
            return spent / repeats
        repeats *= 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    matmul, rows, tiles = compiled(), shapes(rng), list(product(HEIGHTS, WIDTHS, DEPTHS))
    best = np.full((len(rows), len(tiles)), np.inf)
    for number in range(options.rounds):
        for place in rng.permutation(best.size):
            row, column = divmod(int(place), len(tiles))
            best[row, column] = min(best[row, column], measure(matmul, rows[row], tiles[column]))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    cpu = next(
        (
            line.split(": ")[1]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "",
    )
    gcc = subprocess.run(
        ["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print('"""How long the matrix product of tiling_heuristic.py took, in units of 10 ns.')
    print()
    print(
        f"Made by `python -m benchmarks.kernels.tiling_table --seed {options.seed} --rounds {options.rounds}`"
    )
    print(f"on {cpu or platform.processor()}, gcc {gcc} {' '.join(FLAGS)}, one thread.")
    print('"""')
    print()
    print("# m n k: one number per tiling, ordered by height, then width, then depth")
    print('TIMES = """')
    for shape, times in zip(rows, best, strict=True):
        row = f"{' '.join(map(str, shape))}: {' '.join(str(round(seconds * 1e8)) for seconds in times)};"
        print(textwrap.fill(row, 100, subsequent_indent="    "))
    print('"""')


if __name__ == "__main__":
    main()
