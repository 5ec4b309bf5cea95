from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discovery.core.events import EvaluateJob
from discovery.core.types import ProposeJob
from discovery.execution import wire
from evaluators.contract import Evaluation, Limits, Status

TRAVELLERS = (ProposeJob, EvaluateJob, *typing.get_args(wire.Done))
texts = st.text(max_size=12)
plain = st.recursive(
    st.booleans() | st.integers() | texts, lambda one: st.lists(one, max_size=2), max_leaves=3
)
LEAVES = {
    str: texts,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63),
    float: st.floats(allow_nan=False, allow_infinity=False),
    typing.Any: plain,
}


def values(kind: typing.Any, least: int) -> st.SearchStrategy:
    """Values of a type, found by looking at it; groups have `least` members at least, so that with 1 every field is set."""
    if kind is Evaluation:
        return st.sampled_from(Status).flatmap(lambda status: evaluations(status, least))
    if kind is Limits:
        sizes, seconds = st.integers(2, 64), st.floats(1.0, 60.0)
        kinds = {field.name: seconds if field.name.endswith("_s") else sizes for field in fields(Limits)}
        return st.builds(Limits, **{**kinds, "native": st.just(True)})
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: values(hints[field.name], least) for field in fields(kind)})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        others = [values(one, least) for one in inner if one is not types.NoneType]
        return st.one_of(*others, *([] if least else [st.none()]))
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0], least), min_size=least, max_size=least + 1).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(one, least) for one in inner))
    if origin is not None and issubclass(origin, Mapping):
        return st.dictionaries(texts, values(inner[1], least), min_size=least, max_size=least + 1)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    return LEAVES[kind]


def evaluations(status: Status, least: int) -> st.SearchStrategy[Evaluation]:
    hints = typing.get_type_hints(Evaluation)
    rest = {
        field.name: values(hints[field.name], least)
        for field in fields(Evaluation)
        if field.name not in ("status", "score")
    }
    score = LEAVES[float] if status is Status.OK else st.none()
    return st.builds(Evaluation, st.just(status), score, **rest)


def through_json(data: object) -> dict:
    return json.loads(json.dumps(data))


def there_and_back(one: typing.Any) -> typing.Any:
    if isinstance(one, wire.Done):
        return wire.event_from_json(through_json(wire.event_to_json(one)))
    return wire.from_plain(type(one), through_json(wire.to_plain(one)))


def unset(one: typing.Any, path: str = "") -> list[str]:
    """The fields anywhere in a value that are at their default where that is empty: what a lossy wire would not show."""
    found: list[str] = []
    for field in fields(one):
        value, where = getattr(one, field.name), f"{path}{type(one).__name__}.{field.name} "
        is_empty = value is None or value in ((), {})
        if is_empty and (field.default is not MISSING or field.default_factory is not MISSING):
            found.append(where)
        for inner in value if isinstance(value, tuple) else (value,):
            found += unset(inner, where) if is_dataclass(inner) else []
    return found


@pytest.mark.parametrize("kind", TRAVELLERS, ids=lambda kind: kind.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_travels_comes_back_as_it_was(kind: type, data: st.DataObject) -> None:
    one = data.draw(values(kind, 0))
    assert there_and_back(one) == one


@pytest.mark.parametrize("kind", TRAVELLERS, ids=lambda kind: kind.__name__)
@settings(max_examples=40)
@given(data=st.data())
def test_no_field_is_dropped_on_the_way(kind: type, data: st.DataObject) -> None:
    one = data.draw(values(kind, 1))
    assert [path for path in unset(one) if not path.endswith("Evaluation.score ")] == []
    assert there_and_back(one) == one


def test_an_unknown_event_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="got 'Exploded'"):
        wire.event_from_json({"event": "Exploded"})


@pytest.mark.parametrize("change", [{"more": 1}, {"reason": None}], ids=["unknown field", "missing field"])
def test_a_form_of_another_version_is_refused(change: dict) -> None:
    data = {"event": "Broken", "reason": "x"} | change
    if data["reason"] is None:
        del data["reason"]
    with pytest.raises(ValueError, match="Broken must have the fields reason"):
        wire.event_from_json(data)


def test_the_id_of_a_job_derives_from_its_content_alone() -> None:
    assert wire.content_id("run", {"a": 1, "b": 2}) == wire.content_id("run", {"b": 2, "a": 1})
    assert wire.content_id("run", {"a": 1}) != wire.content_id("other", {"a": 1})
    assert len(wire.content_id("run")) == 32
