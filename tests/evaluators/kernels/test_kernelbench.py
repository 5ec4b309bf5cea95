from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from evaluators.kernels import kernelbench
from evaluators.kernels.kernelbench import KernelBenchError

TASK = """import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)
        self.norm = nn.BatchNorm1d(out)

    def forward(self, x, scale):
        return torch.softmax(self.norm(self.linear(x)) * scale, dim=1), x.sum()


def get_inputs():
    return [torch.randn(32, 24), 2.0]


def get_init_inputs():
    return [24, 20]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "level1").mkdir()
    (tmp_path / "level1" / "2_Other.py").write_text(TASK)
    (tmp_path / "level1" / "1_Linear.py").write_text(TASK)
    (tmp_path / "level1" / "broken.py").write_text("class Model(\n")
    (tmp_path / "level1" / "helper.py").write_text(TASK.replace("def get_inputs", "def inputs"))
    return tmp_path


def test_tasks_are_found_without_importing_them(folder: Path):
    assert [path.name for path in kernelbench.find_tasks(folder)] == ["1_Linear.py", "2_Other.py"]


def test_a_file_that_is_no_task_is_named_with_what_it_lacks(folder: Path):
    with pytest.raises(
        KernelBenchError,
        match="helper.py must define Model, get_inputs, get_init_inputs, it lacks get_inputs",
    ):
        kernelbench.read(folder / "level1" / "helper.py")


def test_a_folder_without_tasks_is_refused(tmp_path: Path):
    with pytest.raises(KernelBenchError, match="has none"):
        kernelbench.write_problems(tmp_path, tmp_path / "out")


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="PyTorch is installed")
def test_without_pytorch_the_error_says_what_to_install(folder: Path):
    with pytest.raises(KernelBenchError, match="pip install torch"):
        kernelbench.read(folder / "level1" / "1_Linear.py")


class TestWithPyTorch:
    @pytest.fixture(autouse=True)
    def torch(self) -> None:
        pytest.importorskip("torch", reason="PyTorch is not installed")

    def test_inputs_state_and_outputs_become_arguments(self, folder: Path):
        task = kernelbench.read(folder / "level1" / "1_Linear.py").kernel
        assert [(one.name, getattr(one, "shape", None)) for one in task.arguments[:4]] == [
            ("x0", (32, 24)),
            ("x1", None),
            ("p_linear_weight", (20, 24)),
            ("p_linear_bias", (20,)),
        ]
        assert [(one.name, one.shape) for one in task.outputs] == [("out0", (32, 20)), ("out1", (1,))]

    def test_the_seed_computes_what_the_reference_does(self, folder: Path):
        found = kernelbench.read(folder / "level1" / "1_Linear.py")
        task, rng = found.kernel, np.random.default_rng(1)
        names: dict[str, object] = {}
        exec(found.seed["kernel.py"], names)
        for distribution in task.distributions:
            values = task.make_inputs(rng, {}, distribution)
            exact, single = task.reference(**values), task.reference_single(**values)
            outputs = {one.name: np.empty(one.sizes({}), one.dtype) for one in task.outputs}
            names["forward"](
                *(values[one.name] for one in task.arguments if one.name in values), *outputs.values()
            )
            for name, output in outputs.items():
                assert exact[name].dtype == np.float64
                error = np.abs(single[name] - exact[name]).max()
                assert 0 < error < 1e-4
                assert np.abs(output - exact[name]).max() <= 8 * error + 1e-6

    def test_inputs_and_parameters_are_drawn_anew(self, folder: Path):
        task = kernelbench.read(folder / "level1" / "1_Linear.py").kernel
        one, other = (task.make_inputs(np.random.default_rng(seed), {}, "given") for seed in (1, 2))
        again = task.make_inputs(np.random.default_rng(1), {}, "given")
        for name in ("x0", "p_linear_weight"):
            assert not np.array_equal(one[name], other[name])
            assert np.array_equal(one[name], again[name])

    def test_a_model_that_draws_is_refused(self, folder: Path):
        path = folder / "level1" / "1_Linear.py"
        path.write_text(TASK.replace("nn.BatchNorm1d(out)", "nn.Dropout(0.5)"))
        with pytest.raises(KernelBenchError, match="differ from call to call"):
            kernelbench.read(path)

    def test_problem_modules_are_written(self, folder: Path, tmp_path: Path):
        from evaluators.problems.loading import load_problem

        written = kernelbench.write_problems(folder, tmp_path / "out")
        assert [path.name for path in written] == ["kernelbench_1_linear.py", "kernelbench_2_other.py"]
        problem = load_problem(str(written[0]))
        assert problem.kernel is not None
        assert "forward(x0, x1, p_linear_weight" in problem.goal
