import pytest

from evaluators.contract import ContractError, Program
from evaluators.kernel_task import Baseline, Buffer, Scalar
from evaluators.problems.loading import ProblemError
from tests.evaluators.kernels.tasks import HISTOGRAM, SOFTMAX, write_problem
from tests.evaluators.kernels.test_tolerance import make_task


def test_the_prototype_is_what_c_declares():
    assert make_task().prototype == "void total(const float *x, float *y, int64_t n);"


def test_sizes_come_from_names_and_numbers():
    assert Buffer("x", "int8", ("n", 3), "in").sizes({"n": 2}) == (2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Buffer("x", "float31", ("n",), "in"), "dtype must be one of"),
        (lambda: Buffer("x y", "int8", ("n",), "in"), "must be an identifier"),
        (lambda: Buffer("x", "int8", ("n",), "both"), "role must be 'in' or 'out'"),
        (lambda: Buffer("x", "int8", (), "in"), "must be a tuple of dims"),
        (lambda: Scalar("n", "int128"), "dtype must be one of"),
        (lambda: make_task(exact=True), "either exact=True or reference_single"),
        (lambda: make_task(reference_single=None), "either exact=True or reference_single"),
        (lambda: make_task(public=()), "public must be a tuple"),
        (lambda: make_task(languages=("rust",)), "must be of c and python"),
        (lambda: make_task(tolerance=0.0), "tolerance must be > 0"),
        (lambda: make_task(timed=({"m": 3},)), "whole number >= 0 for 'n', got None"),
        (lambda: make_task(edges=({"n": -1},)), "got -1"),
        (lambda: make_task(languages=("c", "triton")), "or triton alone, got \\['c', 'triton'\\]"),
        (lambda: make_task(languages=()), "or triton alone, got \\[\\]"),
        (lambda: make_task(arguments=(Scalar("n"),)), "an input buffer and an output buffer"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(make, message):
    with pytest.raises(ContractError, match=message):
        make()


def test_the_baseline_is_a_program():
    program = Baseline("x", "kernel.py", "text").program
    assert (program.entry, program.text) == ("kernel.py", "text")


def test_what_language_a_program_is_in_is_the_task_s_affair():
    on_processor, on_gpu = make_task(), make_task(languages=("triton",))
    python, c = Program({"kernel.py": ""}, "kernel.py"), Program({"kernel.c": ""}, "kernel.c")
    assert (on_processor.language_of(python), on_processor.language_of(c)) == ("python", "c")
    assert (on_gpu.language_of(python), on_gpu.language_of(c)) == ("triton", "")
    assert make_task(languages=("c",)).language_of(python) == ""
    assert on_gpu.is_for_device
    assert not on_processor.is_for_device


def test_a_problem_declares_a_kernel_instead_of_cases_run_and_score(tmp_path):
    problem = write_problem(tmp_path, SOFTMAX, "softmax")
    assert problem.kernel is not None
    assert problem.kernel.entry == "softmax"
    assert problem.seed.entry == "kernel.c"
    assert problem.metric_names == ("speedup",)


def test_a_kernel_s_entry_is_c_unless_it_says_otherwise(tmp_path):
    problem = write_problem(tmp_path, HISTOGRAM.replace('ENTRY = "kernel.c"\n', ""), "histogram")
    assert problem.seed.entry == "kernel.c"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('ENTRY = "kernel.c"', 'ENTRY = "kernel.rs"', "must end in .c or .py"),
        (
            'ENTRY = "kernel.c"',
            "def score(case, output):\n    return {}\n",
            "score has no meaning beside KERNEL",
        ),
        ('ENTRY = "kernel.c"', "STAGES = 2", "STAGES has no meaning beside KERNEL"),
        ("KERNEL = KernelTask(", "KERNEL = dict(", "KERNEL must be a KernelTask"),
        ("exact=True,", "exact=False,", "either exact=True or reference_single"),
    ],
)
def test_a_wrong_problem_says_where(tmp_path, old, new, message):
    assert old in HISTOGRAM
    with pytest.raises(ProblemError, match=message):
        write_problem(tmp_path, HISTOGRAM.replace(old, new), "histogram")
