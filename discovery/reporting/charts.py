"""Charts as SVG text. Colours are classes of the style sheet: one drawing serves light and dark pages."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

HEAT_STEPS = 9
OPERATOR_COLOURS = ("tune", "diff", "rewrite", "crossover", "repair", "splice", "prune")
_WIDTH, _HEIGHT = 960, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 20, 14, 40


@dataclass(frozen=True, slots=True)
class Dot:
    """One point of a scatter: position, style class, and what it says when pointed at."""

    x: float
    y: float
    style: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A plotting area over value ranges, in pixels of the drawing."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    width: int = _WIDTH
    height: int = _HEIGHT

    def x(self, value: float) -> float:
        """Returns the pixel column of a value."""
        share = (value - self.low_x) / ((self.high_x - self.low_x) or 1.0)
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Returns the pixel row of a value; values outside go to the edge."""
        share = (value - self.low_y) / ((self.high_y - self.low_y) or 1.0)
        return round(self.height - _BOTTOM - min(max(share, 0.0), 1.0) * (self.height - _TOP - _BOTTOM), 1)


def operator_style(operator: str) -> str:
    """Returns the class of an operator's colour: always the same for the same operator."""
    if operator == "seed":
        return "op-seed"
    return f"op-{OPERATOR_COLOURS.index(operator)}" if operator in OPERATOR_COLOURS else "op-7"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Returns round values in [low, high], about so many."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def compact(value: float) -> str:
    """Returns a number in few characters: 1234567 is 1.23M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if unit == 'k' else limit):.3g}{unit}"
    return f"{value:.5g}"


def progress_chart(
    dots: Sequence[Dot],
    *,
    best: Sequence[tuple[float, float]],
    ancestors: Sequence[Dot],
    failed: Iterable[float],
    lines: Mapping[str, float],
    last_x: float,
    axis: str,
) -> str:
    """Returns every evaluation's score, the best so far as steps, the best's ancestors, failures at the foot.

    The range of scores is that of the better three quarters and of whatever the best so far went through; the
    rest stands at the edge.
    """
    low, high = _score_range([dot.y for dot in dots], [y for _, y in best], lines.values())
    frame = Frame(0, max(last_x, 1), low, high)
    parts = [_axes(frame, "evaluations", axis)]
    for number, (name, value) in enumerate(lines.items()):
        if low <= value <= high:
            parts.append(_reference_line(frame, name, value, at_left=number % 2 == 0))
    foot = frame.height - _BOTTOM
    ticks_path = "".join(f"M{frame.x(x):g} {foot}v-5" for x in failed)
    parts.append(f'<path class="failed" d="{ticks_path}"><title>failed</title></path>' if ticks_path else "")
    parts += [_dot(frame, dot, 2.6) for dot in dots]
    parts.append(f'<path class="best-line" d="{_steps(frame, best, last_x)}"/>')
    if len(ancestors) > 1:
        route = " ".join(f"{frame.x(dot.x):g},{frame.y(dot.y):g}" for dot in ancestors)
        parts.append(f'<polyline class="route" points="{route}"/>')
    parts += [_dot(frame, dot, 4.2) for dot in ancestors]
    return _svg(frame.width, frame.height, "Score over evaluations", parts)


def growth_chart(
    points: Sequence[tuple[float, float]], *, label: str, end: float, show: Callable[[float], str]
) -> str:
    """Returns a quantity that only grows, over minutes of work."""
    top = max((y for _, y in points), default=0.0) or 1.0
    frame = Frame(0, max(end, 1e-9), 0, top * 1.08, 460, 230)
    line = _steps(frame, [(0.0, 0.0), *points], end)
    foot = frame.height - _BOTTOM
    area = f"{line}V{foot}H{frame.x(0):g}Z"
    last = points[-1][1] if points else 0.0
    parts = [
        _axes(frame, "minutes", label, show),
        f'<path class="area" d="{area}"/><path class="growth" d="{line}"/>',
        f'<text class="value" x="{frame.x(end):g}" y="{frame.y(last) - 6:g}" text-anchor="end">'
        f"{html.escape(show(last))}</text>",
    ]
    return _svg(frame.width, frame.height, label, parts)


def line_chart(
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]], *, x_axis: str, y_axis: str
) -> str:
    """Returns curves over one axis, the first in the colour `s0`, and a line at zero where it is in view."""
    points = [point for _, curve in series for point in curve] or [(0.0, 0.0)]
    low, high = min(y for _, y in points), max(y for _, y in points)
    margin = 0.05 * ((high - low) or abs(high) or 1.0)
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    frame = Frame(first, last if last > first else first + 1, low - margin, high + margin, _WIDTH, 260)
    parts = [_axes(frame, x_axis, y_axis), _zero(frame)]
    for place, (name, curve) in enumerate(series):
        route = " ".join(f"{frame.x(x):g},{frame.y(y):g}" for x, y in curve)
        title = f"<title>{html.escape(name)}</title>"
        parts.append(f'<polyline class="line s{place}" points="{route}">{title}</polyline>')
    return _svg(frame.width, frame.height, y_axis, parts)


def bar_chart(bars: Sequence[tuple[str, float]], *, y_axis: str) -> str:
    """Returns bars from zero, up or down, each with its name below and its value when pointed at."""
    values = [value for _, value in bars] or [0.0]
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.06 * ((high - low) or 1.0)
    frame = Frame(0, max(len(bars), 1), low - margin * (low < 0), high + margin, _WIDTH, 240)
    parts = [_grid(frame, y_axis, compact), _zero(frame)]
    foot = frame.height - _BOTTOM
    for place, (name, value) in enumerate(bars):
        left, right = frame.x(place + 0.18), frame.x(place + 0.82)
        top, bottom = sorted((frame.y(value), frame.y(0.0)))
        parts.append(
            f'<rect class="bar" x="{left:g}" y="{top:g}" width="{right - left:g}" height="{max(bottom - top, 0.5):g}">'
            f"<title>{html.escape(name)}: {value:.5g}</title></rect>"
            f'<text x="{(left + right) / 2:g}" y="{foot + 18}" text-anchor="middle">{html.escape(name)}</text>'
        )
    return _svg(frame.width, frame.height, y_axis, parts)


def heat_map(
    cells: Mapping[tuple[int, int], tuple[int, str]],
    *,
    columns: int,
    rows: int,
    x_axis: tuple[str, float, float],
    y_axis: tuple[str, float, float] | None,
    title: str,
) -> str:
    """Returns a map of an archive: (column, row) -> (heat step, its title); row 0 stands at the foot."""
    side = max(min(190 / columns, 190 / rows if rows > 1 else 28), 2)
    width, height = columns * side, rows * side
    left, foot = (44 if y_axis else 8), height + 6
    gap = 1 if side >= 5 else 0.3
    parts = [f'<rect class="map" x="{left}" y="6" width="{width:g}" height="{height:g}"/>']
    for (column, row), (step, text) in sorted(cells.items()):
        x, y = left + column * side, foot - (row + 1) * side
        parts.append(
            f'<rect class="h{step}" x="{x + gap / 2:g}" y="{y + gap / 2:g}" width="{side - gap:g}" '
            f'height="{side - gap:g}"><title>{html.escape(text)}</title></rect>'
        )
    name, low, high = x_axis
    parts.append(
        _map_label(left, foot + 16, "start", compact(low))
        + _map_label(left + width, foot + 16, "end", compact(high))
    )
    parts.append(_map_label(left + width / 2, foot + 16, "middle", name, "axis-name"))
    if y_axis:
        name, low, high = y_axis
        parts.append(
            _map_label(left - 6, foot - 2, "end", compact(low))
            + _map_label(left - 6, 16, "end", compact(high))
        )
        middle = 6 + height / 2
        parts.append(
            f'<text class="axis-name" text-anchor="middle" transform="translate(12 {middle:g}) rotate(-90)">'
            f"{html.escape(name)}</text>"
        )
    return _svg(round(left + width + 8), round(foot + 24), title, parts, "heat")


def bar(share: float, style: str = "bar") -> str:
    """Returns a small horizontal bar for a share in [0, 1]."""
    width = round(max(min(share, 1.0), 0.0) * 100, 1)
    return (
        '<svg class="bar-track" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="8" rx="2"/>'
        f'<rect class="{style}" width="{width:g}" height="8" rx="2"/></svg>'
    )


_T = TypeVar("_T")


def thin(dots: Sequence[Dot], at_most: int) -> list[Dot]:
    """Returns at most about so many dots that keep the outline: of each stretch the extremes and two more."""
    return outline(dots, at_most, lambda dot: dot.y)


def outline(points: Sequence[_T], at_most: int, height: Callable[[_T], float | None]) -> list[_T]:
    """Returns at most about so many points that keep the outline: of each stretch the extremes and two more.

    Points without a height count as the lowest.
    """
    if len(points) <= at_most:
        return list(points)
    stretch = math.ceil(len(points) * 4 / at_most)
    kept: list[_T] = []
    for start in range(0, len(points), stretch):
        part = points[start : start + stretch]
        heights = [-math.inf if (found := height(one)) is None else found for one in part]
        ranked = sorted(range(len(part)), key=heights.__getitem__)
        picked = {ranked[0], ranked[len(ranked) // 2], ranked[3 * len(ranked) // 4], ranked[-1]}
        kept += [part[n] for n in sorted(picked)]
    return kept


def _score_range(
    scores: Sequence[float], bests: Sequence[float], lines: Iterable[float]
) -> tuple[float, float]:
    if not scores:
        return 0.0, 1.0
    ranked = sorted(scores)
    rising = len(bests) < 2 or bests[-1] >= bests[0]
    core = ranked[len(ranked) // 4 :] if rising else ranked[: len(ranked) - len(ranked) // 4]
    low, high = min([core[0], *bests]), max([core[-1], *bests])
    span = (high - low) or abs(high) or 1.0
    for line in lines:  # a target or a bound that is near comes into view
        if high < line <= high + span / 2:
            high = line
        elif low - span / 2 <= line < low:
            low = line
    return low - 0.04 * span, high + 0.06 * span


def _steps(frame: Frame, points: Sequence[tuple[float, float]], end: float) -> str:
    if not points:
        return ""
    path = [f"M{frame.x(points[0][0]):g} {frame.y(points[0][1]):g}"]
    path += [f"H{frame.x(x):g}V{frame.y(y):g}" for x, y in points[1:]]
    return "".join(path) + f"H{frame.x(end):g}"


def _zero(frame: Frame) -> str:
    if not frame.low_y < 0 < frame.high_y:
        return ""
    return f'<path class="axis" d="M{_LEFT} {frame.y(0.0):g}H{frame.width - _RIGHT}"/>'


def _grid(frame: Frame, y_name: str, show: Callable[[float], str]) -> str:
    """Returns the horizontal lines with their values, and the vertical axis' name."""
    right = frame.width - _RIGHT
    parts = []
    for value in ticks(frame.low_y, frame.high_y):
        y = frame.y(value)
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y:g}H{right}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{html.escape(show(value))}</text>'
        )
    parts.append(
        f'<text class="axis-name" text-anchor="end" transform="translate(14 {_TOP}) rotate(-90)">'
        f"{html.escape(y_name)}</text>"
    )
    return "".join(parts)


