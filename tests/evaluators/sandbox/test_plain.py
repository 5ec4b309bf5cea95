"""Plain data: what goes in comes out, as built-in types; nothing else goes in or out."""

from __future__ import annotations

import enum
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.sandbox.plain import MAX_DEPTH, PlainDataError, decode, encode

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=5)
    ),
    max_leaves=30,
)
DTYPES = [
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@given(PLAIN)
@settings(deadline=None)
def test_plain_values_come_back(value):
    assert decode(encode(value)) == value


@given(st.dictionaries(st.sampled_from(["$", "$$", "$a", "a"]), st.integers(), max_size=4))
def test_dollar_keys_come_back(value):
    assert decode(encode(value)) == value
    assert decode(encode([value, np.arange(2)]))[0] == value


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 5), (1, 1, 1, 2)])
def test_arrays_come_back(dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    found = decode(encode({"a": [array], "b": array}))
    for back in (found["a"][0], found["b"]):
        assert type(back) is np.ndarray
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert np.array_equal(back, array)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_bytes_come_back(first, second):
    value = {"a": [first, np.arange(3)], "b": second}
    found = decode(encode(value))
    assert (found["a"][0], found["b"]) == (first, second)
    assert {type(found["a"][0]), type(found["b"])} == {bytes}
    assert decode(encode(bytearray(first))) == first


def test_views_and_foreign_byte_orders_come_back():
    array = np.arange(24, dtype=">i4").reshape(4, 6)[::2, ::-1].T
    assert np.array_equal(decode(encode(array)), array)


def test_arrays_are_read_only_unless_asked():
    data = encode(np.arange(3.0))
    with pytest.raises(ValueError, match="read-only"):
        decode(data)[0] = 1
    writable = decode(data, writable=True)
    writable[0] = 7
    assert decode(data)[0] == 0


class _Int(int):
    def __repr__(self):
        return "999"


class _Text(str):
    def encode(self, *arguments):
        return b"lie"


class _List(list):
    def __iter__(self):
        return iter([999])


class _Dict(dict):
    def items(self):
        return [("lie", 1)]


class _Array(np.ndarray):
    def tobytes(self, order="C"):
        return b"lie"


class _Colour(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (_Int(4), 4),
        (_Text("a"), "a"),
        (_List([1, 2]), [1, 2]),
        (_Dict(a=1), {"a": 1}),
        (_Colour.RED, 3),
        ((1, (2,)), [1, [2]]),
        (np.float64(1.5), 1.5),
        (np.int32(3), 3),
        (np.bool_(True), True),
        (np.float16(0.5), 0.5),
    ],
)
def test_subclasses_and_scalars_become_what_they_are_built_on(value, plain):
    found = decode(encode(value))
    assert found == plain
    assert type(found) is type(plain)


def test_array_subclasses_become_arrays():
    found = decode(encode(np.arange(3.0).view(_Array)))
    assert type(found) is np.ndarray
    assert found.tolist() == [0.0, 1.0, 2.0]


def test_not_a_number_and_infinity_pass():
    found = decode(encode([math.nan, math.inf, -math.inf, np.array([math.nan])]))
    assert math.isnan(found[0])
    assert found[1:3] == [math.inf, -math.inf]
    assert np.isnan(found[3][0])


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({1, 2}, "builtins.set"),
        (object(), "builtins.object"),
        (memoryview(b"x"), "builtins.memoryview"),
        (1j, "builtins.complex"),
        (lambda: 1, "function"),
        ({1: 2}, "key must be text"),
        ({"a": {2.0: 1}}, "key must be text"),
        (np.array([1j]), "complex128"),
        (np.array([object()]), "dtype object"),
        (np.array(["a"]), "dtype <U1"),
        (np.zeros(2, dtype=[("a", "i4")]), "dtype"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (np.longdouble(1), "longdouble"),
        ("\ud800", "lone surrogate"),
        ({"\udc00": 1}, "lone surrogate"),
        (10**1000, "digits"),
        ([1, -(10**5000)], "digits"),
        (np.zeros((1,) * 20), "dimensions"),
    ],
)
def test_anything_else_is_refused(value, what):
    with pytest.raises(PlainDataError, match=what):
        encode(value)


def test_depth_is_limited_both_ways():
    value: list[object] = []
    for _ in range(MAX_DEPTH - 2):
        value = [value]
    assert decode(encode(value)) == value
    for _ in range(10):
        value = [value]
    with pytest.raises(PlainDataError, match="nested deeper"):
        encode(value)
    for depth in (MAX_DEPTH + 5, 100_000):
        with pytest.raises(PlainDataError, match="nested deeper"):
            decode(b"j" + b"[" * depth + b"]" * depth)


def _with_table(value, table, buffers=b""):
    text = json.dumps([value, table]).encode()
    return b"a" + len(text).to_bytes(4, "little") + text + buffers


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"j",
        b"j{",
        b"j[1,]",
        b"j\xff\xfe",
        b'j"\\ud800"',
        b"j" + b"9" * 2000,
        b"a",
        b"a\xff\xff\xff\xff[]",
        b"a\x02\x00\x00\x00[]",
        b"pickle" + b"\x80\x04",
        _with_table({"$": 0}, []),
        _with_table({"$": -1}, [["<f8", [1]]], bytes(16)),
        _with_table({"$": True}, [["<f8", [1]]], bytes(16)),
        _with_table({"$": 0, "a": 1}, [["<f8", [1]]], bytes(16)),
        _with_table({"$": 0}, [["<f8", [1]]], bytes(8)[:7]),
        _with_table({"$": 0}, [["<f8", [1]]], bytes(32)),
        _with_table({"$": 0}, [["<f8", [-1]]], bytes(16)),
        _with_table({"$": 0}, [["<f8", [2**62, 2**62]]], bytes(16)),
        _with_table({"$": 0}, [["<f8", [1.0]]], bytes(16)),
        _with_table({"$": 0}, [["<f8", [1] * 17]], bytes(16)),
        _with_table({"$": 0}, [["|O", [2]]], bytes(16)),
        _with_table({"$": 0}, [["bytes", [2, 3]]], bytes(16)),
        _with_table({"$": 0}, [["bytes", [17]]], bytes(16)),
        _with_table({"$": 0}, [["<c16", [1]]], bytes(16)),
        _with_table({"$": 0}, [["<f8"]], bytes(16)),
        _with_table({"$": 0}, {"a": 1}, bytes(16)),
        _with_table({"$": 0}, [["|b1", [16]]], bytes([2] * 16)),
    ],
)
def test_bytes_that_hold_nothing_are_refused(data):
    with pytest.raises(PlainDataError):
        decode(data)


@given(
    st.binary(max_size=200)
    | st.builds(lambda kind, rest: kind + rest, st.sampled_from([b"j", b"a"]), st.binary(max_size=200))
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_or_plain(data):
    try:
        value = decode(data)
    except PlainDataError:
        return
    encode(value)


def test_the_size_is_limited():
    with pytest.raises(PlainDataError, match="at most 10 bytes, got 12"):
        decode(b"j" + b" " * 10 + b"1", 10)
