"""Is the best better than luck? What a run's own journal says after all its trials.

A problem whose score is a mean over periods can have its programs judged for luck: it returns hidden metrics
(names that begin with an underscore are not shown to models or people), and the run, which alone knows how
often it tried, does the rest:

    _ic_00, _ic_01, ...     each program's performance in block after block: of all trials together they give the
                            effective number of trials, the probability of backtest overfitting (CSCV) and the test of
                            superior predictive ability (significance.py)
    _evidence_sharpe, _evidence_skewness, _evidence_kurtosis, _evidence_periods, _evidence_overlap, _evidence_p
                            moments of an elite's series out of sample, among its held-out metrics, and the p that
                            its mean is not positive
    _walk_00, _walk_01, ... that series itself, block after block
    _noise_icir_sd, _noise_rank_ic_sd
                            how far worthless factors stray on the same days
    _gate_percentile        of the generation, which each of GATED must reach, where the problem asks for that

A program is admitted if its exam (the held-out cases) did not refuse it, its Sharpe ratio deflated by all
trials of the run so far is at least 0.95, it is among the discoveries at a false discovery rate of 5 % over all
programs that were examined (Benjamini and Hochberg), SPA rejects that nothing tried is better than nothing
(p <= 0.05), and the choice among the trials loses out of sample with a probability of at most 0.05. Everything is a
function of the journal, so it can be computed again at any time.

Which of the admitted programs is the one to open the sealed test for is asked of their leads: how far each is better
than the first program of the run out of sample (_walk_00, _walk_01, ... of their exams), block by block, less
LEAD_ERRORS standard errors. Where hundreds of days choose among hundreds of programs, the highest score is the luckiest
one; a lead asks how much of it is luck, also on days that had no say in the search, and the program that the search
began with, whose lead is 0, stays unless another is surely better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from discovery.core.records import Record
from discovery.families.alphas.traces import TRACE, has_trace
from evaluators.alphas.admission import LEVEL, Gate
from evaluators.alphas.metrics import sum_variance
from evaluators.alphas.significance import (
    Moments,
    deflated_sharpe,
    effective_trials,
    expected_maximum,
    fdr,
    pbo,
    spa,
)

EVIDENCE = ("sharpe", "skewness", "kurtosis", "periods", "overlap")
GATED = ("ic", "rank_ic", "icir", "rank_icir", "mi")
LARGEST_P = 0.05
FALSE_DISCOVERIES = 0.05
LARGEST_LOSS_PROBABILITY = 0.05
WALK = "_walk_"
LEAD_ERRORS = 1.5
"""Standard errors that are taken off a gain over the first program (docs/alphas.md has the figures)."""
_LEAD_LAG = 2
"""Blocks over which Newey and West look back: labels overlap with the next block's."""
COST = "cost_rank_ic"
"""What trading costs, in the unit of the traces, which are before cost."""
_MOST_PBO_BLOCKS = 12
_SPA_BLOCK = 2.0
_LEAST_PERIODS = 12


