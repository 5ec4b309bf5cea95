"""Any number of runs in one process: each a session in a thread of its own, resumed when the process starts again.

Beside a run's own files, its folder holds `service.json`: whether it is wanted, and where its problem came from.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.certify.improvement import begin
from discovery.core.errors import DiscoveryError, RunError, RunFolderError
from discovery.execution.broker import BrokerConfig
from discovery.execution.runs import check_operators, create_run, import_items
from discovery.learning.memory.items import Item
from discovery.reporting.run_view import RunView
from discovery.service.hosted_run import BusyError, HostedRun, Stated, write_json
from discovery.service.runs import RunLike
from discovery.settings.config import RunConfig
from discovery.settings.launch import LaunchConfig, check_name
from discovery.storage.run_folder import RunFolder
from evaluators.problems.bundle import Bundle, unpack
from evaluators.problems.describe import describe
from evaluators.problems.loading import ProblemError, load_problem, shipped_names

VIEWS_KEPT = 8
_log = logging.getLogger(__name__)


class NoSuchRunError(DiscoveryError):
    """There is no run of that name."""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Where runs lie and what they may use.

    Attributes:
        folder: holds one folder per run.
        broker: where jobs go; None does them in this process's own judges.
        most_runs: how many may be under way at once.
        most_workers: evaluations at the same time that one run may ask for.
    """

    folder: Path
    broker: BrokerConfig | None = None
    most_runs: int = 32
    most_workers: int = 256


