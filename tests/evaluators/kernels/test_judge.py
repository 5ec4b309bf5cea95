import json
import re
import resource
import time

import pytest

from evaluators.contract import Program, Status
from evaluators.judging.judge import JudgeError
from evaluators.kernels.bench import compiler
from evaluators.kernels.statistics import Precision
from evaluators.worker import JudgeProcess
from tests.evaluators.arena import TIERS
from tests.evaluators.kernels.tasks import HISTOGRAM, SOFTMAX, quick_judge, write_problem


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    return write_problem(tmp_path_factory.mktemp("softmax"), SOFTMAX, "softmax")


@pytest.fixture(scope="module")
def judge(problem):
    made = quick_judge(problem)
    yield made
    made.close()


@pytest.fixture
def judged(tmp_path):
    """Judges the seed of a changed problem."""
    made = []

    def evaluate(text, **options):
        changed = write_problem(tmp_path, text, "changed")
        made.append(quick_judge(changed, **options))
        return made[-1].evaluate(changed.seed)

    yield evaluate
    for one in made:
        one.close()


def test_a_correct_kernel_has_a_score_its_interval_and_raw_samples(judge, problem):
    evaluation = judge.evaluate(problem.seed)
    metrics = evaluation.metrics
    assert evaluation.status is Status.OK
    assert evaluation.score == metrics["speedup"] <= metrics["speedup_median"] <= metrics["speedup_high"]
    assert metrics["rounds"] == 3
    assert len(evaluation.measures) == len(problem.measures)
    assert "NumPy, in place" in evaluation.feedback
    record = json.loads(json.dumps(evaluation.certificate))
    assert "gcc" in record["build"]["compiler"]
    assert "-ffast-math" in record["build"]["options"]
    timing = record["timings"][0]
    assert len(timing["cpu_us"]) == 3
    assert all(len(times) == 3 for session in timing["cpu_us"] for times in session)
    assert timing["host"]["cpus"] >= 1
    assert timing["gate"] == "passed"


def test_elites_are_measured_again_before_they_displace_others(problem):
    assert problem.objective.repeats == 2


def test_undefined_behaviour_is_trapped(judge, problem):
    text = problem.seed.text.replace(
        "for (int64_t i = 0; i < rows; i++) {",
        "volatile int big = 2147483647; big = big + 1;\n  for (int64_t i = 0; i < rows; i++) {",
    )
    evaluation = judge.evaluate(problem.seed.with_text(text))
    assert evaluation.status is Status.CRASHED
    assert "traps for undefined behaviour" in evaluation.reason


LOOP = "for (int64_t i = 0; i < rows; i++) {"
NEEDS_SANITIZER = pytest.mark.skipif(
    not compiler.address_sanitizer(compiler.find()), reason="gcc has no AddressSanitizer here"
)


@NEEDS_SANITIZER
@pytest.mark.parametrize(
    ("before", "found"),
    [
        (
            "float t[40]; float *volatile p = t; for (int k = 0; k < 40; k++) p[k] = 1; volatile float f = p[40 + rows / 99];",
            "stack-buffer-overflow, a read",
        ),
        (
            "float *volatile p = malloc(4 * cols); p[0] = 1; volatile float f = p[cols]; free(p);",
            "heap-buffer-overflow, a read",
        ),
        ("float *volatile p = malloc(4 * cols); p[cols] = 1; free(p);", "heap-buffer-overflow, a write"),
        (
            "float *volatile p = malloc(64); p[1] = 1; free(p); volatile float f = p[1];",
            "heap-use-after-free, a read",
        ),
        (
            "static float t[8]; float *volatile p = t; volatile float f = p[8];",
            "global-buffer-overflow, a read",
        ),
    ],
)
def test_memory_of_its_own_must_not_be_overrun(judge, problem, before, found):
    text = problem.seed.text.replace("#include <math.h>", "#include <math.h>\n#include <stdlib.h>")
    evaluation = judge.evaluate(problem.seed.with_text(text.replace(LOOP, f"{before} (void)p; {LOOP}", 1)))
    assert evaluation.status is Status.INVALID, evaluation.reason
    assert f"AddressSanitizer: {found} (rows=4, cols=33, normal inputs)" in evaluation.reason
    assert "0x" not in evaluation.feedback


