"""Correct kernels, good and bad, plain and odd, fast and slow: all must be accepted. Name -> text."""

_HEAD = """#include <alloca.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
"""
_SOFTMAX = "void softmax(const float *x, float *out, int64_t rows, int64_t cols)"
_ROWS = "for (int64_t i = 0; i < rows; i++) { const float *a = x + i * cols; float *o = out + i * cols;"
_MAX = "float m = -INFINITY; for (int64_t j = 0; j < cols; j++) m = a[j] > m ? a[j] : m;"


def _softmax(body: str, before: str = "") -> str:
    return f"{_HEAD}{before}\n{_SOFTMAX} {{\n{body}\n}}\n"


SOFTMAX_C = {
    "three passes": _softmax(
        f"""{_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) s += expf(a[j] - m);
  for (int64_t j = 0; j < cols; j++) o[j] = expf(a[j] - m) / s; }}"""
    ),
    "multiply by the reciprocal": _softmax(
        f"""{_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  float r = 1 / s; for (int64_t j = 0; j < cols; j++) o[j] *= r; }}"""
    ),
    "sums in double": _softmax(
        f"""{_ROWS} {_MAX} double s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] = (float)(o[j] / s); }}"""
    ),
    "all in long double": _softmax(
        f"""{_ROWS} {_MAX} long double s = 0;
  for (int64_t j = 0; j < cols; j++) s += expl((long double)a[j] - m);
  for (int64_t j = 0; j < cols; j++) o[j] = (float)(expl((long double)a[j] - m) / s); }}"""
    ),
    "one pass, rescaled as the maximum grows": _softmax(
        f"""{_ROWS} float m = -1e30f; double s = 0;
  for (int64_t j = 0; j < cols; j++) {{ if (a[j] > m) {{ s *= exp((double)m - a[j]); m = a[j]; }} s += exp((double)a[j] - m); }}
  for (int64_t j = 0; j < cols; j++) o[j] = (float)(exp((double)a[j] - m) / s); }}"""
    ),
    "unrolled by four": _softmax(
        f"""{_ROWS} {_MAX} float s[4] = {{0}}; int64_t j = 0;
  for (; j + 4 <= cols; j += 4) for (int k = 0; k < 4; k++) {{ o[j + k] = expf(a[j + k] - m); s[k] += o[j + k]; }}
  for (; j < cols; j++) {{ o[j] = expf(a[j] - m); s[0] += o[j]; }}
  float t = s[0] + s[1] + s[2] + s[3]; for (j = 0; j < cols; j++) o[j] /= t; }}"""
    ),
    "vectors of eight": _softmax(
        f"""{_ROWS} {_MAX} v8 s = {{}}; int64_t j = 0;
  for (; j + 8 <= cols; j += 8) {{ v8 v; memcpy(&v, a + j, 32); v -= m; for (int k = 0; k < 8; k++) v[k] = expf(v[k]);
    s += v; memcpy(o + j, &v, 32); }}
  float t = 0; for (int k = 0; k < 8; k++) t += s[k];
  for (; j < cols; j++) {{ o[j] = expf(a[j] - m); t += o[j]; }}
  for (j = 0; j < cols; j++) o[j] /= t; }}""",
        "typedef float v8 __attribute__((vector_size(32)));",
    ),
    "memory from malloc": _softmax(
        f"""float *t = malloc(sizeof(float) * (cols + 1)); {_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ t[j] = expf(a[j] - m); s += t[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] = t[j] / s; }} free(t);"""
    ),
    "memory on the stack": _softmax(
        f"""{_ROWS} {_MAX} float s = 0, *t = alloca(4 * cols + 4);
  for (int64_t j = 0; j < cols; j++) {{ t[j] = expf(a[j] - m); s += t[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] = t[j] / s; }}"""
    ),
    "column by column": _softmax(
        """float *m = malloc(8 * rows + 8), *s = m + rows;
  for (int64_t i = 0; i < rows; i++) { m[i] = -INFINITY; s[i] = 0; }
  for (int64_t j = 0; j < cols; j++) for (int64_t i = 0; i < rows; i++) if (x[i * cols + j] > m[i]) m[i] = x[i * cols + j];
  for (int64_t j = 0; j < cols; j++) for (int64_t i = 0; i < rows; i++) s[i] += out[i * cols + j] = expf(x[i * cols + j] - m[i]);
  for (int64_t j = 0; j < cols; j++) for (int64_t i = 0; i < rows; i++) out[i * cols + j] /= s[i];
  free(m);"""
    ),
    "rows last to first": _softmax(
        f"""for (int64_t i = rows - 1; i >= 0; i--) {{ const float *a = x + i * cols; float *o = out + i * cols; {_MAX} float s = 0;
  for (int64_t j = cols - 1; j >= 0; j--) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}"""
    ),
    "twenty times over": _softmax(
        f"""for (int n = 0; n < 20; n++) {{ {_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }} __asm__ volatile("" ::: "memory"); }}"""
    ),
    "a copy first": _softmax(
        f"""memcpy(out, x, 4 * rows * cols); {_ROWS} {_MAX} (void)a; float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(o[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}"""
    ),
    "a function per row": _softmax(
        "for (int64_t i = 0; i < rows; i++) row(x + i * cols, out + i * cols, cols);",
        f"""static __attribute__((noinline)) void row(const float *a, float *o, int64_t cols) {{ {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}""",
    ),
    "recursive over rows": _softmax(
        """if (rows <= 0) return;
  if (rows > 1) { softmax(x, out, rows / 2, cols); softmax(x + rows / 2 * cols, out + rows / 2 * cols, rows - rows / 2, cols); return; }
  float m = -INFINITY, s = 0; for (int64_t j = 0; j < cols; j++) m = x[j] > m ? x[j] : m;
  for (int64_t j = 0; j < cols; j++) s += out[j] = expf(x[j] - m);
  for (int64_t j = 0; j < cols; j++) out[j] /= s;"""
    ),
    "its own exponential": _softmax(
        f"""{_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = own(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}""",
        """static inline float own(float v) { if (v < -104) return 0; double t = (double)v * 1.4426950408889634; double k = rint(t);
  double f = (t - k) * 0.6931471805599453, p = 1; for (int n = 12; n > 0; n--) p = 1 + p * f / n; return (float)ldexp(p, (int)k); }""",
    ),
    "no optimisation asked for": _softmax(
        f"""{_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}""",
        '#pragma GCC optimize("O0")',
    ),
    "prints as it goes": _softmax(
        f"""puts("working"); {_ROWS} {_MAX} float s = 0;
  for (int64_t j = 0; j < cols; j++) {{ o[j] = expf(a[j] - m); s += o[j]; }}
  for (int64_t j = 0; j < cols; j++) o[j] /= s; }}""",
        "#include <stdio.h>",
    ),
}

