"""Does a factor look ahead? It is run again on data whose future was taken away, and must not notice.

For a cut c (secret, drawn per evaluation) the rows after c are
    truncate    cut off
    nan         replaced by NaN, same shape
    scramble    shuffled in time and across names, and multiplied by lognormal noise, same shape
    resample    replaced by another future: blocks of the panel's own past days, prices chained on. Hard to
                tell from a real one, so a program cannot behave only while it is watched
    trend       the same, and every name goes on in its own direction: momentum pays there
    turn        the same, and the directions turn every few days: reversal pays there. What was fitted to the
                labels of the whole sample, if only a sign, comes out differently in the last two
and the factor's values, NaN masks and ranks of the days t <= c must be those of the run on the full data.
Values alone are not enough: 1 + 1e-9 * future passes any relative tolerance and ranks like the future, so
the day's ranks are compared as well, and everything that is scored is scored on ranks.

Some cuts are random; others lie at the days where the factor looked best (`best_days`), because a leak that
is used on few days is rarely met by chance and shows in exactly those days.

Further checks: `streaming_reason` (day by day equals batch), `lag_reason` (the edge must not hang on the
price of the decision), `order_reason` (the order of names means nothing), `placebo_t` (labels shuffled
within days: a t beyond 3 means that the judge is broken), and `explain`, which points at suspicious lines
but never decides.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.labels import Labels, finite_in
from evaluators.alphas.markets.panel import PRICES, Floats
from evaluators.alphas.metrics import newey_west_t
from evaluators.alphas.rank_ic import average_ranks, rank_ic

Features: TypeAlias = Mapping[str, Floats]
Factor: TypeAlias = Callable[[dict[str, Floats]], Any]
Array = NDArray[np.float64]

PRICE_LIKE = (*PRICES, "vwap", "cap")
ALWAYS = ("truncate", "nan", "scramble")
IN_TURN = ("resample", "trend", "turn")
KINDS = (*ALWAYS, *IN_TURN)
VALUE_TOLERANCE = 1e-6
RANK_TOLERANCE = 1e-4
"""Largest mean displacement of a day's ranks, in units of the number of names: rounding may swap ties."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Features whose future, after row `cut`, was changed as `kind` says."""

    kind: str
    cut: int
    features: dict[str, Floats]


def random_cuts(rng: np.random.Generator, length: int, *, count: int = 3, warm_up: int = 30) -> list[int]:
    """Returns `count` random cuts, ascending, with `warm_up` rows before each (if there are) and one after."""
    low = min(warm_up, max(1, length - 2))
    days = np.arange(low, length - 1)
    return sorted(rng.choice(days, size=min(count, len(days)), replace=False).tolist())


def best_days(daily: Array, *, count: int = 2) -> list[int]:
    """Returns the `count` days, but the last, on which the daily IC is largest in size, ascending."""
    size = np.where(np.isfinite(daily), np.abs(daily), -1.0)[:-1]
    return sorted(int(day) for day in np.argsort(-size, kind="stable")[:count] if size[day] >= 0)


def plan_probes(
    rng: np.random.Generator, random: Sequence[int], exact: Sequence[int] = ()
) -> list[tuple[int, str]]:
    """Returns (cut, kind) in ascending order of cuts, so that no probe shows what an earlier one hid.

    Random cuts get the three kinds of ALWAYS, and those of IN_TURN in turn; exact cuts, where a single day is
    to be looked at, are truncated.
    """
    first = int(rng.integers(len(IN_TURN)))
    plan = [
        (cut, kind)
        for place, cut in enumerate(sorted(random))
        for kind in (*ALWAYS, IN_TURN[(first + place) % len(IN_TURN)])
    ]
    return sorted(plan + [(cut, "truncate") for cut in exact], key=lambda probe: probe[0])


def make_probe(features: Features, kind: str, cut: int, rng: np.random.Generator) -> Probe:
    """Returns copies of `features` with the rows after `cut` changed; equal rng states give equal probes."""
    return Probe(kind, cut, dict(_changed(features, kind, cut, rng)))


def _changed(
    features: Features, kind: str, cut: int, rng: np.random.Generator
) -> Iterator[tuple[str, Floats]]:
    length, width = next(iter(features.values())).shape
    after = length - cut - 1
    rows, columns = rng.permutation(np.arange(cut + 1, length)), rng.permutation(width)
    if kind in IN_TURN:
        drift = _drift(rng, kind, after, width)
        yield from _another_future(features, cut, _blocks(rng, cut, after), drift).items()
        return
    for name, values in features.items():
        if kind == "truncate":
            yield name, np.array(values[: cut + 1])
            continue
        changed = np.array(values)
        if kind == "nan":
            changed[cut + 1 :] = np.nan
        elif kind == "scramble":
            changed[cut + 1 :] = values[rows][:, columns] * rng.lognormal(0.0, 0.2, (after, width))
        else:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
        yield name, changed


