"""CMA-ES by ask and tell: the mathematics that tunes a program's numeric constants.

Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial" (arXiv:1604.00772), Table 1 and Fig. 6, with
    negative
weights (active CMA-ES). Ours rather than `ribs.emitters.opt`, by measurement (docs/selection.md): that one
applies the learning rate of the rank-one update twice, and costs seconds of import and just-in-time
compilation before its first sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from islands import IslandsError

FloatArray = NDArray[np.float64]

_MAX_CONDITION = 1e14


@dataclass(frozen=True, slots=True)
class _Rates:
    """The strategy parameters of Table 1, functions of dimension and batch alone."""

    weights: FloatArray
    mu_eff: float
    c_c: float
    c_sigma: float
    c_1: float
    c_mu: float
    damping: float
    chi: float

    @staticmethod
    def of(dimension: int, batch: int) -> _Rates:
        """Returns the default parameters for `dimension` coordinates and `batch` samples a generation."""
        raw = np.log((batch + 1) / 2) - np.log(np.arange(1, batch + 1))
        positive, negative = np.maximum(raw, 0), np.minimum(raw, 0)
        mu_eff = positive.sum() ** 2 / (positive**2).sum()
        mu_eff_negative = negative.sum() ** 2 / max((negative**2).sum(), 1e-300)
        c_1 = 2 / ((dimension + 1.3) ** 2 + mu_eff)
        c_mu = min(1 - c_1, 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((dimension + 2) ** 2 + mu_eff))
        mass = min(
            1 + c_1 / c_mu,
            1 + 2 * mu_eff_negative / (mu_eff + 2),
            (1 - c_1 - c_mu) / (dimension * c_mu),
        )
        c_sigma = (mu_eff + 2) / (dimension + mu_eff + 5)
        return _Rates(
            weights=positive / positive.sum() + mass * negative / max(-negative.sum(), 1e-300),
            mu_eff=float(mu_eff),
            c_c=(4 + mu_eff / dimension) / (dimension + 4 + 2 * mu_eff / dimension),
            c_sigma=c_sigma,
            c_1=c_1,
            c_mu=c_mu,
            damping=1 + 2 * max(0.0, np.sqrt((mu_eff - 1) / (dimension + 1)) - 1) + c_sigma,
            chi=float(np.sqrt(dimension) * (1 - 1 / (4 * dimension) + 1 / (21 * dimension**2))),
        )


class CmaEmitter:
    """One session of CMA-ES: `ask` for a generation of points, `tell` their fitnesses, and so on.

    Deterministic: equal arguments and equal tells give equal asks, so that a session is rebuilt by
        replaying it.

    Attributes:
        batch: points per generation.
        generation: how many generations were told.
        sigma: overall step size, in units of `sigma0`'s coordinates when that is an array, else absolute.
        mean: (d,) centre of the search, the estimate of the optimum.
    """

    def __init__(
        self,
        x0: ArrayLike,
        sigma0: ArrayLike,
        *,
        seed: int | np.random.SeedSequence,
        batch: int | None = None,
        tolerance: float = 1e-9,
    ) -> None:
        """Starts a session at `x0`.

        Args:
            x0: (d,) first mean; finite.
            sigma0: first standard deviation, a scalar or (d,) one per coordinate; finite and > 0.
            seed: seeds the session's own generator.
            batch: points per generation, at least 4; None takes 4 + floor(3 ln d).
            tolerance: the session has converged when every coordinate's standard deviation is below this
                share of its `sigma0`.

        Raises:
            IslandsError: an argument breaks these rules.
        """
        origin = np.array(x0, dtype=np.float64)
        if origin.ndim != 1 or origin.size == 0 or not np.isfinite(origin).all():
            raise IslandsError(
                f"x0 must be a finite vector of at least one number, got {x0!r}; leave out what is not"
            )
        scale = np.array(sigma0, dtype=np.float64)
        if scale.shape not in ((), origin.shape) or not (np.isfinite(scale).all() and (scale > 0).all()):
            raise IslandsError(f"sigma0 must be > 0, one number or {origin.size} of them, got {sigma0!r}")
        dimension = origin.size
        self.batch = 4 + int(3 * np.log(dimension)) if batch is None else batch
        if self.batch < 4:
            raise IslandsError(
                f"batch must be at least 4, got {batch}; use None for the default of this dimension"
            )
        self.generation = 0
        self.sigma = 1.0 if scale.ndim else float(scale)
        self._scale = scale if scale.ndim else np.ones(dimension)
        self._origin, self._centre = origin, np.zeros(dimension)
        self._rates = _Rates.of(dimension, self.batch)
        self._rng = np.random.default_rng(seed)
        self._covariance = np.eye(dimension)
        self._axes, self._lengths = np.eye(dimension), np.ones(dimension)
        self._stale = 0
        self._path_c, self._path_sigma = np.zeros(dimension), np.zeros(dimension)
        self._asked: FloatArray | None = None
        self._tolerance = tolerance * self.sigma
        self._is_flat = False

    @property
    def mean(self) -> FloatArray:
        """Returns the (d,) centre of the search."""
        return self._origin + self._scale * self._centre

    @property
    def has_converged(self) -> bool:
        """Returns whether going on is pointless: too narrow, too flat, or too ill-conditioned."""
        widest, narrowest = float(self._lengths.max()), float(self._lengths.min())
        return (
            self._is_flat
            or self.sigma * widest < self._tolerance
            or (widest / max(narrowest, 1e-300)) ** 2 > _MAX_CONDITION
        )

    def ask(self) -> FloatArray:
        """Returns (batch, d) points to evaluate; asking again before a tell gives the same points."""
        if self._asked is None:
            normal = self._rng.standard_normal((self.batch, self._centre.size))
            self._asked = (normal * self._lengths) @ self._axes.T
        points: FloatArray = self._origin + self._scale * (self._centre + self.sigma * self._asked)
        return points

    def tell(self, fitnesses: ArrayLike) -> None:
        """Learns from one generation.

        Args:
            fitnesses: (batch,) larger is better, in the order of the last `ask`; NaN or -inf for a failed
                program, which then ranks last.

        Raises:
            IslandsError: nothing was asked, or the number of fitnesses is not `batch`.
        """
        values = np.asarray(fitnesses, dtype=np.float64)
        if self._asked is None:
            raise IslandsError("tell needs an ask before it; ask for points and evaluate them first")
        if values.shape != (self.batch,):
            raise IslandsError(
                f"fitnesses must be {self.batch} numbers, got shape {values.shape}; failed ones are NaN"
            )
        steps, self._asked = self._asked, None
        self.generation += 1
        values = np.where(np.isnan(values), -np.inf, values)
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            self.sigma *= 0.5  # every program failed: nothing to rank, so look closer to what worked
            return
        self._is_flat = finite.size == values.size and bool(
            np.ptp(values) <= 1e-15 * max(1.0, np.abs(values).max())
        )
        self._update(steps[np.argsort(-values, kind="stable")])

    def _update(self, steps: FloatArray) -> None:
        rates, dimension = self._rates, self._centre.size
        weights, half = rates.weights, self.batch // 2
        shift = weights[:half] @ steps[:half]
        self._centre = self._centre + self.sigma * shift
        whitened = self._axes @ ((self._axes.T @ shift) / self._lengths)
        keep = 1 - rates.c_sigma
        self._path_sigma = (
            keep * self._path_sigma + np.sqrt(rates.c_sigma * (2 - rates.c_sigma) * rates.mu_eff) * whitened
        )
        length = float(np.linalg.norm(self._path_sigma))
        unbiased = length / np.sqrt(1 - keep ** (2 * self.generation))
        is_moving = unbiased < (1.4 + 2 / (dimension + 1)) * rates.chi
        self._path_c = (1 - rates.c_c) * self._path_c
        if is_moving:
            self._path_c += np.sqrt(rates.c_c * (2 - rates.c_c) * rates.mu_eff) * shift
        # A negative weight is scaled by its own step's length, which keeps the covariance positive definite.
        norms = np.linalg.norm((steps @ self._axes) / self._lengths, axis=1)
        signed = np.where(weights >= 0, weights, weights * dimension / np.maximum(norms, 1e-12) ** 2)
        forgotten = 0.0 if is_moving else rates.c_1 * rates.c_c * (2 - rates.c_c)
        self._covariance = (
            (1 + forgotten - rates.c_1 - rates.c_mu * weights.sum()) * self._covariance
            + rates.c_1 * np.outer(self._path_c, self._path_c)
            + rates.c_mu * (steps.T * signed) @ steps
        )
        self.sigma *= float(np.exp(min(1.0, (rates.c_sigma / rates.damping) * (length / rates.chi - 1))))
        self._stale += 1
        if self._stale >= 1 / (10 * dimension * (rates.c_1 + rates.c_mu)):
            self._decompose()

    def _decompose(self) -> None:
        self._covariance = (self._covariance + self._covariance.T) / 2
        squares, self._axes = np.linalg.eigh(self._covariance)
        self._lengths = np.sqrt(np.maximum(squares, 1e-300))
        self._stale = 0
