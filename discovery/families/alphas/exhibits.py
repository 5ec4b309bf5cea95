"""What a problem shows of its best program, and what the run says of luck: sections of the report.

A problem's judge may hand over pages of plain data with an elite's held-out cases (`Evaluation.exhibit`; their
form stands in evaluators/alphas/exhibits.py). They are drawn here whatever they are about; a page that does not
keep the form is passed over, and every text in it is foreign.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from discovery.core.texts import one_line
from discovery.families.alphas.admission import Luck, Trials, Verdict
from discovery.families.alphas.traces import has_trace
from discovery.families.alphas.unsealing import ANSWERED, ASKED, Opening, openings
from discovery.reporting import charts
from discovery.reporting.charts import compact
from discovery.reporting.facts import Story

_MOST_PAGES, _MOST_SERIES, _MOST_POINTS, _MOST_NAMES, _MOST_ROWS = 24, 6, 4000, 40, 200
_TEXT_CHARS = 600

Page = Any


class Exhibits:
    """What stands in a journal about luck, sealed tests and pages; `fold` takes its entries in order."""

    def __init__(self) -> None:
        self._trials = Trials()
        self._asked: list[Mapping[str, Any]] = []
        self._pages: dict[str, Sequence[Page]] = {}
        self._test_pages: Sequence[Page] = ()

    def kinds(self, metrics: Mapping[str, float]) -> Collection[str]:
        """Returns the types of entries that it wants: every program only where the best asks for a verdict."""
        return ("held_out", ASKED, ANSWERED, *(("evaluated",) if has_trace(metrics) else ()))

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry."""
        self._trials.fold(entry)
        if entry["type"] == "held_out" and entry.get("exhibit"):
            self._pages[entry["program_id"]] = entry["exhibit"]
        elif entry["type"].startswith("unseal"):
            self._asked.append(entry)
            if entry["type"] == ANSWERED:
                self._test_pages = entry.get("exhibit") or ()

    def sections(self, story: Story) -> Iterable[str]:
        """Yields the sections: luck, sealed tests, the best program's pages, those of the test."""
        best = story.best.program_id if story.best else ""
        verdict, looks = self._trials.verdict(best), openings(self._asked)
        if verdict is not None or looks:
            yield _luck_section(verdict, self._trials.luck, looks)
        if pages := self._pages.get(best, ()):
            yield from _drawn(pages, "The best program on the days that chose it")
        if self._test_pages:
            yield from _drawn(self._test_pages, "The sealed test")


def _luck_section(verdict: Verdict | None, luck: Luck, looks: Sequence[Opening]) -> str:
    rows: list[tuple[str, str, str]] = [
        ("trials", f"{luck.trials:,}", "distinct programs evaluated, failures included"),
        (
            "effective trials",
            _number(luck.effective),
            "how many independent ones the traces of all scored programs amount to: (sum e)² / sum e² over the "
            "eigenvalues e of their correlations, at most the number of blocks in a trace",
        ),
    ]
    if verdict is not None and verdict.deflated is not None:
        rows += [
            (
                "Sharpe ratio",
                _number(verdict.sharpe),
                "mean over sd of the best's daily series, walking forward",
            ),
            (
                "by luck",
                _number(verdict.expected_best),
                "what the best of as many worthless programs reaches",
            ),
            (
                "deflated Sharpe",
                _number(verdict.deflated),
                "probability that the true ratio is above that (Bailey and Lopez de Prado 2014); 0.95 is asked for",
            ),
        ]
    rows += [
        ("SPA p", _number(luck.spa_p), "Hansen's consistent p that nothing tried is better than nothing"),
        (
            "PBO",
            _number(luck.pbo),
            "share of the splits of time (CSCV) where the best of one half is below the median of the other; about "
            "0.5 where the candidates differ by noise only, as near-copies of one program do",
        ),
        (
            "probability of loss",
            _number(luck.loss_probability),
            "share of those splits where it loses in the other half; at most 0.05 is asked for",
        ),
    ]
    said = [verdict.text] if verdict is not None else []
    told = "".join(
        f"<p class='words-of'>{_escape(text)}</p>" for text in (*said, *(look.text for look in looks))
    )
    if not looks:
        told += "<p class='words-of'>The sealed test has not been opened.</p>"
    table = _table(("", "", ""), [(name, figure, what) for name, figure, what in rows])
    return _section(
        "Luck", "Whether the best is better than so many trials would make it by chance.", told + table
    )


