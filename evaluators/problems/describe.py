"""What a problem says of itself, learned without executing any of it in this process.

A confined process loads the problem and answers with plain data, which is all that a coordinator needs.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evaluators.contract import ContractError, Limits, Measure, Objective, Program
from evaluators.problems.loading import ProblemError, ProblemSource, load_problem
from evaluators.sandbox.confine import ConfineError, confine
from evaluators.sandbox.linux import child_environment, module_paths

TIMEOUT_S = 60.0
_MOST_BYTES = 8 << 20
_MEMORY_BYTES = 4 << 30
_BOOT = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from evaluators.problems.describe import main; main()"


@dataclass(frozen=True, slots=True)
class Description:
    """What a coordinator must know of a problem. See `Problem` for the fields.

    `held_out` tells whether there are held-out cases: True, or None for none.
    """

    name: str
    goal: str
    notes: str
    objective: Objective
    measures: tuple[Measure, ...]
    seed: Program
    version: str
    source: ProblemSource
    held_out: bool | None = None
    limits: Limits | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the JSON form."""
        measures = [asdict(measure) for measure in self.measures]
        return {**asdict(self), "measures": measures, "seed": self.seed.to_json()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Description:
        """Returns the description of a JSON form, which may come from outside.

        Raises:
            ProblemError: it is none, or breaks the contract.
        """
        try:
            return Description(
                name=_text(data["name"]),
                goal=_text(data["goal"]),
                notes=_text(data["notes"]),
                objective=Objective(**data["objective"]),
                measures=tuple(Measure(**measure) for measure in data["measures"]),
                seed=Program(
                    {_text(k): _text(v) for k, v in data["seed"]["files"].items()},
                    _text(data["seed"]["entry"]),
                ),
                version=_text(data["version"]),
                source=ProblemSource.from_json(data["source"]),
                held_out=True if data["held_out"] else None,
                limits=None if data.get("limits") is None else Limits(**data["limits"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, ContractError) as error:
            raise ProblemError(f"what the problem says of itself cannot be read: {error!r:.200}") from error


def describe(path: str, name: str) -> Description:
    """Returns the description of the problem at a path.

    Raises:
        ProblemError: it cannot be loaded, or not within a minute.
    """
    command = [sys.executable, "-I", "-c", _BOOT, json.dumps(module_paths()), path, name]
    with (
        tempfile.TemporaryDirectory(prefix="discovery-judge-") as folder,
        subprocess.Popen(
            [*command, folder],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
        ) as process,
    ):
        output = _read(process)
        process.kill()
        code = process.wait()
    try:
        answer = json.loads(output.rpartition(b"\n")[2] or b"{}")
    except (ValueError, RecursionError):
        answer = {}
    if isinstance(answer, Mapping) and isinstance(answer.get("error"), str):
        raise ProblemError(answer["error"])
    if not isinstance(answer, Mapping) or "description" not in answer:
        raise ProblemError(f"the process that loads the problem left with exit code {code}")
    return Description.from_json(answer["description"])


def _read(process: subprocess.Popen[bytes]) -> bytes:
    """Returns what a process that may not fork prints until it ends, its time is over, or it is too much."""
    assert process.stdout is not None
    pipe, size = process.stdout.fileno(), 0
    chunks: list[bytes] = []
    end_s = time.monotonic() + TIMEOUT_S
    while (rest_s := end_s - time.monotonic()) > 0 and size <= _MOST_BYTES:
        if not select.select([pipe], [], [], rest_s)[0]:
            break
        if not (chunk := os.read(pipe, 1 << 16)):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
    process.kill()
    raise ProblemError(
        f"the problem did not load within {TIMEOUT_S:g} s, or prints more than {_MOST_BYTES >> 20} MiB"
    )


def main() -> None:
    """Describes the problem at the path that the arguments name, as the last line of stdout."""
    path, name, folder = sys.argv[2:5]
    try:
        confine(folder, [path if not path.endswith(".py") else path.rpartition("/")[0]], may_fork=False)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(TIMEOUT_S), int(TIMEOUT_S)))
        problem = load_problem(path)
        found = Description(
            name=name,
            goal=problem.goal,
            notes=problem.notes,
            objective=problem.objective,
            measures=problem.measures,
            seed=problem.seed,
            version=problem.version,
            source=ProblemSource("path", path, name, problem.version),
            held_out=problem.held_out is not None or None,
            limits=problem.limits,
        )
        answer: dict[str, Any] = {"description": found.to_json()}
    except (ProblemError, ConfineError) as error:
        answer = {"error": str(error)}
    sys.stdout.write("\n" + json.dumps(answer))
    sys.stdout.flush()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is asked for, got {value!r:.60}")
    return value
