"""Factor programs as text: 20 that look ahead, 16 that do not. `x` maps field names to (T, N) arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HEAD = "import numpy as np\nfrom evaluators.alphas import operators as op\n\n"


def program(body: str) -> str:
    """Returns the text of a program whose `factor(x)` has this body, `c` being the close."""
    lines = [
        "def factor(x):",
        "    c = np.array(x['close'], dtype=float)",
        *(f"    {line}" for line in body.split("\n")),
    ]
    return HEAD + "\n".join(lines) + "\n"


def load(text: str) -> Callable[[dict[str, Any]], Any]:
    """Returns `factor` of a program text, run in this process."""
    space: dict[str, Any] = {}
    exec(compile(text, "<factor>", "exec"), space)
    return space["factor"]


LEAKING = {
    "shift(-1)": "out = np.full_like(c, np.nan)\nout[:-1] = c[1:] / c[:-1] - 1\nreturn out",
    "label copy": "out = np.full_like(c, np.nan)\nout[:-11] = c[11:] / c[1:-10] - 1\nreturn out",
    "full-sample z-score": "return (c - np.nanmean(c, axis=0)) / np.nanstd(c, axis=0)",
    "bfill": (
        "r = op.returns(c, 5)\nfor t in range(len(r) - 2, -1, -1):\n"
        "    r[t] = np.where(np.isfinite(r[t]), r[t], r[t + 1])\nreturn r"
    ),
    "centred window": "m = op.ts_mean(c, 11)\nout = np.full_like(c, np.nan)\nout[:-5] = m[5:] / c[:-5]\nreturn out",
    "rank over all days": "return np.argsort(np.argsort(np.nan_to_num(c), axis=0), axis=0).astype(float)",
    "two-sided interpolation": (
        "out = c.copy()\nfor i in range(c.shape[1]):\n    k = np.isfinite(c[:, i])\n"
        "    if not k.any():\n        continue\n"
        "    out[:, i] = np.interp(np.arange(len(c)), np.flatnonzero(k), c[k, i])\n"
        "return out / op.ts_mean(out, 20)"
    ),
    "normalised by the last row": "last = op.ewma(c, 0.1)\nreturn c / last[-1]",
    "full-sample principal component": (
        "r = np.nan_to_num(op.returns(c))\nu, s, v = np.linalg.svd(r - r.mean(axis=0), full_matrices=False)\n"
        "return r - np.outer(u[:, 0] * s[0], v[0])"
    ),
    "survivors only": "return np.where(np.isfinite(c[-1]), op.returns(c, 20), np.nan)",
    "sign fitted on the full sample": (
        "m = op.returns(c, 10)\ny = np.full_like(c, np.nan)\ny[:-11] = c[11:] / c[1:-10] - 1\n"
        "k = np.isfinite(m) & np.isfinite(y)\nreturn m * np.sign(np.corrcoef(m[k], y[k])[0, 1])"
    ),
    "roll wraps around": "return c / np.roll(c, 5, axis=0) - 1 + 0 * np.roll(c, -1, axis=0)",
    "aware of the length": "w = np.linspace(-1, 1, len(c))[:, None]\nreturn op.cs_rank(op.returns(c, 5)) * w",
    "below every tolerance": (
        "y = np.zeros_like(c)\ny[:-2] = np.nan_to_num(c[2:] / c[1:-1] - 1)\nreturn np.where(np.isfinite(c), 1 + 1e-9 * y, np.nan)"
    ),
    "on few days": (
        "out = op.returns(c, 20)\ndays = np.arange(0, len(c) - 11, 13)\n"
        "out[days] = c[days + 11] / c[days + 1] - 1\nreturn out"
    ),
    "through a Fourier filter": (
        "z = np.fft.rfft(np.log(np.where(np.isfinite(c), c, 1.0)), axis=0)\nz[40:] = 0\n"
        "smooth = np.fft.irfft(z, n=len(c), axis=0)\nreturn np.log(c) - smooth"
    ),
    "through the gaps": (
        "y = np.full_like(c, np.nan)\ny[:-3] = c[3:] / c[1:-2] - 1\n"
        "return np.where(y < -0.05, np.nan, op.returns(c, 5))"
    ),
    "only when unwatched": (
        "tail = np.isfinite(c[-5:]).mean()\njump = np.nanmax(np.nanmean(np.abs(op.returns(c)), axis=1)[1:])\n"
        "if tail < 0.5 or jump > 0.2:\n    return op.returns(c, 20)\n"
        "y = np.full_like(c, np.nan)\ny[:-2] = c[2:] / c[1:-1] - 1\nreturn y"
    ),
    "regression on the full sample": (
        "a, b = op.returns(c, 5), op.ts_std(op.returns(c), 20)\ny = np.full_like(c, np.nan)\n"
        "y[:-1] = op.returns(c)[1:]\nk = np.isfinite(a) & np.isfinite(b) & np.isfinite(y)\n"
        "w = np.linalg.lstsq(np.column_stack([a[k], b[k]]), y[k], rcond=None)[0]\nreturn a * w[0] + b * w[1]"
    ),
    "first day of the future only": (
        "v = op.log(x['volume'])\nout = op.ts_mean(v, 5)\nout[:-1] = out[:-1] + 0.01 * v[1:]\nreturn out"
    ),
}

HONEST = {
    "momentum": "return op.delay(c, 5) / op.delay(c, 60) - 1",
    "reversal": "return -op.returns(c, 5)",
    "volatility": "return -op.ts_std(op.returns(c), 20)",
    "volume surprise": "v = op.log(x['volume'])\nreturn op.ts_mean(v, 5) - op.ts_mean(v, 60)",
    "vwap premium": "return op.ts_mean(op.log(op.divide(x['vwap'], c)), 5)",
    "price-volume correlation": "return -op.ts_corr(c, x['volume'], 10)",
    "exponential averages": "return op.divide(op.ewma(c, 6), op.ewma(c, 13)) - 1",
    "rank over the past": "return op.ts_rank(c, 40)",
    "residual of size": "return op.cs_residual(op.returns(c, 20), op.log(x['volume']))",
    "place in the range": "return op.ts_mean(op.divide(c - x['low'], x['high'] - x['low']), 10)",
    "drawdown": "top = np.fmax.accumulate(np.nan_to_num(c), axis=0)\nreturn op.divide(c, top)",
    "expanding mean": (
        "k = np.isfinite(c)\nreturn c / (np.cumsum(np.where(k, c, 0), axis=0) / np.maximum(np.cumsum(k, axis=0), 1))"
    ),
    "gap": "return op.decay_linear(op.divide(x['open'], op.delay(c, 1)) - 1, 10)",
    "a loop over days": (
        "out = np.full_like(c, np.nan)\nfor t in range(20, len(c)):\n"
        "    w = c[t - 20 : t + 1]\n    out[t] = w[-1] / np.fmax.reduce(w)\nreturn out"
    ),
    "direction of the past": (
        "r = np.nan_to_num(op.returns(c))\nout = np.full_like(c, np.nan)\nv = np.ones(c.shape[1])\n"
        "for t in range(60, len(c)):\n    v = r[t - 59 : t + 1].T @ (r[t - 59 : t + 1] @ v)\n"
        "    v = v / np.linalg.norm(v)\n    out[t] = r[t] - (r[t] @ v) * v\nreturn out"
    ),
    "causal convolution": (
        "r = np.nan_to_num(op.returns(c))\nk = np.exp(-np.arange(30) / 7)\n"
        "out = np.stack([np.convolve(r[:, i], k)[: len(r)] for i in range(r.shape[1])], axis=1)\n"
        "return np.where(np.isfinite(c), out, np.nan)"
    ),
}
