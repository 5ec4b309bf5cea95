"""Update rules: Adam (Kingma and Ba 2015), the rate rising over 5 % of the steps and falling to 0 as a cosine (fixed by hand)."""

PROGRAM = """
import numpy as np


class Optimizer:
    RATE = 0.05

    def __init__(self, parameters, steps):
        self.steps = steps
        self.mean, self.square = np.zeros(parameters), np.zeros(parameters)

    def update(self, step, parameters, gradient, loss):
        t = step + 1
        self.mean += 0.1 * (gradient - self.mean)
        self.square += 0.01 * (gradient**2 - self.square)
        mean, square = self.mean / (1 - 0.9**t), self.square / (1 - 0.99**t)
        rate = self.RATE * min(1.0, t / (0.05 * self.steps)) * 0.5 * (1 + np.cos(np.pi * step / self.steps))
        return parameters - rate * mean / (np.sqrt(square) + 1e-8)
"""
