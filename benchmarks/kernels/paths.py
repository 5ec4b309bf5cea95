"""From naive C to a fast kernel by recorded replies of a model: how far each step gets over NumPy, in one run each.

    python -m benchmarks.kernels.paths [--problems softmax histogram jacobi_stencil] [--seed 1]

Each problem is a whole `discovery run`: its model is a server on loopback that answers with benchmarks/kernels/replies,
one after the other, and the judge of kernels times every step against the problem's baseline. Printed are the medians
of the speed-ups over the baseline with their 95 % intervals; what the run itself keeps is the lower end.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from discovery.storage.journal import read_entries
from discovery.testing import ChatEndpoint, recorded

REPLIES = Path(__file__).parent / "replies"
AIMS = {"softmax": 2.0, "histogram": 4.0, "jacobi_stencil": 3.0}


def replies(problem: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted((REPLIES / problem).glob("*.md"))]


def run(problem: str, out: Path, *, seed: int, evals: int) -> list[dict[str, object]]:
    """Returns the records of a run whose model knows the recorded replies."""
    with ChatEndpoint(recorded(*replies(Path(problem).stem))) as endpoint:
        command = [sys.executable, "-m", "discovery", "run", problem, "--seed", str(seed), "--out", str(out)]
        command += ["--evals", str(evals), "--workers", "1", "--islands", "1", "--operators", "rewrite"]
        command += ["--model", "recorded", "--api-base", endpoint.api_base, "--json"]
        done = subprocess.run(
            command, env={**os.environ, "OPENAI_API_KEY": "none"}, capture_output=True, text=True, check=False
        )
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    entries = read_entries(out / "journal.jsonl")
    return [entry["record"] for entry in entries if entry["type"] == "evaluated"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=list(AIMS), choices=list(AIMS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for problem in options.problems:
        with tempfile.TemporaryDirectory() as folder:
            found = run(problem, Path(folder, "run"), seed=options.seed, evals=1 + len(replies(problem)))
        for record in found:
            evaluation = json.loads(json.dumps(record["evaluation"]))
            metrics = evaluation.get("metrics", {})
            if evaluation["status"] == "ok":
                low, middle, high = (metrics[f"speedup{end}"] for end in ("", "_median", "_high"))
                result = f"{middle:6.2f} [{low:.2f}, {high:.2f}]  {metrics['rounds']:.0f} rounds, {metrics['call_us']:.0f} us"
            else:
                result = f"{evaluation['status']}: {evaluation['reason']}"
            print(f"{problem:15} {record['operator']:8} {result}")
        print(f"{problem:15} aim      {AIMS[problem]:6.2f}")


if __name__ == "__main__":
    main()
