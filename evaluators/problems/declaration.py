"""What a problem's module declares: each name read under its rule; complaints have file, line and remedy."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from evaluators.contract import DEFAULT_ENTRY, Baseline, BestKnown, ContractError, Measure, Objective, Program
from evaluators.exact import as_finite
from evaluators.kernel_task import KernelTask
from evaluators.source.files import ProblemError, SourceFiles
from evaluators.text import blocks, measures, trees

RUN_EXTRAS = ("oracle", "report", "deadline_s", "files")
_REQUIRED = ("SEED", "OBJECTIVE", "cases", "run", "score")
_REQUIRED_OF_KERNELS = ("SEED", "OBJECTIVE")
_NOT_IN_KERNELS = (
    "cases",
    "run",
    "score",
    "follow",
    "serve",
    "aggregate",
    "held_out",
    "vary",
    "STAGES",
    "THRESHOLDS",
    "CERTIFICATE",
    "SHARED_PROCESS",
    "picture",
)
_KERNEL_ENTRY = "kernel.c"
_OPTIONAL = (
    "KERNEL",
    "MEASURES",
    "LIMITS",
    "ENTRY",
    "STAGES",
    "THRESHOLDS",
    "CERTIFICATE",
    "PRELOAD",
    "NOTES",
    "SELF_SCORED",
    "BEST_KNOWN",
    "BASELINE",
    "HEURISTIC_SEED",
    "SHARED_PROCESS",
    "follow",
    "serve",
    "aggregate",
    "held_out",
    "vary",
    "exact",
    "picture",
)
CONTRACT_NAMES = frozenset((*_REQUIRED, *_OPTIONAL))
_IMPROVE = ("inputs", "best", "report", "deadline_s")
_DEFAULT_MEASURES = (
    Measure("ast_nodes", 0, 600, source="code"),
    Measure("branches", 0, 32, source="code"),
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Reads the names of an executed module, each under its rule."""

    files: SourceFiles
    names_of_module: Mapping[str, Any]

    def error(self, name: str, what: str, remedy: str = "") -> ProblemError:
        """Returns an error at the line that binds `name`."""
        text = self.files.files[self.files.module]
        match = (
            re.search(rf"^(?:(?:async )?def |class )?{re.escape(name)}\b", text, re.MULTILINE)
            if name
            else None
        )
        line = text.count("\n", 0, match.start()) + 1 if match else 0
        return ProblemError(what, remedy=remedy, file=self.files.path, line=line)

    @property
    def is_kernel(self) -> bool:
        """Returns whether the module declares a kernel instead of cases, run and score."""
        return self.names_of_module.get("KERNEL") is not None

    def kernel(self) -> KernelTask | None:
        """Returns the declared kernel, None where the problem is of another kind."""
        if not self.is_kernel:
            return None
        task: KernelTask = self.instance("KERNEL", KernelTask)
        entry = self.instance("ENTRY", str, _KERNEL_ENTRY)
        if not task.language_of(Program({entry: ""}, entry)):
            what = f"ENTRY must end in .c or .py, in a language of the task ({', '.join(task.languages)}), got {entry!r}"
            raise self.error("ENTRY", what)
        return task

    def check_names(self) -> None:
        """Refuses missing names, and names that look like misspelt ones of the contract."""
        own = [name for name in self.names_of_module if not name.startswith("_")]
        required = _REQUIRED_OF_KERNELS if self.is_kernel else _REQUIRED
        known = tuple(
            name for name in (*_REQUIRED, *_OPTIONAL) if not (self.is_kernel and name in _NOT_IN_KERNELS)
        )
        for name in own:
            if self.is_kernel and name in _NOT_IN_KERNELS:
                what = f"{name} has no meaning beside KERNEL, whose judge draws, runs and scores by itself"
                raise self.error(name, what, "remove it, or call it by another name")
        absent = [name for name in known if name not in self.names_of_module]
        own = [name for name in own if name not in known and self._is_candidate(name)]
        for name in absent:
            if near := get_close_matches(name, own, n=1, cutoff=0.8 if name in required else 0.85):
                what = f"{near[0]} is not a name of the contract"
                raise self.error(near[0], what, f"did you mean {name}? (else rename it: _{near[0]})")
        missing = [name for name in absent if name in required]
        if missing:
            form = f"def {missing[0]}(...)" if missing[0].islower() else f"{missing[0]} = ..."
            raise self.error("", f"{' and '.join(missing)} must be defined", f"add {form} to the module")

    def _is_candidate(self, name: str) -> bool:
        """Returns whether a name could be a misspelt one: in capitals, or a function defined here."""
        value = self.names_of_module[name]
        if name.isupper():
            return True
        return inspect.isfunction(value) and value.__module__ == self.names_of_module.get("__name__")

    def goal(self) -> str:
        """Returns the cleaned docstring of the module."""
        goal = inspect.cleandoc(self.names_of_module.get("__doc__") or "").strip()
        if not goal:
            what = "the module's docstring is the goal that the model is told; it is missing or empty"
            raise ProblemError(what, remedy="begin the file with one", file=self.files.path, line=1)
        return goal

    def instance(self, name: str, kind: type[Any], default: Any = None) -> Any:
        """Returns a value of exactly this kind."""
        value = self.names_of_module.get(name, default)
        if not isinstance(value, kind):
            article = "an" if kind.__name__[0] in "AEIOU" else "a"
            raise self.error(name, f"{name} must be {article} {kind.__name__}, got {value!r:.80}")
        return value

    def count(self, name: str, default: int) -> int:
        """Returns a whole number >= 1."""
        value = self.names_of_module.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
            raise self.error(name, f"{name} must be a whole number from 1 to 100, got {value!r:.80}")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Returns a tuple of texts."""
        value = self.names_of_module.get(name, ())
        if not isinstance(value, (tuple, list)) or not all(isinstance(item, str) and item for item in value):
            raise self.error(name, f"{name} must be a tuple of texts, got {value!r:.80}", 'as in ("numpy",)')
        return tuple(value)

    def thresholds(self, stages: int) -> tuple[float, ...]:
        """Returns the thresholds, one per stage but the last (or none at all)."""
        value = self.names_of_module.get("THRESHOLDS", ())
        if not isinstance(value, (tuple, list)) or any(as_finite(item) is None for item in value):
            raise self.error("THRESHOLDS", f"THRESHOLDS must be a tuple of finite numbers, got {value!r:.80}")
        if "THRESHOLDS" in self.names_of_module and len(value) != stages - 1:
            what = f"THRESHOLDS must have one value per stage but the last, got {len(value)}"
            raise self.error("THRESHOLDS", what, f"with STAGES = {stages} give {stages - 1}")
        return tuple(float(item) for item in value)

    def measures(self) -> tuple[Measure, ...]:
        """Returns the behaviour axes."""
        value = self.names_of_module.get("MEASURES", _DEFAULT_MEASURES)
        if isinstance(value, Measure):
            value = (value,)
        if not isinstance(value, (tuple, list)) or not all(isinstance(item, Measure) for item in value):
            raise self.error("MEASURES", f"MEASURES must be a tuple of Measure, got {value!r:.80}")
        if not value:
            raise self.error("MEASURES", "MEASURES must not be empty", "leave it out for the default axes")
        names = [item.name for item in value]
        if len(set(names)) < len(names):
            raise self.error("MEASURES", f"MEASURES must have different names, got {names}")
        if sum(item.source == "novelty" for item in value) > 1:
            raise self.error("MEASURES", "MEASURES must have one novelty at most", "remove the other")
        try:
            measures.check_names(item.name for item in value if item.source == "code")
        except ContractError as error:
            raise self.error("MEASURES", f"MEASURES: {error}") from error
        return tuple(value)

    def best_known(self, objective: Objective) -> tuple[BestKnown, ...]:
        """Returns the best published values, none better than the proven bound."""
        value = self.names_of_module.get("BEST_KNOWN", ())
        values = (value,) if isinstance(value, BestKnown) else value
        if not isinstance(values, (tuple, list)) or not all(isinstance(one, BestKnown) for one in values):
            raise self.error(
                "BEST_KNOWN", f"BEST_KNOWN must be a BestKnown, or a tuple of them, got {value!r:.80}"
            )
        for one in values:
            if not one.scope:
                self._check_bound("BEST_KNOWN", one.value, objective)
        return tuple(values)

    def baseline(self, objective: Objective) -> Baseline | None:
        """Returns what a method without a model reaches, None where the module does not tell."""
        if self.names_of_module.get("BASELINE") is None:
            return None
        baseline: Baseline = self.instance("BASELINE", Baseline)
        self._check_bound("BASELINE", baseline.value, objective)
        return baseline

    def _check_bound(self, name: str, value: float, objective: Objective) -> None:
        bound = objective.bound
        if bound is not None and objective.fitness(value) > objective.fitness(bound):
            what = f"{name} {value} is better than the proven bound {bound}"
            raise self.error(name, what, "correct one of them, or give the value a scope")

    def seed(self) -> tuple[Program, dict[str, str]]:
        """Returns the seed program, and the files beside the module that it was read from."""
        entry = self.instance("ENTRY", str, _KERNEL_ENTRY if self.is_kernel else DEFAULT_ENTRY)
        read: dict[str, str] = {}
        seed = Program(self._seed_files(entry, read), entry)
        try:
            blocks.check_seed(seed)
        except ContractError as error:
            raise self.error("SEED", f"SEED: {error}") from error
        for path, text in seed.files.items():
            if not text.strip() and path == entry:
                raise self.error("SEED", f"SEED: {path} is empty", "give a program that runs and scores")
            if path.endswith(".py"):
                self._check_syntax(path, text)
        return seed, read

    def heuristic_seed(self) -> Program | None:
        """Returns the first program of a search that hands out the best output so far, None where there is none."""
        if self.names_of_module.get("HEURISTIC_SEED") is None:
            return None
        text = self.instance("HEURISTIC_SEED", str)
        self._check_syntax(DEFAULT_ENTRY, text, "HEURISTIC_SEED")
        functions = {one.name: one for one in trees.parse(text).body if isinstance(one, ast.FunctionDef)}
        if "improve" not in functions or len(functions["improve"].args.args) != len(_IMPROVE):
            form = f"def improve({', '.join(_IMPROVE)})"
            raise self.error("HEURISTIC_SEED", f"HEURISTIC_SEED must define {form}", "write it so")
        seed = Program({DEFAULT_ENTRY: text})
        try:
            blocks.check_seed(seed)
        except ContractError as error:
            raise self.error("HEURISTIC_SEED", f"HEURISTIC_SEED: {error}") from error
        return seed

    def _seed_files(self, entry: str, read: dict[str, str]) -> dict[str, str]:
        value = self.names_of_module["SEED"]
        if isinstance(value, (str, Path)):
            value = {entry: value}
        if not isinstance(value, Mapping) or not value:
            what = f"SEED must be a text, a Path, or a dict of texts by path, got {value!r:.80}"
            raise self.error("SEED", what)
        found: dict[str, str] = {}
        for path, content in value.items():
            if not isinstance(path, str) or not isinstance(content, (str, Path)):
                raise self.error("SEED", f"SEED must map paths to texts, got {path!r:.60}: {content!r:.60}")
            found |= {path: content} if isinstance(content, str) else self._read(path, content, read)
        return found

    def _read(self, name: str, path: Path, read: dict[str, str]) -> dict[str, str]:
        """Returns the text of a file beside the module, or all files of a folder; notes it in `read`."""
        relative = path.as_posix()
        inside = {
            other.removeprefix(relative + "/"): text
            for other, text in self.files.files.items()
            if other == relative or other.startswith(relative + "/")
        }
        if inside:
            return {name: inside[relative]} if relative in inside else inside
        full = Path(self.files.folder, path)
        try:
            paths = sorted(full.rglob("*")) if full.is_dir() else [full]
            texts = {
                found.relative_to(full).as_posix(): found.read_text(encoding="utf-8")
                for found in paths
                if not found.is_dir() and "__pycache__" not in found.parts
            }
        except (OSError, UnicodeDecodeError) as error:
            raise self.error("SEED", f"SEED: {full} cannot be read: {error}") from error
        read.update({Path(relative, inner).as_posix(): text for inner, text in texts.items()})
        return texts if full.is_dir() else {name: texts["."]}

    def _check_syntax(self, path: str, text: str, name: str = "SEED") -> None:
        try:
            compile(text, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            where = f" line {line}:" if line else ""
            raise self.error(name, f"{name}: {path},{where} is no Python: {error}") from error

    def function(self, name: str, parameters: tuple[str, ...] | None = None) -> Callable[..., Any]:
        """Returns a function that can be called with so many positional arguments (None: not checked)."""
        value = self.names_of_module[name]
        if not callable(value):
            raise self.error(name, f"{name} must be a function, got {value!r:.80}")
        if parameters is not None:
            form = f"def {name}({', '.join(parameters)})"
            try:
                inspect.signature(value).bind(*parameters)
            except TypeError as error:
                what = f"{name}{inspect.signature(value)} must take {', '.join(parameters)}"
                raise self.error(name, what, f"write {form}") from error
        return value  # type: ignore[no-any-return]

    def optional_function(self, name: str, parameters: tuple[str, ...]) -> Callable[..., Any] | None:
        """Returns a function, or None where the module has none."""
        return self.function(name, parameters) if self.names_of_module.get(name) is not None else None

    def aggregate(self) -> tuple[Callable[..., Any] | None, bool]:
        """Returns `aggregate`, and whether it is of the first edition: with a parameter `metrics`, it takes these alone."""
        function = self.optional_function("aggregate", ("results",))
        if function is None:
            return None, False
        return function, next(iter(inspect.signature(function).parameters)) == "metrics"

    def shares_process(self) -> bool:
        """Returns whether the cases of a stage are run in one child."""
        shares: bool = self.instance("SHARED_PROCESS", bool, False)
        if shares and self.names_of_module.get("follow") is not None:
            what = "SHARED_PROCESS has no meaning beside follow(), whose phases must share nothing"
            raise self.error("SHARED_PROCESS", what, "remove one of them")
        return shares

    def warnings(self, *, stages: int, takes_old_aggregate: bool) -> tuple[str, ...]:
        """Returns what the author should change before the next version."""
        if not takes_old_aggregate:
            return ()
        what = "aggregate(metrics) is of the first edition of the contract; the next version takes aggregate(results)"
        remedy = 'write aggregate(results), and one.metrics["name"] for one["name"]'
        if stages > 1:
            remedy += "; it gets the results of one stage, and those of the last one alone make the score"
        return (str(self.error("aggregate", what, remedy)),)

    def run_extras(self, run: Callable[..., Any], *, serves: bool) -> tuple[str, ...]:
        """Returns the extra parameters that `run` declares; checks that oracle and serve come together."""
        names = list(inspect.signature(run).parameters)
        extras = names[2:]
        if names[:2] != ["program", "inputs"] or set(extras) - set(RUN_EXTRAS):
            what = f"run({', '.join(names)}) must take program, inputs, then any of {', '.join(RUN_EXTRAS)}"
            bad = next((name for name in extras if name not in RUN_EXTRAS), "")
            near = get_close_matches(bad, RUN_EXTRAS, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else "write def run(program, inputs)"
            raise self.error("run", what, remedy)
        if ("oracle" in extras) != serves:
            what = (
                "run() takes oracle but there is no serve()"
                if not serves
                else "serve() is there but run() takes no oracle"
            )
            raise self.error("run", what, "define both: def serve(case), def run(program, inputs, oracle)")
        return tuple(extras)
