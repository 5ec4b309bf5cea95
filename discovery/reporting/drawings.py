"""Drawings as plain data: what a problem, or a family of problems, has shown on a run's page.

A drawing has a `title`, a `note` (the definition of what it shows), a `kind` and that kind's data:

    lines    x, y: names of the axes; series: [{"name", "points": [[x, y], ...]}, ...]
    bars     y: name of the axis; names and values, as many of each
    matrix   names; values: rows of numbers in [-1, 1]
    table    columns; rows of texts; texts: paragraphs above it
    shapes   items: [{"circle": [x, y, r]}, {"path": [[x, y], ...], "closed": bool}, {"points": [[x, y], ...]}, ...],
             each with a "style" of 0 to 5 if it has one

They come from foreign code, so `checked` keeps what keeps the form, makes every text printable, and bounds all sizes. The
page itself writes texts as texts only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from discovery.core.texts import one_line

MOST_SERIES, MOST_POINTS, MOST_NAMES, MOST_ROWS, MOST_SHAPES = 6, 4000, 40, 200, 20_000
_TEXT_CHARS = 600

Drawing = dict[str, Any]


def checked(drawings: object, most: int = 24) -> list[Drawing]:
    """Returns the drawings among some plain data; what does not keep the form is left out, and is no fault of a run."""
    found: list[Drawing] = []
    for one in drawings[:most] if isinstance(drawings, list | tuple) else ():
        try:
            data = _KINDS[one["kind"]](one)
            title, note = _text(one.get("title", ""), 80), _text(one.get("note", ""))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            continue
        found.append({"title": title, "note": note, "kind": one["kind"], **data})
    return found


def _lines(one: Mapping[str, Any]) -> Drawing:
    series = [
        {"name": _text(each["name"], 60), "points": [_pair(point) for point in each["points"][:MOST_POINTS]]}
        for each in one["series"][:MOST_SERIES]
    ]
    return {"x": _text(one["x"], 40), "y": _text(one["y"], 40), "series": series}


def _bars(one: Mapping[str, Any]) -> Drawing:
    names, values = _names(one), [_finite(value) for value in one["values"][:MOST_NAMES]]
    if len(names) != len(values):
        raise ValueError("as many names as values are due")
    return {"y": _text(one["y"], 40), "names": names, "values": values}


def _matrix(one: Mapping[str, Any]) -> Drawing:
    names = _names(one)
    rows = [[_finite(value) for value in row[: len(names)]] for row in one["values"][: len(names)]]
    return {"names": names, "values": rows}


def _table(one: Mapping[str, Any]) -> Drawing:
    rows = [[_text(str(cell)) for cell in row[:MOST_NAMES]] for row in one["rows"][:MOST_ROWS]]
    columns = [_text(str(column), 60) for column in one["columns"][:MOST_NAMES]]
    return {"columns": columns, "rows": rows, "texts": [_text(str(text)) for text in one.get("texts", ())]}


def _shapes(one: Mapping[str, Any]) -> Drawing:
    return {"items": [_shape(item) for item in one["items"][:MOST_SHAPES]]}


def _shape(item: Mapping[str, Any]) -> Drawing:
    style = {"style": int(item["style"]) % 6} if "style" in item else {}
    if "circle" in item:
        x, y, radius = item["circle"]
        return {"circle": [_finite(x), _finite(y), abs(_finite(radius))], **style}
    if "path" in item:
        points = [_pair(point) for point in item["path"][:MOST_POINTS]]
        return {"path": points, "closed": bool(item.get("closed")), **style}
    return {"points": [_pair(point) for point in item["points"][:MOST_POINTS]], **style}


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Drawing]] = {
    "lines": _lines,
    "bars": _bars,
    "matrix": _matrix,
    "table": _table,
    "shapes": _shapes,
}


def _names(one: Mapping[str, Any]) -> list[str]:
    return [_text(str(name), 24) for name in one["names"][:MOST_NAMES]]


def _pair(point: Sequence[object]) -> list[float]:
    x, y = point
    return [_finite(x), _finite(y)]


def _finite(value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"a drawing holds {value!r:.40} where a finite number is due")
    return number


def _text(text: object, limit: int = _TEXT_CHARS) -> str:
    return one_line(str(text), limit)


def table(title: str, note: str, rows: Iterable[Sequence[str]], *, texts: Iterable[str] = ()) -> Drawing:
    """Returns a table without names of columns, below some paragraphs."""
    return {
        "kind": "table",
        "title": title,
        "note": note,
        "columns": [],
        "rows": list(rows),
        "texts": list(texts),
    }
