"""In the sandbox: puts the folder and the program where the evaluator looks for them, and calls it.

It runs beside the program, on the wrong side: what it returns is the evaluator's word at best, the program's at
worst. The evaluator's own output goes nowhere but into the feedback, of which the end is kept.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
import json
import os
import runpy
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_FEEDBACK_CHARS = 780
_ITEM_CHARS = 240
_TAIL_BYTES = 4096
_MAX_METRICS = 200
_REFUSED = ("Operation not permitted", "Permission denied", "SemLock", "Errno 1]", "Errno 13]")
_HINT = "the sandbox refuses network, sockets, shared semaphores and files outside the folder"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the runtime must know of a folder.

    Attributes:
        format: whose it is; evaluator: file name of what scores.
        thresholds: of OpenEvolve's cascade; None: no cascade.
    """

    format: str
    evaluator: str
    thresholds: tuple[float, ...] | None = None


@dataclass(slots=True)
class _Word:
    """What an evaluator said, from any of the three systems."""

    metrics: dict[str, Any]
    error: str = ""
    notes: str = ""


class _EvaluatorError(Exception):
    """The evaluator is not what its format asks for."""


def evaluate(folder: Mapping[str, str | bytes], plan: Plan, files: Mapping[str, str]) -> dict[str, Any]:
    """Returns {"metrics": numbers and flags by name, "error": text}: what the folder's evaluator says of a program.

    Args:
        folder: the folder's files, and under `.shims/` the modules that stand in for the evaluator's own system.
        plan: how to call the evaluator.
        files: the program: one file.
    """
    root = os.getcwd()
    place = {name: os.path.join(root, name) for name in ("folder", "program", "results", "tmp")}
    for path in place.values():
        os.mkdir(path)
    _write(place["folder"], folder)
    program = os.path.join(
        place["program"], "candidate.py"
    )  # no name of the folder's: neither hides the other
    _write(place["program"], {"candidate.py": next(iter(files.values()))})
    shims = os.path.join(place["folder"], ".shims")
    sys.path[:0] = [shims, place["folder"]]
    tempfile.tempdir = place["tmp"]
    os.environ.update(
        HOME=root,
        TMPDIR=place["tmp"],
        PYTHONPATH=os.pathsep.join(sys.path),
        MPLBACKEND="Agg",
        MPLCONFIGDIR=place["tmp"],
    )
    os.chdir(place["folder"])
    with _captured() as tail:
        try:
            word = _CALLS[plan.format](
                plan, os.path.join(place["folder"], plan.evaluator), program, place["results"]
            )
        except _EvaluatorError as error:
            word = _Word({}, str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an evaluator raises is data
            what = f"{plan.evaluator} raised {type(error).__name__}: {error}"
            word = _Word({}, what, traceback.format_exc(limit=-4))
    sys.stdout.write(_feedback(word, tail()))
    sys.stdout.flush()
    hint = f" ({_HINT})" if any(text in word.error for text in _REFUSED) else ""
    return {"metrics": _numbers(word.metrics), "error": word.error[:2000] + hint}


# --- the three systems ---


def _openevolve(plan: Plan, evaluator: str, program: str, results: str) -> _Word:
    """Calls `evaluate`, or the stages one after another for as long as each passes its threshold."""
    del results
    module = _load(evaluator, "evaluation_module")
    thresholds = plan.thresholds
    if thresholds is None or not hasattr(module, "evaluate_stage1"):
        return _openevolve_word(_call(module, "evaluate", program))
    word = _Word({})
    for number in (1, 2, 3):
        name = f"evaluate_stage{number}"
        if not hasattr(module, name):
            break
        try:
            stage = _openevolve_word(_call(module, name, program))
        except Exception as error:
            if number == 1:
                raise
            word.metrics[f"stage{number}_passed"] = 0.0
            word.notes += f"\n{name} raised {type(error).__name__}: {error}"
            break
        word = _Word(
            word.metrics | stage.metrics, stage.error, "\n".join(filter(None, (word.notes, stage.notes)))
        )
        if number > len(thresholds):
            break
        reached = _reached(word.metrics)
        if reached < thresholds[number - 1]:
            word.notes += (
                f"\nstopped after {name}: {reached:.6g} is below the threshold {thresholds[number - 1]:g}"
            )
            break
    return word


def _openevolve_word(result: object) -> _Word:
    artifacts = getattr(result, "artifacts", None) or {}
    metrics = getattr(result, "metrics", result)
    if not isinstance(metrics, Mapping):
        raise _EvaluatorError(
            f"the evaluator must return a dict or an EvaluationResult, got {type(result).__name__}"
        )
    told = [source["error"] for source in (metrics, artifacts) if isinstance(source.get("error"), str)]
    return _Word(dict(metrics), next(filter(None, told), ""), _lines(artifacts))


def _reached(metrics: Mapping[str, Any]) -> float:
    """Returns what a threshold of a cascade looks at: combined_score, else the mean of the numbers."""
    numbers = {k: v for k, v in _numbers(metrics).items() if k != "error" and not isinstance(v, bool)}
    if "combined_score" in numbers:
        return float(numbers["combined_score"])
    return sum(map(float, numbers.values())) / len(numbers) if numbers else 0.0


def _shinka(plan: Plan, evaluator: str, program: str, results: str) -> _Word:
    """Runs the evaluator as a script, then reads the two files that it has written."""
    del plan
    sys.argv = [evaluator, "--program_path", program, "--results_dir", results]
    names: dict[str, Any] = {}
    try:
        names = runpy.run_path(evaluator, run_name="__main__")
    except SystemExit as left:
        if left.code not in (None, 0):
            raise
    if not os.path.exists(os.path.join(results, "metrics.json")) and callable(names.get("main")):
        names["main"](program, results)  # no `if __name__ == "__main__"`
    verdict = _read_json(results, "correct.json")
    metrics = _read_json(results, "metrics.json")
    error = ""
    if verdict.get("correct") is not True:
        error = str(verdict.get("error") or "correct.json says that the program is not correct")
    parts = [metrics.get(part) for part in ("public", "private")]
    public, private = (part if isinstance(part, Mapping) else {} for part in parts)
    numbers = {"combined_score": metrics.get("combined_score"), **public}
    numbers |= {f"private.{name}": value for name, value in private.items()}
    notes = metrics.get("text_feedback")
    return _Word(
        numbers | {"combined_score": metrics.get("combined_score")}, error, str(notes) if notes else ""
    )


def _loongflow(plan: Plan, evaluator: str, program: str, results: str) -> _Word:
    """Calls `evaluate` and reads status, score, summary, metrics and artifacts."""
    del plan, results
    result = _call(_load(evaluator, "evaluator_code"), "evaluate", program)
    if not isinstance(result, Mapping):
        raise _EvaluatorError(f"evaluate() must return a dict, got {type(result).__name__}")
    metrics, artifacts = result.get("metrics"), result.get("artifacts")
    summary, status = (
        str(result.get("summary") or ""),
        getattr(result.get("status"), "value", result.get("status")),
    )
    error = "" if status == "success" else f"{status}: {summary}" if summary else str(status)
    notes = _lines(artifacts) if isinstance(artifacts, Mapping) else ""
    numbers = dict(metrics) if isinstance(metrics, Mapping) else {}
    return _Word(numbers | {"score": result.get("score")}, error, "\n".join(filter(None, (summary, notes))))


_CALLS: dict[str, Callable[[Plan, str, str, str], _Word]] = {
    "OpenEvolve": _openevolve,
    "ShinkaEvolve": _shinka,
    "LoongFlow": _loongflow,
}


def _load(path: str, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _EvaluatorError(f"{os.path.basename(path)} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _call(module: ModuleType, name: str, program: str) -> object:
    function = getattr(module, name, None)
    if not callable(function):
        raise _EvaluatorError(f"the evaluator must define {name}(program_path)")
    result = function(program)
    if inspect.iscoroutine(result):
        return _driven(result, name)
    return result


def _driven(coroutine: Any, name: str) -> object:
    """Returns what a coroutine returns that never waits; an event loop would need sockets."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise _EvaluatorError(f"{name}() is asynchronous and waits; {_HINT}, which an event loop needs")


def _read_json(results: str, name: str) -> Mapping[str, Any]:
    path = os.path.join(results, name)
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError) as error:
        raise _EvaluatorError(f"the evaluator has written no {name} that can be read: {error}") from error
    if not isinstance(data, Mapping):
        raise _EvaluatorError(f"{name} must hold an object, got {type(data).__name__}")
    return data


# --- files, processes, output ---


def _write(folder: str, files: Mapping[str, str | bytes]) -> None:
    for name, content in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)


class _Tail(io.RawIOBase):
    """A stream that keeps the end of what is written to it."""

    def __init__(self) -> None:
        self.kept = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any, /) -> int:
        self.kept = (self.kept + bytes(data))[-_TAIL_BYTES:]
        return len(data)


@contextlib.contextmanager
def _captured() -> Iterator[Callable[[], str]]:
    """Keeps the end of what is printed; what goes past Python's streams is dropped."""
    tail = _Tail()
    stream = io.TextIOWrapper(
        io.BufferedWriter(tail, 1), encoding="utf-8", errors="replace", write_through=True
    )
    kept, nothing = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    former = sys.stdout, sys.stderr
    for number in (1, 2):
        os.dup2(nothing, number)
    sys.stdout = sys.stderr = stream
    try:
        yield lambda: tail.kept.decode("utf-8", "replace")
    finally:
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
        sys.stdout, sys.stderr = former
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)


def _feedback(word: _Word, printed: str) -> str:
    """Returns what the evaluator had to say: its artifacts first, then the end of what it printed."""
    told = word.notes.strip()[:_FEEDBACK_CHARS]
    room = _FEEDBACK_CHARS - len(told) - 2
    lines = printed.strip()
    if room > 80 and lines:
        told += ("\n" if told else "") + (lines if len(lines) <= room else "..." + lines[-room + 3 :])
    return told


def _lines(artifacts: Mapping[Any, Any]) -> str:
    found = []
    for name, value in artifacts.items():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        found.append(f"{name}: {text if len(text) <= _ITEM_CHARS else text[:_ITEM_CHARS] + '...'}")
    return "\n".join(found)


def _numbers(metrics: Mapping[Any, Any]) -> dict[str, float | bool]:
    """Returns the entries that are numbers or flags, numpy's included."""
    found: dict[str, float | bool] = {}
    for name, value in metrics.items():
        if len(found) < _MAX_METRICS and isinstance(name, str) and not isinstance(value, (str, bytes)):
            if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
                found[name[:100]] = bool(value)
            elif hasattr(value, "__float__") and getattr(value, "shape", ()) == ():
                with contextlib.suppress(TypeError, ValueError, OverflowError):
                    found[name[:100]] = float(value)
    return found