@NEEDS_SANITIZER
def test_a_report_of_a_hidden_shape_tells_no_sizes(judge, problem):
    text = problem.seed.text.replace("#include <math.h>", "#include <math.h>\n#include <stdlib.h>")
    only_hidden = "cols != 33 && cols != 64 && cols != 5 && cols != 1 && cols != 101"
    leak = (
        f"if ({only_hidden}) {{ float *volatile p = malloc(4 * cols); volatile float f = p[cols]; free(p); }}"
    )
    evaluation = judge.evaluate(problem.seed.with_text(text.replace(LOOP, f"{leak} {LOOP}", 1)))
    assert evaluation.reason.startswith("AddressSanitizer: heap-buffer-overflow, a read (a hidden shape")
    assert not re.search(r"\d", evaluation.reason)
    assert "region" not in evaluation.feedback


@NEEDS_SANITIZER
@pytest.mark.parametrize("size", ["64 << 10", "1 << 20"])
def test_memory_is_limited_under_the_sanitizer_too(judge, problem, size):
    """Its allocator takes small blocks from addresses that it has reserved, which the limit on addresses does not see."""
    text = problem.seed.text.replace(
        "#include <math.h>", "#include <stdlib.h>\n#include <string.h>\n#include <dlfcn.h>\n#include <math.h>"
    )
    greedy = """
    char name[16] = "__Xsan_init"; name[2] = 'a';
    if (dlsym(0, name))
    for (int k = 0; k < 6400; k++) { char *t = malloc(SIZE); if (!t) exit(3); memset(t, 1, SIZE); }
    """
    evaluation = judge.evaluate(
        problem.seed.with_text(text.replace(LOOP, greedy.replace("SIZE", f"({size})") + LOOP, 1))
    )
    assert evaluation.status is Status.CRASHED
    assert re.search(
        "exit code (3|99)", evaluation.reason
    )  # 99: the sanitizer itself was refused memory first


def test_a_baseline_in_python_has_the_metrics_that_a_kernel_in_c_is_filed_by(judge, problem):
    kernel, baseline = judge.evaluate(problem.seed), judge.evaluate(problem.kernel.baseline.program)
    assert baseline.status is Status.OK, baseline.reason
    assert set(kernel.metrics) <= set(baseline.metrics)


@NEEDS_SANITIZER
def test_a_judges_own_bound_on_addresses_is_not_the_sanitizers(problem):
    """A judge in its process bounds its own addresses; the benches that it starts later must not inherit that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    made = quick_judge(problem)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, hard))
    try:
        evaluation = made.evaluate(problem.seed)
        assert resource.getrlimit(resource.RLIMIT_AS) == (8 << 30, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        made.close()
    assert evaluation.status is Status.OK, evaluation.reason
    assert evaluation.certificate["sanitizers"]["has_addresses"]


def test_a_kernel_that_does_not_compile_is_told_where(judge, problem):
    evaluation = judge.evaluate(problem.seed.with_text(problem.seed.text.replace("/= s", "/= t")))
    assert evaluation.status is Status.ERROR
    assert "'t' undeclared" in evaluation.reason
    assert "o[j] /= t;" in evaluation.feedback
    assert evaluation.certificate is None


def test_a_failing_kernel_costs_less_than_a_second_of_processor_time(judge, problem):
    wrong = problem.seed.with_text(problem.seed.text.replace("/= s", "/= s * 1.01f"))
    judge.evaluate(wrong)
    begun = time.process_time()
    evaluation = judge.evaluate(wrong)
    assert evaluation.status is Status.INVALID
    assert time.process_time() - begun + evaluation.cpu_s < 1.0
    assert "rows=4, cols=33, normal inputs" in evaluation.reason
    assert "allowed" in evaluation.reason


@pytest.mark.parametrize("tier", TIERS)
def test_no_kernel_spoils_the_folder_of_the_next(problem, tier):
    rot = ('#include <sys/stat.h>\n#include <unistd.h>\nstatic void rot(void) { unlink("kernel.so"); rmdir("."); chmod(".", 0); }\n'
           "__attribute__((constructor)) static void c(void) { rot(); }\n"
           "__attribute__((destructor)) static void d(void) { rot(); }\n")  # fmt: skip
    judge = quick_judge(problem, tier=tier)
    try:
        for text in (rot + problem.seed.text, problem.seed.text):
            evaluation = judge.evaluate(problem.seed.with_text(text))
            assert evaluation.status is Status.OK, evaluation
    finally:
        judge.close()


def test_hidden_shapes_are_not_told(judge, problem):
    text = problem.seed.text.replace(
        "{\n  for",
        "{\n  if (rows * cols && rows != 4 && cols != 64 && cols != 101 && cols > 1) return;\n  for",
        1,
    )
    evaluation = judge.evaluate(problem.seed.with_text(text))
    assert evaluation.status is Status.INVALID
    assert "a hidden shape" in evaluation.reason
    assert "rows=" not in evaluation.reason
    assert "expected" not in evaluation.reason


def test_both_languages_are_judged_and_others_are_not(judge, problem):
    assert judge.evaluate(problem.kernel.baseline.program).is_ok
    other = judge.evaluate(Program({"kernel.rs": "fn main() {}"}, "kernel.rs"))
    assert other.status is Status.ERROR
    assert "in no language of this task" in other.reason


def test_a_library_that_is_not_there_is_named(judge):
    text = "import triton\nimport triton.language as tl\ndef softmax(x, out, rows, cols):\n    pass\n"
    evaluation = judge.evaluate(Program({"kernel.py": text}, "kernel.py"))
    if evaluation.status is Status.ERROR:
        assert "code-discovery[triton]" in evaluation.reason
    else:
        assert not evaluation.is_ok


NUMBA = """import numpy as np
from numba import njit
@njit
def softmax(x, out, rows, cols):
    for i in range(rows):
        m = np.float32(-np.inf)
        for j in range(cols):
            m = max(m, x[i, j])
        s = 0.0
        for j in range(cols):
            out[i, j] = np.exp(x[i, j] - m)
            s += out[i, j]
        for j in range(cols):
            out[i, j] /= s