def _axes(frame: Frame, x_name: str, y_name: str, show: Callable[[float], str] = compact) -> str:
    foot, right = frame.height - _BOTTOM, frame.width - _RIGHT
    parts = [_grid(frame, y_name, show)]
    for value in ticks(frame.low_x, frame.high_x, 8 if frame.width > 600 else 5):
        parts.append(
            f'<text x="{frame.x(value):g}" y="{foot + 18}" text-anchor="middle">{compact(value)}</text>'
        )
    parts.append(f'<path class="axis" d="M{_LEFT} {foot}H{right}"/>')
    parts.append(
        f'<text class="axis-name" x="{right}" y="{foot + 34}" text-anchor="end">{html.escape(x_name)}</text>'
    )
    return "".join(parts)


def _reference_line(frame: Frame, name: str, value: float, *, at_left: bool) -> str:
    y, right = frame.y(value), frame.width - _RIGHT
    x, anchor = (_LEFT + 6, "start") if at_left else (right, "end")
    return (
        f'<path class="reference" d="M{_LEFT} {y:g}H{right}"/>'
        f'<text class="reference-name" x="{x}" y="{y + 14 if at_left else y - 5:g}" text-anchor="{anchor}">'
        f"{html.escape(name)} {compact(value)}</text>"
    )


def _dot(frame: Frame, dot: Dot, radius: float) -> str:
    title = f"<title>{html.escape(dot.title)}</title>" if dot.title else ""
    x, y = frame.x(dot.x), frame.y(dot.y)
    return f'<circle class="{dot.style}" cx="{x:g}" cy="{y:g}" r="{radius:g}">{title}</circle>'


def _map_label(x: float, y: float, anchor: str, text: str, style: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _svg(width: int, height: int, title: str, parts: Iterable[str], style: str = "chart") -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
