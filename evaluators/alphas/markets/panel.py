"""A panel: prices of N names on T dates as memory-mapped float32 arrays, checked once and read by many.

Every field is a C-contiguous (T, N) float32 array (row = date), NaN where nothing is known. `universe[t, i]`
says whether name i counts at date t (point in time: as it was known then), `tradable[t, i]` whether it could
be traded there. On disk a panel is a folder: `panel.json`, `dates.npy`, `universe.npy`, `tradable.npy` and
one `<field>.npy` each, opened with mmap so that workers share the pages.

Exceptions:
    PanelError (ContractError)   the data break a rule of the format
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import ContractError

Floats: TypeAlias = NDArray[np.floating[Any]]
Bools: TypeAlias = NDArray[np.bool_]

PRICES = ("open", "high", "low", "close")
REQUIRED = (*PRICES, "volume")
FORMAT = 1
MAX_JUMP = 0.5
"""Largest believable |daily return|: more is usually an unadjusted split."""


class PanelError(ContractError):
    """A panel, or the file or frame it should come from, breaks a rule of the format."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Prices, volumes and masks of N names on T dates; see the module for the layout.

    Attributes:
        dates: (T,) datetime64[D], strictly increasing.
        symbols: N distinct names.
        fields: (T, N) float32 arrays; open, high, low, close and volume always, others as they came.
        universe: (T, N) bool, the names that count on each date.
        tradable: (T, N) bool, the names that could be bought and sold on each date.
    """

    dates: NDArray[np.datetime64]
    symbols: tuple[str, ...]
    fields: Mapping[str, Floats]
    universe: Bools
    tradable: Bools

    @property
    def shape(self) -> tuple[int, int]:
        """Returns (T, N)."""
        return len(self.dates), len(self.symbols)

    @property
    def close(self) -> Floats:
        """Returns the (T, N) closing prices."""
        return self.fields["close"]

    def rows(self, first: int, last: int) -> Panel:
        """Returns the panel of the dates `first` to `last` (exclusive), as views."""
        return Panel(
            self.dates[first:last],
            self.symbols,
            {name: values[first:last] for name, values in self.fields.items()},
            self.universe[first:last],
            self.tradable[first:last],
        )


def make_panel(
    dates: NDArray[Any],
    symbols: Sequence[str],
    fields: Mapping[str, NDArray[Any]],
    *,
    universe: NDArray[Any] | None = None,
    tradable: NDArray[Any] | None = None,
    max_jump: float | None = MAX_JUMP,
) -> Panel:
    """Returns a checked panel in canonical form.

    Args:
        dates: (T,) anything numpy reads as dates.
        symbols: N names.
        fields: (T, N) arrays by name.
        universe: (T, N) mask; names with a finite close where it is left out.
        tradable: (T, N) mask; universe names with a close and a volume > 0 where it is left out.
        max_jump: the largest |daily return| that is believed; None turns the check off.

    Raises:
        PanelError: a rule is broken; the message names where and what to do.
    """
    days = _as_dates(dates)
    names = tuple(str(symbol) for symbol in symbols)
    shape = (len(days), len(names))
    if missing := [name for name in REQUIRED if name not in fields]:
        raise PanelError(f"fields must hold {', '.join(REQUIRED)}; missing: {', '.join(missing)}")
    if odd := [name for name in fields if not name.isidentifier()]:
        raise PanelError(f"field names must be identifiers, got {odd[0]!r}; rename the column")
    arrays = {name: _canonical(f"field {name!r}", values, shape) for name, values in fields.items()}
    has_close = np.isfinite(arrays["close"])
    inside = _mask("universe", universe, shape, has_close)
    default = inside & has_close & (arrays["volume"] > 0)
    panel = Panel(days, names, arrays, inside, _mask("tradable", tradable, shape, default))
    check_panel(panel, max_jump=max_jump)
    return panel


def check_panel(panel: Panel, *, max_jump: float | None = MAX_JUMP) -> None:
    """Raises PanelError at the first rule that `panel` breaks, with the date, the name and the remedy."""
    _check_axes(panel)
    for name, values in panel.fields.items():
        if values.shape != panel.shape:
            raise PanelError(
                f"field {name!r} must have shape (T, N) = {panel.shape}, got {values.shape}; realign it"
            )
        if not np.isfinite(values).any():
            raise PanelError(f"field {name!r} is all NaN; leave it out or check the column it came from")
        _refuse(panel, np.isinf(values), f"{name} must be finite or NaN", values, "replace infinities by NaN")
    dead = ~np.isfinite(panel.close).any(axis=0)
    if dead.any():
        name = panel.symbols[int(np.argmax(dead))]
        raise PanelError(f"close of {name!r} is NaN on every date ({int(dead.sum())} such names); drop them")
    for name in (*PRICES, "vwap"):
        if name in panel.fields:
            values = panel.fields[name]
            _refuse(panel, values <= 0, f"{name} must be > 0", values, "NaN marks a missing price")
    volume = panel.fields["volume"]
    _refuse(panel, volume < 0, "volume must be >= 0", volume, "NaN marks a missing volume")
    high, low = panel.fields["high"], panel.fields["low"]
    _refuse(panel, high < low, "high must be >= low", high, "are the two columns exchanged?")
    if max_jump is not None:
        jumps = daily_returns(panel.close)
        remedy = "adjust for splits (adj_factor), or allow it with max_jump"
        _refuse(panel, np.abs(jumps) > max_jump, f"|daily return| must be <= {max_jump:g}", jumps, remedy)


def panel_warnings(panel: Panel) -> tuple[str, ...]:
    """Returns what no test of a factor can find later, in sentences: survivors only, thin or frozen data."""
    found = []
    has_close = np.isfinite(panel.close)
    length, width = panel.shape
    last_seen = length - 1 - np.argmax(has_close[::-1], axis=0)
    if width > 1 and length > 1 and (last_seen == length - 1).all():
        found.append(
            "survivors only: no series ends before the last date, so delisted names are missing and every "
            "factor looks better than it was; use a source that keeps dead names"
        )
    if panel.universe.all() and width > 1:
        found.append("universe covers every name on every date; a point-in-time membership is missing")
    thin = panel.universe.sum(axis=1) < 30
    if thin.any():
        found.append(f"{int(thin.sum())} of {length} dates have fewer than 30 names: their IC is undefined")
    still = (
        np.nanmean(np.where(has_close[1:], np.diff(panel.close, axis=0) == 0, np.nan)) if length > 1 else 0
    )
    if still > 0.2:
        found.append(f"{still:.0%} of the daily returns are exactly 0: are prices filled forward?")
    return tuple(found)


def daily_returns(close: Floats) -> NDArray[np.float64]:
    """Returns (T, N) close-to-close returns; row 0, and days beside a gap, are NaN."""
    out = np.full(close.shape, np.nan, dtype=np.float64)
    before = np.asarray(close[:-1], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        out[1:] = close[1:] / before - 1.0
    return out


def save_panel(panel: Panel, folder: Path | str) -> Path:
    """Writes `panel` to `folder` (made if absent, overwritten if a panel) and returns its path."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()) and not (root / "panel.json").exists():
        raise PanelError(f"folder must be empty or hold a panel, got {str(root)!r}; name another one")
    for name, values in _arrays(panel).items():
        np.save(root / f"{name}.npy", values, allow_pickle=False)
    head = {
        "format": FORMAT,
        "symbols": list(panel.symbols),
        "fields": list(panel.fields),
        "digest": digest(panel),
    }
    (root / "panel.json").write_text(json.dumps(head), encoding="utf-8")
    return root


