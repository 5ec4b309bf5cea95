"""The kernel problems: seeds, baselines and recorded replies are right, shortcuts are not. Nothing is timed here."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from discovery.operators.chat import read_child
from evaluators.checking.kernels import check_filters, check_inputs, check_kernel
from evaluators.contract import Case, Evaluation, Invalid, Limits, Program, Status
from evaluators.kernel_task import KernelTask
from evaluators.kernels import correctness
from evaluators.kernels.backends.c import CBackend
from evaluators.kernels.backends.python import PythonBackend
from evaluators.kernels.bench.client import Bench
from evaluators.kernels.runner import KernelFailedError
from evaluators.kernels.tolerance import expect, find_fault
from evaluators.problems.loading import Problem, load_problem, shipped_names
from problems.kernels import tiling_heuristic
from problems.kernels.inputs import FLOATS, floats, is_close

NAMES = (
    "attention",
    "convolution_3x3",
    "csr_spmv",
    "histogram",
    "integer_sort",
    "jacobi_stencil",
    "kmeans_assignment",
    "layer_norm",
    "prefix_sum",
    "sgemm",
    "softmax",
    "substring_count",
)
ON_GPU = ("softmax_triton",)
REPLIES = Path(__file__).parent.parent.parent / "benchmarks" / "kernels" / "replies"

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

Judge = Callable[[KernelTask, Program], Evaluation]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Builds and checks a program as the judge of kernels does, and leaves out the timing."""
    with closing(Bench("c", limits=Limits())) as c, closing(Bench("python", limits=Limits())) as python:

        def judged(task: KernelTask, program: Program) -> Evaluation:
            is_c = program.entry.endswith(".c")
            bench, backend = (c, CBackend()) if is_c else (python, PythonBackend())
            try:
                backend.build(bench, program, task)
                correctness.check(bench, program, task, np.random.default_rng(5), correctness.Trials())
            except KernelFailedError as error:
                return Evaluation(error.status, reason=error.reason, feedback=error.feedback)
            return Evaluation(Status.OK, score=1.0)

        yield judged


def load(name: str) -> tuple[Problem, KernelTask]:
    problem = load_problem(name)
    assert problem.kernel is not None
    return problem, problem.kernel


def test_the_kernel_problems_are_shipped():
    kernels = [name for name in shipped_names() if load_problem(name).kernel is not None]
    assert sorted(kernels) == sorted((*NAMES, *ON_GPU))
    assert "tiling_heuristic" in shipped_names()


@pytest.mark.parametrize("name", ON_GPU)
def test_kernels_for_a_gpu_are_worth_a_search(name: str):
    """Programs that compute nothing are wrong, and all inputs matter; programs are tried where Triton is (test_triton.py)."""
    _, task = load(name)
    rng = np.random.default_rng(0)
    assert [*check_inputs(task, rng), *check_filters(task, rng)] == []


@pytest.mark.parametrize("seed", range(10))
def test_sgemm_may_sum_even_and_odd_terms_apart(seed: int):
    """So does OpenBLAS on some processors; where all terms alternate, its error is far from that of the plain order."""
    _, task = load("sgemm")
    rng = np.random.default_rng(seed)
    dims = {"m": 40, "n": 32, "k": 48}
    values = task.make_inputs(rng, dims, "alternating")
    a, b = values["a"], values["b"]
    apart = a[:, ::2] @ b[::2] + a[:, 1::2] @ b[1::2]
    assert find_fault(task, expect(task, values, dims), {"c": apart}) is None


@pytest.mark.parametrize("name", NAMES)
def test_check_finds_nothing(name: str, judge: Judge):
    """Seed and baseline are right on all shapes; programs that compute nothing are not; all inputs matter."""
    problem, task = load(name)
    assert check_kernel(problem, task, lambda program: judge(task, program)) == []


