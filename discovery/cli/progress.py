"""What a person sees while a run works: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from discovery.cli.pipes import read_no_more
from discovery.core.budget import Ledger, Limits
from discovery.core.records import Record
from discovery.core.requests import KIND_WORDS, Request
from discovery.core.texts import one_line
from discovery.search.state import RunState

PLAIN_EVERY_S = 10.0


class _Console(Console):
    """A console that goes silent when nobody reads it any more: the run goes on."""

    def on_broken_pipe(self) -> None:
        """Sends what else is written nowhere."""
        self.quiet = True
        read_no_more(self.file)


def left_text(ledger: Ledger, budget: Limits, rate: float) -> str:
    """Returns how much of the nearest limit is used and about how long it lasts: "44 % of 600 evaluations, about 28 s left".

    Args:
        ledger: what is used.
        budget: the limits.
        rate: evaluations per second of late; 0 if unknown.
    """
    used = {
        "minutes": (ledger.elapsed_s / 60, budget.minutes, "minutes"),
        "cost": (ledger.cost_usd, budget.cost_usd, "USD"),
        "tokens": (ledger.tokens, budget.tokens, "tokens"),
        "calls": (ledger.calls, budget.calls, "calls of models"),
        "evaluations": (ledger.evaluations, budget.evaluations, "evaluations"),
    }
    shares = [(value / limit, limit, unit, name) for name, (value, limit, unit) in used.items() if limit]
    if not shares:
        return f"until {budget.patience} evaluations without a better program" if budget.patience else ""
    share, limit, unit, name = max(shares)
    if name == "evaluations" and rate > 0:
        left_s = (limit - ledger.evaluations) / rate
    elif name == "minutes":
        left_s = limit * 60 - ledger.elapsed_s
    else:
        left_s = ledger.elapsed_s * (1 / share - 1) if share > 0 else 0.0
    lasts = f", about {_duration(left_s)} left" if left_s > 0 and share > 0 else ""
    return f"{min(share, 1):.0%} of {limit:,.6g} {unit}{lasts}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Tells of every new best, and how the work goes.

    Args:
        stream: where to write (stderr when stdout carries JSON).
        budget: the limits; the end of the line tells how much of the one that is nearest is used, and how long is left.
        clock: monotonic seconds.
    """

    def __init__(self, stream: TextIO, budget: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = _Console(file=stream, highlight=False, soft_wrap=True)
        self._budget = budget
        self._clock = clock
        self._live = (
            Live(console=self._console, transient=True, auto_refresh=False)
            if self._console.is_terminal
            else None
        )
        self._best_index = -1
        self._last_plain_s = clock()
        self._window: list[tuple[float, int]] = []

    def __enter__(self) -> Progress:
        """Starts the live line."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Takes the live line away."""
        if self._live is not None:
            self._live.stop()

    def recorded(self, records: Iterable[Record], state: RunState) -> None:
        """Writes a line when there is a new best."""
        for record in records:
            if record.index == state.best_index != self._best_index:
                self._best_index = record.index
                score, parents = record.evaluation.score, " ".join(parent[:8] for parent in record.parents)
                self._say(
                    f"best {score:.10g}  at {state.ledger.evaluations} evaluations, {state.ledger.elapsed_s:.1f} s  "
                    f"{record.program_id[:8]} by {record.operator}{f' from {parents}' if parents else ''}"
                )

    def ticked(self, state: RunState, in_flight: int) -> None:
        """Refreshes the live line, or writes a plain one now and then."""
        now = self._clock()
        self._window = [
            *(w for w in self._window if now - w[0] <= PLAIN_EVERY_S),
            (now, state.ledger.evaluations),
        ]
        if self._live is not None:
            self._live.update(Text(self._line(state, in_flight)), refresh=True)
        elif now - self._last_plain_s >= PLAIN_EVERY_S:
            self._last_plain_s = now
            self._say(self._line(state, in_flight))

    def saved(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Writes a line about each of a person's requests."""
        for entry in entries:
            if entry["type"] == "asked":
                request, refusal = Request.from_json(entry["request"]), entry["refusal"]
                if not refusal:
                    self._budget = replace(self._budget, **request.budget)  # type: ignore[type-var]
                what = KIND_WORDS[request.kind] + (f": {one_line(request.text, 60)}" if request.text else "")
                self._say(what + (f" (refused: {refusal})" if refusal else ""))

    def warned(self, text: str) -> None:
        """Writes a line about the money."""
        self._say(text)

    def informed(self, text: str) -> None:
        """Writes a line about how the run fares."""
        self._say(text)

    def _line(self, state: RunState, in_flight: int) -> str:
        (start_s, start), (end_s, end) = self._window[0], self._window[-1]
        rate = (end - start) / (end_s - start_s) if end_s > start_s else 0.0
        ledger = state.ledger
        best = f"{state.best.evaluation.score:.8g}" if state.best else "-"
        parts = [
            f"{ledger.elapsed_s:.0f} s",
            f"{ledger.evaluations} evaluations ({rate:.1f}/s)",
            f"best {best}",
            f"{sum(n for status, n in state.counts.items() if status != 'ok')} failed",
            f"{in_flight} in flight",
        ]
        if ledger.calls:
            cost = f"${ledger.cost_usd:.4f}" + (" + unknown" if ledger.unpriced_calls else "")
            parts += [f"{ledger.tokens} tokens", cost]
        left = left_text(ledger, self._budget, rate)
        return ", ".join(parts) + (f"  [{left}]" if left else "")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)
