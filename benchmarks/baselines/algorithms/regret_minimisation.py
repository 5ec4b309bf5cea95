"""Regret minimisation by predictive CFR+ (Farina, Kroer, Sandholm 2021) with quadratic averaging."""

PROGRAM = """
import numpy as np


class Learner:
    def __init__(self, legal):
        self.legal = legal
        self.regrets = np.zeros(legal.shape)
        self.last = np.zeros(legal.shape)
        self.total = np.zeros(legal.shape)

    def policy(self, t):
        positive = np.maximum(self.regrets + self.last, 0) * self.legal
        rest = positive.sum(axis=1, keepdims=True) == 0
        self.current = np.where(rest, self.legal, positive)
        self.current = self.current / self.current.sum(axis=1, keepdims=True)
        return self.current

    def update(self, t, regret, reach, cf_reach):
        self.regrets = np.maximum(self.regrets + regret, 0)
        self.last = regret
        self.total += t**2 * reach[:, None] * self.current

    def average(self):
        return self.total
"""
