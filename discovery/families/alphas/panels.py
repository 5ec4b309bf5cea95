"""`discovery panel import`, `info`, `synthesize` and `problem`: prices for the alpha problems."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from discovery.cli.options import Finite
from discovery.core.errors import ConfigError

if TYPE_CHECKING:
    from evaluators.alphas.overview import Overview

_out = click.argument("out", type=click.Path(path_type=Path, file_okay=False))
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def panel() -> None:
    """Import, inspect and synthesize panels of prices, and mine them."""


@panel.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@_out
@click.option("--sort", is_flag=True, help="Sort rows that are out of order instead of refusing them.")
@click.option("--universe", default="all", help="Which qlib instruments file.  [default: all]")
@click.option(
    "--max-jump",
    type=Finite(0.0, min_open=True),
    help="Largest believable daily return.  [default: 0.5]",
)
@_json
def import_(
    source: Path, out: Path, sort: bool, universe: str, max_jump: float | None, as_json: bool
) -> None:
    """Check SOURCE (CSV, Parquet, Feather or a qlib folder) and write it to the folder OUT."""
    from evaluators.alphas.markets.ingest import import_panel
    from evaluators.alphas.markets.panel import MAX_JUMP, save_panel
    from evaluators.alphas.overview import overview

    found = import_panel(source, sort=sort, universe=universe, max_jump=max_jump or MAX_JUMP)
    save_panel(found, out)
    _print(overview(found), out, as_json=as_json)


@panel.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--noise", is_flag=True, help="Measure what the best of many worthless factors reaches here.")
@_json
def info(folder: Path, noise: bool, as_json: bool) -> None:
    """Tell what the panel in FOLDER holds."""
    from evaluators.alphas.markets.panel import load_panel
    from evaluators.alphas.overview import overview

    _print(overview(load_panel(folder), noise_factors=200 if noise else 0), folder, as_json=as_json)


@panel.command()
@_out
@click.option("--seed", type=click.IntRange(0), default=0, help="Equal seeds, equal markets.  [default: 0]")
@click.option("--days", type=click.IntRange(100), default=1500, help="Trading days.  [default: 1500]")
@click.option("--names", type=click.IntRange(30), default=300, help="Stocks.  [default: 300]")
@_json
def synthesize(out: Path, seed: int, days: int, names: int, as_json: bool) -> None:
    """Write a synthetic market with planted alphas to the folder OUT."""
    from evaluators.alphas.markets.panel import save_panel
    from evaluators.alphas.markets.synthetic import synthesize as synthesize_market
    from evaluators.alphas.overview import overview

    market = synthesize_market(seed, days=days, names=names)
    save_panel(market.panel, out)
    _print(overview(market.panel), out, as_json=as_json)


@panel.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.argument("problem")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: PROBLEM.py]")
def problem(folder: Path, problem: str, out: Path | None) -> None:
    """Write a copy of an alpha PROBLEM (alpha_single, ...) that mines the panel in FOLDER."""
    from evaluators.alphas.markets.panel import load_panel
    from evaluators.alphas.markets.world import FEATURES
    from evaluators.alphas.problem_text import with_panel
    from evaluators.problems.loading import load_problem

    if missing := [name for name in FEATURES if name not in load_panel(folder).fields]:
        raise ConfigError(
            f"the panel in {folder} has no {', '.join(missing)}, which {problem} hands to its programs; import it with such "
            "columns (for vwap, the average of high, low and close stands in where nothing better is known)"
        )
    source = load_problem(problem).files
    text = with_panel(source.files[source.module], folder.absolute())
    target = out or Path(f"{problem}.py")
    if target.exists():
        raise ConfigError(f"{target} exists; name another file with --out")
    target.write_text(text, encoding="utf-8")
    click.echo(f"{target} written; try: discovery run {target} --minutes 5")


def _print(found: Overview, folder: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **asdict(found)}))
        return
    click.echo(f"{folder}: {found.days} days x {found.names} names, {found.first} to {found.last}")
    click.echo(f"  fields      {', '.join(found.fields)}")
    click.echo(f"  known       {1 - found.missing:.1%} of prices, {found.tradable:.1%} tradable")
    click.echo(
        f"  universe    {found.universe_mean:.0f} names on average, {found.delisted} gone by the last day"
    )
    click.echo(f"  returns     sd {found.return_sd:.2%}, kurtosis {found.return_kurtosis:.1f}")
    click.echo(f"  digest      {found.digest}")
    for trials, rank_ic, icir in found.noise:
        click.echo(f"  noise       best of {trials}: RankIC {rank_ic:.4f}, RankICIR {icir:.3f}")
    for warning in found.warnings:
        click.echo(f"  warning     {warning}")
