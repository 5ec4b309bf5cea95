"""Small problem folders of our own in the formats of OpenEvolve, ShinkaEvolve and LoongFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROGRAM = "# EVOLVE-BLOCK-START\ndef root():\n    return 1.25\n# EVOLVE-BLOCK-END\n"

OPENEVOLVE = {
    "initial_program.py": PROGRAM,
    "evaluator.py": """
import importlib.util
from openevolve.evaluation_result import EvaluationResult


def load(path):
    spec = importlib.util.spec_from_file_location("program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def closeness(value):
    return 1.0 - abs(value * value - 2.0)


def evaluate(program_path):
    value = load(program_path).root()
    return EvaluationResult(
        metrics={"combined_score": closeness(value), "size": abs(value) / 2, "is_fine": True},
        artifacts={"hint": f"the square is {value * value:.4f}", "raw": b"bytes"},
    )
""",
    "config.yaml": """
prompt:
  system_message: "Return the square root of two."
database:
  feature_dimensions: ["size", "complexity", "never_returned"]
  feature_bins: 8
evaluator:
  timeout: 20
  cascade_evaluation: false
""",
}

SHINKA = {
    "initial.py": PROGRAM,
    "helper.py": "TARGET = 2.0\n",
    "evaluate.py": """
import argparse
import numpy as np
from helper import TARGET
from shinka.core import run_shinka_eval


def arguments(index):
    return {}


def validate(value):
    return (True, None) if value < 3 else (False, f"{value} is too large")


def aggregate(values):
    square = float(np.mean(values)) ** 2
    return {
        "combined_score": np.float64(1.0 - abs(square - TARGET)),
        "public": {"runs": len(values)},
        "private": {"square": square},
        "text_feedback": "look at the square",
        "extra_data": object(),
    }


def main(program_path, results_dir):
    run_shinka_eval(
        program_path=program_path,
        results_dir=results_dir,
        experiment_fn_name="root",
        num_runs=3,
        get_experiment_kwargs=arguments,
        validate_fn=validate,
        aggregate_metrics_fn=aggregate,
        run_workers=2,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    given = parser.parse_args()
    main(given.program_path, given.results_dir)
""",
    "run_evo.py": '''
from shinka.launch import LocalJobConfig

job = LocalJobConfig(eval_program_path="evaluate.py", time="00:00:20")
search_task_sys_msg = """Return the square root of two."""
''',
}

LOONGFLOW = {
    "initial_program.py": PROGRAM,
    "eval_program.py": """
import importlib
import os
import sys


def evaluate(program_path):
    folder, name = os.path.split(program_path)
    sys.path.insert(0, folder)
    try:
        value = importlib.import_module(os.path.splitext(name)[0]).root()
    except Exception as error:
        return {"status": "execution_failed", "score": 0.0, "summary": f"it raised {error!r}"}
    if value < 0:
        return {"status": "validation_failed", "score": 0.0, "summary": "it is negative"}
    return {
        "status": "success",
        "score": 1.0 - abs(value * value - 2.0),
        "summary": "well done",
        "metrics": {"square": value * value},
        "artifacts": {"how": "squared"},
    }
""",
    "task_config.yaml": """
evolve:
  task: |
    Return the square root of two.
  target_score: 0.999
  evaluator:
    timeout: 20
""",
}

FOLDERS = {"openevolve": OPENEVOLVE, "shinka": SHINKA, "loongflow": LOONGFLOW}
PROGRAM_FILES = {
    "openevolve": "initial_program.py",
    "shinka": "initial.py",
    "loongflow": "initial_program.py",
}
SEED_SCORE = 1.0 - abs(1.25 * 1.25 - 2.0)


def write_folder(folder: Path, files: Mapping[str, str | bytes | None], **changes: str | None) -> Path:
    """Writes the files of a folder; `changes` replace some (`evaluator_py=...`), None leaves one out."""
    named = {name.replace("_py", ".py").replace("_yaml", ".yaml"): text for name, text in changes.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**files, **named}.items():
        if content is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
