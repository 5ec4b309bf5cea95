"""KernelBench-style tasks, judged by the judge of kernels: a file with `Model`, `get_inputs` and `get_init_inputs`.

`write_problems(folder, out)` writes a problem module for each task file of a folder; `discovery run` takes those. What
such a task becomes:

- The tensors of `get_inputs()` and the model's parameters and buffers are the inputs of the kernel, in that order, and
  what `forward` returns are its outputs. All are drawn anew for each call, parameters included.
- The model in float64 is the exact reference; its error in float32 is the unit of the tolerance.
- The model as it is, in PyTorch on the CPU with one thread, is the baseline and the seed.

KernelBench fixes the shapes, so there are no hidden ones: a program may special-case its one shape. Models run in the
mode in which they are constructed, as there. PyTorch is needed to read tasks and to run them; it is imported here only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.contract import ContractError
from evaluators.kernel_task import C_TYPES, Baseline, Buffer, Dims, KernelTask, Outputs, Scalar, Values
from evaluators.text import trees

NEEDED = ("Model", "get_inputs", "get_init_inputs")
ENTRY = "forward"
_SEEDS = 2**31

_PROGRAM = """{source}

import warnings

import torch

warnings.filterwarnings("ignore")  # inputs are read-only, which PyTorch does not know
torch.set_num_threads(1)
_MODEL = Model(*get_init_inputs())


# EVOLVE-BLOCK-START
def {entry}({names}):
    with torch.no_grad():
        parameters = {{{parameters}}}
        result = torch.func.functional_call(_MODEL, parameters, ({inputs}))
    for out, value in zip(({outputs}), result if isinstance(result, (tuple, list)) else (result,)):
        out[...] = value.reshape(out.shape).numpy()
# EVOLVE-BLOCK-END
"""

_PROBLEM = '''"""Make `{entry}({names})` faster: it does in place of PyTorch what this model does.

It is given numpy arrays: the inputs, then the model's parameters, then the outputs, which it fills.

{source}
"""

from evaluators.contract import Limits, Measure, Objective
from evaluators.kernels.kernelbench import read

_TASK = read({path!r})
ENTRY = "kernel.py"
SEED = _TASK.seed
OBJECTIVE = Objective("speedup", "maximize")
MEASURES = (Measure("ast_nodes", 0, 1500, source="code"), Measure("calls", 0, 80, source="code"))
LIMITS = Limits(cpu_s=60, wall_s=120, memory_mib=8192)
PRELOAD = ("torch",)
KERNEL = _TASK.kernel
'''


class KernelBenchError(ContractError):
    """A file is no task of this kind, or cannot be judged; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a task file becomes: the kernel task, and the first program (the model itself)."""

    kernel: KernelTask
    seed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Argument:
    """One input, or piece of the model's state.

    Attributes:
        item: what it is as an argument; key: its name in the state, "" for an input.
        shape: as the model sees it; is_changed: whether `forward` may change it in place (running means).
    """

    item: Buffer | Scalar
    key: str
    shape: tuple[int, ...]
    is_changed: bool = False


def find_tasks(folder: Path) -> list[Path]:
    """Returns the Python files below a folder that define all of `NEEDED`, sorted; imports none of them."""
    return sorted(path for path in folder.rglob("*.py") if not _lacking(path))


def write_problems(folder: Path, out: Path) -> list[Path]:
    """Writes a problem module for each task below `folder` into the folder `out`, and returns their paths.

    Raises:
        KernelBenchError: there is no task, PyTorch is missing, or a task cannot be judged.
        OSError: a file cannot be read or written.
    """
    tasks = find_tasks(folder)
    if not tasks:
        raise KernelBenchError(
            f"folder must hold files that define {', '.join(NEEDED)}, {str(folder)!r} has none"
        )
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in tasks:
        names = ", ".join(argument.name for argument in read(path).kernel.arguments)
        shown = path.read_text(encoding="utf-8").replace("\\", "\\\\").replace('"""', "'''")
        text = _PROBLEM.format(entry=ENTRY, names=names, source=shown, path=str(path.absolute()))
        target = out / f"kernelbench_{path.stem.lower().replace('-', '_')}.py"
        target.write_text(text, encoding="utf-8")
        written.append(target)
    return written


def read(path: str | Path) -> Imported:
    """Returns the kernel task of a file; executes it, so trust it first.

    Raises:
        KernelBenchError: it lacks a name, PyTorch is missing, its results differ from call to call, or it uses types
            that a kernel cannot be handed.
    """
    path = Path(path)
    if lacking := _lacking(path):
        raise KernelBenchError(f"{path} must define {', '.join(NEEDED)}, it lacks {lacking[0]}")
    source = path.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": f"kernelbench_{path.stem}"}
    torch = _torch()
    exec(compile(source, str(path), "exec"), names)
    reader = _Reader(torch, names)
    arguments, outputs = reader.describe(path)
    text = _program_text(source, arguments, outputs)
    kernel = KernelTask(
        entry=ENTRY,
        arguments=(*(argument.item for argument in arguments), *outputs),
        make_inputs=reader.make_inputs,
        reference=reader.function(torch.float64),
        reference_single=reader.function(torch.float32),
        baseline=Baseline("PyTorch, eager", "kernel.py", text),
        public=({},),
        hidden=_no_dims,
        hidden_count=1,
        timed=({},),
        distributions=("given", "shuffled"),
        languages=("python",),
    )
    return Imported(kernel, {"kernel.py": text})


def _lacking(path: Path) -> list[str]:
    """Returns which of the needed names a file does not define at its top level."""
    try:
        tree = trees.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return list(NEEDED)
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return [name for name in NEEDED if name not in defined]


