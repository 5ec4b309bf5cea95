"""Plain data as bytes: what may cross between a program and the side that judges it.

The form is JSON, followed by the raw buffers of the bytes and numeric numpy arrays in it. Nothing that is decoded can
run code: there is no pickle, no object array, no class but the built-in ones. Layout:

    1 byte   "j" (JSON only) or "a" (JSON and buffers)
    4 bytes  length of the JSON text (little endian; "a" only)
    JSON     "j": the value;  "a": [value, [[dtype, [shape...]], ...]], an array standing as {"$": index};
             bytes have the dtype "bytes" and their length as shape;
             a key of a real dict that begins with "$" gets one more "$"
    buffers  "a" only: each array in C order, little endian, padded to 16 bytes

Exceptions:
    PlainDataError(ValueError)    a value is not plain data, or bytes do not hold any
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from evaluators.contract import PlainData

MAX_DEPTH = 64
"""How deep containers may be nested."""

MAX_DIGITS = 1000
"""How many decimal digits an integer may have."""

MAX_DIMENSIONS = 16

_DTYPES = frozenset({"|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"})
_BYTES = "bytes"
_SCALARS = frozenset({type(None), bool, float})
_INTEGERS = frozenset({bool, int})
_MAX_INT = 10**MAX_DIGITS
_ALIGNMENT = 16


Buffer: TypeAlias = "bytes | np.ndarray[Any, Any]"


class PlainDataError(ValueError):
    """A value is not plain data, or bytes do not hold plain data."""


def encode(value: PlainData) -> bytes:
    """Returns `value` as bytes.

    Subclasses of the built-in types and numpy scalars are written as what they are built on, tuples as lists, a bytearray
    as bytes.

    Raises:
        PlainDataError: `value` holds anything else, a key that is not text, an array that is not numeric and
            real,
            an integer of more than `MAX_DIGITS` digits, or is nested deeper than `MAX_DEPTH`.
    """
    buffers: list[Buffer] = []
    plain = _to_json(value, buffers, 0)
    if not buffers and b'"$' not in (text := _dumps(plain)):
        return b"j" + text
    table = [
        [_BYTES, [len(one)]] if isinstance(one, bytes) else [one.dtype.str, list(one.shape)]
        for one in buffers
    ]
    text = _dumps([plain, table])
    parts = [b"a", len(text).to_bytes(4, "little"), text]
    for one in buffers:
        data = one if isinstance(one, bytes) else one.tobytes()
        parts += [data, bytes(-len(data) % _ALIGNMENT)]
    return b"".join(parts)


def decode(
    data: bytes | bytearray | memoryview, max_bytes: int | None = None, *, writable: bool = False
) -> PlainData:
    """Returns the value that `data` holds, of exactly the built-in types and `numpy.ndarray`.

    Arrays are read-only views of `data`, or private writable copies.

    Raises:
        PlainDataError: for anything that `encode` would not write, whatever the bytes are.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise PlainDataError(f"data must be at most {max_bytes} bytes, got {len(data)}")
    view = memoryview(data)
    kind = bytes(view[:1])
    try:
        if kind == b"j":
            value = _loads(view[1:])
            _check(value, 0)
            return value
        if kind == b"a":
            return _decode_with_arrays(view, writable=writable)
    except RecursionError:
        raise PlainDataError(f"data is nested deeper than {MAX_DEPTH}") from None
    raise PlainDataError(f"data must begin with 'j' or 'a', got {kind!r}")


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), check_circular=False).encode("ascii")


def _loads(view: memoryview) -> Any:
    try:
        text = str(view, "ascii")
        return json.loads(text)
    except RecursionError:
        raise
    except ValueError as error:
        raise PlainDataError(f"data is not JSON: {error}") from None