@dataclass(frozen=True, slots=True)
class Luck:
    """What all trials of a run say together; None where there are too few of them.

    Attributes:
        trials: distinct programs evaluated, failures included; scored: those with a trace.
        effective: how many independent ones their traces amount to (at most the number of blocks).
        pbo: probability that the best in sample is below the median out of sample.
        loss_probability: probability that the best in sample loses out of sample.
        spa_p: probability of the best trial's mean if no trial were better than nothing (Hansen's consistent p).
    """

    trials: int
    scored: int
    effective: float | None = None
    pbo: float | None = None
    loss_probability: float | None = None
    spa_p: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a program is admitted after so many trials, and why not ("" if it is).

    `deflated` is its deflated Sharpe ratio, `sharpe` the plain one (per period), `expected_best` what the best of as
    many worthless ones reaches; None where its exam gave no evidence.
    """

    program_id: str
    admitted: bool
    reason: str
    trials: int
    deflated: float | None = None
    sharpe: float | None = None
    expected_best: float | None = None

    @property
    def text(self) -> str:
        """Returns the verdict in one sentence."""
        word = "admitted" if self.admitted else "not admitted"
        figures = ""
        if self.deflated is not None:
            figures = (
                f" (deflated Sharpe {self.deflated:.3f} after {self.trials} trials: "
                f"{self.sharpe:.3f} against {self.expected_best:.3f} by luck)"
            )
        return f"{word}{figures}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Lead:
    """How far a program is better than the first one of the run: mean over the blocks, net of cost, and its error."""

    gain: float
    error: float

    @property
    def least(self) -> float:
        """Returns what is left of the gain without most of its luck."""
        return self.gain - LEAD_ERRORS * self.error

    @property
    def text(self) -> str:
        """Returns it in one sentence."""
        return f"better than the first program by {self.gain:+.4f}, standard error {self.error:.4f}"


class Trials:
    """The trials of a run, folded from its journal's entries in order."""

    def __init__(self, entries: Iterable[Mapping[str, Any]] = ()) -> None:
        self.count = 0
        self._traces: dict[str, tuple[float, ...]] = {}
        self._metrics: dict[str, Mapping[str, float]] = {}
        self._exams: dict[str, tuple[Mapping[str, float], str]] = {}
        for entry in entries:
            self.fold(entry)

    def fold(self, entry: Mapping[str, Any]) -> None:
        """Takes in one entry; kinds that say nothing of trials are passed over."""
        if entry["type"] == "evaluated":
            self._fold_record(entry["record"])
        elif entry["type"] == "held_out":
            self._exams[entry["program_id"]] = (entry["metrics"], entry.get("reason", ""))

    def _fold_record(self, record: Record | Mapping[str, Any]) -> None:
        self.count += 1
        self.__dict__.pop("luck", None)
        if isinstance(record, Record):
            program_id, metrics = record.program_id, record.evaluation.metrics
        else:
            program_id, metrics = record["program_id"], record["evaluation"].get("metrics", {})
        if has_trace(metrics):
            self._metrics[program_id] = metrics
            self._traces[program_id] = tuple(
                value for name, value in metrics.items() if name.startswith(TRACE)
            )

    @cached_property
    def luck(self) -> Luck:
        """What all trials say together."""
        length = max(map(len, self._traces.values()), default=0)
        rows = [trace for trace in self._traces.values() if len(trace) == length]
        if len(rows) < 2 or length < _LEAST_PERIODS:
            return Luck(self.count, len(rows))
        series = np.array(rows).T
        overfitting = pbo(series, blocks=min(_MOST_PBO_BLOCKS, length // 4 * 2))
        superior = spa(series, np.random.default_rng(0), block=_SPA_BLOCK)
        return Luck(
            self.count,
            len(rows),
            effective_trials(series),
            overfitting.pbo,
            overfitting.loss_probability,
            superior.consistent,
        )

    def verdict(self, program_id: str) -> Verdict | None:
        """Returns the verdict on a program; None where the problem asks for none."""
        if program_id not in self._metrics:
            return None
        exam, refusal = self._exams.get(program_id, ({}, ""))
        found = {**self._metrics[program_id], **exam}
        if refusal:
            return Verdict(program_id, admitted=False, reason=refusal, trials=self.count)
        if any(f"_evidence_{name}" not in found for name in EVIDENCE):
            if program_id in self._exams:
                return None
            return Verdict(program_id, admitted=False, reason="it was not examined", trials=self.count)
        sharpe, skewness, kurtosis, periods, overlap = (found[f"_evidence_{name}"] for name in EVIDENCE)
        evidence = Moments(sharpe, skewness, kurtosis, round(periods))
        noise_sd = max(found.get("_noise_icir_sd", 0.0), math.sqrt(overlap / max(periods, 1.0)))
        deflated = deflated_sharpe(evidence, trials=self.count, trials_sd=noise_sd, overlap=round(overlap))
        reason = self._objection(deflated, found)
        best = noise_sd * expected_maximum(self.count)
        return Verdict(program_id, not reason, reason, self.count, deflated, sharpe, best)

    @property
    def first(self) -> str | None:
        """Returns the first program with a trace, what the search began with; None before it."""
        return next(iter(self._traces), None)

    def lead(self, program_id: str) -> Lead | None:
        """Returns the lead of a program over the first one; None where they cannot be compared.

        The error is that of Newey and West, of the differences block by block: what both met alike drops out. Both must
        have been examined.
        """
        if self.first is None:
            return None
        own, base = self._walk(program_id), self._walk(self.first)
        if not len(base) or len(own) != len(base):
            return None
        gains = own - base
        cost = self._metrics[program_id].get(COST, 0.0) - self._metrics[self.first].get(COST, 0.0)
        error = math.sqrt(max(float(sum_variance(gains - gains.mean(), _LEAD_LAG)), 0.0)) / len(gains)
        return Lead(float(gains.mean()) - cost, error)

    def _walk(self, program_id: str) -> NDArray[np.float64]:
        """Returns a program's performance out of sample, block by block; empty where it was not examined."""
        exam, _ = self._exams.get(program_id, ({}, ""))
        found = {**self._metrics.get(program_id, {}), **exam}
        return np.array([value for name, value in found.items() if name.startswith(WALK)])

    def choice(self) -> str | None:
        """Returns the admitted program with the largest lead at least; None where none is admitted or leads are unknown."""
        leads = {
            program_id: lead.least
            for program_id in self._traces
            if (lead := self.lead(program_id)) is not None
            and (verdict := self.verdict(program_id)) is not None
            and verdict.admitted
        }
        return max(leads, key=leads.__getitem__, default=None)

    def _objection(self, deflated: float, found: Mapping[str, float]) -> str:
        luck = self.luck
        if not deflated >= LEVEL:
            return f"deflated Sharpe {deflated:.3f} is below {LEVEL:g}"
        if found.get("admitted_members", 1.0) < 1:
            return "none of its members is admitted"
        if (adjusted := self._adjusted_p(found.get("_evidence_p"))) > FALSE_DISCOVERIES:
            return f"false discovery rate: adjusted p {adjusted:.3f} is above {FALSE_DISCOVERIES:g}"
        if luck.spa_p is None and luck.scored > 1:
            return f"a trace of fewer than {_LEAST_PERIODS} blocks is too short for PBO and SPA; use a longer panel"
        if luck.spa_p is not None and luck.spa_p > LARGEST_P:
            return f"SPA: p {luck.spa_p:.3f} is above {LARGEST_P:g}"
        if luck.loss_probability is not None and luck.loss_probability > LARGEST_LOSS_PROBABILITY:
            return (
                f"the choice among the trials loses out of sample with probability {luck.loss_probability:.2f}, "
                f"at most {LARGEST_LOSS_PROBABILITY:g} is allowed"
            )
        if "_gate_percentile" in found:
            gate = Gate(dict.fromkeys(GATED, -math.inf), found["_gate_percentile"])
            return gate.reason(found, tuple(self._metrics.values())) or ""
        return ""

    def _adjusted_p(self, p: float | None) -> float:
        """Returns a program's p, adjusted for all programs that were examined; 0 where there is none."""
        if p is None:
            return 0.0
        found = [exam.get("_evidence_p", 1.0) for exam, _ in self._exams.values()]
        found = found if p in found else [*found, p]  # evidence may stand among the plain metrics, too
        return float(fdr(np.array(found))[1][found.index(p)])