SHORTCUTS = {
    "attention": [("return sum / sqrt(width);", "return sum;")],
    "convolution_3x3": [
        ("if (row >= 0 && row < height && col >= 0 && col < width)", "if (row >= 0 && row < height)")
    ],
    "csr_spmv": [("y[low] += values[e] * x[columns[e]];", "y[low] = values[e] * x[columns[e]];")],
    "histogram": [("counts[x[i]]++;", "counts[x[i]] = (uint8_t)(counts[x[i]] + 1);")],
    "integer_sort": [("y[left] <= y[right]", "(int32_t)y[left] <= (int32_t)y[right]")],
    "jacobi_stencil": [
        ("after[i * cols + j] = (before", "before[i * cols + j] = after[i * cols + j] = (before")
    ],
    "kmeans_assignment": [
        ("distance(x + i * d, centres + c * d, d) <", "distance(x + i * d, centres + c * d, d) <=")
    ],
    "layer_norm": [
        ("pow(x[i * cols + j] - mean[i], 2.0)", "(pow(x[i * cols + j], 2.0) - (float)(mean[i] * mean[i]))")
    ],
    "prefix_sum": [("y[i] = sum;", "y[i] = (float)(_Float16)sum;")],
    "sgemm": [("c[i * n + j] = 0.0f;", "")],
    "softmax": [("largest = fmax(largest, x[i * cols + j]);", "largest = 0.0;")],
    "substring_count": [("i += m;", "i++;")],
}


@pytest.mark.parametrize("name", NAMES)
def test_shortcuts_are_found_out(name: str, judge: Judge):
    problem, task = load(name)
    for old, new in SHORTCUTS[name]:
        assert old in problem.seed.text
        evaluation = judge(task, problem.seed.with_text(problem.seed.text.replace(old, new)))
        assert evaluation.status in (Status.INVALID, Status.CRASHED), evaluation


