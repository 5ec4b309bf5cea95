from __future__ import annotations

from evaluators.contract import Case, Limits
from evaluators.judging.exam_limits import MOST, exam_limits

LIMITS = Limits(cpu_s=10, wall_s=30)


def of(*sizes: int) -> list[Case]:
    return [Case(inputs=None, answer=[0] * size) for size in sizes]


def test_twice_as_many_jobs_in_a_case_get_twice_the_time():
    found = exam_limits(LIMITS, of(30), of(60))
    assert (found.cpu_s, found.wall_s, found.memory_mib) == (20, 60, LIMITS.memory_mib)


def test_more_cases_of_the_same_size_do_not():
    assert exam_limits(LIMITS, of(5, 5), of(5, 5, 5, 5)) == LIMITS


def test_limits_never_shrink_and_are_bounded():
    assert exam_limits(LIMITS, of(60), of(30)) == LIMITS
    assert exam_limits(LIMITS, of(1), of(10**4)).cpu_s == MOST * LIMITS.cpu_s


def test_inputs_count_where_the_answer_is_no_list_and_single_values_are_one():
    known, asked = [Case(inputs=[1, 2])], [Case(inputs=[1, 2, 3], answer={"a": 1, "b": 2, "c": 3})]
    assert exam_limits(LIMITS, known, asked).cpu_s == 15
    assert exam_limits(LIMITS, [Case(inputs="text", answer=7.0)], [Case(inputs=1.0)]) == LIMITS
    assert exam_limits(LIMITS, [], []) == LIMITS
