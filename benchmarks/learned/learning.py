"""What the learning parts bring in worlds made for them: no model, no sandbox, the product's own code.

    python -m benchmarks.learned.learning [--seeds 20]

regret      six arms (two operators, three models) with success probabilities from Beta(1, 9), 400 trials: the mean loss
            against the best arm, of the bandit and of equal weights
credit      an asynchronous pool of 8 slots: a slow arm that pays 0.05 a second, and one with quick small successes and
            long failures that pays 0.01; the share of the pool's time that goes to the slow good one
retrieval   20 items, each of which helps with a probability of its own (Beta(1, 4)) and whose words mean nothing; 200
            questions with two items each: successes by learned value and by similarity alone
parents     40 programs of equal fitness, each of whose children gains with a probability of its own (Beta(1, 4)); a gain
            puts a new program in the place of another, and leaves the parent its probability, or two thirds of it; 4
            drawn at random each time, 300 children: gains with the most valuable of the 4, and with the first of them
knock-out   16 programs timed on a machine that drifts, about 60 measurements: Kendall's tau of a bracket of comparisons
            side by side, and of means of single measurements
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import os
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from discovery.core.choices import Arm
from discovery.core.gains import GainMeter
from discovery.core.records import Record
from discovery.core.results import EvaluationResult
from discovery.core.types import Individual, ModelCall
from discovery.learning.bandit import Bandit
from discovery.learning.memory.items import Item, Provenance, item_id_of
from discovery.learning.memory.playbook import Contents, Evidence, merged
from discovery.learning.memory.retrieval import Index, retrieve
from discovery.learning.memory.starts import CANDIDATES, StartValues
from discovery.settings.learning import BanditConfig, MemoryConfig
from evaluators.contract import Evaluation, Program, Status
from islands.tournament import knock_out

OPERATORS = ("diff", "rewrite")
MODELS = (("m1", 1.0), ("m2", 1.0), ("m3", 1.0))
WORDS = [f"{a}{b}" for a in "bcdfgklm" for b in ("ane", "ive", "ore", "umb")]
_PROGRAM = Program({"program.py": "x = 1\n"})

Arrivals = Callable[[np.random.Generator], tuple[float, float]]
Choose = Callable[[np.random.Generator], str]
Learn = Callable[[str, float, float], None]


class Told(GainMeter):
    """A meter that is told the gains, for worlds that draw them."""

    def learn(self, result: EvaluationResult) -> None:
        """Changes nothing."""


def bandit(models: Sequence[tuple[str, float]] = MODELS, **config: float) -> Bandit:
    """Returns a bandit over two operators and these models, which `credit` teaches."""
    settings = BanditConfig(enabled=True, **config)  # type: ignore[arg-type]
    needs, weights = dict.fromkeys(OPERATORS, True), dict.fromkeys(OPERATORS, 1.0)
    return Bandit(settings, weights=weights, models=models, needs_model=needs, meter=Told())


def credit(policy: Bandit, arm: Arm, gain: float, *, seconds: float = 1.0, cost_usd: float = 0.001) -> None:
    """Tells a bandit what a trial of an arm brought."""
    policy._meter.last = gain
    call = ModelCall(arm.model or "none", 900, 100, cost_usd, seconds)
    evaluation = Evaluation(Status.OK, score=gain)
    record = Record(0, _PROGRAM, "a", ("p",), evaluation, arm.operator, 0, None, 0, calls=(call,))
    policy.learn(EvaluationResult(record, gain, 0.0, 9.0, ()))


def regret(policy: Bandit, means: Mapping[Arm, float], rng: np.random.Generator, trials: int) -> float:
    """Returns the mean loss per trial against the best arm."""
    best, lost = max(means.values()), 0.0
    for _ in range(trials):
        arm = policy.choose(OPERATORS, 0, rng)
        lost += best - means[arm]
        credit(policy, arm, float(rng.random() < means[arm]))
    return lost / trials


def quick_or_idle(rng: np.random.Generator) -> tuple[float, float]:
    """Returns (seconds, gain) of an arm with quick, small successes and long failures: 0.0099 a second."""
    return (0.2, 0.2) if rng.random() < 0.5 else (20.0, 0.0)


def slow_and_good(rng: np.random.Generator) -> tuple[float, float]:
    """Returns (seconds, gain) of an arm that always takes its time, and pays: 0.05 a second."""
    return 10.0, 0.5


def pool(choose: Choose, learn: Learn, *, seed: int, slots: int = 8, end_s: float = 4000.0) -> float:
    """Runs an asynchronous pool and returns the share of its time that went to the slow good arm ("rewrite")."""
    rng = np.random.default_rng(seed)
    arms: dict[str, Arrivals] = {"rewrite": slow_and_good, "diff": quick_or_idle}
    running: list[tuple[float, int, str, float, float]] = []
    spent = dict.fromkeys(arms, 0.0)
    for number in itertools.count():
        now_s = 0.0
        if len(running) == slots:
            now_s, _, name, seconds, gain = heapq.heappop(running)
            spent[name] += seconds
            learn(name, seconds, gain)
        if now_s > end_s:
            break
        name = choose(rng)
        seconds, gain = arms[name](rng)
        heapq.heappush(running, (now_s + seconds, number, name, seconds, gain))
    return spent["rewrite"] / sum(spent.values())


def per_return() -> tuple[Choose, Learn]:
    """Returns a policy that credits each return with its own gain per second, all alike, and explores in a tenth."""
    sums = {"diff": [0.0, 0.0], "rewrite": [0.0, 0.0]}

    def choose(rng: np.random.Generator) -> str:
        if rng.random() < 0.1 or not all(count for _, count in sums.values()):
            return str(rng.choice(list(sums)))
        return max(sums, key=lambda name: sums[name][0] / sums[name][1])

    def learn(name: str, seconds: float, gain: float) -> None:
        sums[name][0] += gain / seconds
        sums[name][1] += 1

    return choose, learn


def by_duration() -> tuple[Choose, Learn]:
    """Returns the bandit's policy where only time costs."""
    policy = bandit((("model", 1.0),), dollars=0.0, evaluations=0.0)

    def choose(rng: np.random.Generator) -> str:
        return policy.choose(OPERATORS, 0, rng).operator

    def learn(name: str, seconds: float, gain: float) -> None:
        credit(policy, Arm(name, "model"), gain, seconds=seconds)

    return choose, learn


