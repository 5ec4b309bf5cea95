"""How soon the page shows a run, and how smoothly its family tree is zoomed, in a real Chromium.

    python -m benchmarks.service.page [--programs 10000 100000] [--repeats 5]

Chromium draws without a graphics card here (software rendering), so frame rates are those of the processor. A made-up run
is written to a folder and served as `discovery watch` does. Told are the browser's own first paint, the time until the
figures of the run stand on the page (from an empty browser cache; the service has read the run before, and has not), and
the frames of four seconds in which the tree is zoomed in and out with one wheel event per frame.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from discovery.core.records import RunInfo
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig
from discovery.service.watching import Watch
from discovery.settings.config import RunConfig
from evaluators.contract import Measure, Objective
from tests.discovery.service.browsing import Browser, served

PROGRAM = {"files": {"program.py": "def answer():\n    return [0.1, 0.2, 0.3]\n" * 20}, "entry": "program.py"}
ZOOM = """
const canvas = document.querySelector("canvas.tree");
canvas.scrollIntoView({ block: "center" });
await new Promise((r) => setTimeout(r, 600));
canvas.focus();
const box = canvas.getBoundingClientRect();
const times = [];
let last = performance.now();
const end = last + 4000;
for (let n = 0; last < end; n++) {
  const deltaY = Math.floor(n / 60) % 2 ? 60 : -60;
  const spot = { clientX: box.left + box.width * 0.6, clientY: box.top + box.height * 0.4, bubbles: true, cancelable: true };
  canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, ...spot }));
  const now = await new Promise(requestAnimationFrame);
  times.push(now - last);
  last = now;
}
return times.slice(2);
"""


def name_of(index: int) -> str:
    """Returns the id of a made-up program."""
    return f"{(index * 0x9E3779B97F4A7C15) % (1 << 64):016x}"


def records(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yields the journal of a made-up run: every program has a parent among the newer ones."""
    rng = np.random.default_rng(seed)
    operators = ["diff", "rewrite", "crossover", "tune", "splice", "prune"]
    best = 1.0
    yield {"type": "opened", "at_s": 1e9}
    for index in range(count):
        parent = int(max(0, index - 1 - rng.geometric(0.004))) if index else -1
        score = best + (
            float(rng.exponential(0.002)) if rng.random() < 0.002 else -float(rng.exponential(0.3))
        )
        best = max(best, score)
        failed = rng.random() < 0.1
        name = name_of(index)
        place = [float(rng.random() * 4), float(rng.random() * 4)]
        cell = int(place[1] * 5) * 20 + int(place[0] * 5)
        evaluation = {"status": "error", "reason": f"ValueError: {index} is bad"} if failed else {
            "status": "ok", "score": score, "metrics": {"score": score}, "measures": place, "layers": ["landlock", "seccomp"]
        }  # fmt: skip
        yield {
            "type": "evaluated",
            "record": {
                "index": index,
                "program": PROGRAM,
                "program_id": name,
                "parents": [name_of(parent)] if parent >= 0 else [],
                "evaluation": evaluation,
                "operator": operators[int(rng.integers(6))] if index else "seed",
                "island": index % 4,
                "cell": None if failed else cell,
                "decision": index,
                "at_s": 1e9 + index * 0.1,
                "changes": [] if failed or rng.random() > 0.05 else [[index % 4, cell, name, None, "birth"]],
            },
        }  # fmt: skip


def write(path: Path, count: int) -> Path:
    """Returns the folder of a made-up run."""
    path.mkdir()
    info = RunInfo(
        "made_up",
        "A made-up run.",
        Objective("score"),
        (Measure("a", 0, 4, 20), Measure("b", 0, 4, 20)),
        islands=4,
    )
    settings = {"format": 1, "info": info.to_json(), "config": RunConfig(problem="none", seed=1).to_json()}
    (path / "config.json").write_text(json.dumps(settings))
    with (path / "journal.jsonl").open("w") as file:
        file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in records(count, 1))
    return path


def measure(browser: Browser, address: str) -> tuple[float, float]:
    """Returns seconds until the first paint, and until the run's figures are drawn."""
    browser.open(address)
    browser.run(
        "for (let n = 0; n < 9000 && !document.querySelector('.tile .figure'); n++) await new Promise((r) => setTimeout(r, 10))"
    )
    drawn = browser.run("await new Promise(requestAnimationFrame); return performance.now()")
    paint = browser.run("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    return paint / 1000, drawn / 1000


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for count in options.programs:
            run = write(Path(place) / f"run-{count}", count)
            browser = Browser(Path(place))
            try:
                watched = Watch([run])
                with served(make_app(watched, ServiceConfig(), lambda: None)) as address:
                    begun = time.perf_counter()
                    first = measure(browser, f"{address}#/run/{run.name}")
                    print(
                        f"{count} programs, not read before: first paint {first[0]:.2f} s, drawn {first[1]:.2f} s"
                    )
                    again = [measure(browser, f"{address}#/run/{run.name}") for _ in range(options.repeats)]
                    paints, drawn = zip(*again, strict=True)
                    print(
                        f"  read before (n={len(again)}): first paint median {statistics.median(paints):.2f} s, "
                        f"most {max(paints):.2f} s; drawn median {statistics.median(drawn):.2f} s, most {max(drawn):.2f} s"
                    )
                    browser.wait("document.querySelector('canvas.tree')")
                    frames = browser.run(ZOOM)
                    print(
                        f"  zooming: {len(frames) / sum(frames) * 1000:.0f} frames/s, median {statistics.median(frames):.1f} ms, "
                        f"95th percentile {np.percentile(frames, 95):.1f} ms (n={len(frames)}, {time.perf_counter() - begun:.0f} s)"
                    )
            finally:
                browser.close()


if __name__ == "__main__":
    main()