"""


def test_numba_compiles_inside_the_locks(tmp_path):
    pytest.importorskip("numba")
    text = SOFTMAX.replace("wall_s=2.0, memory_mib=256", "wall_s=60.0, memory_mib=1024")
    changed = write_problem(tmp_path, text, "changed")
    judge = quick_judge(changed)
    evaluation = judge.evaluate(Program({"kernel.py": NUMBA}, "kernel.py"))
    judge.close()
    assert evaluation.is_ok, evaluation.reason
    assert any(name.startswith("numba ") for name in evaluation.certificate["build"]["libraries"])
    assert evaluation.metrics["rounds"] == 6  # several rounds per process, as loading is slow


def test_what_is_too_good_is_held_back(judged):
    text = SOFTMAX.replace('forbidden=("scipy", "special"),', "plausible_speedup=0.001,")
    evaluation = judged(text)
    assert evaluation.status is Status.REJECTED
    assert evaluation.score is None
    assert "before believing it" in evaluation.reason
    assert evaluation.metrics["speedup_median"] > 0.001


def test_what_is_faster_than_the_machine_is_held_back(judged):
    evaluation = judged(SOFTMAX.replace("traffic=lambda dims: 8 *", "traffic=lambda dims: 1e9 *"))
    assert evaluation.status is Status.REJECTED
    assert "peaks allow" in evaluation.reason


def test_a_noisy_machine_gives_no_score(judged):
    precision = Precision(least_rounds=3, most_rounds=3, gate_half_width=0.0)
    evaluation = judged(HISTOGRAM, precision=precision)
    assert evaluation.status is Status.REJECTED
    assert "too noisy" in evaluation.reason
    assert evaluation.score is None
    assert len(evaluation.certificate["timings"]) == 3


def test_held_out_shapes_are_timed_beside(tmp_path):
    text = HISTOGRAM.replace("traffic=", 'held_out=({"n": 40_000},), traffic=')
    changed = write_problem(tmp_path, text, "changed")
    judge = quick_judge(changed)
    evaluation = judge.evaluate(changed.seed, held_out=True)
    judge.close()
    assert evaluation.is_ok
    assert evaluation.held_out["speedup"] <= evaluation.held_out["speedup_median"]
    assert evaluation.certificate["timings"][-1]["shapes"] == [{"n": 40_000}]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Objective("speedup"', 'Objective("swiftness"', "kernels do not have"),
        ("import numpy as np\\ndef", "import numpy as np\\ndef def", "the baseline does not compile"),
        ("np.bincount(x, minlength=256).astype", "np.bincounts(x).astype", "the kernel task failed"),
    ],
)
def test_a_broken_task_is_no_fault_of_the_program(judged, old, new, message):
    assert old in HISTOGRAM
    with pytest.raises(JudgeError, match=message):
        judged(HISTOGRAM.replace(old, new))


def test_the_judge_process_dispatches_kernels(problem):
    process = JudgeProcess(problem.source, b"secret")
    wrong = process.evaluate(problem.seed.with_text(problem.seed.text.replace("/= s", "/= s * 1.01f")))
    process.close()
    assert wrong.status is Status.INVALID
    assert "seccomp" in wrong.layers
