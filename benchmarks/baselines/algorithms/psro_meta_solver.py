"""PSRO with equilibria of the population's game, by linear programming: the double oracle (McMahan et al. 2003).

What is explored is the equilibrium, as is the answer. `NASH`, `REPLICATOR` and `RECTIFIED` are the rules of Lanctot et al. (2017) and
Balduzzi et al. (2019); the first two differ in what they explore, the third plays only against what each member beats.
"""

NASH = """
import numpy as np
from scipy.optimize import linprog


def nash(payoffs):
    count = len(payoffs)
    rows = np.hstack([payoffs.astype(float), -np.ones((count, 1))])  # nobody wins more than v against the mixture
    found = linprog(
        np.append(np.zeros(count), 1.0), A_ub=rows, b_ub=np.zeros(count),
        A_eq=np.append(np.ones(count), 0.0)[None], b_eq=[1.0],
        bounds=[(0, 1)] * count + [(None, None)], method="highs",
    )
    return np.maximum(found.x[:-1], 0.0)


def replicator(payoffs, floor=0.02, rounds=400, rate=0.3):
    mixture = np.ones(len(payoffs)) / len(payoffs)
    mean = np.zeros(len(payoffs))
    scale = max(1.0, np.abs(payoffs).max())
    for _ in range(rounds):
        wins = payoffs @ mixture / scale
        mixture = mixture * (1 + rate * (wins - mixture @ wins))
        mixture = np.maximum(mixture, floor / len(payoffs))
        mixture /= mixture.sum()
        mean += mixture
    return mean / rounds


def rectified(payoffs):
    share = nash(payoffs)
    return np.array([share * (row >= 0) @ np.ones(len(share)) for row in payoffs]) * share
"""
PROGRAM = (
    NASH
    + """

class MetaSolver:
    def __init__(self, steps):
        self.steps = steps

    def explore(self, step, payoffs):
        return nash(payoffs)

    def answer(self, step, payoffs):
        return nash(payoffs)
"""
)
