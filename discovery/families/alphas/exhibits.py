"""What a problem shows of its best program, and what the run says of luck: sections of a run's page.

A problem's judge may hand over drawings with an elite's held-out cases (`Evaluation.exhibit`; their form stands in
evaluators/alphas/exhibits.py and discovery/reporting/drawings.py). They are shown whatever they are about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from discovery.families.alphas.admission import Luck, Trials, Verdict
from discovery.families.alphas.unsealing import ANSWERED, Opening, openings
from discovery.reporting.drawings import Drawing, checked, table
from discovery.reporting.facts import Story


class Exhibits:
    """What stands in a journal about luck, sealed tests and pages; `fold` takes its entries in order."""

    def __init__(self) -> None:
        self._trials = Trials()
        self._asked: list[Mapping[str, Any]] = []
        self._pages: dict[str, Sequence[Any]] = {}
        self._test_pages: Sequence[Any] = ()

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry."""
        self._trials.fold(entry)
        if entry["type"] == "held_out" and entry.get("exhibit"):
            self._pages[entry["program_id"]] = entry["exhibit"]
        elif entry["type"].startswith("unseal"):
            self._asked.append(entry)
            if entry["type"] == ANSWERED:
                self._test_pages = entry.get("exhibit") or ()

    def sections(self, story: Story) -> Iterable[Drawing]:
        """Yields the sections: luck, sealed tests, the best program's pages, those of the test."""
        best = story.best.program_id if story.best else ""
        verdict, looks = self._trials.verdict(best), openings(self._asked)
        if verdict is not None or looks:
            yield _luck_section(verdict, self._trials.luck, looks)
        if pages := self._pages.get(best, ()):
            yield from _drawn(pages, "The best program on the days that chose it")
        if self._test_pages:
            yield from _drawn(self._test_pages, "The sealed test")


def _luck_section(verdict: Verdict | None, luck: Luck, looks: Sequence[Opening]) -> Drawing:
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
    told = [*said, *(look.text for look in looks)]
    if not looks:
        told.append("The sealed test has not been opened.")
    note = "Whether the best is better than so many trials would make it by chance."
    return table("Luck", note, rows, texts=told)


def _drawn(pages: Sequence[Drawing], where: str) -> Iterable[Drawing]:
    for page in checked(pages):
        yield {**page, "note": f"{where}. {page['note']}"}


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
