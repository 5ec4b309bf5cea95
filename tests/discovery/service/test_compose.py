"""What docker-compose.yml promises of its containers; that it runs is tried by hand, see docs/deploy.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
NETWORKS = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"]
LASTING = ("redis", "coordinator", "proposer", "evaluator")


def test_there_are_these_services_and_one_image_built_once() -> None:
    assert set(SERVICES) == {*LASTING, "folder"}
    assert [name for name, service in SERVICES.items() if "build" in service] == ["coordinator"]
    assert len({service["image"] for name, service in SERVICES.items() if name != "redis"}) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_locked_down(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "devices"} & set(service)
    assert ("cap_add" in service) == (name == "folder")
    if name in LASTING:
        assert not str(service["user"]).startswith(("0", "root"))
        assert {"mem_limit", "pids_limit", "healthcheck"} <= set(service)


def test_only_proposers_have_keys_and_a_way_out() -> None:
    keys = {
        name: [key for key in SERVICES[name].get("environment", {}) if key.endswith("_KEY")]
        for name in SERVICES
    }  # what ends in KEY_ENV is the name of a variable
    assert len(keys.pop("proposer")) > 3
    assert not any(keys.values())
    assert all(
        value is None for key, value in SERVICES["proposer"]["environment"].items() if key.endswith("_KEY")
    )
    assert [name for name in SERVICES if "egress" in SERVICES[name].get("networks", [])] == ["proposer"]


def test_an_evaluator_is_on_the_internal_network_alone_and_has_no_disk() -> None:
    evaluator = SERVICES["evaluator"]
    assert evaluator["networks"] == ["bus"] == SERVICES["redis"]["networks"]
    assert NETWORKS["bus"] == {"internal": True}
    assert "volumes" not in evaluator
    assert "ports" not in evaluator
    assert list(evaluator["environment"]) == ["DISCOVERY_BROKER"]


def test_the_service_is_published_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"coordinator"}
    assert all(port.startswith("127.0.0.1:") for port in published["coordinator"])


def test_the_second_file_changes_the_evaluators_confinement_only() -> None:
    second = yaml.safe_load((ROOT / "docker-compose.tier2.yml").read_text())
    assert set(second["services"]) == {"evaluator"}
    assert set(second["services"]["evaluator"]) == {"security_opt"}
    options = second["services"]["evaluator"]["security_opt"]
    profile = next(option.partition("=")[2] for option in options if option.startswith("seccomp="))
    assert (ROOT / profile).is_file()
