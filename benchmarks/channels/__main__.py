"""How many bits one program can tell another, over each known channel: a table of bits per evaluation.

    python -m benchmarks.channels [--tiers 1,2] [--trials 6] [--seed 1] [--only NAME]

A sender and a receiver are two programs in sandboxes as they judge any program. Random bits are handed to the sender; the
receiver returns one number per bit (of a single bit: the
change since before). Half of the trials choose the threshold between 0 and 1 and which side is which, the
other half count errors; with error rate e the channel has n (1 - H(e)) bits, 0 where e is not below 1/2 by three standard
deviations. Columns: the receiver after the sender in one judge; in another judge; at the same moment in another judge. Before each trial
this process, which no program can steer, takes the file that they use out of the page cache, as time would.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import math
import os
import platform
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.channels.pairs import CHANNELS, COMMON, Channel
from evaluators.contract import Limits, Program
from evaluators.sandbox import Harness, LinuxSandbox, SandboxError
from evaluators.source.files import SourceFiles

RUN = "def run(program, inputs):\n    return program.f(inputs)\n"
LIMITS = Limits(cpu_s=20, wall_s=40, memory_mib=1024, scratch_mib=16)
START_S, SLOT_S = 0.4, 0.03


def _program(body: str) -> Program:
    return Program({"program.py": COMMON + "\ndef f(x):\n" + textwrap.indent(textwrap.dedent(body), "    ")})


def _open(tier: int) -> LinuxSandbox:
    return LinuxSandbox(Harness(SourceFiles("c", "c.py", {"c.py": RUN})), limits=LIMITS, tier=tier)


def _run(sandbox: LinuxSandbox, body: str, x: dict[str, Any]) -> Any:
    session = sandbox.start(_program(body), LIMITS)
    try:
        outcome = session.run(x)
    finally:
        session.close()
    return outcome.output if outcome.status == "ok" else outcome.reason


def common_file() -> str:
    """Returns a large file that programs may read, and that nothing here has mapped."""
    spec = importlib.util.find_spec("scipy")
    folder = Path(str(spec.origin)).parents[1] / "scipy.libs" if spec else Path("/usr/lib")
    return str(max(folder.glob("*.so*"), key=lambda path: path.stat().st_size))


def _chill(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def observe(
    channel: Channel,
    sender: LinuxSandbox,
    receiver: LinuxSandbox,
    rng: np.random.Generator,
    *,
    together: bool,
) -> tuple[list[int], list[float]] | str:
    """Returns the bits of one trial and what was received, or why nothing was."""
    path = common_file()
    _chill(path)
    bits = [int(bit) for bit in rng.integers(0, 2, channel.bits)]
    x: dict[str, Any] = {"bits": bits, "file": path, "slot": SLOT_S, "name": f"n{rng.integers(2**40)}"}
    told = {**x, "bits": [0] * channel.bits}
    # a single number may count on from trial to trial: what counts is how far it came since before
    before = (
        _run(receiver, channel.receive, {**told, "at": 0.0}) if channel.bits == 1 else [0.0] * channel.bits
    )
    x["at"] = time.time() + (START_S if together else 0.0)
    if together:
        thread = threading.Thread(target=_run, args=(sender, channel.send, x))
        thread.start()
        got = _run(receiver, channel.receive, {**told, "at": x["at"]})
        thread.join()
    else:
        _run(sender, channel.send, x)
        got = _run(receiver, channel.receive, {**told, "at": 0.0})
    if not isinstance(got, list) or not isinstance(before, list):
        return str(got)
    return bits, [one - other for one, other in zip(got, before, strict=True)]


def bits_of(trials: list[tuple[list[int], list[float]]], count: int) -> float:
    """Returns the bits per evaluation that these trials show."""
    half = len(trials) // 2
    fit, rest = trials[:half], trials[half:]
    sent, got = (np.concatenate([np.asarray(trial[part], float) for trial in fit]) for part in (0, 1))
    best = (1.1, 0.0, True)
    values = np.unique(got)
    for threshold in (*(values[1:] + values[:-1]) / 2, values[0] - 1.0):
        for above in (True, False):
            wrong = float(np.mean((got >= threshold if above else got < threshold) != sent))
            best = min(best, (wrong, float(threshold), above))
    _, threshold, above = best
    sent, got = (np.concatenate([np.asarray(trial[part], float) for trial in rest]) for part in (0, 1))
    error = float(np.mean((got >= threshold if above else got < threshold) != sent))
    if error > 0.5 - 3 * 0.5 / math.sqrt(len(sent)):
        return 0.0
    entropy = -sum(p * math.log2(p) for p in (error, 1 - error) if p > 0)
    return count * (1 - entropy)


def measure(tier: int, channel: Channel, trials: int, seed: int) -> list[str]:
    """Returns the three cells of a channel's row."""
    rng = np.random.default_rng([seed, tier])
    count = trials if channel.bits > 1 else max(trials, 24)
    cells = []
    with contextlib.closing(_open(tier)) as one, contextlib.closing(_open(tier)) as other:
        for receiver, together in ((one, False), (other, False), (other, True)):
            got = [observe(channel, one, receiver, rng, together=together) for _ in range(count)]
            failed = [trial for trial in got if isinstance(trial, str)]
            good = [trial for trial in got if not isinstance(trial, str)]
            cells.append(f"failed: {failed[0]}" if failed else f"{bits_of(good, channel.bits):.1f}")
    return cells


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiers", default="1,2")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Linux {platform.release()}"
    )
    print("| tier | channel | tried | later, one judge | later, another judge | at once, another judge |")
    print("|---|---|---|---|---|---|")
    for tier in map(int, options.tiers.split(",")):
        for channel in CHANNELS:
            if options.only not in channel.name:
                continue
            try:
                cells = measure(tier, channel, options.trials, options.seed)
            except SandboxError as error:
                cells = [str(error)] * 3
            print(f"| {tier} | {channel.name} | {channel.bits} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
