import numpy as np
import pytest

from evaluators.kernel_task import Baseline, Buffer, KernelTask, Scalar
from evaluators.kernels.tolerance import expect, find_fault


def make_task(**changes):
    values = {
        "entry": "total",
        "arguments": (
            Buffer("x", "float32", ("n",), "in"),
            Buffer("y", "float32", ("n",), "out"),
            Scalar("n"),
        ),
        "make_inputs": lambda rng, dims, name: {"x": rng.standard_normal(dims["n"], dtype=np.float32)},
        "reference": lambda x, n: {"y": np.cumsum(x.astype(float))},
        "reference_single": lambda x, n: {"y": np.cumsum(x, dtype=np.float32)},
        "baseline": Baseline("none", "kernel.py", ""),
        "public": ({"n": 4},),
        "timed": ({"n": 4},),
        "hidden": lambda rng: {"n": 4},
    }
    return KernelTask(**{**values, **changes})


def find(task, x, output):
    dims = {"n": len(x)}
    return find_fault(task, expect(task, {"x": x}, dims), {"y": np.asarray(output, np.float32)})


X = np.random.default_rng(0).standard_normal(3000).astype(np.float32)


def test_another_order_of_summation_is_within_the_tolerance():
    halves = np.concatenate([np.cumsum(X[:1500]), np.cumsum(X[1500:]) + X[:1500].sum(dtype=np.float32)])
    assert find(make_task(), X, halves) is None


def test_lower_precision_is_not():
    exact = np.cumsum(X.astype(float)).astype(np.float32)
    truncated = (exact.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    for lower in (exact.astype(np.float16).astype(np.float32), truncated):
        assert "tolerance" in find(make_task(), X, lower).what


def test_one_wrong_item_is_found():
    output = np.cumsum(X.astype(float)).astype(np.float32)
    output[1234] += 0.01
    fault = find(make_task(), X, output)
    assert fault is not None
    assert "error" in fault.detail


def test_an_item_that_is_small_beside_the_largest_is_held_to_its_own_size():
    task = make_task(reference=lambda x, n: {"y": x.astype(float)}, reference_single=lambda x, n: {"y": x})
    x = np.array([1.0, 1e-4], np.float32)
    assert find(task, x, x) is None
    assert "per item" in find(task, x, [1.0, 1.001e-4]).detail


def test_special_values_must_come_out_where_they_are_due():
    x = np.array([1, np.inf, 2], np.float32)
    assert find(make_task(), x, [1, np.inf, np.inf]) is None
    assert "special" in find(make_task(), x, [1, 3, np.inf]).detail
    assert "NaN or infinity" in find(make_task(), np.ones(3, np.float32), [1, np.nan, 3]).what


def test_integers_must_be_equal():
    task = make_task(
        arguments=(Buffer("x", "int64", ("n",), "in"), Buffer("y", "int64", ("n",), "out"), Scalar("n")),
        reference=lambda x, n: {"y": x + 1},
        reference_single=None,
        exact=True,
    )
    x = np.arange(5)
    expected = expect(task, {"x": x}, {"n": 5})
    assert find_fault(task, expected, {"y": x + 1}) is None
    fault = find_fault(task, expected, {"y": np.array([1, 2, 3, 4, 6])})
    assert "1 of 5 items differ" in fault.detail
    assert "flat index 4" in fault.detail


def test_nothing_is_right_for_nothing():
    assert find(make_task(), X[:0], []) is None


def test_known_limits_spare_the_single_precision_reference():
    task = make_task()
    known = expect(task, {"x": X}, {"n": X.size}).limits
    refusing = make_task(reference_single=lambda x, n: pytest.fail("called"))
    assert expect(refusing, {"x": X}, {"n": X.size}, known).limits == known


def test_a_reference_of_another_shape_is_refused():
    task = make_task(reference=lambda x, n: {"y": np.zeros(n + 1)})
    with pytest.raises(ValueError, match=r"must have the shape \(3,\)"):
        expect(task, {"x": X[:3]}, {"n": 3})
    with pytest.raises(ValueError, match="is missing"):
        expect(make_task(reference=lambda x, n: {}), {"x": X[:3]}, {"n": 3})