def _torch() -> Any:
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise KernelBenchError("KernelBench tasks need PyTorch: pip install torch") from error
    return torch


def _no_dims(rng: np.random.Generator) -> Dims:
    del rng
    return {}


class _Reader:
    """Makes inputs and outputs of one task with its own functions."""

    def __init__(self, torch: Any, names: Mapping[str, Any]) -> None:
        self._torch, self._names = torch, names
        self._arguments: tuple[_Argument, ...] = ()
        self._outputs: tuple[Buffer, ...] = ()

    def describe(self, path: Path) -> tuple[tuple[_Argument, ...], tuple[Buffer, ...]]:
        """Returns arguments and outputs, found by running the model twice."""
        inputs, model = self._draw(1)
        found = [self._argument(f"x{i}", "", value) for i, value in enumerate(inputs)]
        changed = dict(model.named_buffers())
        for key, value in model.state_dict().items():
            argument = self._argument("p_" + key.replace(".", "_"), key, value)
            found.append(replace(argument, is_changed=key in changed))
        self._arguments = tuple(found)
        values = self._values(inputs, model)
        results = [self._forward(values, self._torch.float32) for _ in range(2)]
        if not all(self._torch.equal(*pair) for pair in zip(*results, strict=True)):
            raise KernelBenchError(f"{path}: the model's results differ from call to call (dropout?)")
        self._outputs = tuple(
            Buffer(f"out{i}", _dtype(value), tuple(value.shape) or (1,), "out")
            for i, value in enumerate(results[0])
        )
        return self._arguments, self._outputs

    def make_inputs(self, rng: np.random.Generator, dims: Dims, distribution: str) -> Values:
        """Returns what the task's own functions draw; "shuffled": within each input."""
        del dims
        inputs, model = self._draw(int(rng.integers(_SEEDS)))
        values = self._values(inputs, model)
        if distribution == "shuffled":
            for argument in self._arguments:
                if not argument.key and isinstance(argument.item, Buffer):
                    values[argument.item.name] = rng.permuted(values[argument.item.name].ravel()).reshape(
                        argument.item.sizes({})
                    )
        return values

    def function(self, kind: Any) -> Callable[..., Outputs]:
        """Returns the model as a function of arrays, computed in `kind` of floats."""

        def compute(**values: Any) -> Outputs:
            results = self._forward(values, kind)
            return {
                buffer.name: value.reshape(buffer.sizes({})).numpy()
                for buffer, value in zip(self._outputs, results, strict=True)
            }

        return compute

    def _draw(self, seed: int) -> tuple[list[Any], Any]:
        with self._torch.random.fork_rng(devices=[]):
            self._torch.manual_seed(seed)
            model = self._names["Model"](*self._names["get_init_inputs"]())
            return list(self._names["get_inputs"]()), model

    def _values(self, inputs: Sequence[Any], model: Any) -> dict[str, Any]:
        state = [value.detach() for value in model.state_dict().values()]
        return {
            argument.item.name: np.ascontiguousarray(value.numpy()).reshape(argument.shape or (1,))
            if isinstance(argument.item, Buffer)
            else value
            for argument, value in zip(self._arguments, [*inputs, *state], strict=True)
        }

    def _argument(self, name: str, key: str, value: Any) -> _Argument:
        if isinstance(value, bool) or not isinstance(value, (int, float, self._torch.Tensor)):
            raise KernelBenchError(
                f"argument {name} must be a tensor or a number, got {type(value).__name__}"
            )
        if isinstance(value, (int, float)):
            return _Argument(Scalar(name, "int64" if isinstance(value, int) else "float64"), key, ())
        shape = tuple(value.shape)
        return _Argument(Buffer(name, _dtype(value), shape or (1,), "in"), key, shape)

    def _forward(self, values: Mapping[str, Any], kind: Any) -> list[Any]:
        """Returns the outputs of a new model with these parameters, in `kind` of floats."""
        _, model = self._draw(0)
        model = model.to(kind)
        inputs: list[Any] = []
        state: dict[str, Any] = {}
        for argument in self._arguments:
            value = values[argument.item.name]
            if isinstance(argument.item, Buffer):
                value = self._torch.from_numpy(np.array(value)).reshape(argument.shape)
                value = value.to(kind) if value.is_floating_point() else value
            if argument.key:
                state[argument.key] = value
            else:
                inputs.append(value)
        with self._torch.no_grad():
            result = self._torch.func.functional_call(model, state, tuple(inputs))
        return list(result) if isinstance(result, (tuple, list)) else [result]


def _dtype(tensor: Any) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in C_TYPES:
        raise KernelBenchError(f"tensors must be of {', '.join(C_TYPES)}, got {name}")
    return name


def _program_text(source: str, arguments: Sequence[_Argument], outputs: Sequence[Buffer]) -> str:
    def tensor(argument: _Argument) -> str:
        name = argument.item.name
        if isinstance(argument.item, Scalar):
            return name
        return f"torch.from_numpy({name}).reshape({argument.shape!r})" + (
            ".clone()" if argument.is_changed else ""
        )

    given = [argument for argument in arguments if not argument.key]
    state = [argument for argument in arguments if argument.key]
    return _PROGRAM.format(
        source=source.rstrip(),
        entry=ENTRY,
        names=", ".join(
            [*(argument.item.name for argument in arguments), *(buffer.name for buffer in outputs)]
        ),
        parameters=", ".join(f"{argument.key!r}: {tensor(argument)}" for argument in state),
        inputs="".join(f"{tensor(argument)}, " for argument in given),
        outputs="".join(f"{buffer.name}, " for buffer in outputs),
    )
