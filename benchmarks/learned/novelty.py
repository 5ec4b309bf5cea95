"""What the novelty of a program costs: CPU of one call beside an archive of many elites.

    python -m benchmarks.learned.novelty [--elites 256] [--rounds 5]

Programs of 60 lines (about 540 tokens), of which a random part differs; the median, the least and the most of the
rounds of 50 programs, without the first round, in which the sketches of the elites are made.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from discovery.core.records import Record
from discovery.learning.novelty import Novelty
from discovery.learning.tuning import Tuner
from discovery.search.state import RunState, Statement
from discovery.settings.learning import TuningConfig
from evaluators.contract import Evaluation, Objective, Program, Status
from islands.archipelago import Archipelago, IslandsConfig
from islands.archive import Axis

LINES = 60
PROGRAMS = 50


def program(rng: np.random.Generator) -> Program:
    """Returns a program that shares some of its lines with the others."""
    own = rng.random(LINES) < rng.random()
    lines = [f"v{n} = {f'g{rng.integers(99)}' if own[n] else 'f'}(w{n}, {n})" for n in range(LINES)]
    return Program({"program.py": "\n".join(lines) + "\n"})


def milliseconds(elites: int, rounds: int) -> list[float]:
    """Returns the CPU milliseconds per program of each round but the first."""
    rng = np.random.default_rng(0)
    state = RunState(
        Statement("toy", "", "", Objective(), program(rng)),
        lambda: Archipelago(IslandsConfig(islands=1), [Axis("x", 0.0, 1.0, elites)]),
        Tuner(TuningConfig(), seed=0),
    )
    for index in range(elites):
        elite = program(rng)
        done = Evaluation(Status.OK, score=1.0, measures=((index + 0.5) / elites,))
        state.fold(Record(index, elite, elite.id, (), done, "inject", 0, None, index))
    novelty, taken = Novelty(0), []
    for _ in range(rounds):
        children = [program(rng) for _ in range(PROGRAMS)]
        begun = time.process_time()
        for child in children:
            novelty.placed(Evaluation(Status.OK, score=1.0, measures=(1.0,)), child, 0, state)
        taken.append((time.process_time() - begun) / PROGRAMS * 1e3)
    return taken[1:]


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--elites", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    taken = milliseconds(given.elites, max(2, given.rounds))
    print(
        f"{given.elites} elites: {np.median(taken):.2f} [{min(taken):.2f}, {max(taken):.2f}] ms of CPU per program, "
        f"{len(taken)} rounds, load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