class Host:
    """All runs of a service. Thread-safe."""

    def __init__(self, config: HostConfig) -> None:
        """Opens the folder of runs.

        Raises:
            RunFolderError: it cannot be written, or another service works there.
        """
        self.config = config
        self._lock = threading.RLock()
        self._runs: dict[str, HostedRun] = {}
        self._views: OrderedDict[Path, RunView] = OrderedDict()
        self._coming: set[str] = set()
        try:
            config.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"cannot write {config.folder}: {error.strerror}; name another with --runs"
            ) from error
        self._held = RunFolder(config.folder.absolute()).lock()
        self._held.__enter__()
        for path in sorted(config.folder.iterdir()):
            if (path / "service.json").is_file():
                try:
                    self._runs[path.name] = HostedRun(RunFolder(path.absolute()), config.broker)
                except (DiscoveryError, ValueError) as error:
                    _log.error("run %s is passed over: %s", path.name, error)

    def resume_unfinished(self) -> list[str]:
        """Goes on with every run that was under way when the service ended, and returns their names."""
        names = []
        for name, run in self._runs.items():
            if run.is_wanted:
                try:
                    run.start(is_restart=True)
                    names.append(name)
                except DiscoveryError as error:
                    _log.error("run %s does not go on: %s", name, error)
        return names

    def runs(self) -> list[HostedRun]:
        """Returns all runs, oldest first."""
        with self._lock:
            return sorted(self._runs.values(), key=lambda run: float(run.settings["info"]["started_at"]))

    def run(self, name: str) -> HostedRun:
        """Returns the run of a name.

        Raises:
            NoSuchRunError: there is none.
        """
        with self._lock:
            if (found := self._runs.get(name)) is None:
                raise NoSuchRunError(f"there is no run {name!r:.80}; GET /runs lists them")
            return found

    def view(self, run: RunLike) -> RunView:
        """Returns what the page shows of a run; those looked at last are kept.

        Raises:
            RunFolderError: its folder cannot be read.
        """
        path = run.folder.path
        with self._lock:
            view = self._views.pop(path, None) or RunView(path)
            self._views[path] = view
            while len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
            return view

    def create(
        self,
        name: str | None,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig = LaunchConfig(),  # noqa: B008 - frozen
    ) -> HostedRun:
        """Returns a new run, begun.

        Args:
            name: of the run; None takes the problem's name and a number.
            make_config: makes the run's settings, given what names the problem.
            problem: a shipped name, or the files of one from outside.
            launch: what it begins with; its name is not looked at.

        Raises:
            BusyError: the name is taken, or too many runs are under way.
            DiscoveryError, ContractError: the settings or the problem are not right.
        """
        if name is not None:
            check_name(name)
        if isinstance(problem, str) and problem not in shipped_names():
            raise ProblemError(
                f"the service has no problem {problem!r:.80}",
                remedy=f"choose from {', '.join(shipped_names())}, or upload one",
            )
        with self._lock:
            self._check_room()
            base = name or (problem if isinstance(problem, str) else problem.name)
            folder = self._new_folder(base, is_exact=name is not None)
            self._coming.add(folder.path.name)
        try:
            run = self._fill(folder, make_config, problem, launch)
            with self._lock:
                self._runs[run.name] = run
            run.start()
        finally:
            with self._lock:
                self._coming.discard(folder.path.name)
        return run

    def resume(self, name: str, changes: Mapping[str, Any]) -> HostedRun:
        """Goes on with a run that has ended, and returns it.

        Args:
            name: of the run.
            changes: what of its settings changes (settings.doors.read_changes).

        Raises:
            NoSuchRunError: there is none. BusyError: it is under way, or too many runs are.
        """
        run = self.run(name)
        with self._lock:
            if not run.is_active:
                self._check_room()
            run.start(self._allowed(changes))
        return run

    def close(self, timeout_s: float = 30.0) -> None:
        """Ends all sessions; they go on when the service starts again."""
        for run in self.runs():
            if run.is_active:
                run.stop(for_good=False, message="the service ends; the run goes on when it starts again")
        end_s = time.monotonic() + timeout_s
        for run in self.runs():
            run.join(max(0.0, end_s - time.monotonic()))
        self._held.__exit__(None, None, None)

    def _check_room(self) -> None:
        under_way = sum(run.is_active for run in self._runs.values()) + len(self._coming)
        if under_way >= self.config.most_runs:
            raise BusyError(f"{self.config.most_runs} runs are under way; stop one, or wait for an end")

    def _new_folder(self, base: str, *, is_exact: bool) -> RunFolder:
        names: Iterable[str] = [base] if is_exact else (f"{base}-{number}" for number in range(1, 100_000))
        for name in names:
            path = self.config.folder.absolute() / name
            if name not in self._coming and not path.exists():
                return RunFolder(path)
        raise BusyError(f"there is a run {base!r} already; give another name")

    def _allowed(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns settings of one run, if they ask for no more than it may use."""
        if (workers := settings.get("workers", 1)) > self.config.most_workers:
            raise RunError(f"workers must be at most {self.config.most_workers} here, got {workers}")
        return settings

    def _fill(
        self,
        folder: RunFolder,
        make_config: Callable[[str], RunConfig],
        problem: str | Bundle,
        launch: LaunchConfig,
    ) -> HostedRun:
        description = start = None
        items = [Item.from_json(item) for item in launch.items or ()]
        if isinstance(problem, str):
            stated: Stated = load_problem(problem)
            config = make_config(problem)
        else:
            try:
                path = unpack(problem.encode(), self.config.folder.absolute() / ".problems")
            except OSError as error:
                raise ProblemError(f"the problem's files do not fit together: {error.strerror}") from error
            stated = describe(str(path), problem.name)
            description = stated.to_json()
            config = make_config(str(path))
            if config.unsafe:
                raise RunError("a problem from outside is never judged without a whole sandbox")
            if launch.from_best is not None:
                raise RunError(
                    "from_best goes with the service's own problems only; leave it out for this one"
                )
        self._allowed({"workers": config.workers})
        check_operators(config)
        if launch.from_best is not None:
            stated, start = begin(stated, config, seconds=launch.from_best, certificate=launch.start)
        files = {
            "service.json": {"wanted": True, "state": "running", "message": "", "description": description}
        }
        if not isinstance(problem, str):
            files["problem.json"] = problem.to_json()
        try:
            create_run(folder, config, stated, start)
            if items:
                import_items(folder, items)
            for name, data in files.items():
                write_json(folder.path / name, data)
        except RunFolderError:
            shutil.rmtree(folder.path, ignore_errors=True)  # a half-made one would hold the name
            raise
        return HostedRun(folder, self.config.broker)
