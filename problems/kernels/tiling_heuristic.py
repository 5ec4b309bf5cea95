"""Write `choose(m, n, k)`, which picks the tile sizes of a matrix product for each shape that comes along.

A fixed C program multiplies an m x k by a k x n matrix of floats, tile by tile; its tiles are `height` rows of the
result, `width` columns and `depth` summands, and those at the edges are filled up with zeros. `choose` is given m, n, k
(whole numbers from 4 to 776) and returns [height, width, depth], numbers >= 1, each of which is brought to the nearest
size that there is: heights 4, 16, 64, 256; widths 16, 64, 256; depths 8, 32, 128, 512. The score is the mean over the
shapes of (time of the best tiling) / (time of the chosen one), from a table of measured times; 1 is perfect. Shapes of
the final exam are others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evaluators.contract import Case, Invalid, Limits, Measure, Objective
from problems.kernels.tiling_times import TIMES

SEED = '''# EVOLVE-BLOCK-START
def choose(m, n, k):
    """Returns [height, width, depth] of the tiles for an m x k times k x n product."""
    height = 16
    width = 64
    depth = 32
    if m < 16:
        height = 4
    return [height, width, depth]
# EVOLVE-BLOCK-END
'''
OBJECTIVE = Objective("share_of_best", "maximize", bound=1.0)
MEASURES = (Measure("ast_nodes", 0, 400, source="code"), Measure("tilings_used", 0, 16))
LIMITS = Limits(cpu_s=2, wall_s=6)

HEIGHTS, WIDTHS, DEPTHS = (4, 16, 64, 256), (16, 64, 256), (8, 32, 128, 512)
TILINGS = [(height, width, depth) for height in HEIGHTS for width in WIDTHS for depth in DEPTHS]

MATMUL = """#include <string.h>

static long least(long a, long b) { return a < b ? a : b; }

/* c = a b by tiles of one size: what sticks out at the edges is filled with zeros, and computed like the rest. */
void matmul(const float *a, const float *b, float *c, long m, long n, long k, long height, long width, long depth) {
    static float left[256 * 512], right[512 * 256], sums[256 * 256];
    for (long i0 = 0; i0 < m; i0 += height)
        for (long j0 = 0; j0 < n; j0 += width) {
            long rows = least(height, m - i0), columns = least(width, n - j0);
            memset(sums, 0, height * width * sizeof(float));
            for (long p0 = 0; p0 < k; p0 += depth) {
                long terms = least(depth, k - p0);
                memset(left, 0, height * depth * sizeof(float));
                for (long i = 0; i < rows; i++)
                    memcpy(left + i * depth, a + (i0 + i) * k + p0, terms * sizeof(float));
                memset(right, 0, depth * width * sizeof(float));
                for (long p = 0; p < terms; p++)
                    memcpy(right + p * width, b + (p0 + p) * n + j0, columns * sizeof(float));
                for (long i = 0; i < height; i += 4) {
                    float *s0 = sums + i * width, *s1 = s0 + width, *s2 = s1 + width, *s3 = s2 + width;
                    for (long p = 0; p < depth; p++) {
                        const float *row = right + p * width, *column = left + i * depth + p;
                        float a0 = column[0], a1 = column[depth], a2 = column[2 * depth], a3 = column[3 * depth];
#pragma GCC ivdep
                        for (long j = 0; j < width; j++) {
                            s0[j] += a0 * row[j];
                            s1[j] += a1 * row[j];
                            s2[j] += a2 * row[j];
                            s3[j] += a3 * row[j];
                        }
                    }
                }
            }
            for (long i = 0; i < rows; i++)
                memcpy(c + (i0 + i) * n + j0, sums + i * width, columns * sizeof(float));
        }
}
"""


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns 48 of the 64 shapes that may be shown; how long each tiling takes on them stays here."""
    return [_case(_rows()[:64], rng.choice(64, 48, replace=False))]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns 24 of the 32 shapes on which nothing is selected."""
    return [_case(_rows()[64:], rng.choice(32, 24, replace=False))]


def _rows() -> list[list[int]]:
    return [[int(word) for word in row.replace(":", "").split()] for row in TIMES.split(";") if row.strip()]


def _case(rows: list[list[int]], chosen: Any) -> Case:
    picked = [rows[int(i)] for i in chosen]
    return Case(inputs=[row[:3] for row in picked], answer=[row[3:] for row in picked])


def run(program: Any, inputs: Any) -> Any:
    """Returns the tiling of every shape."""
    return [program.choose(*shape) for shape in inputs]


def score(case: Case, output: Any) -> dict[str, float]:
    """Returns the mean share of the best tiling's speed, and how many different tilings were used."""
    if not isinstance(output, list) or len(output) != len(case.answer):
        raise Invalid("choose(m, n, k) must return [height, width, depth] for every shape")
    tilings = [_tiling(one) for one in output]
    shares = [
        min(times) / times[TILINGS.index(tiling)] for tiling, times in zip(tilings, case.answer, strict=True)
    ]
    return {
        "share_of_best": float(np.mean(shares)),
        "tilings_used": len(set(tilings)),
        "worst_share": min(shares),
    }


def _tiling(sizes: Any) -> tuple[int, int, int]:
    if not isinstance(sizes, list) or len(sizes) != 3 or not all(_is_size(size) for size in sizes):
        raise Invalid(f"choose() must return three finite numbers >= 1 in a list, got {sizes!r:.80}")
    height, width, depth = (
        min(menu, key=lambda there: abs(float(np.log(there / size))))
        for menu, size in zip((HEIGHTS, WIDTHS, DEPTHS), sizes, strict=True)
    )
    return height, width, depth


def _is_size(size: Any) -> bool:
    return isinstance(size, (int, float)) and not isinstance(size, bool) and 1 <= size <= 1e9
