"""What a kernel problem declares: buffers in order, an exact reference, a strong baseline, shapes and inputs.

A kernel problem's module has `SEED`, `OBJECTIVE`, optionally `MEASURES`, `LIMITS`, `ENTRY`, `NOTES`, and
`KERNEL = KernelTask(...)` in place of `cases`, `run` and `score`. A whole one:

    "Write scale(x, y, n): y[i] = 2 x[i] for n floats."

    import numpy as np

    from evaluators.contract import Objective
    from evaluators.kernel_task import Baseline, Buffer, KernelTask, Scalar

    ENTRY = "kernel.c"
    SEED = '''#include <stdint.h>
    void scale(const float *x, float *y, int64_t n) { for (int64_t i = 0; i < n; i++) y[i] = 2 * x[i]; }
    '''
    OBJECTIVE = Objective("speedup", "maximize")

    def make_inputs(rng, dims, distribution):
        x = rng.standard_normal(dims["n"], dtype=np.float32)
        return {"x": np.sort(x) if distribution == "sorted" else x}

    def reference(*, x, n):  # float64, readable: the oracle
        return {"y": 2.0 * x.astype(np.float64)}

    def reference_f32(*, x, n):  # the obvious way in single precision: its error sets the tolerance
        return {"y": np.float32(2) * x}

    KERNEL = KernelTask(
        entry="scale",
        arguments=(
            Buffer("x", "float32", ("n",), "in"), Buffer("y", "float32", ("n",), "out"), Scalar("n", "int64"),
        ),
        make_inputs=make_inputs,
        reference=reference,
        reference_single=reference_f32,
        baseline=Baseline("NumPy multiply into out", "kernel.py",
                          "import numpy as np; scale = lambda x, y, n: np.multiply(x, np.float32(2), out=y)"),
        public=({"n": 1000}, {"n": 17}),
        hidden=lambda rng: {"n": int(rng.integers(2, 3000))},
        edges=({"n": 0}, {"n": 1}, {"n": 1009}),
        timed=({"n": 1 << 20},),
        distributions=("normal", "sorted"),
        flops=lambda dims: dims["n"],
        traffic=lambda dims: 8 * dims["n"],
    )

Programs are C (`kernel.c`: a function `void entry(...)` with the arguments in the declared order, inputs
`const`) or Python (`kernel.py`: a function `entry(...)` that is given read-only and writable numpy arrays and
fills the outputs in place). Pointers are aligned to their item only. What a program returns is ignored.
Triton (`languages=("triton",)`, `kernel.py`): a function `entry(...)` that is given tensors and launches kernels on them; the
baseline is in Triton, too.

Everything here is trusted and stays in the judge, the baseline excepted, which runs like a program. Assume that programs
know the module's text: shapes to be hidden come from `hidden(rng)`, never from a constant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evaluators.contract import ContractError, Program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Dims: TypeAlias = Mapping[str, int]
"""Sizes by name; may hold more names than the scalars (row counts plus one, numbers of non-zeros)."""
Values: TypeAlias = Mapping[str, Any]
"""An array for every input buffer, and a number for every scalar that is no dim."""
Outputs: TypeAlias = "Mapping[str, NDArray[Any]]"

C_TYPES: Mapping[str, str] = {
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "uint64": "uint64_t",
}
"""numpy's name of each type that can be handed over, and C's."""

LANGUAGES: Mapping[str, str] = {".c": "c", ".py": "python"}
"""The language of a program for the processor, by the ending of its entry file."""

DEVICE_LANGUAGES: Mapping[str, str] = {".py": "triton"}
"""The same for a GPU."""

DEFAULT_FLAGS = ("-O3", "-march=native", "-ffast-math")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array that is handed over by its address, C-contiguous.

    Attributes:
        name: of the argument; a key of what `make_inputs` (role "in") or `reference` (role "out") returns.
        dtype: see `C_TYPES`.
        shape: sizes: names of dims, or numbers.
        role: "in" is mapped read-only; "out" is filled with rubbish before each call, and must be filled.
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    role: Literal["in", "out"]

    def __post_init__(self) -> None:
        _check_name("Buffer name", self.name)
        _check_dtype(f"Buffer {self.name!r} dtype", self.dtype)
        if self.role not in ("in", "out"):
            raise ContractError(f"Buffer {self.name!r} role must be 'in' or 'out', got {self.role!r}")
        if not self.shape:
            raise ContractError(f"Buffer {self.name!r} shape must be a tuple of dims, got {self.shape!r}")

    def sizes(self, dims: Dims) -> tuple[int, ...]:
        """Returns the shape in numbers."""
        return tuple(size if isinstance(size, int) else dims[size] for size in self.shape)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number that is handed over by value: dims[name] where there is one, else from `make_inputs`."""

    name: str
    dtype: str = "int64"

    def __post_init__(self) -> None:
        _check_name("Scalar name", self.name)
        _check_dtype(f"Scalar {self.name!r} dtype", self.dtype)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The strong program that speed-ups are relative to; it runs like a candidate, in processes of its own.

    Attributes:
        name: what it is, for reports ("NumPy, in place"; "OpenBLAS through np.matmul").
        file: "kernel.py" or "kernel.c"; text: its source, with the same entry function.
    """

    name: str
    file: str
    text: str

    @property
    def program(self) -> Program:
        """Returns it as a program."""
        return Program({self.file: self.text}, self.file)


@dataclass(frozen=True, slots=True)
class Metamorphic:
    """A property that links the outputs for two inputs, and needs no reference.

    Attributes:
        name: what must hold, told in feedback ("rows are independent").
        relate: (rng, inputs, dims) -> the second inputs (same dims); the same keys as `make_inputs` returns.
        holds: (inputs, outputs, inputs2, outputs2) -> whether it does. Allow for rounding: outputs are as the
            program wrote them.
    """

    name: str
    relate: Callable[[np.random.Generator, Values, Dims], Values]
    holds: Callable[[Values, Outputs, Values, Outputs], bool]


@dataclass(frozen=True, slots=True)
class KernelTask:
    """One kernel problem. All functions are pure, and called in the judge only.

    Attributes:
        entry: name of the function; arguments: what it is given, in order.
        make_inputs: (rng, dims, distribution) -> {name: array or number} for every input buffer and for every
            scalar that is no dim. Arrays have exactly the declared dtype and shape.
        reference: called with every input buffer and every scalar by keyword; returns {output: array} in
            float64 or exact integers, of the declared shapes.
        reference_single: the same in the kernel's own precision, in the obvious order; its error against
            `reference` is the unit of the tolerance. None where `exact`.
        baseline: what speed-ups are relative to.
        public: shapes whose failures are told in detail. Small: correctness calls must be cheap.
        hidden: rng -> one shape; drawn per session, `hidden_count` of them. Jitter around everything
            that a program could special-case: primes, no multiples of vector widths, long and flat.
        edges: shapes that are always tried: empty, 1, primes. A dim of 0 must be meant by the goal's text.
        timed: shapes at which speed counts (the mean of the logarithms). The baseline should take 1-10 ms each.
        held_out: shapes at which speed is reported beside the score, never selected on; kernels must be right there, too.
        distributions: names of kinds of inputs, the adversarial ones included, all of which come up at timed shapes, too;
            the first is what is timed, together with `timed_distributions` where given (taken in turns).
        tolerance: k in err(program) <= k * err(reference_single) + floor; floor: relative to the largest
            magnitude of the exact output (default: 4 units in the last place of the output's type).
        exact: outputs must be equal to the reference bit by bit (integers).
        metamorphic: further properties.
        flops: dims -> operations; 0: no bound. traffic: dims -> bytes that must move at least.
        flags: options for gcc; -shared, -fPIC, -std=gnu11 and -lm are added.
        languages: what programs may be written in: of "c" and "python", or "triton" alone.
        forbidden: identifiers that a program must not use ("matmul", "dot": from scratch is the task).
        plausible_speedup: beyond this factor a result is held back until a person has looked at it.
    """

    entry: str
    arguments: tuple[Buffer | Scalar, ...]
    make_inputs: Callable[[np.random.Generator, Dims, str], Values]
    reference: Callable[..., Outputs]
    baseline: Baseline
    public: tuple[Dims, ...]
    timed: tuple[Dims, ...]
    hidden: Callable[[np.random.Generator], Dims]
    reference_single: Callable[..., Outputs] | None = None
    edges: tuple[Dims, ...] = ()
    held_out: tuple[Dims, ...] = ()
    distributions: tuple[str, ...] = ("normal",)
    timed_distributions: tuple[str, ...] = ()
    hidden_count: int = 6
    tolerance: float = 8.0
    floor: float | None = None
    exact: bool = False
    metamorphic: tuple[Metamorphic, ...] = ()
    flops: Callable[[Dims], float] = lambda dims: 0.0
    traffic: Callable[[Dims], float] = lambda dims: 0.0
    flags: tuple[str, ...] = DEFAULT_FLAGS
    languages: tuple[str, ...] = ("c", "python")
    forbidden: tuple[str, ...] = ()
    plausible_speedup: float = 10.0

    def __post_init__(self) -> None:
        _check_name("KernelTask entry", self.entry)
        names = [argument.name for argument in self.arguments]
        if len(set(names)) < len(names) or not self.inputs or not self.outputs:
            what = "must have different names, an input buffer and an output buffer"
            raise ContractError(f"KernelTask arguments {what}, got {names}")
        for what in ("public", "timed", "distributions"):
            if not isinstance(getattr(self, what), tuple) or not getattr(self, what):
                raise ContractError(f"KernelTask {what} must be a tuple with at least one entry")
        known = set(LANGUAGES.values()), set(DEVICE_LANGUAGES.values())
        if not self.languages or not any(set(self.languages) <= group for group in known):
            raise ContractError(
                f"KernelTask languages must be of c and python, or triton alone, got {list(self.languages)}"
            )
        if self.exact == (self.reference_single is not None):
            raise ContractError(
                "KernelTask must have either exact=True or reference_single, whose error is the unit of tolerance"
            )
        for dims in (*self.public, *self.edges, *self.timed, *self.held_out):
            self.check_dims(dims)
        if not math.isfinite(self.tolerance) or self.tolerance <= 0:
            raise ContractError(f"KernelTask tolerance must be > 0, got {self.tolerance}")

    @property
    def is_for_device(self) -> bool:
        """Returns whether programs are for a GPU."""
        return self.languages[0] in DEVICE_LANGUAGES.values()

    def language_of(self, program: Program) -> str:
        """Returns the language of a program by the ending of its entry file, "" for none of this task's."""
        endings = DEVICE_LANGUAGES if self.is_for_device else LANGUAGES
        language = endings.get(PurePosixPath(program.entry).suffix, "")
        return language if language in self.languages else ""

    @property
    def inputs(self) -> tuple[Buffer, ...]:
        """Returns the input buffers, in order."""
        return tuple(item for item in self.arguments if isinstance(item, Buffer) and item.role == "in")

    @property
    def outputs(self) -> tuple[Buffer, ...]:
        """Returns the output buffers, in order."""
        return tuple(item for item in self.arguments if isinstance(item, Buffer) and item.role == "out")

    @property
    def scalars(self) -> tuple[Scalar, ...]:
        """Returns the scalars, in order."""
        return tuple(item for item in self.arguments if isinstance(item, Scalar))

    @property
    def prototype(self) -> str:
        """Returns the function as C declares it, for prompts and messages."""
        parts = []
        for item in self.arguments:
            kind = C_TYPES[item.dtype]
            if isinstance(item, Scalar):
                parts.append(f"{kind} {item.name}")
            else:
                parts.append(f"{'const ' if item.role == 'in' else ''}{kind} *{item.name}")
        return f"void {self.entry}({', '.join(parts)});"

    def check_dims(self, dims: Dims) -> None:
        """Checks that a shape has a size >= 0 for every name that a buffer uses.

        Raises:
            ContractError: it has not.
        """
        for item in self.arguments:
            for size in item.shape if isinstance(item, Buffer) else ():
                value = size if isinstance(size, int) else dims.get(size)
                if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                    raise ContractError(
                        f"dims must give {item.name!r} a whole number >= 0 for {size!r}, got {value!r} in {dict(dims)}"
                    )


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ContractError(f"{what} must be an identifier, got {name!r}")


def _check_dtype(what: str, dtype: object) -> None:
    if dtype not in C_TYPES:
        raise ContractError(f"{what} must be one of {', '.join(C_TYPES)}, got {dtype!r}")