def succeeded(seed: int, *, by_value: bool, questions: int = 200) -> int:
    """Returns how many questions succeeded with the items that were shown."""
    world = np.random.default_rng([seed, 0])
    texts = [" ".join(world.choice(WORDS, 6)) + f" {n}" for n in range(20)]
    helps = dict(zip(texts, world.beta(1, 4, len(texts)), strict=True))
    ids = {text: item_id_of("do", text) for text in texts}
    contents = Contents({ids[text]: Item(ids[text], "do", text) for text in texts})
    config, total = MemoryConfig(enabled=True, trial=10_000), 0
    for n in range(questions):
        luck = np.random.default_rng([seed, 1, n])
        index = Index(sorted(contents.items.values(), key=lambda one: one.item_id))
        query = [str(word) for word in luck.choice(WORDS, 12)]
        if by_value:
            chosen = retrieve(index, query, "refine", count=2, shortlist=20, epsilon=0.1, prior=2.0, rng=luck)
        else:
            near = index.similarities(query)
            chosen = [index.items[k] for k in sorted(range(len(near)), key=lambda k: -near[k])[:2]]
        reward = float(luck.random() < max(helps[one.text] for one in chosen))
        total += int(reward)
        shown = tuple(one.item_id for one in chosen)
        evidence = Evidence(
            f"{n:016x}", "refine", reward, is_gain=reward > 0, is_loss=not reward, shown=shown
        )
        contents = merged(contents, [evidence], config, Provenance())
    return total