def _to_json(value: Any, buffers: list[Buffer], depth: int) -> Any:
    """Returns `value` with bytes and arrays replaced by marks, scalars made exact and dollar keys escaped."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if depth > MAX_DEPTH:
        raise PlainDataError(f"data is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        return _exact_text(value)
    if isinstance(value, int):
        return _exact_int(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, list | tuple):
        items = list(tuple.__iter__(value) if isinstance(value, tuple) else list.__iter__(value))
        if _is_flat(items):
            return items
        return [_to_json(item, buffers, depth + 1) for item in items]
    if isinstance(value, dict):
        return {_key(key): _to_json(item, buffers, depth + 1) for key, item in dict.items(value)}
    if isinstance(value, bytes | bytearray | np.ndarray):
        buffers.append(_exact_array(value) if isinstance(value, np.ndarray) else bytes(memoryview(value)))
        return {"$": len(buffers) - 1}
    if isinstance(value, np.bool_ | np.integer | np.floating) and not isinstance(value, np.longdouble):
        return _to_json(value.item(), buffers, depth)
    raise PlainDataError(
        f"a {kind.__module__}.{kind.__qualname__} is not plain data; "
        "use None, bool, int, float, str, bytes, list, dict with text keys, or a real numeric numpy array"
    )


def _is_flat(items: list[Any]) -> bool:
    """Returns whether all `items` are harmless scalars, without a Python step per item."""
    kinds = set(map(type, items))
    if kinds <= _SCALARS:
        return True
    return kinds <= _INTEGERS and min(items) > -_MAX_INT and max(items) < _MAX_INT


def _exact_text(value: str) -> str:
    text = str.__str__(value) if type(value) is not str else value
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise PlainDataError("text must be valid Unicode, got a lone surrogate") from None
    return text


def _exact_int(value: int) -> int:
    number = int.__int__(value)
    if not -_MAX_INT < number < _MAX_INT:
        raise PlainDataError(f"an integer must have at most {MAX_DIGITS} digits")
    return number


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise PlainDataError(f"a key must be text, got {type(key).__qualname__}; use str(key)")
    text = _exact_text(key)
    return "$" + text if text.startswith("$") else text


def _exact_array(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array = np.asarray(value).view(np.ndarray)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False) if array.dtype.kind in "biuf" else array
    if little.dtype.str not in _DTYPES:
        raise PlainDataError(
            f"an array must be boolean, integer or real, got dtype {array.dtype}; convert it or split it"
        )
    if little.ndim > MAX_DIMENSIONS:
        raise PlainDataError(f"an array must have at most {MAX_DIMENSIONS} dimensions, got {little.ndim}")
    return little


def _decode_with_arrays(view: memoryview, *, writable: bool) -> Any:
    length = int.from_bytes(view[1:5], "little")
    if len(view) < 5 + length:
        raise PlainDataError("data ends inside its JSON text")
    top = _loads(view[5 : 5 + length])
    if type(top) is not list or len(top) != 2 or type(top[1]) is not list:
        raise PlainDataError("data with arrays must hold a value and a table of arrays")
    buffer = view[5 + length :]
    arrays: list[Buffer] = []
    offset = 0
    for entry in top[1]:
        array, size = _array_at(entry, buffer[offset:], writable=writable)
        arrays.append(array)
        offset += size + -size % _ALIGNMENT
    if offset != len(buffer):
        raise PlainDataError(f"arrays take {offset} bytes, got {len(buffer)}")
    return _check_with_arrays(top[0], arrays, 0)


def _array_at(entry: Any, buffer: memoryview, *, writable: bool) -> tuple[Buffer, int]:
    if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not str or type(entry[1]) is not list:
        raise PlainDataError("an entry of the table of arrays must be [dtype, shape]")
    name, shape = entry
    if name not in _DTYPES and not (name == _BYTES and len(shape) == 1):
        raise PlainDataError(f"dtype {name[:20]!r} is not allowed")
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < 2**40 for n in shape):
        raise PlainDataError("a shape must be a short list of sizes")
    dtype = np.dtype(np.uint8 if name == _BYTES else name)
    size = math.prod(shape) * dtype.itemsize
    if size > len(buffer):
        raise PlainDataError(f"an array of {size} bytes is cut off at {len(buffer)}")
    if name == _BYTES:
        return bytes(buffer[:size]), size
    try:
        array: np.ndarray[Any, Any] = np.frombuffer(buffer[:size], dtype=dtype).reshape(shape)
    except ValueError as error:
        raise PlainDataError(f"no such array: {error}") from None
    if name == "|b1" and array.size and int(array.view(np.uint8).max()) > 1:
        raise PlainDataError("a boolean array must hold 0 and 1 only")
    if writable:
        array = array.copy()
    elif array.flags.writeable:
        array.flags.writeable = False
    return array, size


def _check(value: Any, depth: int) -> None:
    """Refuses what `encode` would not have written: depth, huge integers, broken text."""
    kind = type(value)
    if kind is list:
        if depth >= MAX_DEPTH:
            raise PlainDataError(f"data is nested deeper than {MAX_DEPTH}")
        if not _is_flat(value):
            for item in value:
                _check(item, depth + 1)
    elif kind is dict:
        if depth >= MAX_DEPTH:
            raise PlainDataError(f"data is nested deeper than {MAX_DEPTH}")
        for key, item in value.items():
            _exact_text(key)
            _check(item, depth + 1)
    elif kind is int:
        _exact_int(value)
    elif kind is str:
        _exact_text(value)


def _check_with_arrays(value: Any, arrays: list[Buffer], depth: int) -> Any:
    """Returns `value` with the marks replaced by their arrays; refuses what `_check` refuses."""
    kind = type(value)
    if kind is not list and kind is not dict:
        _check(value, depth)
        return value
    if depth >= MAX_DEPTH:
        raise PlainDataError(f"data is nested deeper than {MAX_DEPTH}")
    if kind is list:
        return [_check_with_arrays(item, arrays, depth + 1) for item in value]
    if "$" in value:
        index = value["$"]
        if len(value) != 1 or type(index) is not int or not 0 <= index < len(arrays):
            raise PlainDataError("the mark of an array must be its index alone")
        return arrays[index]
    return {
        _exact_text(key)[1:] if key.startswith("$") else _exact_text(key): _check_with_arrays(
            item, arrays, depth + 1
        )
        for key, item in value.items()
    }
