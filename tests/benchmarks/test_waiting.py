from __future__ import annotations

import argparse

from benchmarks.waiting import report, run


def test_a_run_tells_what_each_operator_brought_and_how_long_children_waited():
    options = argparse.Namespace(
        problem="circle_packing", seed=1, workers=1, set=[], replies=None, calls=3, call_s=0.05
    )
    records, waits = run(options)
    assert records[0].operator == "seed"
    assert 1 <= len(waits) <= sum(bool(record.calls) for record in records)
    assert min(waits) >= 0
    text = report(records, waits, 1.0)
    assert f"({len(waits)} children)" in text
    assert "| models |" in text
    assert "100%" in report([records[0], max(records, key=lambda one: one.score or 0.0)], [], 1.0)
