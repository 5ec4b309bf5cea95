"""The files for Kubernetes and Grafana: valid by Kubernetes' own schemas, and as strict as the compose file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from discovery.service import app

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OBJECTS = [
    one
    for name in yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    for one in yaml.safe_load_all((FOLDER / name).read_text())
]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] == "Deployment"}


def container(name: str) -> dict[str, Any]:
    [found] = DEPLOYMENTS[name]["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_it_is_valid(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, "1.30", strict=True)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_container_has_no_rights_and_writes_nowhere_else(name: str) -> None:
    pod, rights = DEPLOYMENTS[name]["spec"]["template"]["spec"], container(name)["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert rights == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container(name)["resources"]["limits"]


def test_it_is_the_compose_file_in_other_words() -> None:
    assert set(DEPLOYMENTS) == set(COMPOSE) - {"folder"}
    for name in ("proposer", "evaluator"):
        given = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in COMPOSE[name]["command"]]
        assert container(name)["args"] == given
        assert (
            container(name)["livenessProbe"]["exec"]["command"][-1]
            == COMPOSE[name]["healthcheck"]["test"][-1]
        )


def test_an_evaluator_has_no_key_and_reaches_redis_alone() -> None:
    assert "envFrom" not in container("evaluator")
    assert [one["name"] for one in container("evaluator")["env"]] == ["DISCOVERY_BROKER"]
    reached = set()
    for policy in (one for one in OBJECTS if one["kind"] == "NetworkPolicy"):
        spec = policy["spec"]
        if "Egress" not in spec["policyTypes"] or not selects(spec["podSelector"], "evaluator"):
            continue
        for rule in spec.get("egress", []):
            reached |= {json.dumps(peer) for peer in rule.get("to", ["anybody"])}
    redis = {"podSelector": {"matchLabels": {"app": "redis"}}}
    names = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    assert reached == {json.dumps(redis), json.dumps(names)}


def selects(selector: dict[str, Any], app_name: str) -> bool:
    labels = selector.get("matchLabels", {}).get("app")
    among = [one["values"] for one in selector.get("matchExpressions", [])]
    return labels in (None, app_name) and all(app_name in values for values in among)


def test_the_dashboard_asks_for_what_the_service_tells() -> None:
    told = set(re.findall(r"discovery_\w+", Path(str(app.__file__)).read_text()))
    panels = json.loads((ROOT / "deploy" / "grafana.json").read_text())["panels"]
    asked = {name for one in panels for name in re.findall(r"discovery_\w+", one["targets"][0]["expr"])}
    assert len(asked) == len(panels)
    assert asked <= told