def _drawn(pages: Sequence[Page], where: str) -> Iterable[str]:
    for page in list(pages)[:_MOST_PAGES]:
        try:
            body = _KINDS[page["kind"]](page)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            continue  # not the form of a page: the problem's fault, and no reason to have no report
        note = f"{where}. {one_line(str(page.get('note', '')), _TEXT_CHARS)}"
        yield _section(one_line(str(page.get("title", "")), 80), note, body)


def _lines(page: Page) -> str:
    series = [
        (one_line(str(one["name"]), 60), [(_finite(x), _finite(y)) for x, y in one["points"][:_MOST_POINTS]])
        for one in page["series"][:_MOST_SERIES]
    ]
    legend = "".join(
        f'<span><svg viewBox="0 0 10 10" aria-hidden="true"><path class="line s{place}" d="M0 5H10"/></svg>'
        f"{_escape(name)}</span>"
        for place, (name, _) in enumerate(series)
    )
    chart = charts.line_chart(
        series, x_axis=one_line(str(page["x"]), 40), y_axis=one_line(str(page["y"]), 40)
    )
    return f'<div class="legend">{legend if len(series) > 1 else ""}</div>{chart}'


def _bars(page: Page) -> str:
    names = [one_line(str(name), 24) for name in page["names"][:_MOST_NAMES]]
    values = [_finite(value) for value in page["values"][:_MOST_NAMES]]
    return charts.bar_chart(list(zip(names, values, strict=True)), y_axis=one_line(str(page["y"]), 40))


def _matrix(page: Page) -> str:
    names = [one_line(str(name), 24) for name in page["names"][:_MOST_NAMES]]
    steps = charts.HEAT_STEPS
    cells = {}
    for row, values in enumerate(page["values"][: len(names)]):
        for column, value in enumerate(values[: len(names)]):
            share = min(abs(_finite(value)), 1.0)
            step = min(int(share * steps), steps - 1)
            cells[column, len(names) - 1 - row] = (
                step,
                f"{names[row]}, {names[column]}: {_finite(value):.3f}",
            )
    heat = charts.heat_map(
        cells,
        columns=len(names),
        rows=len(names),
        x_axis=("members, first to last", 1.0, float(len(names))),
        y_axis=("last to first", float(len(names)), 1.0),
        title="correlations",
    )
    figures = [
        (name, *(f"{_finite(value):.2f}" for value in values[: len(names)]))
        for name, values in zip(names, page["values"], strict=False)
    ]
    return f"<div class='maps'><div>{heat}</div></div><div class='wide'>{_table(('', *names), figures)}</div>"


def _texts(page: Page) -> str:
    rows = [[str(cell) for cell in row[:_MOST_NAMES]] for row in page["rows"][:_MOST_ROWS]]
    return _table([str(column) for column in page["columns"][:_MOST_NAMES]], rows)


_KINDS: Mapping[str, Callable[[Page], str]] = {
    "lines": _lines,
    "bars": _bars,
    "matrix": _matrix,
    "table": _texts,
}


def _finite(value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"a page holds {value!r:.40} where a finite number is due")
    return number


def _number(value: float | None) -> str:
    return "unknown" if value is None else compact(round(value, 4))


def _section(title: str, note: str, body: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2><p class='note'>{_escape(note)}</p>{body}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    heads = "".join(f"<th>{_escape(name, 60)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td class='words'>{_escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _escape(text: str, limit: int = _TEXT_CHARS) -> str:
    return html.escape(one_line(text, limit))
