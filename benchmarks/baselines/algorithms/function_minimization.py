"""Function minimisation by CMA-ES (Hansen, arXiv 1604.00772), restarted from a random point when its steps get tiny."""

PROGRAM = """
import numpy as np


def search(evaluate, dim, low, high, budget, seed):
    rng = np.random.default_rng(seed)
    count = 4 + int(3 * np.log(dim))
    parents = count // 2
    weights = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    weights /= weights.sum()
    mass = 1 / (weights**2).sum()
    slow = (4 + mass / dim) / (dim + 4 + 2 * mass / dim)
    fast = (mass + 2) / (dim + mass + 5)
    one = 2 / ((dim + 1.3) ** 2 + mass)
    many = min(1 - one, 2 * (mass - 2 + 1 / mass) / ((dim + 2) ** 2 + mass))
    damping = 1 + 2 * max(0, np.sqrt((mass - 1) / (dim + 1)) - 1) + fast
    length = np.sqrt(dim) * (1 - 1 / (4 * dim) + 1 / (21 * dim**2))
    while True:
        mean, sigma = rng.uniform(low, high, dim), 0.25 * (high - low)
        covariance, path, path_sigma = np.eye(dim), np.zeros(dim), np.zeros(dim)
        while sigma > 1e-9:
            values, axes = np.linalg.eigh(covariance)
            scales = np.sqrt(np.maximum(values, 1e-20))
            steps = rng.standard_normal((count, dim)) * scales @ axes.T
            points = np.clip(mean + sigma * steps, low, high)
            steps = (points - mean) / sigma
            best = steps[np.argsort(evaluate(points))[:parents]]
            step = weights @ best
            mean = mean + sigma * step
            whitened = axes @ ((axes.T @ step) / scales)
            path_sigma = (1 - fast) * path_sigma + np.sqrt(fast * (2 - fast) * mass) * whitened
            path = (1 - slow) * path + np.sqrt(slow * (2 - slow) * mass) * step
            spread = (best * weights[:, None]).T @ best
            covariance = (1 - one - many) * covariance + one * np.outer(path, path) + many * spread
            sigma *= np.exp(fast / damping * (np.linalg.norm(path_sigma) / length - 1))
"""
