from __future__ import annotations

import numpy as np
import pytest

from discovery.core.records import shown
from discovery.families.alphas.admission import Trials
from discovery.families.alphas.traces import has_trace

multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests

BLOCKS = 26
EVIDENCE = {
    "_evidence_sharpe": 0.9,
    "_evidence_skewness": 0.0,
    "_evidence_kurtosis": 3.0,
    "_evidence_periods": 400.0,
    "_evidence_overlap": 10.0,
    "_noise_icir_sd": 0.15,
}


def evaluated(program_id: str, trace: np.ndarray, **metrics: float) -> dict:
    found = {"rank_ic": float(trace.mean()), **metrics}
    found |= {f"_ic_{place:02d}": float(value) for place, value in enumerate(trace)}
    return {"type": "evaluated", "record": {"program_id": program_id, "evaluation": {"metrics": found}}}


def exam(program_id: str, reason: str = "", **metrics: float) -> dict:
    return {"type": "held_out", "program_id": program_id, "metrics": metrics, "reason": reason}


def run(count: int, *, edge: float = 0.0, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    return [evaluated(f"p{n}", edge + 0.05 * rng.standard_normal(BLOCKS)) for n in range(count)]


def test_the_sharpe_is_deflated_by_all_trials_failures_included() -> None:
    failed = [{"type": "evaluated", "record": {"program_id": "f", "evaluation": {"status": "error"}}}] * 490
    few, many = run(10, edge=0.08), run(10, edge=0.08)
    verdict = Trials([*few, exam("p0", **EVIDENCE)]).verdict("p0")
    assert verdict is not None
    assert verdict.admitted
    assert verdict.trials == 10
    later = Trials([*many, exam("p0", **{**EVIDENCE, "_evidence_sharpe": 0.7}), *failed]).verdict("p0")
    assert later is not None
    assert not later.admitted
    assert later.trials == 500
    assert later.expected_best > 1.8 * verdict.expected_best
    assert later.reason == f"deflated Sharpe {later.deflated:.3f} is below 0.95"


def test_who_fails_the_exam_is_not_admitted_and_the_reason_is_told() -> None:
    refused = Trials([*run(5, edge=0.1), exam("p1", "held-out cases: streaming differs")]).verdict("p1")
    assert refused is not None
    assert refused.text == "not admitted: held-out cases: streaming differs"
    none = Trials([*run(5, edge=0.1), exam("p1", **EVIDENCE, admitted_members=0.0)]).verdict("p1")
    assert none is not None
    assert none.reason == "none of its members is admitted"


def test_programs_without_trace_or_evidence_have_no_verdict_and_those_without_exam_are_not_admitted() -> None:
    trials = Trials([*run(3), {"type": "opened", "at_s": 1.0}, exam("p1", rank_ic=0.1)])
    assert trials.verdict("p0").text == "not admitted: it was not examined"
    assert trials.verdict("p1") is None
    assert trials.verdict("unknown") is None
    assert has_trace({"_ic_00": 0.1})
    assert not has_trace({"score": 1.0})
    assert shown({"score": 1.0, "_ic_00": 0.1}) == {"score": 1.0}


def test_noise_is_stopped_by_spa_even_with_strong_evidence() -> None:
    verdict = Trials(
        [
            *run(200),
            exam(
                "p0",
                **EVIDENCE,
            ),
        ]
    ).verdict("p0")
    assert verdict is not None
    assert not verdict.admitted
    luck = Trials(run(200)).luck
    assert luck.spa_p > 0.05
    assert 0.3 < luck.pbo < 0.7


def test_copies_count_as_one_effective_trial() -> None:
    trace = np.random.default_rng(1).standard_normal(BLOCKS)
    copies = Trials([evaluated(f"p{n}", trace) for n in range(30)]).luck
    assert copies.effective == pytest.approx(1.0)
    assert Trials(run(30)).luck.effective > 8
    assert Trials(run(1)).luck.effective is None


def test_the_gate_asks_for_a_percentile_of_all_trials() -> None:
    noise = 0.02 * np.random.default_rng(2).standard_normal(BLOCKS)
    entries = [
        evaluated(f"p{n}", 0.1 + 0.01 * n + noise, ic=0.01 * n, icir=0.1 * n, rank_icir=0.1 * n, mi=0.01 * n)
        for n in range(10)
    ]
    asked = {**EVIDENCE, "_gate_percentile": 80.0}
    trials = Trials([*entries, exam("p5", **asked), exam("p9", **asked)])
    assert trials.verdict("p5").reason == "ic is 0.05, at least 0.072 is needed"
    assert trials.verdict("p9").admitted


@pytest.mark.parametrize(("blocks", "is_enough"), [(12, True), (19, True), (11, False)])
def test_short_traces_give_figures_or_no_admission(blocks, is_enough) -> None:
    rng = np.random.default_rng(4)
    entries = [evaluated(f"p{n}", 0.1 + 0.03 * rng.standard_normal(blocks)) for n in range(5)]
    trials = Trials([*entries, exam("p0", **EVIDENCE)])
    assert (trials.luck.pbo is not None) == is_enough
    assert trials.verdict("p0").admitted == is_enough
    assert ("too short for PBO and SPA" in trials.verdict("p0").reason) != is_enough


def test_false_discoveries_are_controlled_among_all_that_were_examined() -> None:
    rng = np.random.default_rng(5)
    entries = run(400, edge=0.1, seed=6)
    p_values = [0.012, *rng.random(399)]
    exams = [exam(f"p{n}", **EVIDENCE, _evidence_p=float(p)) for n, p in enumerate(p_values)]
    strong = {**EVIDENCE, "_evidence_sharpe": 1.2}
    alone = Trials([*entries, exam("p0", **strong, _evidence_p=0.012)]).verdict("p0")
    assert alone.admitted
    among = Trials([*entries, *exams, exam("p0", **strong, _evidence_p=0.012)]).verdict("p0")
    assert among.reason.startswith("false discovery rate: adjusted p ")
    want = multipletests([0.012, *p_values[1:]], 0.05, method="fdr_bh")[1][0]
    assert among.reason.startswith(f"false discovery rate: adjusted p {want:.3f}")
    admitted = [Trials([*entries, *exams]).verdict(f"p{n}").admitted for n in range(0, 400, 20)]
    assert sum(admitted) == 0


def walked(program_id: str, daily: np.ndarray, **metrics: float) -> list[dict]:
    """Returns a program and its exam, with this performance out of sample."""
    walk = {f"_walk_{place:02d}": float(value) for place, value in enumerate(daily)}
    trace = 0.08 + 0.02 * np.random.default_rng(9).standard_normal(BLOCKS)
    return [evaluated(program_id, trace, **metrics), exam(program_id, **EVIDENCE, **walk)]


def test_what_both_programs_met_alike_is_no_doubt_in_a_lead() -> None:
    base = 0.05 * np.random.default_rng(7).standard_normal(BLOCKS)
    better = walked("p1", base + 0.003, cost_rank_ic=0.012)
    trials = Trials([*walked("p0", base, cost_rank_ic=0.01), *better, evaluated("p2", base)])
    lead = trials.lead("p1")
    assert lead.gain == pytest.approx(0.001)
    assert lead.error == pytest.approx(0.0, abs=1e-9)
    assert lead.text == "better than the first program by +0.0010, standard error 0.0000"
    assert trials.first == "p0"
    assert trials.lead("p0").least == 0.0
    assert trials.lead("p2") is None  # not examined
    assert trials.lead("unknown") is None
    assert Trials(better[:1]).lead("p1") is None
    assert Trials().lead("p0") is None


def test_the_error_of_a_lead_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(8)
    base, gains = rng.standard_normal((2, BLOCKS)).cumsum(axis=1) / 100
    lead = Trials([*walked("p0", base), *walked("p1", base + gains)]).lead("p1")
    fitted = pytest.importorskip("statsmodels.api").OLS(gains, np.ones(BLOCKS))
    hac = fitted.fit(cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": False})
    assert lead.gain == pytest.approx(gains.mean())
    assert lead.error == pytest.approx(float(hac.bse[0]))


@pytest.mark.parametrize(("noise", "chosen"), [(0.001, "sure"), (0.02, "first")])
def test_the_test_is_opened_for_a_sure_gain_rather_than_a_large_one(noise: float, chosen: str) -> None:
    rng = np.random.default_rng(9)
    base, spread = 0.08 + 0.02 * rng.standard_normal(BLOCKS), rng.standard_normal(BLOCKS)
    spread -= spread.mean()
    entries = [
        *walked("first", base),
        *walked("sure", base + 0.002 + noise * spread),
        *walked("lucky", base + 0.01 + 0.1 * spread),
        evaluated("not examined", base + 0.05),
    ]
    assert Trials(entries).choice() == chosen
    assert Trials(entries[::2]).choice() is None  # without exams
