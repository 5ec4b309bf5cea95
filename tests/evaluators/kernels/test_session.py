"""What a kernel can see must not tell whether it is checked, checked with sanitizers, or timed."""

import numpy as np
import pytest

from evaluators.contract import Status
from evaluators.kernels import correctness
from evaluators.kernels.judge import KernelJudge
from evaluators.kernels.sessions.course import Course
from evaluators.kernels.sessions.session import Sessions
from tests.evaluators.kernels.tasks import HISTOGRAM, quick_judge, write_problem

OBSERVABLES = (
    "processors it may run on",
    "calls before",
    "place of the input in its page",
    "place of the output in its page",
    "input below the output",
    "sanitizer's macro",
    "optimisation's macros",
    "a weak __asan_init",
    "the environment's size",
    "the sanitizer's environment",
    "page size in auxv",
    "bound on files",
    "bound on processes",
    "bound on CPU time",
    "bound on file sizes",
    "descriptors that are open",
    "/proc is readable",
    "/proc/loadavg is readable",
    "priority",
    "dumpable",
    "waits before, at most 200",
    "times it was stopped, at most 60",
)
"""Compared as sets, or as ranges where they are counted."""

SPY = """#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
extern char **environ;
WEAK
static int64_t calls; static volatile int64_t stops;
static void count(int n) { stops++; }
__attribute__((constructor)) static void look(void) { signal(SIGCONT, count); }
static int64_t bound(int which) { struct rlimit l = {0}; getrlimit(which, &l); return (int64_t)l.rlim_cur; }
static int64_t readable(const char *path) { int fd = open(path, O_RDONLY); if (fd >= 0) close(fd); return fd >= 0; }
void histogram(const uint8_t *x, int64_t *counts, int64_t n) {
  int64_t k = 0;
  cpu_set_t mask; CPU_ZERO(&mask); sched_getaffinity(0, sizeof mask, &mask);
  counts[k++] = CPU_COUNT(&mask);
  counts[k++] = calls++;
  counts[k++] = (uintptr_t)x & 4095;
  counts[k++] = (uintptr_t)counts & 4095;
  counts[k++] = (uintptr_t)x < (uintptr_t)counts;
#ifdef __SANITIZE_ADDRESS__
  counts[k++] = 1;
#else
  counts[k++] = 0;
#endif
#if defined(__OPTIMIZE__) && defined(__FAST_MATH__) && !defined(__NO_INLINE__)
  counts[k++] = 1;
#else
  counts[k++] = 0;
#endif
  counts[k++] = IS_THERE;
  int64_t size = 0; while (environ[size]) size++;
  counts[k++] = size;
  counts[k++] = (getenv("LD_PRELOAD") != 0) + (getenv("ASAN_OPTIONS") != 0);
  counts[k++] = getauxval(AT_PAGESZ);
  counts[k++] = bound(RLIMIT_NOFILE);
  counts[k++] = bound(RLIMIT_NPROC);
  counts[k++] = bound(RLIMIT_CPU);
  counts[k++] = bound(RLIMIT_FSIZE);
  int64_t fds = 0; for (int fd = 0; fd < 64; fd++) fds += fcntl(fd, F_GETFD) >= 0;
  counts[k++] = fds;
  counts[k++] = readable("/proc/self/status");
  counts[k++] = readable("/proc/loadavg");
  counts[k++] = getpriority(PRIO_PROCESS, 0);
  counts[k++] = prctl(PR_GET_DUMPABLE);
  struct rusage usage = {0}; getrusage(RUSAGE_SELF, &usage);
  counts[k++] = usage.ru_nvcsw > 200 ? 200 : usage.ru_nvcsw;
  counts[k++] = stops > 60 ? 60 : stops;
  while (k < 256) counts[k++] = n;
}
"""
COUNTED = {"calls before", "waits before, at most 200", "times it was stopped, at most 60"}

PLACES = {"place of the input in its page": lambda n: n, "place of the output in its page": lambda n: 2048}
"""At the start or at the end of whole pages; the sizes in bytes that this depends on."""


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Returns, per kind of session, what the spy saw in each call; every output passes."""
    found = {"checked": [], "sanitized": [], "timed": []}
    kinds = []
    run = Sessions.run

    def watched(self, stand, **options):
        kinds.append(["checked", "sanitized"][len(kinds)] if len(kinds) < 2 else "timed")
        return run(self, stand, **options)

    def note(outputs):
        found[kinds[-1]].append(outputs["counts"].tolist())

    monkeypatch.setattr(Sessions, "run", watched)
    monkeypatch.setattr(Course, "judge", lambda *_a, **_k: None)
    monkeypatch.setattr(Course, "check", lambda _self, _shape, _kind, _values, outputs: note(outputs))
    monkeypatch.setattr(correctness, "_judge", lambda _task, _case, _call, outputs: note(outputs))
    monkeypatch.setattr(
        correctness,
        "_repeats",
        lambda task, case, rng: correctness._plain(task, case, rng),
    )

    def spied(text):
        problem = write_problem(tmp_path, HISTOGRAM.replace("50_000", "3_000"), "spied")
        judge: KernelJudge = quick_judge(problem)
        try:
            evaluation = judge.evaluate(problem.seed.with_text(text))
        finally:
            judge.close()
        return evaluation, found

    return spied


def test_what_a_kernel_can_see_is_the_same_in_every_kind_of_session(seen):
    evaluation, found = seen(SPY.replace("WEAK", "").replace("IS_THERE", "0"))
    assert evaluation.status is Status.OK, (evaluation.reason, evaluation.feedback)
    for number, what in enumerate(OBSERVABLES):
        values = {kind: [call[number] for call in calls] for kind, calls in found.items()}
        assert all(values.values())
        if what in COUNTED:
            least, most = min(values["timed"]), max(values["timed"])
            for kind in ("checked", "sanitized"):
                assert least / 2 <= np.median(values[kind]) <= 2 * most, (what, kind)
        elif what in PLACES:
            for calls in found.values():
                places = [{0, -PLACES[what](call[255]) % 4096} for call in calls]
                assert all(call[number] in place for call, place in zip(calls, places, strict=True)), what
        else:
            assert set(values["checked"]) == set(values["timed"]) == set(values["sanitized"]), what


def test_a_kernel_that_looks_for_the_sanitizer_by_name_is_refused(seen):
    text = SPY.replace("WEAK", "extern void __asan_init(void) __attribute__((weak));")
    evaluation, _ = seen(text.replace("IS_THERE", "__asan_init != 0"))
    assert evaluation.status is Status.ERROR
    assert "names __asan_init" in evaluation.reason


def test_the_list_is_as_long_as_what_the_spy_writes():
    assert SPY.count("counts[k++]") == len(OBSERVABLES) + 3  # two macros, defined or not, and the rest


def test_every_kind_of_input_is_met_at_every_timed_shape_and_held_out_shapes_are_met(tmp_path, monkeypatch):
    met = []
    check = Course.check

    def noted(self, shape, kind, values, outputs):
        met.append((shape, kind))
        check(self, shape, kind, values, outputs)

    monkeypatch.setattr(Course, "check", noted)
    text = HISTOGRAM.replace("50_000},)", '3_000}, {"n": 5_001}), held_out=({"n": 4_000},)')
    problem = write_problem(tmp_path, text, "met")
    judge = quick_judge(problem)
    try:
        evaluation = judge.evaluate(problem.seed)
    finally:
        judge.close()
    assert evaluation.is_ok, evaluation.reason
    assert {(shape, kind) for shape in (0, 1) for kind in problem.kernel.distributions} <= set(met)
    assert 2 in {shape for shape, _ in met}
