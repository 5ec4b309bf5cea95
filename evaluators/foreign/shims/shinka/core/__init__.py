"""Stands in for shinka.core: `run_shinka_eval` and `save_json_results`. All runs are made one after another."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import time
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any


def load_program(program_path: str) -> ModuleType:
    """Returns the program as a module.

    Raises:
        ImportError: there is none at this path.
    """
    spec = importlib.util.spec_from_file_location("program", program_path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module can be loaded from {program_path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save_json_results(
    results_dir: str, metrics: dict[str, Any], correct: bool, error: str | None = None, verbose: bool = True
) -> None:
    """Writes metrics.json and correct.json."""
    del verbose
    os.makedirs(results_dir, exist_ok=True)
    for name, data in (("metrics.json", metrics), ("correct.json", {"correct": correct, "error": error})):
        with open(os.path.join(results_dir, name), "w", encoding="utf-8") as file:
            json.dump(data, file, default=_plain)


def run_shinka_eval(
    program_path: str,
    results_dir: str,
    experiment_fn_name: str,
    num_runs: int,
    get_experiment_kwargs: Callable[[int], dict[str, Any]] | None = None,
    aggregate_metrics_fn: Callable[[list[Any]], dict[str, Any]] | None = None,
    validate_fn: Callable[[Any], tuple[bool, str | None]] | None = None,
    plotting_fn: Callable[[Any], list[Any]] | None = None,
    default_metrics_on_error: dict[str, Any] | None = None,
    **ignored: Any,
) -> tuple[dict[str, Any], bool, str | None]:
    """Calls the experiment `num_runs` times, validates and aggregates; writes and returns what came of it.

    Plots are not drawn; early stopping and parallel runs are not made: every run is, one after another.
    """
    del plotting_fn, ignored
    error: str | None = None
    results: list[Any] = []
    times: list[float] = []
    verdicts: list[bool] = []
    metrics: dict[str, Any] = {"combined_score": 0.0, **(default_metrics_on_error or {})}
    try:
        experiment = getattr(load_program(program_path), experiment_fn_name)
        for index in range(num_runs):
            arguments = get_experiment_kwargs(index) if get_experiment_kwargs else {"seed": index + 1}
            begun = time.perf_counter()
            results.append(experiment(**arguments))
            times.append(time.perf_counter() - begun)
            if validate_fn is not None:
                is_valid, why = validate_fn(results[-1])
                verdicts.append(bool(is_valid))
                if not is_valid:
                    error = error or f"run {index + 1} is not valid: {why or 'no reason given'}"
        aggregate = aggregate_metrics_fn or (lambda found: {"num_successful_runs": len(found)})
        metrics = dict(aggregate(results))
        metrics.pop("extra_data", None)
        score = metrics.get("combined_score")
        if isinstance(score, float) and not math.isfinite(score):
            error = error or f"combined_score is {score}"
    except Exception as failure:  # noqa: BLE001 - whatever a program raises is data
        traceback.print_exc()
        error = f"{type(failure).__name__}: {failure}"
    mean_s = sum(times) / len(times) if times else 0.0
    metrics["execution_time_mean"] = mean_s
    metrics["execution_time_std"] = (
        math.sqrt(sum((t - mean_s) ** 2 for t in times) / len(times)) if times else 0.0
    )
    if validate_fn is not None:
        metrics |= {"num_valid_runs": sum(verdicts), "num_invalid_runs": len(verdicts) - sum(verdicts)}
    save_json_results(results_dir, metrics, error is None, error)
    return metrics, error is None, error


def _plain(value: Any) -> Any:
    """Returns numpy's numbers and arrays as JSON data, everything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
