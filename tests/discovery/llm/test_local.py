"""The small real model of the extra `local`: the one endpoint that we did not write. Run with: pytest -m real_model -n0"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from discovery.core.errors import ConfigError
from discovery.llm.local import NAME, local_model
from discovery.testing import unused_api_base


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with (
        pytest.raises(ConfigError, match=r'pip install "code-discovery\[local\]"'),
        local_model(port=1, threads=1),
    ):
        pass


@pytest.mark.real_model
@pytest.mark.timeout(3000)
def test_a_run_with_a_real_model_books_all_its_calls_and_says_what_became_of_each(tmp_path):
    """Twenty calls; most replies of so small a model are refused, and each refusal has a reason."""
    pytest.importorskip("xllamacpp")
    port = int(unused_api_base().rsplit(":", 1)[1].split("/")[0])
    with local_model(port=port, threads=2) as address:
        config = tmp_path / "run.toml"
        config.write_text(
            f'problem = "circle_packing"\nevals = 400\nmodel = ["{NAME}"]\napi_base = "{address}"\noperators = "diff=1,rewrite=1"\n'
            "model_slots = 1\nseed = 1\nworkers = 1\n[models]\nmax_tokens = 300\ntimeout_s = 600\n"
        )
        command = [
            sys.executable,
            "-m",
            "discovery",
            "run",
            "--config",
            str(config),
            "--out",
            str(tmp_path / "run"),
            "--json",
        ]
        ended = subprocess.run([*command, "--tokens", "28000"], capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 3), ended.stderr
    summary = json.loads(ended.stdout.splitlines()[-1])
    entries = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    made = [entry for entry in entries if entry["type"] in ("unproposed", "proposed")]
    assert summary["model_calls"] >= 15
    assert all(entry.get("reason") for entry in made if entry["type"] == "unproposed")
    booked = sum(len(entry.get("calls", ())) for entry in made)
    assert booked == summary["model_calls"]
    reasons = sorted({entry["reason"][:100] for entry in made if entry["type"] == "unproposed"})
    sys.stderr.write(
        json.dumps(
            {
                "calls": booked,
                "tokens": summary["tokens"],
                "evaluations": summary["evaluations"],
                "refused": reasons,
            },
            indent=1,
        )
    )
