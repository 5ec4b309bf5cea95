"""A model and its own settings, as every door has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from discovery.core.errors import ConfigError
from discovery.settings.config import RunConfig
from discovery.settings.doors import Source, read
from discovery.settings.named_model import FIELDS, NamedModel, parse_models
from discovery.settings.toml import read_toml

WHOLE: dict[str, Any] = {
    "name": "local", "weight": 2.0, "model": "big", "api_base": "http://h:1/v1", "api_key_env": "MY_KEY", "temperature": (0.2, 0.8),
    "top_p": 0.9, "max_tokens": 500, "reasoning_effort": "high", "timeout_s": 30.0, "retries": 1, "extra_body": {"a": 1, "b": [2, 3]},
    "extra_headers": {"X-Team": "search"}, "price": (1.0, 0.1, 10.0), "tags": ("strong", "slow"),
}  # fmt: skip
LINE = (
    'local=2,model=big,api_base=http://h:1/v1,api_key_env=MY_KEY,temperature=0.2:0.8,top_p=0.9,max_tokens=500,reasoning_effort=high,'
    'timeout_s=30,retries=1,extra_body={"a": 1, "b": [2, 3]},extra_headers={"X-Team": "search"},price=1:0.1:10,tags=strong:slow'
)  # fmt: skip
FILE = """problem = "circle_packing"
[[models]]
name = "local"
weight = 2
model = "big"
api_base = "http://h:1/v1"
api_key_env = "MY_KEY"
temperature = [0.2, 0.8]
top_p = 0.9
max_tokens = 500
reasoning_effort = "high"
timeout_s = 30
retries = 1
extra_body = { a = 1, b = [2, 3] }
extra_headers = { X-Team = "search" }
price = { in = 1, cached = 0.1, out = 10 }
tags = ["strong", "slow"]

[[models]]
name = "gpt-5"
"""


def run(model: object) -> RunConfig:
    return read([Source({"problem": "circle_packing", "model": model}, "here")])[0]


def test_every_setting_is_read_alike_from_a_line_a_file_and_a_table(tmp_path: Path) -> None:
    assert set(WHOLE) == set(FIELDS)
    (tmp_path / "run.toml").write_text(FILE)
    expected = (NamedModel(**WHOLE), NamedModel("gpt-5"))
    assert read([read_toml(tmp_path / "run.toml")])[0].models.models == expected
    assert run([LINE, "gpt-5"]).models.models == expected
    assert run(LINE + ",gpt-5").models.models == expected
    assert run([WHOLE, {"name": "gpt-5"}]).models.models == expected
    assert run(WHOLE).models.models == expected[:1]


def test_a_file_of_windows_is_read_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    assert read([read_toml(tmp_path / "run.toml")])[0].models.models[0] == NamedModel(**WHOLE)
    (tmp_path / "run.toml").write_bytes(b'\xef\xbb\xbfproblem = "x"\r\n\r\nevals = 0\r\n')
    with pytest.raises(ConfigError, match=r"run\.toml, line 3: evals must be"):
        read([read_toml(tmp_path / "run.toml")])


def test_a_run_keeps_its_models() -> None:
    config = run([LINE, "gpt-5"])
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_a_number_stands_for_a_range_of_one_and_two_prices_for_three() -> None:
    (model,) = parse_models("x,temperature=0.5,price=1:4")
    assert (model.temperature, model.price) == ((0.5, 0.5), (1.0, 1.0, 4.0))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("x,temperature=hot", "temperature of a model cannot be read from 'hot'"),
        ("x,temperature=3", "temperature"),
        ("x,temperature=0.8:0.2", "low <= high"),
        (
            "x,reasoning_efort=high",
            r"did you mean 'reasoning_effort'.*there are|did you mean 'reasoning_effort'.*settings of a model",
        ),
        ("temperature=hot", "WEIGHT"),
        ("x,api_base=localhost:80", "must begin with http"),
        ("x,api_key_env=sk-proj-abc123def456", "name of an environment variable, not the key"),
        ("x,extra_body={", "extra_body of a model cannot be read"),
        ({"name": "x", "colour": 3}, "no setting 'colour'"),
        ({"name": "x", "price": {"in": 1}}, "out"),
        ({"name": "x", "price": {"in": 1, "out": 2, "off": 3}}, "off"),
        ({"name": "x", "extra_headers": {"Authorization": "Bearer abc"}}, r"give its variable, as \$NAME"),
        ([{"weight": 2}], "must have a name"),
        (["a", "a=2"], "given twice"),
        ([3], "must be NAME"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(model: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        run(model)
    assert "abc123" not in str(caught.value)


@pytest.mark.parametrize("name", ["api_base", "api_key_env", "extra_body", "extra_headers", "price"])
def test_a_service_takes_no_setting_that_could_send_a_key_away_or_hide_a_cost(name: str) -> None:
    one = {"name": "x", name: WHOLE[name]}
    text = {"api_base": "x,api_base=http://evil/v1", "api_key_env": "x,api_key_env=AWS_SECRET"}.get(name, one)
    for key, value in (("model", [one]), ("model", text), ("models", [one]), ("models", {"models": [one]})):
        with pytest.raises(
            ConfigError, match=f"the request: {name} of model x may only be set by who operates"
        ):
            read([Source({"problem": "circle_packing", key: value}, "the request")], remote=True)
    allowed = {"name": "x", "temperature": 0.2, "reasoning_effort": "low", "tags": ["strong"]}
    read([Source({"problem": "circle_packing", "model": [allowed]}, "the request")], remote=True)