SOFTMAX_PYTHON = {
    "in place": """import numpy as np
def softmax(x, out, rows, cols):
    if x.size:
        np.subtract(x, x.max(axis=1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=1, keepdims=True)
""",
    "with temporaries": """import numpy as np
def softmax(x, out, rows, cols):
    if rows and cols:
        e = np.exp(x - np.max(x, axis=1)[:, None])
        out[:] = e / e.sum(axis=1)[:, None]
""",
    "in double": """import numpy as np
def softmax(x, out, rows, cols):
    if x.size:
        y = x.astype(float)
        y = np.exp(y - y.max(axis=1, keepdims=True))
        out[:] = y / y.sum(axis=1, keepdims=True)
""",
    "row by row": """import numpy as np
def softmax(x, out, rows, cols):
    for a, o in zip(x, out):
        if cols:
            np.exp(a - a.max(), out=o)
            o /= o.sum()
""",
    "plain loops": """import math
def softmax(x, out, rows, cols):
    for i in range(rows):
        a = x[i].tolist()
        if a:
            m = max(a)
            e = [math.exp(v - m) for v in a]
            s = math.fsum(e)
            out[i] = [v / s for v in e]
""",
    "einsum": """import numpy as np
def softmax(x, out, rows, cols):
    if x.size:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        np.divide(e, np.einsum('ij->i', e.astype(np.float64))[:, None], out=out, casting='unsafe')
""",
}

_HISTOGRAM = "void histogram(const uint8_t *x, int64_t *counts, int64_t n)"


def _histogram(body: str) -> str:
    return f"{_HEAD}{_HISTOGRAM} {{\n{body}\n}}\n"


HISTOGRAM_C = {
    "plain": _histogram("memset(counts, 0, 2048); for (int64_t i = 0; i < n; i++) counts[x[i]]++;"),
    "four tables": _histogram(
        """int64_t t[4][256]; memset(t, 0, sizeof t); int64_t i = 0;
  for (; i + 4 <= n; i += 4) for (int k = 0; k < 4; k++) t[k][x[i + k]]++;
  for (; i < n; i++) t[0][x[i]]++;
  for (int b = 0; b < 256; b++) counts[b] = t[0][b] + t[1][b] + t[2][b] + t[3][b];"""
    ),
    "words of eight bytes": _histogram(
        """uint32_t t[8][256]; memset(t, 0, sizeof t); int64_t i = 0;
  for (; i + 8 <= n; i += 8) { uint64_t w; memcpy(&w, x + i, 8); for (int k = 0; k < 8; k++) t[k][(w >> 8 * k) & 255]++; }
  for (; i < n; i++) t[0][x[i]]++;
  for (int b = 0; b < 256; b++) { int64_t s = 0; for (int k = 0; k < 8; k++) s += t[k][b]; counts[b] = s; }"""
    ),
    "one value at a time": _histogram(
        """for (int b = 0; b < 256; b++) { int64_t s = 0; for (int64_t i = 0; i < n; i++) s += x[i] == b; counts[b] = s; }"""
    ),
}

HISTOGRAM_PYTHON = {
    "bincount": "import numpy as np\ndef histogram(x, counts, n):\n    counts[:] = np.bincount(x, minlength=256)\n",
    "unique": "import numpy as np\ndef histogram(x, counts, n):\n    counts[:] = 0\n"
    "    values, found = np.unique(x, return_counts=True)\n    counts[values] = found\n",
    "add.at": "import numpy as np\ndef histogram(x, counts, n):\n    counts[:] = 0\n    np.add.at(counts, x, 1)\n",
    "Counter": "from collections import Counter\ndef histogram(x, counts, n):\n    counts[:] = 0\n"
    "    for value, found in Counter(x.tolist()).items():\n        counts[value] = found\n",
}
