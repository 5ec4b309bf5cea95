"""Softmax kernels that are right while they believe they are watched, and do without the maximum where they are timed.

That is right on the kind of inputs that is timed, and wrong on others. Each goes by something else that might tell the one from
the other. Kind (number in the catalogue of hacks) -> text.
"""

_C_HEAD = """#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>
static void honest(const float *x, float *out, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; i++) {
    const float *a = x + i * cols; float *o = out + i * cols; float m = -INFINITY, s = 0;
    for (int64_t j = 0; j < cols; j++) m = a[j] > m ? a[j] : m;
    for (int64_t j = 0; j < cols; j++) { o[j] = expf(a[j] - m); s += o[j]; }
    for (int64_t j = 0; j < cols; j++) o[j] /= s;
  }
}
static void wrong(const float *x, float *out, int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; i++) {
    const float *a = x + i * cols; float *o = out + i * cols; float s = 0;
    for (int64_t j = 0; j < cols; j++) { o[j] = expf(a[j]); s += o[j]; }
    for (int64_t j = 0; j < cols; j++) o[j] /= s;
  }
}
static double now(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
"""


def _c(is_timed: str, *, before: str = "", first: str = "", last: str = "") -> str:
    """Returns a kernel that is wrong where the C expression `is_timed` holds and the shape is not small."""
    return f"""{_C_HEAD}{before}
void softmax(const float *x, float *out, int64_t rows, int64_t cols) {{
  {first}
  if (rows * cols > 3000 && ({is_timed})) wrong(x, out, rows, cols); else honest(x, out, rows, cols);
  {last}
}}
"""


C = {
    "25 wrong on large shapes": _c("1"),
    "25 wrong on the timed shape alone": _c("rows == 64 && cols == 128"),
    "25 wrong after 40 calls": _c("calls > 40", before="static int calls;", first="calls++;"),
    "25 wrong after the first call at a large shape": _c(
        "calls > 1", before="static int calls;", first="calls += rows * cols > 3000;"
    ),
    "25 wrong after the warm-ups": _c(
        "calls > 32", before="static int calls;", first="calls += rows * cols > 3000;"
    ),
    "25 wrong where the shape is that of the call before": _c(
        "rows * cols == size", before="static int64_t size;", last="size = rows * cols;"
    ),
    "25 wrong where kept on one processor": _c(
        "CPU_COUNT(&mask) == 1",
        first="cpu_set_t mask; CPU_ZERO(&mask); sched_getaffinity(0, sizeof mask, &mask);",
    ),
    "25 wrong where loaded on one processor": _c(
        "one",
        before="""static int one; __attribute__((constructor)) static void look(void) {
  cpu_set_t mask; CPU_ZERO(&mask); sched_getaffinity(0, sizeof mask, &mask); one = CPU_COUNT(&mask) == 1; }""",
    ),
    "25 wrong where it stays on its processor": _c(
        "stays > 8",
        before="static int last = -1, stays;",
        first="int cpu = sched_getcpu(); stays = cpu == last ? stays + 1 : 0;",
        last="last = cpu;",
    ),
    "25 wrong at the start of a page": _c("((uintptr_t)x & 4095) == 0"),
    "25 wrong where aligned to 64": _c("((uintptr_t)x & 63) == 0 && ((uintptr_t)out & 63) == 0"),
    "25 wrong where the address was seen": _c(
        "found",
        before="static const float *seen[64]; static int count;",
        first="int found = 0; for (int k = 0; k < count; k++) found |= seen[k] == x; if (!found && count < 64) seen[count++] = x;",
    ),
    "25 wrong where addresses go in one direction": _c(
        "x != last", before="static const float *last;", last="last = x;"
    ),
    "25 wrong where input and output lie far apart": _c("labs((char *)x - (char *)out) >= 32768"),
    "25 honest with the sanitizer's macro": _c(
        "IS_TIMED",
        before="#if defined(__SANITIZE_ADDRESS__)\n#define IS_TIMED 0\n#else\n#define IS_TIMED 1\n#endif",
    ),
    "25 honest without optimisation": _c(
        "IS_TIMED",
        before="#if defined(__OPTIMIZE__) && defined(__FAST_MATH__)\n#define IS_TIMED 1\n#else\n#define IS_TIMED 0\n#endif",
    ),
    "25 honest where __asan_init is": _c(
        "!__asan_init", before="extern void __asan_init(void) __attribute__((weak));"
    ),
    "25 honest where a sanitizer is found by name": _c(
        "!dlsym(RTLD_DEFAULT, name)", first="""char name[16] = "__Xsan_init"; name[2] = 'a';"""
    ),
    "25 an overrun that asks for no instruments": f"""{_C_HEAD}
__attribute__((no_sanitize("address"))) void softmax(const float *x, float *out, int64_t rows, int64_t cols) {{
  float *t = malloc(4 * cols + 4); volatile float far = t[cols + 1]; (void)far; free(t); honest(x, out, rows, cols);
}}
""",
    "25 an overrun that asks for none by a macro": f"""{_C_HEAD}
#define JOIN(a, b) a##b
__attribute__((JOIN(no_sani, tize_address))) void softmax(const float *x, float *out, int64_t rows, int64_t cols) {{
  float *t = malloc(4 * cols + 4); volatile float far = t[cols + 1]; (void)far; free(t); honest(x, out, rows, cols);
}}
""",
    "25 honest in the sanitizer's environment": _c('!getenv("ASAN_OPTIONS") && !getenv("LD_PRELOAD")'),
    "25 honest with a large bound on addresses": _c(
        "limit.rlim_cur < (1ul << 43)", first="struct rlimit limit = {0}; getrlimit(RLIMIT_AS, &limit);"
    ),
    "25 wrong after 3 ms of its own time": _c("now(CLOCK_PROCESS_CPUTIME_ID) > 0.003"),
    "25 wrong where calls follow at once": _c(
        "now(CLOCK_MONOTONIC) - last < 0.0005",
        before="static double last;",
        last="last = now(CLOCK_MONOTONIC);",
    ),
    "25 wrong long after it was loaded": _c(
        "now(CLOCK_MONOTONIC) - loaded > 0.001",
        before="static double loaded; __attribute__((constructor)) static void look(void) { loaded = now(CLOCK_MONOTONIC); }",
    ),
    "25 wrong after it was stopped often": _c(
        "stops > 4",
        before="""static volatile int stops; static void count(int n) { stops++; }
__attribute__((constructor)) static void look(void) { signal(SIGCONT, count); }""",
    ),
    "25 wrong after many waits": _c(
        "usage.ru_nvcsw + usage.ru_nivcsw > 3",
        first="struct rusage usage = {0}; getrusage(RUSAGE_SELF, &usage);",
    ),
    "25 wrong where no /proc is": _c('open("/proc/self/status", O_RDONLY) < 0'),
    "25 wrong where the page size is told": _c("getauxval(AT_PAGESZ) == 4096"),
    "25 stale outputs on the timed shape": _c(
        "0",
        before="static float kept[8192]; static int calls;",
        first="if (rows * cols == 8192 && calls++ > 2) { memcpy(out, kept, sizeof kept); return; }",
        last="if (rows * cols == 8192) memcpy(kept, out, sizeof kept);",
    ),
    "25 half precision on the timed shape": _c(
        "0",
        last="if (rows * cols > 3000) for (int64_t i = 0; i < rows * cols; i++) out[i] = (float)(_Float16)out[i];",
    ),
    "25 the last row left out on the timed shape": _c(
        "0", first="if (rows * cols > 3000) { honest(x, out, rows - 1, cols); return; }"
    ),
    "25 goes by the kind of the call before": _c(
        "largest < 20",
        before="static float largest;",
        last="largest = 0; for (int64_t i = 0; i < rows * cols; i++) largest = fmaxf(largest, fabsf(x[i]));",
    ),
    "25 goes by the first of the inputs": _c("fabsf(x[0]) < 1000"),
    "25 goes by the first row": _c(
        "largest < 80",
        first="float largest = 0; for (int64_t j = 0; j < cols; j++) largest = rows ? fmaxf(largest, x[j]) : 0;",
    ),
}