@pytest.mark.parametrize(
    "path", sorted(REPLIES.glob("*/*.md")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_recorded_replies_are_right(path: Path, judge: Judge):
    problem, task = load(path.parent.name)
    child = read_child("rewrite", problem.seed, path.read_text(encoding="utf-8"))
    assert judge(task, child) == Evaluation(Status.OK, score=1.0)


class TestReferences:
    """Against numbers worked out by hand."""

    def outputs(self, name: str, **values: object) -> dict[str, np.ndarray]:
        task = load(name)[1]
        return {key: np.asarray(value) for key, value in task.reference(**values).items()}

    def test_softmax(self):
        found = self.outputs("softmax", x=np.log(np.float32([[1, 2, 5]])) + 10_000, rows=1, cols=3)["y"]
        assert found == pytest.approx(np.array([[1, 2, 5]]) / 8, rel=1e-3)

    def test_layer_norm(self):
        x, gain, bias = np.float32([[1, 3]]), np.float32([1, 2]), np.float32([0, 10])
        found = self.outputs("layer_norm", x=x, gain=gain, bias=bias, rows=1, cols=2)["y"]
        assert found == pytest.approx(np.array([[-1, 12]]), rel=1e-4)

    def test_jacobi(self):
        u = np.zeros((3, 4), np.float32)
        u[0, 1], u[1, 0], u[1, 2] = 4, 8, 16
        found = self.outputs("jacobi_stencil", u=u, rows=3, cols=4, steps=2)["v"]
        assert found.tolist() == [[0, 4, 0, 0], [8, 3, 7 / 4, 0], [0, 0, 0, 0]]

    def test_convolution(self):
        x = np.float32([[[1, 2], [3, 4]]])
        weights = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
        found = self.outputs("convolution_3x3", x=x, weights=weights, ins=1, outs=1, height=2, width=2)["y"]
        assert found.tolist() == [[[4 + 10 + 21 + 32, 3 + 8 + 18 + 28], [1 + 4 + 12 + 20, 0 + 2 + 9 + 16]]]

    def test_spmv(self):
        found = self.outputs(
            "csr_spmv",
            values=np.float32([2, 3, 4]),
            columns=np.int32([0, 2, 1]),
            offsets=np.int32([0, 2, 2, 3]),
            x=np.float32([1, 10, 100]),
            rows=3,
            cols=3,
            nnz=3,
        )["y"]
        assert found.tolist() == [302, 0, 40]

    def test_attention(self):
        q, k = np.float32([[np.log(3)]]), np.float32([[0], [1]])
        v = np.float32([[4], [8]])
        found = self.outputs("attention", q=q, k=k, v=v, queries=1, keys=2, width=1)["out"]
        assert found == pytest.approx(np.array([[0.25 * 4 + 0.75 * 8]]), rel=1e-6)

    def test_assignment_goes_to_the_first_of_equals(self):
        x, centres = np.float32([[0, 0], [5, 5]]), np.float32([[1, 0], [0, 1], [5, 4], [4, 5]])
        assert self.outputs("kmeans_assignment", x=x, centres=centres, n=2, k=4, d=2)["labels"].tolist() == [
            0,
            2,
        ]

    def test_substrings_do_not_overlap(self):
        text, pattern = np.frombuffer(b"aaaaabaa", np.uint8), np.frombuffer(b"aa", np.uint8)
        assert self.outputs("substring_count", text=text, pattern=pattern, n=8, m=2)["count"].tolist() == [3]


class TestInputs:
    @pytest.mark.parametrize("kind", FLOATS)
    def test_floats_are_finite_of_the_shape_and_repeatable(self, kind: str):
        for shape in ((), (0,), (3, 0), (4, 5)):
            one, other = (floats(np.random.default_rng(1), shape or (1,), kind) for _ in range(2))
            assert one.dtype == np.float32
            assert one.shape == (shape or (1,))
            assert one.flags.c_contiguous
            assert np.isfinite(one).all()
            assert np.array_equal(one, other)

    def test_alternating_numbers_cancel(self):
        values = floats(np.random.default_rng(1), (1000,), "alternating").astype(np.float64)
        assert abs(values.sum()) < 1e-3 * np.abs(values).sum()

    def test_closeness_is_relative_to_the_largest(self):
        assert is_close(np.array([1000.0, 1.0]), np.array([1000.0, 1.05]))
        assert not is_close(np.array([1.0]), np.array([1.001]))
        assert not is_close(np.array([1.0]), np.array([np.nan]))


class TestTilingHeuristic:
    def test_the_score_by_hand(self):
        rows = tiling_heuristic._rows()
        best = [tiling_heuristic.TILINGS[int(np.argmin(row[3:]))] for row in rows[:2]]
        case = Case([row[:3] for row in rows[:2]], [row[3:] for row in rows[:2]])
        assert tiling_heuristic.score(case, [list(one) for one in best])["share_of_best"] == 1.0
        share = min(rows[1][3:]) / rows[1][3:][0]
        found = tiling_heuristic.score(case, [list(best[0]), [3.0, 1, 9]])  # nearest: 4, 16, 8, the first
        assert found["share_of_best"] == pytest.approx((1 + share) / 2)
        assert found["worst_share"] == pytest.approx(share)

    @pytest.mark.parametrize(
        "sizes", [None, [4, 16], [4, 16, 0], [4, 16, float("nan")], [4, 16, True], "abc"]
    )
    def test_what_is_no_tiling_is_invalid(self, sizes: object):
        rows = tiling_heuristic._rows()[:1]
        with pytest.raises(Invalid):
            tiling_heuristic.score(Case([rows[0][:3]], [rows[0][3:]]), [sizes])

    def test_held_out_shapes_are_never_shown(self):
        shown = {
            tuple(shape)
            for i in range(5)
            for shape in tiling_heuristic.cases(np.random.default_rng(i), 0)[0].inputs
        }
        hidden = {
            tuple(shape)
            for i in range(5)
            for shape in tiling_heuristic.held_out(np.random.default_rng(i))[0].inputs
        }
        assert not shown & hidden
        assert len(shown) > 48
        assert len(hidden) > 24

    def test_no_single_tiling_is_good_everywhere(self):
        times = np.array([row[3:] for row in tiling_heuristic._rows()], float)
        shares = times.min(axis=1, keepdims=True) / times
        assert times.shape == (96, 48)
        assert shares.mean(axis=0).max() < 0.8
