"""From files and frames to a checked panel: CSV, Parquet, Feather, MultiIndex frames, qlib binary folders.

A long frame has one row per (date, symbol) with the columns date, symbol, open, high, low, close, volume and,
if there are any, vwap, amount, adj_factor, in_universe, tradable, industry, cap and further numbers.
`adj_factor` is applied (prices times, volume divided by it) and dropped. Files are read with pyarrow (the
extra `alphas`); frames and qlib folders need nothing more than numpy. qlib's layout is read directly:
`calendars/day.txt`, `instruments/*.txt` (symbol, first, last day), `features/<symbol>/<field>.day.bin`
(little-endian float32, the first value is the index of the first day); its universe is the instruments file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.alphas.markets.panel import MAX_JUMP, PRICES, REQUIRED, Bools, Panel, PanelError, make_panel

MASKS = ("in_universe", "tradable")
DATE_NAMES = ("date", "datetime", "trade_date", "day", "timestamp")
SYMBOL_NAMES = ("symbol", "instrument", "ticker", "code", "asset")
READERS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather"}


def import_panel(
    source: Path | str,
    *,
    sort: bool = False,
    universe: str = "all",
    max_jump: float | None = MAX_JUMP,
) -> Panel:
    """Returns the checked panel of a file (by its ending) or of a qlib folder.

    Args:
        source: a .csv, .parquet, .pq, .feather or .arrow file, or a folder with calendars/day.txt.
        sort: whether rows that are not in date order are sorted instead of refused.
        universe: which qlib instruments file says who belongs (`csi300` for instruments/csi300.txt).
        max_jump: see `make_panel`.

    Raises:
        PanelError: no such source, no reader for it, or data that break a rule.
    """
    path = Path(source)
    if path.is_dir():
        return read_qlib(path, universe=universe, max_jump=max_jump)
    if not path.exists():
        raise PanelError(f"source must be a file or a folder, got {str(path)!r}, which does not exist")
    kind = READERS.get(path.suffix.lower())
    if kind is None:
        raise PanelError(f"source must end in {', '.join(READERS)} or be a qlib folder, got {path.name!r}")
    return panel_from_columns(_read_columns(path, kind), sort=sort, max_jump=max_jump)


def panel_from_columns(
    columns: Mapping[str, NDArray[Any]], *, sort: bool = False, max_jump: float | None = MAX_JUMP
) -> Panel:
    """Returns the checked panel of a long frame given as equally long columns by name.

    Raises:
        PanelError: a column is missing, rows are duplicated or (without `sort`) out of order.
    """
    table = {str(name).strip().lower(): np.asarray(values) for name, values in columns.items()}
    dates = _dates(_take(table, DATE_NAMES))
    names = _take(table, SYMBOL_NAMES).astype(str)
    lengths = {name: len(values) for name, values in table.items()}
    if any(length != len(dates) for length in lengths.values()):
        raise PanelError(f"columns must be equally long, got {lengths} beside {len(dates)} dates")
    for name in REQUIRED:
        if name not in table:
            near = get_close_matches(name, table, n=1)
            hint = f"; rename {near[0]!r}?" if near else ""
            raise PanelError(f"column {name!r} is missing, there are {', '.join(sorted(table))}{hint}")
    days, rows = np.unique(dates, return_inverse=True)
    symbols, places = np.unique(names, return_inverse=True)
    _check_rows(dates, names, rows * len(symbols) + places, sort=sort)
    shape = (len(days), len(symbols))
    fields = {}
    for name, values in table.items():
        if name not in MASKS:
            fields[name] = np.full(shape, np.nan, dtype=np.float32)
            fields[name][rows, places] = _numbers(name, values)
    masks: dict[str, Bools | None] = dict.fromkeys(MASKS)
    for name in MASKS:
        if name in table:
            mask = np.zeros(shape, dtype=np.bool_)
            mask[rows, places] = _numbers(name, table[name]) > 0
            masks[name] = mask
    return make_panel(
        days,
        symbols.tolist(),
        _adjusted(fields),
        universe=masks["in_universe"],
        tradable=masks["tradable"],
        max_jump=max_jump,
    )


def panel_from_frame(frame: Any, *, sort: bool = False, max_jump: float | None = MAX_JUMP) -> Panel:
    """Returns the checked panel of a pandas frame: long, or with a (date, symbol) MultiIndex in either order.

    Raises:
        PanelError: neither the columns nor the index name the date and the symbol, or a rule is broken.
    """
    columns = {str(name).lstrip("$"): frame[name].to_numpy() for name in frame.columns}
    if frame.index.nlevels == 2:
        levels = [frame.index.get_level_values(level) for level in (0, 1)]
        order = (0, 1) if np.issubdtype(levels[0].to_numpy().dtype, np.datetime64) else (1, 0)
        named = [str(name).lower() for name in frame.index.names]
        if named[0] in DATE_NAMES or named[1] in SYMBOL_NAMES:
            order = (0, 1)
        elif named[1] in DATE_NAMES or named[0] in SYMBOL_NAMES:
            order = (1, 0)
        columns["date"], columns["symbol"] = (levels[i].to_numpy() for i in order)
    return panel_from_columns(columns, sort=sort, max_jump=max_jump)


def read_qlib(folder: Path | str, *, universe: str = "all", max_jump: float | None = MAX_JUMP) -> Panel:
    """Returns the checked panel of a qlib data folder (day frequency), without qlib.

    qlib stores adjusted prices and a field `factor`; it is kept as a field, nothing is adjusted twice.

    Raises:
        PanelError: a part of the layout is missing or does not fit the calendar.
    """
    root = Path(folder)
    days = _dates(np.array(_lines(root / "calendars" / "day.txt")))
    spans = [line.split() for line in _lines(root / "instruments" / f"{universe}.txt")]
    if any(len(span) != 3 for span in spans):
        raise PanelError(f"instruments/{universe}.txt must have lines of symbol, first day, last day")
    symbols = sorted({span[0] for span in spans})
    places = {symbol: place for place, symbol in enumerate(symbols)}
    shape = (len(days), len(symbols))
    inside = np.zeros(shape, dtype=np.bool_)
    for symbol, first, last in spans:
        span_days = (days >= np.datetime64(first, "D")) & (days <= np.datetime64(last, "D"))
        inside[span_days, places[symbol]] = True
    fields: dict[str, NDArray[Any]] = {}
    for symbol in symbols:
        home = root / "features" / symbol.lower()
        for path in sorted(home.glob("*.day.bin")):
            name = path.name.removesuffix(".day.bin")
            values = fields.setdefault(name, np.full(shape, np.nan, dtype=np.float32))
            _fill(values[:, places[symbol]], np.fromfile(path, dtype="<f4"), path)
    return make_panel(days, symbols, fields, universe=inside, max_jump=max_jump)


def _fill(column: NDArray[Any], stored: NDArray[Any], path: Path) -> None:
    if len(stored) == 0 or not 0 <= stored[0] <= len(column):
        raise PanelError(f"{path} must begin with the index of its first day, got {stored[:1]}")
    first = int(stored[0])
    if first + len(stored) - 1 > len(column):
        raise PanelError(f"{path} has {len(stored) - 1} days from {first}, the calendar only {len(column)}")
    column[first : first + len(stored) - 1] = stored[1:]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise PanelError(f"a qlib folder must have {path.name} in {path.parent}: {error}") from error


def _read_columns(path: Path, kind: str) -> dict[str, NDArray[Any]]:
    """Returns the columns of a file; index columns of pandas come along as ordinary ones."""
    reader = _pyarrow(kind)
    arrow = _pyarrow("lib")
    read = {"csv": "read_csv", "parquet": "read_table", "feather": "read_table"}[kind]
    try:
        table = getattr(reader, read)(str(path))
    except (arrow.ArrowInvalid, OSError) as error:
        raise PanelError(f"{path} is not a readable {kind} file: {error}") from error
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _pyarrow(part: str) -> ModuleType:
    try:
        return importlib.import_module(f"pyarrow.{part}")
    except ImportError as error:
        raise PanelError(
            "reading files needs pyarrow; install the extra: pip install 'code-discovery[alphas]'"
        ) from error


def _take(table: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any]:
    for name in names:
        if name in table:
            return table.pop(name)
    raise PanelError(
        f"a column {names[0]!r} (or {', '.join(names[1:])}) is missing, there are {sorted(table)}"
    )


def _dates(values: NDArray[Any]) -> NDArray[np.datetime64]:
    """Returns days; whole numbers and digits such as 20200131 are read as year, month, day."""
    try:
        if np.issubdtype(values.dtype, np.datetime64) or values.dtype == object:
            return values.astype("datetime64[D]")
        texts = values.astype(str)
        if len(texts) and np.char.isdigit(texts).all():
            texts = np.array([f"{text[:4]}-{text[4:6]}-{text[6:8]}" for text in texts])
        return texts.astype("datetime64[D]")
    except (TypeError, ValueError) as error:
        raise PanelError(f"dates must look like 2020-01-31 or 20200131: {error}") from error


def _numbers(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise PanelError(f"column {name!r} must be numeric: {error}; encode or drop it") from error


def _check_rows(
    dates: NDArray[np.datetime64], names: NDArray[Any], keys: NDArray[np.int64], *, sort: bool
) -> None:
    if np.isnat(dates).any():
        raise PanelError(f"column 'date' has a missing value in row {int(np.isnat(dates).argmax())}")
    order = np.argsort(keys, kind="stable")
    twins = keys[order][1:] == keys[order][:-1]
    if twins.any():
        row = int(order[int(np.argmax(twins)) + 1])
        raise PanelError(
            f"(date, symbol) must be distinct, '{names[row]}' on {dates[row]} is duplicated (row {row}; "
            f"{int(twins.sum())} such rows); drop the duplicates"
        )
    if sort:
        return
    by_name = np.argsort(names, kind="stable")
    backwards = (np.diff(dates[by_name].astype(np.int64)) < 0) & (names[by_name][1:] == names[by_name][:-1])
    if backwards.any():
        row = int(by_name[int(np.argmax(backwards)) + 1])
        raise PanelError(
            f"rows of a symbol must be sorted by date, '{names[row]}' on {dates[row]} (row {row}) is late; "
            "sort the source, or pass sort=True"
        )


def _adjusted(fields: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    factor = fields.pop("adj_factor", None)
    if factor is None:
        return fields
    if (factor <= 0).any():
        raise PanelError(f"adj_factor must be > 0, got {float(np.nanmin(factor)):g}; NaN marks a missing one")
    for name in (*PRICES, "vwap"):
        if name in fields:
            fields[name] = fields[name] * factor
    fields["volume"] = fields["volume"] / factor
    return fields
