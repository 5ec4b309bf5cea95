"""What a folder's own configuration says, as far as it means something here.

Read are: the task's text, the time limit of one evaluation, OpenEvolve's cascade and feature dimensions,
LoongFlow's target score. All else in these files (models, populations, prompts) is left to the run's own options.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from evaluators.contract import Measure
from evaluators.exact import as_finite
from evaluators.foreign.layout import Format, Layout
from evaluators.source.files import ProblemError

DEFAULT_TIMEOUT_S = 300.0
_DEFAULT_THRESHOLDS = (0.5, 0.75, 0.9)
_MAX_TIMEOUT_S = 24 * 3600.0
_BINS = 10
_CODE_MEASURES = {
    "complexity": Measure("ast_nodes", 0, 600, source="code"),
    "diversity": Measure("branches", 0, 32, source="code"),
}
_GOAL_CHARS = 12_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What is taken from a folder's configuration.

    Attributes:
        task: the task's text, "" where there is none.
        timeout_s: wall-clock seconds of one evaluation.
        thresholds: of the cascade of stages; None: no cascade.
        features: metrics that the archive is to have as axes; measures: all its axes, () for the default ones.
        target: a score that ends the run, or None.
    """

    task: str = ""
    timeout_s: float = DEFAULT_TIMEOUT_S
    thresholds: tuple[float, ...] | None = None
    features: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    target: float | None = None


def read_settings(layout: Layout, texts: Mapping[str, str]) -> Settings:
    """Returns what the configuration of a folder says.

    Raises:
        ProblemError: it is no YAML, or a value that is read has the wrong type or range.
    """
    reader = {
        Format.OPENEVOLVE: _openevolve,
        Format.SHINKA: _shinka,
        Format.LOONGFLOW: _loongflow,
    }[layout.format]
    return reader(_Config(layout, texts))


@dataclass(frozen=True, slots=True)
class _Config:
    """A configuration, read value by value."""

    layout: Layout
    texts: Mapping[str, str]

    @property
    def file(self) -> str:
        return str(self.layout.folder / self.layout.config)

    def data(self) -> Mapping[str, Any]:
        if not self.layout.config:
            return {}
        try:
            data = yaml.safe_load(self.texts.get(self.layout.config, ""))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
            what = f"is no YAML: {getattr(error, 'problem', None) or error}"
            raise ProblemError(what, file=self.file, line=line) from error
        return data if isinstance(data, Mapping) else {}

    def section(self, data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        value = data.get(name)
        return value if isinstance(value, Mapping) else {}

    def timeout_s(self, value: object) -> float:
        if value is None:
            return DEFAULT_TIMEOUT_S
        number = as_finite(value)
        if number is None or number <= 0:
            raise ProblemError(f"timeout must be a number of seconds > 0, got {value!r:.60}", file=self.file)
        return min(number, _MAX_TIMEOUT_S)


def _openevolve(config: _Config) -> Settings:
    data = config.data()
    evaluator, database = config.section(data, "evaluator"), config.section(data, "database")
    task = config.section(data, "prompt").get("system_message")
    features, measures = _axes(config, database)
    return Settings(
        task=_clipped(task),
        timeout_s=config.timeout_s(evaluator.get("timeout")),
        thresholds=_thresholds(config, evaluator),
        features=features,
        measures=measures,
    )


def _thresholds(config: _Config, evaluator: Mapping[str, Any]) -> tuple[float, ...] | None:
    if evaluator.get("cascade_evaluation", True) is not True:
        return None
    value = evaluator.get("cascade_thresholds", _DEFAULT_THRESHOLDS)
    numbers = [as_finite(item) for item in value] if isinstance(value, (list, tuple)) else [None]
    if None in numbers:
        what = f"cascade_thresholds must be a list of finite numbers, got {value!r:.80}"
        raise ProblemError(what, file=config.file)
    return tuple(number for number in numbers if number is not None)


def _axes(config: _Config, database: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Measure, ...]]:
    """Returns the metrics among the feature dimensions, and all dimensions as axes.

    Their own system scales an axis by what it has seen; here a range must be known before: [0, 1]. Dimensions
    that are the score, and metrics that the evaluator never names, are left out.
    """
    names = database.get("feature_dimensions")
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    bins = database.get("feature_bins", _BINS)
    bins = bins if isinstance(bins, int) and not isinstance(bins, bool) and 2 <= bins <= 100 else _BINS
    evaluator = config.texts.get(config.layout.evaluator, "")
    features = tuple(
        name
        for name in dict.fromkeys(names)
        if name not in ("score", "combined_score", *_CODE_MEASURES) and _names_text(evaluator, name)
    )
    measures = [_CODE_MEASURES[name] for name in _CODE_MEASURES if name in names]
    measures += [Measure(name, 0.0, 1.0, bins) for name in features]
    return features, tuple(measures) if features else ()


def _names_text(text: str, name: str) -> bool:
    return f'"{name}"' in text or f"'{name}'" in text


def _loongflow(config: _Config) -> Settings:
    evolve = config.section(config.data(), "evolve")
    target = as_finite(evolve.get("target_score"))
    timeout = config.section(evolve, "evaluator").get("timeout")
    return Settings(task=_clipped(evolve.get("task")), timeout_s=config.timeout_s(timeout), target=target)


def _shinka(config: _Config) -> Settings:
    """Reads the task's text and the time limit from run_evo.py without executing it, or from a shinka*.yaml."""
    if not config.layout.config.endswith(".py"):
        data = config.data()
        task = config.section(data, "evo_config").get("task_sys_msg")
        return Settings(
            task=_clipped(task), timeout_s=_clock_s(config.section(data, "job_config").get("time"))
        )
    text = config.texts.get(config.layout.config, "")
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return Settings()
    task, time = "", None
    for node in ast.walk(tree):
        value = getattr(node, "value", None)
        if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            continue
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if any("sys_msg" in name.lower() for name in names):
                task = task or value.value
        elif isinstance(node, ast.keyword) and node.arg == "task_sys_msg":
            task = value.value
        elif isinstance(node, ast.keyword) and node.arg == "time":
            time = value.value
    return Settings(task=_clipped(task), timeout_s=_clock_s(time))


def _clock_s(text: object) -> float:
    """Returns the seconds of "HH:MM:SS", the default for anything else."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d)", text.strip()) if isinstance(text, str) else None
    seconds = (
        sum(int(part) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True))
        if match
        else 0
    )
    return min(float(seconds), _MAX_TIMEOUT_S) or DEFAULT_TIMEOUT_S


def _clipped(text: object) -> str:
    return text.strip()[:_GOAL_CHARS] if isinstance(text, str) else ""