def _blocks(rng: np.random.Generator, cut: int, count: int) -> NDArray[np.int64]:
    """Returns `count` past rows in runs of about 20 days, so that calm and storm stay together."""
    rows = rng.integers(0, cut + 1, count)
    goes_on = rng.random(count) < 0.95
    for step in range(1, count):
        if goes_on[step] and rows[step - 1] < cut:
            rows[step] = rows[step - 1] + 1
    return rows


def _drift(rng: np.random.Generator, kind: str, count: int, width: int) -> Array:
    """Returns extra daily log returns: none, one direction per name, or directions that turn."""
    if kind == "resample":
        return np.zeros((count, width))
    directions = 0.01 * rng.standard_normal(width)
    period = int(rng.integers(8, 13)) if kind == "turn" else count
    signs = 1.0 - 2.0 * (np.arange(count) // max(period, 1) % 2)
    return np.asarray(signs[:, None] * directions)


def _another_future(features: Features, cut: int, rows: NDArray[np.int64], drift: Array) -> dict[str, Floats]:
    """Returns features that after `cut` repeat the days `rows`, prices chained on so that nothing jumps."""
    scale: Array = np.ones((len(rows), 1))
    if "close" in features:
        past = np.asarray(features["close"][: cut + 1], dtype=np.float64)
        filled = np.maximum.accumulate(np.where(np.isfinite(past), np.arange(len(past))[:, None], 0), axis=0)
        past = np.take_along_axis(past, filled, axis=0)
        ratios = past[rows] / past[np.maximum(rows - 1, 0)]
        path = np.cumprod(np.where(np.isfinite(ratios), ratios, 1.0) * np.exp(drift), axis=0)
        scale = past[-1] * path / past[rows]
    out = {}
    for name, values in features.items():
        changed = np.array(values)
        changed[cut + 1 :] = values[rows] * (scale if name in PRICE_LIKE else 1.0)
        out[name] = changed
    return out


def difference(base: Floats, probed: Floats, cut: int) -> str | None:
    """Returns how the days t <= cut differ between two runs, or None where they agree.

    The NaN masks must be equal; values must agree to 1e-6 of the larger of the two and of the day's median
    size; ranks must agree but for a mean displacement of 1e-4 of the names.
    """
    if probed.ndim != 2 or len(probed) <= cut or probed.shape[1] != base.shape[1]:
        return f"its shape became {probed.shape}"
    old = np.asarray(base[: cut + 1], dtype=np.float64)
    new = np.asarray(probed[: cut + 1], dtype=np.float64)
    if np.array_equal(old.view(np.int64), new.view(np.int64)):  # honest programs give the same bits
        return None
    known = np.isfinite(old)
    if (known != np.isfinite(new)).any():
        day = int(np.argmax((known != np.isfinite(new)).any(axis=1)))
        return f"values appear or vanish on the day {cut - day} days before the cut"
    size = np.where(known, np.abs(old), 0.0)
    typical = np.median(size, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        gap = np.where(known, np.abs(old - new), 0.0)
    allowed = VALUE_TOLERANCE * np.maximum(np.maximum(size, np.where(known, np.abs(new), 0.0)), typical)
    if (gap > allowed).any():
        days = (gap > allowed).any(axis=1)
        worst = float((gap / np.maximum(np.maximum(size, typical), 1e-300)).max())
        return f"{int(days.sum())} of {cut + 1} days changed, by up to {worst:.2g} of their size"
    moved = np.abs(average_ranks(old, known) - average_ranks(new, known))
    count = np.maximum(known.sum(axis=1), 1)
    displaced = np.sum(moved, axis=1, where=known) / count / count
    if (displaced > RANK_TOLERANCE).any():
        days = displaced > RANK_TOLERANCE
        return f"the ranks of {int(days.sum())} days changed, by less than the tolerance of values"
    return None


def lookahead_reason(
    factor: Factor,
    features: Features,
    base: Floats,
    rng: np.random.Generator,
    *,
    daily: Array | None = None,
    cuts: int = 3,
) -> str | None:
    """Returns why `factor` must be rejected, or None; runs the planned probes in this process.

    Args:
        factor: called with fresh copies of the features.
        features: (T, N) arrays by name.
        base: what the factor gave on the full features.
        rng: draws cuts and futures; its state is the secret.
        daily: the factor's daily IC, to look at the days where it was best.
        cuts: how many random ones.
    """
    exact = [] if daily is None else best_days(daily)
    for cut, kind in plan_probes(rng, random_cuts(rng, len(base), count=cuts), exact):
        probe = make_probe(features, kind, cut, rng)
        found = difference(base, np.asarray(factor(probe.features)), cut)
        if found:
            return look_ahead(kind, found)
    return None


def look_ahead(kind: str, found: str) -> str:
    """Returns the sentence that tells people and models what a probe found."""
    what = {"truncate": "cut off", "nan": "missing", "scramble": "scrambled"}.get(kind, "another one")
    return f"looks ahead: with the future {what}, {found}"


def streaming_reason(factor: Factor, features: Features, base: Floats, days: Sequence[int]) -> str | None:
    """Returns where feeding the data only up to a day gives another value for it than the batch, or None."""
    for day in days:
        part = {name: np.array(values[: day + 1]) for name, values in features.items()}
        streamed = np.asarray(factor(part))
        if streamed.shape != (day + 1, base.shape[1]):
            return f"streaming: on day {day} the shape became {streamed.shape}"
        if found := difference(base[day : day + 1], streamed[day : day + 1], 0):
            return f"streaming differs from batch on day {day}: {found}"
    return None


def order_reason(factor: Factor, features: Features, base: Floats, rng: np.random.Generator) -> str | None:
    """Returns why the factor depends on the order of the names, or None."""
    order = rng.permutation(base.shape[1])
    shuffled = np.asarray(factor({name: np.array(values[:, order]) for name, values in features.items()}))
    if shuffled.shape != base.shape:
        return f"with the names in another order the shape became {shuffled.shape}"
    found = difference(base[:, order], shuffled, len(base) - 1)
    return f"depends on the order of the names: {found}" if found else None


def lag_reason(now: Array, later: Array, *, horizon_days: int) -> str | None:
    """Returns why the edge hangs on a price that cannot be traded, or None.

    Args:
        now: daily RankIC at delay 0 (bought at the very close that the factor used).
        later: daily RankIC at delay 1.
        horizon_days: of the labels, for the standard error.
    """
    both = np.isfinite(now) & np.isfinite(later)
    lost = now[both] - later[both]
    if not both.any() or abs(now[both].mean()) < 0.02:
        return None
    sign = np.sign(now[both].mean())
    remains = sign * later[both].mean() / abs(now[both].mean())
    t = sign * newey_west_t(lost, 2 * (horizon_days - 1))
    if remains < 1 / 3 and t > 4:
        return (
            f"the edge at delay 0 falls to {remains:.0%} at delay 1 (t {t:.1f}): the close cannot be traded"
        )
    return None


def placebo_t(factor: Floats, labels: Labels, rng: np.random.Generator) -> float:
    """Returns the Newey-West t of the mean RankIC against labels shuffled across names within each day."""
    use = finite_in(factor, labels.mask)
    keys = np.where(use, rng.random(use.shape), 2.0)
    order = np.argsort(keys, axis=1)
    places = np.argsort(~use, axis=1, kind="stable")
    values = np.full(use.shape, np.nan)
    np.put_along_axis(values, places, np.take_along_axis(labels.values, order, axis=1), axis=1)
    daily = rank_ic(factor, np.where(use, values, np.nan), use, labels.min_names)
    return newey_west_t(daily, 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """A line that may look ahead, and why it might; an explanation, never a verdict."""

    line: int
    what: str


def explain(source: str) -> list[Finding]:
    """Returns the suspicious lines of a program text, first line first; [] for text that does not parse."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found = {(line, what) for node in ast.walk(tree) for line, what in _suspicions(node)}
    return [Finding(line, what) for line, what in sorted(found)]


def _suspicions(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        if name in ("shift", "diff", "pct_change", "delay", "delta", "roll") and any(map(_negative, values)):
            yield node.lineno, f"{name} with a negative step reads later rows"
        if name == "roll":
            yield node.lineno, "roll wraps the last rows around to the first"
        if name in ("bfill", "backfill", "interpolate"):
            yield node.lineno, f"{name} fills gaps from later rows"
        if name in ("mean", "std", "median", "quantile", "max", "min", "argsort", "rank") and _over_time(
            node
        ):
            yield node.lineno, f"{name} over axis 0 summarises all days, later ones too"
        if name in (
            "svd",
            "eigh",
            "polyfit",
            "lstsq",
            "fft",
            "rfft",
            "savgol_filter",
            "filtfilt",
            "convolve",
        ):
            yield node.lineno, f"{name} may mix all days"
        for keyword in node.keywords:
            if keyword.arg == "center" and getattr(keyword.value, "value", False) is True:
                yield node.lineno, "a centred window reads later rows"
    if isinstance(node, ast.Subscript):
        first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
        if isinstance(first, ast.Slice):
            if first.step is not None and _negative(first.step):
                yield node.lineno, "a reversed slice turns the order of days around"
        elif _negative(first):
            yield node.lineno, "an index from the end reads the last days"


def _negative(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and isinstance(node.operand.value, int | float)
    )


def _over_time(call: ast.Call) -> bool:
    axes = [keyword.value for keyword in call.keywords if keyword.arg == "axis"] or call.args[-1:]
    return any(isinstance(axis, ast.Constant) and axis.value == 0 for axis in axes)
