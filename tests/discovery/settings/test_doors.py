"""One schema, four doors: every setting is found at each, by the same name, and nothing is at one that is not at the others."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from discovery.cli.options import flag_of, given
from discovery.cli.search import run as run_command
from discovery.core.errors import ConfigError
from discovery.service.app import make_app
from discovery.service.guard import ServiceConfig
from discovery.settings.__main__ import table
from discovery.settings.config import GROUPS, RunConfig
from discovery.settings.doors import BY_KEY, LAUNCH, SETTINGS, Setting, Source, read
from discovery.settings.launch import LaunchConfig
from discovery.settings.named_model import FIELDS
from discovery.settings.schema import is_integer
from discovery.settings.toml import read_toml

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "settings.md"
CERTIFICATE = {"claim": "object"}
ITEMS = [{"text": "one"}]
TEXTS: dict[str, Any] = {
    "problem": "circle_packing", "operators": "tune=2,prune", "name": "mine", "out": "there", "broker": "redis://h:1/0",
    "api_base": "http://h:1/v1", "api_key_env": "MY_KEY", "model": ["gpt-5=2"], "bandit.strong": ["a", "b"],
    "models.temperature": [0.25, 0.5], "start": "a.json", "memory.items": "b.jsonl", "context.choice": "best", "workers": 3,
    "stopper": ["no_gain=7"], "secret_file": "hidden",
    "agents.command": ["a", "b"], "agents.readable": ["/opt/a", "/opt/b"],
}  # fmt: skip
KEYS = [setting.key for setting in SETTINGS]
FROM_BEST = {"from_best": 2.0}


def sample(setting: Setting) -> Any:
    """Returns a value that is not the default."""
    schema = setting.schema()
    if setting.key in TEXTS:
        return TEXTS[setting.key]
    if "enum" in schema:
        return next(value for value in schema["enum"] if value != setting.default)
    if schema["type"] == "boolean":
        return not setting.default
    low, high = schema.get("minimum", schema.get("exclusiveMinimum", 0)), schema.get("maximum", 1.0)
    high = schema.get("exclusiveMaximum", high)
    value = low + 1 if schema["type"] == "integer" else low + 0.3125 * (min(high, low + 3) - low)
    return value + 1 if value == setting.default and schema["type"] == "integer" else value


def beside(setting: Setting) -> dict[str, Any]:
    """Returns what a setting does not go without."""
    others = {} if setting.key == "problem" else {"problem": "circle_packing"}
    return others | (FROM_BEST if setting.key == "start" else {})


def nested(key: str, value: Any) -> dict[str, Any]:
    """Returns a setting as JSON and TOML have it."""
    name, _, inner = key.partition(".")
    return {name: {inner: value}} if inner else {name: value}


def value_of(setting: Setting, found: tuple[RunConfig, LaunchConfig]) -> Any:
    """Returns a setting from what a door made of it."""
    config, launch = found
    if setting.group == LAUNCH:
        return getattr(launch, setting.name)
    return getattr(getattr(config, setting.group) if setting.group else config, setting.name)


def by_command_line(setting: Setting) -> tuple[RunConfig, LaunchConfig]:
    """Returns what the options of `discovery run` come to."""
    arguments = ["circle_packing"]
    for key, value in ({**beside(setting), setting.key: sample(setting)}).items():
        flag = flag_of(BY_KEY[key])
        if key == "problem":
            continue
        if isinstance(value, bool):
            own = next(p for p in run_command.params if flag in p.opts)
            arguments.append(flag if value else own.secondary_opts[0])
        elif isinstance(value, list) and key == "models.temperature":
            arguments += [flag, *map(str, value)]
        elif isinstance(value, list):
            arguments += [part for one in value for part in (flag, str(one))]
        else:
            arguments += [flag, str(value)]
    context = run_command.make_context("run", arguments)
    data = {**given(context.params).data, "problem": context.params["problem"]}
    return read([Source(data, "the command line")])


def by_toml(setting: Setting, folder: Path) -> tuple[RunConfig, LaunchConfig]:
    """Returns what a TOML file comes to."""
    lines = []
    for key, value in ({**beside(setting), setting.key: sample(setting)}).items():
        text = str(value).lower() if isinstance(value, bool) else json.dumps(value)
        table_name, _, name = key.rpartition(".")
        lines.append(f"[{table_name}]\n{name} = {text}" if table_name else f"{name} = {text}")
    (folder / "run.toml").write_text("\n".join(lines))
    return read([read_toml(folder / "run.toml")])


class Recorder:
    """A host that keeps what the service would begin."""

    def create(self, name: Any, make_config: Any, problem: Any, launch: Any) -> Any:
        self.made = make_config(problem), launch
        raise ConfigError("no further")


def by_http(setting: Setting) -> tuple[tuple[RunConfig, LaunchConfig] | None, str]:
    """Returns what a request comes to, or the refusal."""
    value = {"start": CERTIFICATE, "memory.items": ITEMS}.get(setting.key, sample(setting))
    host = Recorder()
    client = TestClient(make_app(host, ServiceConfig(), lambda: None), base_url="http://127.0.0.1")
    answer = client.post("/runs", json={**beside(setting), **nested(setting.key, value)})
    assert answer.status_code == 400
    return getattr(host, "made", None), answer.json()["error"]


@cache
def help_text() -> str:
    return CliRunner().invoke(run_command, ["--help"]).output


@cache
def document() -> dict[str, Any]:
    app = make_app(Recorder(), ServiceConfig(), lambda: None)
    found: dict[str, Any] = TestClient(app, base_url="http://127.0.0.1").get("/openapi.json").json()
    return found


def described(path: str = "/runs") -> dict[str, Any]:
    """Returns the settings in the OpenAPI document by key."""
    body = document()["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body = next((one for one in body.get("anyOf", []) if one.get("type") == "object"), body)
    found = {}
    for name, schema in body["properties"].items():
        options = [one for one in schema.get("anyOf", [schema]) if "properties" in one]
        if options and name != "problem":
            found |= {f"{name}.{inner}": one for inner, one in options[0]["properties"].items()}
        else:
            found[name] = schema
    if "islands.islands" in found:
        found["islands"] = found.pop("islands.islands")
    return found


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_is_found_at_every_door(key: str, tmp_path: Path) -> None:
    setting = BY_KEY[key]
    words = re.split(r"[\s/]+", help_text())
    assert ("[PROBLEM]" if key == "problem" else flag_of(setting)) in words
    assert f"| `{key}` | " in DOCS.read_text()
    line, file = (
        value_of(setting, found) for found in (by_command_line(setting), by_toml(setting, tmp_path))
    )
    assert line == file
    default = LaunchConfig if setting.group == LAUNCH else GROUPS.get(setting.group, RunConfig)
    if key not in ("problem", "seed"):
        assert line != getattr(
            default(**({} if setting.group else {"problem": "x", "seed": 1})), setting.name
        )
    made, answer = by_http(setting)
    if setting.operator_only:
        assert (
            answer
            == f"the request: {key} may only be set by who operates the service: {setting.operator_only}"
        )
        assert made is None
        assert key not in described()
    else:
        assert made is not None, answer
        expected = {"start": CERTIFICATE, "memory.items": ITEMS}.get(key, line)
        assert value_of(setting, made) == expected
        assert key == "problem" or described()[key]["description"] == setting.help
    assert setting.help in re.sub(r"\s+", " ", DOCS.read_text())


def test_no_door_has_a_setting_of_its_own() -> None:
    flags = {flag for parameter in run_command.params for flag in parameter.opts} - {"problem"}
    assert flags == {flag_of(s) for s in SETTINGS if s.key != "problem"} | {"--config"}
    assert set(described()) == {s.key for s in SETTINGS if not s.operator_only}
    of_runs, _, of_models = DOCS.read_text().partition("## One model")
    assert set(re.findall(r"^\| `([\w.]+)` \|", of_runs, re.M)) == set(KEYS)
    assert set(re.findall(r"^\| `([\w.]+)` \|", of_models, re.M)) == set(FIELDS)
    assert len(KEYS) == len(set(KEYS))
    resumed = {s.key for s in SETTINGS if s.group == "budget"} | {"workers", "target", "grace"}
    assert set(described("/runs/{name}/resume")) == resumed


def test_the_table_in_the_docs_is_that_of_the_schema() -> None:
    assert DOCS.read_text() == table(), "run: python -m discovery.settings docs/settings.md"


@pytest.mark.parametrize("key", KEYS)
def test_no_door_takes_what_is_no_finite_number_or_another_kind(key: str) -> None:
    setting = BY_KEY[key]
    numeric = is_integer(setting.field) or setting.field.annotation in (float, float | None)
    wrong: list[Any] = [math.inf, -math.inf, math.nan, 10**400, {"a": [1]}]
    wrong += [True, "5"] if numeric else []
    wrong += [0, 1, "yes"] if setting.field.annotation is bool else []
    for value in wrong:
        if key in ("start", "operators", "model") and isinstance(value, dict):
            continue
        with pytest.raises(ConfigError) as caught:
            read([Source({**beside(setting), **nested(key, value)}, "here")])
        assert str(caught.value).startswith("here: ")
        assert len(str(caught.value)) < 600


def test_every_size_has_an_upper_bound() -> None:
    for setting in SETTINGS:
        schema = setting.schema()
        if (
            schema.get("type") in ("integer", "number") and setting.key != "target"
        ):  # a score may be any number
            assert {"maximum", "exclusiveMaximum"} & set(schema), setting.key
        if (
            schema.get("type") == "string" and "enum" not in schema and setting.key != "name"
        ):  # which has a pattern
            assert schema["maxLength"] <= 4000, setting.key
        if schema.get("type") == "array":
            assert schema["maxItems"] <= 100_000, setting.key


@cache
def sources() -> list[tuple[str, set[str]]]:
    """Returns the modules that use settings: their text, and the attributes that they read."""
    found = []
    for path in [*(ROOT / "discovery").rglob("*.py"), *(ROOT / "islands").rglob("*.py")]:
        if path.parent.name != "settings" and path != ROOT / "islands" / "config.py":
            text = path.read_text()
            nodes = ast.walk(ast.parse(text))
            found.append(
                (
                    text,
                    {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)},
                )
            )
    return found


@pytest.mark.parametrize("key", KEYS)
def test_every_field_is_read_somewhere(key: str) -> None:
    setting = BY_KEY[key]
    owner = {LAUNCH: "LaunchConfig", "": "RunConfig", "budget": "budget"}.get(setting.group)
    owners = (
        [owner]
        if owner
        else [GROUPS[setting.group].__name__, f".{setting.group}.{setting.name}", f".config.{setting.name}"]
    )
    known = [attributes for text, attributes in sources() if any(one in text for one in owners)]
    assert any(setting.name in attributes for attributes in known), f"nothing reads {key}"


def test_a_later_door_wins_setting_by_setting(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'problem = "circle_packing"\nevals = 5\n[bandit]\nfloor = 0.5\nprior = 2.0\n'
    )
    line = Source({"bandit.floor": 0.25, "islands": 3}, "the command line")
    config, _ = read([read_toml(tmp_path / "a.toml"), line])
    assert (config.bandit.floor, config.bandit.prior, config.islands.islands) == (0.25, 2.0, 3)
    assert config.budget.limits == {"evaluations": 5}
    wrong = Source({"bandit.floor": 2.0}, "the command line")
    with pytest.raises(ConfigError, match=r"^the command line: bandit.floor must be in \[0, 1\], got 2.0$"):
        read([read_toml(tmp_path / "a.toml"), wrong])


def test_only_what_is_known_of_the_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('problem = "circle_packing"\n[models]\ntemperature = [1.0, 0.5]\n')
    with pytest.raises(ConfigError, match=r"a\.toml, line 3: models.temperature must be two numbers"):
        read([read_toml(tmp_path / "a.toml")])
    (tmp_path / "b.toml").write_text('problem = "circle_packing"\noperators = "tunee"\n')
    with pytest.raises(
        ConfigError, match=r"b\.toml, line 2: unknown operator 'tunee' \(did you mean 'tune'\?\)"
    ):
        read([read_toml(tmp_path / "b.toml")])


def test_an_old_run_is_read() -> None:
    old = {
        "problem": "circle_packing", "seed": 3, "workers": 2, "operators": {"tune": 1.0},
        "budget": {"evaluations": 9, "minutes": math.inf, "cost_usd": None, "tokens": None},
        "islands": {"islands": 2, "tau0": 0.005}, "models": {"models": [["gpt-5", 1.0]], "temperature": [0.7, 1.0]},
        "bandit": {"strong": ["gpt-5"]},
    }  # fmt: skip
    old["context"] = {
        "attribution": True,
        "direction": True,
        "failures": False,
        "siblings": True,
        "exemplars": 3,
    }
    config = RunConfig.from_json(json.loads(json.dumps(old)))
    assert config.budget.limits == {"evaluations": 9}
    assert [(model.name, model.weight) for model in config.models.models] == [("gpt-5", 1.0)]
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ConfigError, match="config.json: unknown key 'wokers'.*did you mean 'workers'"):
        RunConfig.from_json({**old, "wokers": 3})


def test_options_are_shown_in_sections() -> None:
    assert isinstance(run_command, click.Command)
    assert re.search(r"^Options of bandit:$", help_text(), re.M)
    assert "PydanticUndefined" not in help_text()
