"""How folders of other systems fare here, unmodified: `python -m benchmarks.foreign CHECKOUT... --out table.json`.

Each argument is a checkout (or any folder below which there are problem folders of OpenEvolve, ShinkaEvolve or
LoongFlow). Every such folder goes through `discovery check FOLDER` and `discovery run FOLDER --evals 20` with the
operators that need no model; the table tells the seed's score, the best after these evaluations, or what stands in
the way. Rows are kept in the --out file as they come in, and are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from discovery.storage.journal import read_entries

EVALUATORS = ("evaluator.py", "eval_program.py", "evaluate.py")
STEMS = ("initial_program", "initial", "init_program")
_CHECK_TIMEOUT_S = 900
_EXTRA_RUN_S = 120
_SKIPPED = {".git", "tests", "results", "openevolve_output", "node_modules"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", type=Path, nargs="+")
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON file of the rows; continued if it is there"
    )
    parser.add_argument("--evals", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0, help="for each run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="regular expression that a folder's name must match")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(options.out.read_text()) if options.out.exists() else []
    done = {row["folder"] for row in rows}
    for checkout in options.checkouts:
        for folder in find_folders(checkout):
            name = f"{checkout.resolve().name}/{folder.relative_to(checkout).as_posix()}"
            if name in done or not re.search(options.only, name):
                continue
            row = {"folder": name, **try_folder(folder, options)}
            rows.append(row)
            options.out.write_text(json.dumps(rows, indent=1))
            print(line(row), flush=True)
    print("\n" + table(rows))


def find_folders(checkout: Path) -> Iterator[Path]:
    """Yields every folder that has a first program or an evaluator in it, whether it runs or not."""
    for base, folders, files in os.walk(checkout):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        has_evaluator = any(name in files for name in EVALUATORS)
        has_program = any(name.partition(".")[0] in STEMS for name in (*files, *folders))
        if has_evaluator and has_program:
            yield Path(base)


def try_folder(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    begun = time.perf_counter()
    checked = call(["check", str(folder), "--json"], _CHECK_TIMEOUT_S)
    row: dict[str, Any] = {"check_s": round(time.perf_counter() - begun, 1), "check_rc": checked.returncode}
    if checked.returncode not in (0, 1) or not checked.stdout.strip():
        return row | {"works": False, "why": reason(checked, folder)}
    row["findings"] = json.loads(checked.stdout.splitlines()[-1])["findings"]
    scratch = Path(tempfile.mkdtemp(prefix="foreign-"))
    budget = ["--evals", str(options.evals), "--minutes", str(options.minutes)]
    more = ["--workers", str(options.workers), "--seed", str(options.seed), "--json"]
    try:
        ran = call(
            ["run", str(folder), *budget, *more, "--out", str(scratch / "run")],
            60 * options.minutes + _EXTRA_RUN_S,
        )
        if not ran.stdout.strip():
            return row | {"works": False, "why": reason(ran, folder)}
        summary = json.loads(ran.stdout.splitlines()[-1])
        seed = next(
            entry["record"]["evaluation"]
            for entry in read_entries(scratch / "run" / "journal.jsonl")
            if entry["type"] == "evaluated"
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    row |= {key: summary[key] for key in ("evaluations", "statuses", "best_score", "seconds", "self_scored")}
    row["stopped"] = next((text for text in ran.stderr.splitlines() if text.startswith("stopped: ")), "")
    row |= {"seed_score": seed.get("score"), "seed_reason": seed.get("reason", ""), "run_rc": ran.returncode}
    told = [text.strip() for text in seed.get("feedback", "").splitlines() if text.strip()]
    row["evaluator_fault"] = told[-1] if any("Traceback (most recent" in text for text in told) else ""
    is_done = checked.returncode == 0 and ran.returncode == 0 and summary["evaluations"] == options.evals
    works = is_done and not row["evaluator_fault"]
    return row | {"works": works, "why": "" if works else why_not(row, options.evals)}


def call(arguments: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "discovery", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"not done within {timeout_s:g} s")


def reason(done: subprocess.CompletedProcess[str], folder: Path) -> str:
    lines = [text for text in done.stderr.splitlines() if text.strip()]
    if not lines:
        return f"exit code {done.returncode}"
    return lines[-1].removeprefix("error: ").replace(f"{folder.absolute()}: ", "")


def why_not(row: dict[str, Any], evals: int) -> str:
    if row["evaluator_fault"]:
        return f"the evaluator fails on the seed: {row['evaluator_fault']}"
    if row["seed_score"] is None:
        return f"the seed fails: {row['seed_reason']}"
    errors = [finding["detail"] for finding in row["findings"] if finding["level"] == "error"]
    if errors:
        return str(errors[0])
    return row["stopped"] or f"{row['evaluations']} of {evals} evaluations in the time"


def line(row: dict[str, Any]) -> str:
    state = "works" if row["works"] else "fails"
    return f"{state} {row['folder']} seed {row.get('seed_score')} best {row.get('best_score')} {row['why'][:150]}"


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the table of docs/foreign.md."""
    works = [row for row in rows if row["works"]]
    lines = [
        f"{len(works)} of {len(rows)} folders work.",
        "",
        "| folder | seed | best after 20 | s per evaluation | check |",
    ]
    lines.append("|---|---|---|---|---|")
    for row in works:
        per_s = row["seconds"] / max(row["evaluations"], 1)
        titles = sorted(
            {finding["title"] for finding in row["findings"] if finding["title"] != "self-scored"}
        )
        lines.append(
            f"| {row['folder']} | {row['seed_score']:.6g} | {row['best_score']:.6g} | {per_s:.2g} | {'; '.join(titles)} |"
        )
    lines += ["", "| folder | what stands in the way |", "|---|---|"]
    lines += [f"| {row['folder']} | {row['why']} |" for row in rows if not row["works"]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