def gained(seed: int, *, by_value: bool, left: float = 1.0, children: int = 300) -> int:
    """Returns how many children gained, where a gain leaves its parent this share of its probability."""
    world = np.random.default_rng([seed, 0])

    def born(number: int) -> tuple[Individual, float]:
        program = Individual(_PROGRAM, Evaluation(Status.OK, score=1.0), f"{number:016x}")
        return program, float(world.beta(1, 4))

    values = StartValues(prior=2.0, epsilon=0.1)
    programs, total = [born(number) for number in range(40)], 0
    for n in range(children):
        luck = np.random.default_rng([seed, 1, n])
        places = luck.choice(len(programs), CANDIDATES, replace=False).tolist()
        drawn = [programs[place][0] for place in places]
        parent = values.ordered(drawn, luck)[0] if by_value else drawn[0]
        place = places[drawn.index(parent)]
        gain = float(luck.random() < programs[place][1])
        record = Record(n, _PROGRAM, "", (parent.program_id,), parent.evaluation, "diff", 0, None, n)
        values.learn(EvaluationResult(record, 1.0, 1.0, 1.0, ()), gain)
        total += int(gain)
        if gain:
            programs[place] = parent, programs[place][1] * left
            programs[int(luck.integers(len(programs)))] = born(100 + n)
    return total


def ranked(seed: int, *, by_bracket: bool, count: int = 16) -> float:
    """Returns Kendall's tau of a ranking, from about 4 (count - 1) measurements on a machine that drifts."""
    rng = np.random.default_rng(seed)
    values, clock = rng.normal(size=count), 0.0

    def measured(item: int) -> float:
        nonlocal clock
        clock += float(rng.normal(0, 0.4))
        return float(values[item] + clock + rng.normal(0, 0.3))

    if by_bracket:
        order = knock_out(count, lambda a, b: float(1 / (1 + np.exp(-3 * (measured(a) - measured(b))))))
    else:
        means = [np.mean([measured(item) for _ in range(4)]) for item in range(count)]
        order = [int(item) for item in np.argsort(means)[::-1]]
    pairs = list(itertools.combinations(order, 2))
    return float(sum(np.sign(values[a] - values[b]) for a, b in pairs) / len(pairs))


def regrets(seed: int) -> tuple[float, float]:
    """Returns the regret of the bandit and of equal weights in one world of six arms."""
    rng = np.random.default_rng([seed, 1])
    means = {Arm(operator, model): float(rng.beta(1, 9)) for operator in OPERATORS for model, _ in MODELS}
    return regret(bandit(), means, rng, 400), max(means.values()) - float(np.mean(list(means.values())))


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    begun = time.process_time()
    rows: list[tuple[str, str, list[tuple[float, float]]]] = [
        ("regret per trial", "equal weights", [regrets(seed) for seed in seeds]),
        (
            "time on the slow good arm",
            "credit per return",
            [(pool(*by_duration(), seed=seed), pool(*per_return(), seed=seed)) for seed in seeds],
        ),
        (
            "successes in 200 questions",
            "similarity",
            [(float(succeeded(s, by_value=True)), float(succeeded(s, by_value=False))) for s in seeds],
        ),
        *(
            (
                f"gains of 300 children, a parent keeps {left:.2g}",
                "as drawn",
                [
                    (float(gained(s, by_value=True, left=left)), float(gained(s, by_value=False, left=left)))
                    for s in seeds
                ],
            )
            for left in (1.0, 2 / 3)
        ),
        (
            "Kendall's tau",
            "single measurements",
            [(ranked(s, by_bracket=True), ranked(s, by_bracket=False)) for s in seeds],
        ),
    ]
    print(
        f"seeds 0 to {len(seeds) - 1}, load {os.getloadavg()[0]:.1f}, {time.process_time() - begun:.0f} s CPU"
    )
    print("| what | ours, median [quartiles] | against | median [quartiles] | seeds that we won |")
    print("|---|---|---|---|---|")
    for name, other, pairs in rows:
        ours, theirs = np.array(pairs).T
        won = ours < theirs if name.startswith("regret") else ours > theirs
        cells = [
            f"{m:.3g} [{a:.3g}, {b:.3g}]"
            for a, m, b in (np.percentile(x, (25, 50, 75)) for x in (ours, theirs))
        ]
        print(f"| {name} | {cells[0]} | {other} | {cells[1]} | {int(won.sum())} of {len(pairs)} |")


if __name__ == "__main__":
    main()