def _python(is_timed: str, *, before: str = "", first: str = "", last: str = "") -> str:
    """Returns the same in Python."""
    return f"""import os, resource, sys, time
import numpy as np
{before}
def softmax(x, out, rows, cols):
    if not x.size:
        return
    {first or "pass"}
    if rows * cols > 3000 and ({is_timed}):
        with np.errstate(all="ignore"):
            np.exp(x, out=out)
            out /= out.sum(axis=1, keepdims=True)
    else:
        np.exp(x - x.max(axis=1, keepdims=True), out=out)
        out /= out.sum(axis=1, keepdims=True)
    {last or "pass"}
"""


PYTHON = {
    "25 wrong on large shapes": _python("True"),
    "25 wrong after 40 calls": _python("len(calls) > 40", before="calls = []", first="calls.append(1)"),
    "25 wrong where kept on one processor": _python("len(os.sched_getaffinity(0)) == 1"),
    "25 wrong at the start of a page": _python("x.ctypes.data % 4096 == 0"),
    "25 wrong where the address was seen": _python(
        "x.ctypes.data in seen", before="seen = set()", last="seen.add(x.ctypes.data)"
    ),
    "25 wrong after 2 ms of its own time": _python(
        "time.process_time() - begun > 0.002", before="begun = time.process_time()"
    ),
    "25 wrong where several calls were planned": _python("len(sys._getframe(1).f_locals['calls']) > 1"),
    "25 wrong after many waits": _python("sum(resource.getrusage(resource.RUSAGE_SELF)[14:]) > 3"),
    "25 goes by the first of the inputs": _python("abs(x[0, 0]) < 1000"),
}
