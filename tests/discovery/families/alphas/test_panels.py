from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from discovery.families.alphas.panels import panel
from evaluators.alphas.markets.panel import MAX_JUMP, PanelError


def call(*arguments: object) -> str:
    result = CliRunner().invoke(panel, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_market_is_synthesized_and_described(tmp_path) -> None:
    text = call("synthesize", tmp_path / "m", "--days", 300, "--names", 60, "--seed", 7)
    assert "300 days x 60 names, 2015-01-05 to 2016-02-26" in text
    found = json.loads(call("info", tmp_path / "m", "--noise", "--json"))
    assert found["digest"] in text
    assert [trials for trials, _, _ in found["noise"]] == [100, 1000, 10000]
    assert 0 < found["noise"][0][1] < found["noise"][2][1] < 0.2
    assert found["warnings"] == []


def test_a_file_is_imported(tmp_path) -> None:
    pytest.importorskip("pyarrow")
    rows = ["date,symbol,open,high,low,close,volume"]
    for day in np.arange("2020-01-01", "2020-01-11", dtype="datetime64[D]"):
        rows += [f"{day},{name},10,11,9,10,100" for name in ("a", "b")]
    (tmp_path / "p.csv").write_text("\n".join(rows))
    text = call("import", tmp_path / "p.csv", tmp_path / "out")
    assert "10 days x 2 names" in text
    assert "survivors only" in text
    with pytest.raises(PanelError, match="does not exist"):
        call("import", tmp_path / "q.csv", tmp_path / "out")


def test_the_help_states_the_default_that_is_used() -> None:
    assert f"[default: {MAX_JUMP:g}]" in call("import", "--help")
