"""Write the rule by which a small neural network learns from gradients.

The program defines a class `Optimizer`, made once per network as Optimizer(parameters, steps): how many numbers are to be
learned and in how many steps. Its method

    update(step, parameters, gradient, loss)

gets the step from 0 on, the present parameters and the gradient of the loss on a batch of training data, both arrays of floats
of one length, and that loss. It returns the new parameters. It may remember what it saw; which network it is, and its
data, are not told. Parameters that are no ordinary numbers, or beyond 1e6, end the training of a network where it stood.

The score is, over hidden networks of four kinds (classes of clouds of points, classes of a random network, waves to fit, a linear
map with inputs of very different scales), the mean of log10(test loss after training / test loss of a reference): of gradient
descent with the best of 12 rates, which is found for each network by trying them. It is to be made as small as possible; 0 is
as good as that. Only the standard library and numpy.
"""

# The reference looks at the test loss of 12 trainings, which no rule can, so a rule that is better on average has learned to
# choose its steps. A network's test data stay with the judge, as do the parameters: a rule sends steps, not losses.

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.contract import Baseline, Case, Invalid, Limits, Measure, Objective, PlainData
from problems.learning.networks import Network, draw_network

STEPS = 150
RATES = tuple(10 ** (-3.5 + 0.4 * i) for i in range(12))
NETWORKS = 3  # of each kind
LARGEST = 1e6

SEED = '''"""A rule by which networks learn."""

import numpy as np


# EVOLVE-BLOCK-START
class Optimizer:
    RATE = 0.05
    KEEP = 0.5  # of the last step
    FALL = 0.5  # share of the rate that is gone at the end

    def __init__(self, parameters, steps):
        self.steps = steps
        self.last = np.zeros(parameters)

    def update(self, step, parameters, gradient, loss):
        rate = self.RATE * (1 - self.FALL * step / self.steps)
        self.last = self.KEEP * self.last - rate * gradient
        return parameters + self.last
# EVOLVE-BLOCK-END
'''

OBJECTIVE = Objective("log_loss_ratio", "minimize", plausible=-4.0)
MEASURES = (
    Measure("early", -1.0, 2.0, bins=12),
    Measure("travel", -2.0, 3.0, bins=12),
    Measure("ast_nodes", 0, 600, bins=8, source="code"),
)
LIMITS = Limits(cpu_s=10, wall_s=40, memory_mib=256, output_mib=1)
PRELOAD = ("numpy",)
BASELINE = Baseline(
    0.00021293883507620022,
    "Adam, rate rising and falling, benchmarks/baselines/learning/optimizer_update.py, other networks",
    1.0,
)
TRAINED = ("clusters", "teacher", "waves", "stiff")
WITHHELD = ("deep", "noisy")


def cases(rng: np.random.Generator, stage: int) -> list[Case]:
    """Returns one case of several networks per kind."""
    del stage
    return [_case(rng, kind, STEPS) for kind in TRAINED]


def held_out(rng: np.random.Generator) -> list[Case]:
    """Returns networks of other kinds, and longer trainings of a known one."""
    return [*(_case(rng, kind, STEPS) for kind in WITHHELD), _case(rng, "teacher", 2 * STEPS)]


def _case(rng: np.random.Generator, kind: str, steps: int) -> Case:
    networks = [draw_network(rng, kind, steps) for _ in range(NETWORKS)]
    answer = [(network, reference(network)) for network in networks]
    return Case(None, answer=answer, name=f"{kind}, {steps} steps", group=kind)


def reference(network: Network) -> float:
    """Returns the least test loss that gradient descent reaches with one of the rates."""
    losses = []
    for rate in RATES:
        parameters = network.first
        for step in range(len(network.batches)):
            _, gradient = network.gradient(parameters, step)
            parameters = parameters - rate * gradient
            if not np.abs(parameters).max() < LARGEST:
                break
        losses.append(network.loss(parameters))
    return min(losses)


