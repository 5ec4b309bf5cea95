"""`discovery compare`: is one configuration better than another, by how much, and how sure is that?"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from discovery.analysis.comparison import OPPONENTS, Comparison, compare_courses, opponent, run_pairs
from discovery.analysis.statistics import Paired, smallest_n
from discovery.api.launch import check_ready
from discovery.cli.options import Finite, Sections, given, secret_file, settings_options
from discovery.cli.search import signals_asking
from discovery.core.errors import ConfigError, RunError
from discovery.core.records import Record
from discovery.execution.ending import StopRequest
from discovery.execution.session import Outcome, Session
from discovery.search.state import RunState
from discovery.settings.config import RunConfig
from discovery.settings.doors import LIMITS, Source, read
from discovery.settings.launch import LaunchConfig
from discovery.settings.toml import read_toml
from discovery.storage.run_folder import RunFolder
from discovery.storage.secret import shared_secret
from evaluators.problems.loading import Problem, load_problem


@click.command(cls=Sections)
@click.argument("config_a")
@click.argument("config_b")
@click.option("--seeds", type=click.IntRange(2), default=20, show_default=True, help="Pairs of runs.")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@secret_file
@settings_options(LIMITS)
@click.option("--problem", help="The problem of both, where a file names none.")
@click.option(
    "--target", type=Finite(), help="The score whose cost is counted.  [default: what the weaker reaches]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/compare"),
    show_default=True,
    help="Folder of the runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def compare(
    config_a: str,
    config_b: str,
    seeds: int,
    first_seed: int,
    secret_file: Path | None,
    problem: str | None,
    target: float | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Run CONFIG_A and CONFIG_B on the same seeds and tell whether they differ.

    Each is a TOML file as for `discovery run --config`; one of them may be a built-in opponent instead: best-of-n,
    single-agent, greedy or random, with the problem, models and budget of the other. Runs that are there already are
    finished, not repeated, so an interrupted comparison goes on where it was. The two of a pair meet the same hidden
    cases; with --secret-file, every comparison that shares it draws the same for each seed.
    """
    line = given(options)
    line = replace(line, data={**line.data, "problem": problem}) if problem else line
    configs = _configs(config_a, config_b, line)
    problems = (load_problem(configs[0].problem), load_problem(configs[1].problem))
    if problems[0].objective != problems[1].objective:
        raise ConfigError("the two configurations have different objectives; they cannot be compared")
    for config in configs:
        check_ready(config)
    stop = StopRequest()
    stream = sys.stderr if as_json else sys.stdout

    def work(folder: RunFolder, config: RunConfig, problem: Problem) -> Outcome:
        with folder.lock():
            outcome = Session(folder, config, problem, observer=_Silent(), stop=stop).run()
        if not outcome.is_success:
            raise RunError(f"{folder.path} stopped: {outcome.message}")
        click.echo(f"{folder.path}  best {outcome.summary['best_score']}", file=stream)
        return outcome

    chosen = range(first_seed, first_seed + seeds)
    shared = None if secret_file is None else shared_secret(secret_file)
    with signals_asking(stop):
        courses = run_pairs(out, configs, problems, chosen, work, shared)
    objective = problems[0].objective
    goal = None if target is None else objective.fitness(target)
    found = compare_courses((config_a, config_b), tuple(chosen), courses, target=goal)
    click.echo(tell(found, objective.fitness), file=stream)
    if as_json:
        click.echo(json.dumps(found.to_json()))


class _Silent:
    """Watches nothing: one line per run is enough."""

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Does nothing."""

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Does nothing."""

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Does nothing."""

    def warned(self, text: str) -> None:
        """Does nothing."""

    def informed(self, text: str) -> None:
        """Does nothing."""


def _configs(a: str, b: str, line: Source) -> tuple[RunConfig, RunConfig]:
    """Returns the two configurations; a built-in opponent takes after the other.

    Raises:
        ConfigError: a file is wrong, or both are built-in opponents.
    """
    if a in OPPONENTS and b in OPPONENTS:
        raise ConfigError(
            "at least one of the two must be a TOML file: the opponent takes its problem from there"
        )
    if a in OPPONENTS:
        second = _read(b, line)
        return opponent(a, second), second
    first = _read(a, line)
    return first, (opponent(b, first) if b in OPPONENTS else _read(b, line))


def _read(name: str, line: Source) -> RunConfig:
    path = Path(name)
    if not path.is_file():
        raise ConfigError(f"{name} is neither a TOML file nor one of {', '.join(OPPONENTS)}")
    file = read_toml(path)
    dropped = {"out", "name", "json", "seed", "secret_file"}
    if any(limit.key in line.data for limit in LIMITS):
        dropped |= {limit.key for limit in LIMITS}
    kept = {key: value for key, value in file.data.items() if key.replace("-", "_") not in dropped}
    config, launch = read([replace(file, data=kept), line])
    if launch != LaunchConfig():
        raise ConfigError(f"{name}: runs that are compared take no start, from_best, broker or memory.items")
    return replace(config, seed=0)


def tell(found: Comparison, fitness: Any) -> str:
    """Returns a comparison for people; `fitness` turns a score, and back."""
    a, b = found.names
    lines = [f"{len(found.seeds)} pairs, seeds {found.seeds[0]} to {found.seeds[-1]}", ""]
    for name, finals in zip(found.names, found.finals, strict=True):
        low, middle, high = _quartiles([fitness(value) for value in finals])
        lines.append(f"{name}: median best score {middle:.8g}, quartiles {low:.8g} to {high:.8g}")
    lines.append(f"final score: {_sentence(a, b, found.final)}")
    lines.append(f"target score {fitness(found.target):.8g}:")
    for kind, costs in found.costs.items():
        shares = [f"{sum(map(math.isfinite, each))} of {len(each)}" for each in costs]
        medians = [f"{_median(each):.6g}" for each in costs]
        lines.append(
            f"  {kind.replace('_', ' ')}: {a} {medians[0]} ({shares[0]} reached it), {b} {medians[1]} ({shares[1]}); "
            + _sentence(a, b, found.cost_tests[kind], is_cost=True)
        )
    return "\n".join(lines)


def _sentence(a: str, b: str, paired: Paired, *, is_cost: bool = False) -> str:
    verdict = paired.verdict()
    what = "not told apart" if verdict == "not told apart" else f"{a} is {verdict} than {b}"
    text = f"{what} (p = {paired.p:.3g}, {paired.wins}:{paired.losses} pairs"
    if not is_cost:
        text += f", median difference {paired.difference.middle:.6g} [{paired.difference.low:.6g}, {paired.difference.high:.6g}]"
    text += ")"
    if verdict == "not told apart" and paired.wins + paired.losses:
        more = paired.required_pairs
        text += (
            f"; about {more} pairs would find a difference like this one with a power of 0.8" if more else ""
        )
        if paired.wins + paired.losses < smallest_n():
            text += f"; no result can be significant with fewer than {smallest_n()} pairs that differ"
    return text


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    last = len(ordered) - 1
    return ordered[round(last * 0.25)], ordered[round(last * 0.5)], ordered[round(last * 0.75)]


def _median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]