def load_panel(folder: Path | str) -> Panel:
    """Returns the panel in `folder` as read-only memory maps (it was checked when it was written).

    Raises:
        PanelError: no panel there, another format, or arrays that do not fit each other.
    """
    root = Path(folder)
    try:
        head = json.loads((root / "panel.json").read_text(encoding="utf-8"))
        stored = {
            name: np.load(root / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("dates", "universe", "tradable", *head["fields"])
        }
    except (OSError, ValueError, KeyError) as error:
        raise PanelError(f"no readable panel in {str(root)!r}: {error}; write one with save_panel") from error
    if head["format"] != FORMAT:
        raise PanelError(f"panel format must be {FORMAT}, got {head['format']}; import the data again")
    fields = {name: stored[name] for name in head["fields"]}
    panel = Panel(stored["dates"], tuple(head["symbols"]), fields, stored["universe"], stored["tradable"])
    for name, values in (*fields.items(), ("universe", panel.universe), ("tradable", panel.tradable)):
        if values.shape != panel.shape:
            raise PanelError(f"{name}.npy must have shape {panel.shape}, got {values.shape}; import again")
    return panel


def digest(panel: Panel) -> str:
    """Returns 16 hex digits of the panel's content: equal data, equal digest."""
    state = hashlib.blake2b(digest_size=8)
    state.update("\0".join(panel.symbols).encode())
    for name, values in sorted(_arrays(panel).items()):
        state.update(name.encode())
        state.update(np.ascontiguousarray(values).view(np.uint8).reshape(-1).data)
    return state.hexdigest()


def _arrays(panel: Panel) -> dict[str, NDArray[Any]]:
    return {
        "dates": panel.dates,
        "universe": panel.universe,
        "tradable": panel.tradable,
        **panel.fields,
    }


def _as_dates(dates: NDArray[Any]) -> NDArray[np.datetime64]:
    try:
        days: NDArray[np.datetime64] = np.asarray(dates).astype("datetime64[D]")
    except (TypeError, ValueError) as error:
        raise PanelError(f"dates must be dates such as 2020-01-31, got {dates!r:.80}: {error}") from error
    return days


def _canonical(what: str, values: NDArray[Any], shape: tuple[int, int]) -> Floats:
    array = np.asarray(values)
    if array.shape != shape:
        raise PanelError(
            f"{what} must have shape (T, N) = {shape}, got {array.shape}: it is misaligned with the axes"
        )
    try:
        return np.ascontiguousarray(array, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise PanelError(f"{what} must be numeric, got dtype {array.dtype}; convert or drop it") from error


def _mask(what: str, given: NDArray[Any] | None, shape: tuple[int, int], default: Bools) -> Bools:
    if given is None:
        return np.ascontiguousarray(default)
    mask = np.asarray(given)
    if mask.shape != shape:
        raise PanelError(f"{what} must have shape (T, N) = {shape}, got {mask.shape}; realign it")
    if mask.dtype != np.bool_ and not np.isin(mask, (0, 1)).all():
        raise PanelError(f"{what} must hold only true and false (or 1 and 0), got dtype {mask.dtype}")
    return np.ascontiguousarray(mask, dtype=np.bool_)


def _check_axes(panel: Panel) -> None:
    length, width = panel.shape
    if length < 2 or width < 1:
        raise PanelError(f"a panel needs at least 2 dates and 1 name, got {length} and {width}")
    if np.isnat(panel.dates).any():
        raise PanelError(f"dates must not be missing, got NaT at row {int(np.isnat(panel.dates).argmax())}")
    steps = np.diff(panel.dates).astype(np.int64)
    if (steps < 0).any():
        row = int(np.argmax(steps < 0)) + 1
        raise PanelError(
            f"dates must increase, got {panel.dates[row]} after {panel.dates[row - 1]}; sort the rows by date"
        )
    if (steps == 0).any():
        raise PanelError(f"dates must be distinct, {panel.dates[int(np.argmax(steps == 0))]} is duplicated")
    seen: set[str] = set()
    for symbol in panel.symbols:
        if symbol in seen:
            raise PanelError(f"symbols must be distinct, {symbol!r} is duplicated; merge or rename it")
        seen.add(symbol)


def _refuse(panel: Panel, bad: Bools, rule: str, values: Floats, remedy: str) -> None:
    if bad.any():
        row, column = (int(index) for index in np.unravel_index(int(np.argmax(bad)), bad.shape))
        raise PanelError(
            f"{rule}, got {values[row, column]:g} for {panel.symbols[column]!r} on {panel.dates[row]} "
            f"({int(bad.sum())} such values); {remedy}"
        )