def run(program: Any, inputs: None, oracle: Any) -> None:
    """Trains all networks of a case side by side, each with an optimizer of its own."""
    del inputs
    told = oracle(None)
    rules = [program.Optimizer(len(one["gradient"]), told["steps"]) for one in told["networks"]]
    parameters = [one["parameters"].copy() for one in told["networks"]]
    for step in range(told["steps"]):
        parameters = [
            np.array(rule.update(step, now.copy(), one["gradient"].copy(), one["loss"]), dtype=float)
            for rule, now, one in zip(rules, parameters, told["networks"], strict=True)
        ]
        told = oracle(parameters)


class Training:
    """The oracle: it holds the networks with their data, and tells losses and gradients on training batches.

    The first request is None; each later one is a list of the new parameters of every network.
    """

    def __init__(self, networks: list[Network]) -> None:
        self._networks = networks
        self._steps = len(networks[0].batches)
        self.parameters = [network.first for network in networks]
        self.early = list[float]()
        self.is_lost = [False] * len(networks)
        self.step = -1

    @property
    def is_done(self) -> bool:
        """Returns whether every step has been made."""
        return self.step == self._steps

    def __call__(self, request: PlainData) -> PlainData:
        """Takes the new parameters; returns what is known before the next step.

        Raises:
            Invalid: they are no list of arrays of the right lengths, or all steps have been made.
        """
        if self.step < 0:
            if request is not None:
                raise Invalid("the first request must be None, as nothing is known yet")
        elif self.is_done:
            raise Invalid("all steps have been made")
        else:
            self._take(request)
        self.step += 1
        if self.step == self._steps // 5:
            self.early = self.losses()
        return {"steps": self._steps, "networks": [self._told(i) for i in range(len(self._networks))]}

    def losses(self) -> list[float]:
        """Returns the test losses."""
        pairs = zip(self._networks, self.parameters, strict=True)
        return [network.loss(parameters) for network, parameters in pairs]

    def _told(self, i: int) -> dict[str, PlainData]:
        parameters = self.parameters[i]
        loss, gradient = 0.0, np.zeros_like(parameters)
        if not self.is_done and not self.is_lost[i]:
            loss, gradient = self._networks[i].gradient(parameters, self.step)
            if not (np.isfinite(loss) and np.isfinite(gradient).all()):
                loss, gradient = 0.0, np.zeros_like(parameters)
        told: dict[str, PlainData] = {"gradient": gradient, "loss": loss}
        return told if self.step else {**told, "parameters": parameters.copy()}

    def _take(self, request: PlainData) -> None:
        if type(request) is not list or len(request) != len(self._networks):
            raise Invalid(f"update() must be asked for all {len(self._networks)} networks")
        for i, (new, now) in enumerate(zip(request, self.parameters, strict=True)):
            if not isinstance(new, np.ndarray) or new.dtype != np.float64 or new.shape != now.shape:
                got = f"{new.dtype} {new.shape}" if isinstance(new, np.ndarray) else type(new).__name__
                raise Invalid(f"update() must return an array of floats of shape {now.shape}, got {got}")
            if not (np.abs(new) < LARGEST).all():  # also finds NaN
                self.is_lost[i] = True
            if not self.is_lost[i]:
                self.parameters[i] = new.copy()


def serve(case: Case) -> Training:
    """Returns the networks, untrained."""
    return Training([network for network, _ in case.answer])


def score(case: Case, output: Any, oracle: Training) -> dict[str, float]:
    """Returns `log_loss_ratio`; `early`, the same after a fifth of the steps; `travel`, log10 of the way made.

    A ratio counts from 1e-4 to 1e4.

    Raises:
        Invalid: the training ended before the last step.
    """
    del output
    if not oracle.is_done:
        raise Invalid(f"the training ended after {max(0, oracle.step)} steps; all must be made")
    bests = [best for _, best in case.answer]
    firsts = [network.first for network, _ in case.answer]
    ways = [float(np.abs(now - first).mean()) for now, first in zip(oracle.parameters, firsts, strict=True)]
    return {
        "log_loss_ratio": _mean_log(oracle.losses(), bests),
        "early": _mean_log(oracle.early, bests),
        "travel": math.log10(max(1e-9, float(np.mean(ways)))),
    }


def _mean_log(losses: list[float], bests: list[float]) -> float:
    ratios = np.array(losses) / np.maximum(bests, 1e-12)
    clipped: NDArray[np.float64] = np.clip(ratios, 1e-4, 1e4)
    return float(np.log10(clipped).mean())
