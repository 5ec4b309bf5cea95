"""Small networks as flat vectors of parameters: losses and gradients in NumPy, on data that is drawn from an rng."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Network:
    """A network with tanh layers and a loss, on data for training and for testing.

    Attributes:
        sizes: of the layers, the input's first.
        is_classifier: softmax and cross-entropy, else half of the mean squared error.
        train, test: (inputs (n, sizes[0]), targets): classes (n,), or values (n, sizes[-1]).
        first: the parameters at the beginning, weights and biases of one layer after the other.
        batches: rows of the training data, (steps, batch).
    """

    sizes: tuple[int, ...]
    is_classifier: bool
    train: tuple[Array, NDArray[Any]]
    test: tuple[Array, NDArray[Any]]
    first: Array
    batches: NDArray[np.int64]

    def loss(self, parameters: Array) -> float:
        """Returns the mean loss on the test data; infinity where it is no number."""
        with np.errstate(all="ignore"):
            value, _ = self._loss(parameters, *self.test, has_slope=False)
        return value if np.isfinite(value) else float("inf")

    def gradient(self, parameters: Array, step: int) -> tuple[float, Array]:
        """Returns loss and gradient on the batch of a step."""
        rows = self.batches[step]
        with np.errstate(all="ignore"):
            return self._loss(parameters, self.train[0][rows], self.train[1][rows], has_slope=True)

    def _loss(
        self, parameters: Array, inputs: Array, targets: NDArray[Any], *, has_slope: bool
    ) -> tuple[float, Array]:
        layers = self._layers(parameters)
        values = [inputs]
        for i, (weights, bias) in enumerate(layers):
            out = values[-1] @ weights + bias
            values.append(np.tanh(out) if i < len(layers) - 1 else out)
        count = len(inputs)
        if self.is_classifier:
            shifted = values[-1] - values[-1].max(axis=1, keepdims=True)
            logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            loss = -logs[np.arange(count), targets.astype(int)].mean()
            slope = np.exp(logs)
            slope[np.arange(count), targets.astype(int)] -= 1
        else:
            slope = values[-1] - targets
            loss = 0.5 * (slope**2).sum(axis=1).mean()
        if not has_slope:
            return float(loss), np.zeros(0)
        slope, slopes = slope / count, list[Array]()
        for i in range(len(layers) - 1, -1, -1):
            slopes[:0] = [(values[i].T @ slope).ravel(), slope.sum(axis=0)]
            if i:
                slope = (slope @ layers[i][0].T) * (1 - values[i] ** 2)
        return float(loss), np.concatenate(slopes)

    def _layers(self, parameters: Array) -> list[tuple[Array, Array]]:
        layers, at = [], 0
        for before, after in pairwise(self.sizes):
            weights = parameters[at : at + before * after].reshape(before, after)
            at += before * after
            layers.append((weights, parameters[at : at + after]))
            at += after
        return layers


def draw_first(rng: np.random.Generator, sizes: tuple[int, ...], scale: float) -> Array:
    """Returns parameters of variance scale**2 / inputs, with biases of 0."""
    parts = []
    for before, after in pairwise(sizes):
        parts += [scale * rng.normal(size=before * after) / np.sqrt(before), np.zeros(after)]
    return np.concatenate(parts)


def draw_network(rng: np.random.Generator, kind: str, steps: int) -> Network:
    """Returns a network of a kind, with data, first parameters and batches of its own.

    "clusters": classes that are mixtures of clouds; "teacher": classes of a random network, some wrong; "waves": values of
    a sum of waves; "stiff": a linear map whose inputs have very different scales; "deep": waves through five layers;
    "noisy": clusters with many wrong classes and batches of 4.
    """
    noisy = kind == "noisy"
    if kind in ("clusters", "noisy"):
        classes, width = int(rng.integers(3, 6)), int(rng.integers(4, 9))
        centres = rng.normal(size=(3 * classes, width)) * 1.5
        pick = rng.integers(len(centres), size=600)
        inputs = centres[pick] + rng.normal(size=(600, width)) * 0.7
        targets: NDArray[Any] = pick % classes
        wrong = rng.random(600) < (0.3 if noisy else 0.02)
        targets = np.where(wrong, rng.integers(classes, size=600), targets)
        sizes: tuple[int, ...] = (width, 16, classes)
    elif kind == "teacher":
        inputs = rng.normal(size=(600, 6))
        hidden = np.tanh(inputs @ rng.normal(size=(6, 8)))
        targets = (hidden @ rng.normal(size=(8, 3))).argmax(axis=1)
        sizes = (6, 24, 3)
    elif kind in ("waves", "deep"):
        inputs = rng.uniform(-1, 1, (600, 2))
        directions, phases = rng.normal(size=(2, 4)) * 2.5, rng.uniform(0, 6, 4)
        targets = np.sin(inputs @ directions + phases).sum(axis=1, keepdims=True)
        sizes = (2, 24, 1) if kind == "waves" else (2, 10, 10, 10, 10, 1)
    else:  # "stiff"
        inputs = rng.normal(size=(600, 10)) * 10 ** rng.uniform(-1.5, 0.7, 10)
        targets = inputs @ rng.normal(size=(10, 2)) / np.sqrt(10) + 0.1 * rng.normal(size=(600, 2))
        sizes = (10, 2)
    batch = 4 if noisy else int(rng.choice([8, 16, 32]))
    return Network(
        sizes,
        kind in ("clusters", "noisy", "teacher"),
        (inputs[:400], targets[:400]),
        (inputs[400:], targets[400:]),
        draw_first(rng, sizes, 10 ** rng.uniform(-0.3, 0.3)),
        rng.integers(400, size=(steps, batch)),
    )
