"""What runs Cairn elsewhere: the files agree with the settings, and the real programs take them, where they are installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cairn.settings import Settings

DOCKER = Path(__file__).resolve().parents[2] / "docker"
CHART = DOCKER / "helm" / "cairn"
FILES = [file for file in sorted(DOCKER.rglob("*")) if file.is_file() and "graphiql" not in file.parts]
NOT_SETTINGS = {"CAIRN_LISTEN", "CAIRN_REPLICA_1", "CAIRN_REPLICA_2", "CAIRN_REPLICA_3"}
"""HAProxy's."""
EVERYTHING = {
    "neo4j.uri": "neo4j+s://neo4j.example.org",
    "neo4j.caSecret.name": "on",
    "redis.caSecret.name": "y",
    "tls.secret": "no",
    "ingress.enabled": "true",
    "ingress.className": "off",
    "settings.CAIRN_LOG_LEVEL": "debug",
    "settings.CAIRN_MAX_STREAMS": "7",
    "secretSettings.CAIRN_EMBEDDER_KEY.name": "yes",
    "secretSettings.CAIRN_EMBEDDER_KEY.key": "null",
    "autoscaling.enabled": "true",
    "autoscaling.requestsInFlight": "32",
    "autoscaling.p95Seconds": "250m",
}


def test_every_setting_that_the_files_name_exists() -> None:
    known = {f"CAIRN_{name.upper()}" for name in Settings.model_fields}
    named = {name for file in FILES for name in re.findall(r"CAIRN_[A-Z0-9_]+[A-Z0-9]", file.read_text("utf-8"))}
    assert len(named) > 12
    assert named - known - NOT_SETTINGS == set()


def test_replicas_share_what_they_must_and_nothing_else() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
    replicas = [compose["services"][name] for name in ("one", "two", "three")]
    assert len({volume for replica in replicas for volume in replica["volumes"]}) == 1 + len(replicas)
    for replica in replicas:
        assert replica["environment"]["CAIRN_MASTER_KEY_FILE"].startswith("/keys/")
        assert replica["environment"]["CAIRN_LEDGER_KEY_FILE"].startswith("/keys/")
        assert float(replica["environment"]["CAIRN_DRAIN"]) < float(replica["stop_grace_period"].removesuffix("s"))
    assert {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])} - {
        "./haproxy.cfg",
        "./prometheus.yaml",
    } <= set(compose["volumes"])


def test_haproxy_takes_its_configuration() -> None:
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("needs haproxy on PATH")
    environment = {"CAIRN_LISTEN": "127.0.0.1:8420", **{f"CAIRN_REPLICA_{n}": f"127.0.0.1:900{n}" for n in (1, 2, 3)}}
    done = subprocess.run(
        [program, "-c", "-dW", "-f", str(DOCKER / "haproxy.cfg")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def helm() -> str:
    program = shutil.which("helm")
    if program is None:
        pytest.skip("needs helm on PATH (go install helm.sh/helm/v4/cmd/helm@latest)")
    return program


def _flag(value: str) -> str:
    return "--set" if value in ("true", "32") else "--set-string"


def render(helm: str, values: dict[str, str]) -> list[dict[str, Any]]:
    chosen = [part for name, value in values.items() for part in (_flag(value), f"{name}={value}")]
    done = subprocess.run([helm, "template", "cairn", str(CHART), *chosen], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def strings(value: Any) -> Iterator[Any]:
    """What must be text in any manifest: names, keys and values of variables."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("name", "secretName", "key", "value", "ingressClassName") and not isinstance(inner, dict):
                yield inner
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_the_chart_is_without_fault(helm: str) -> None:
    chosen = ["--set", "neo4j.uri=neo4j+s://neo4j.example.org"]
    done = subprocess.run([helm, "lint", "--strict", str(CHART), *chosen], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_names_stay_text_whatever_they_are(helm: str) -> None:
    documents = render(helm, EVERYTHING)
    kinds = {document["kind"] for document in documents}
    assert kinds == {"Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}
    assert all(isinstance(text, str) for document in documents for text in strings(document))


def test_the_pod_drains_before_it_is_killed_and_runs_as_nobody_in_particular(helm: str) -> None:
    deployment = next(document for document in render(helm, EVERYTHING) if document["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    variables = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert len(variables) == len(pod["containers"][0]["env"]), "a variable is set twice"
    assert float(variables["CAIRN_DRAIN"]) + 10 < pod["terminationGracePeriodSeconds"]
    assert "replicas" not in deployment["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in (*pod["containers"], *pod["initContainers"]))
    mounted = {mount["name"] for one in (*pod["containers"], *pod["initContainers"]) for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_keda_takes_the_autoscalers_place(helm: str) -> None:
    values = {"neo4j.uri": "bolt+s://neo4j.example.org", "keda.enabled": "true", "keda.prometheus": "http://prometheus:9090"}
    scaled = next(document for document in render(helm, values) if document["kind"] == "ScaledObject")
    assert {trigger["type"] for trigger in scaled["spec"]["triggers"]} == {"cpu", "prometheus"}
    refused = subprocess.run(
        [helm, "template", str(CHART), "--set", "neo4j.uri=bolt://n,keda.prometheus=http://p,keda.enabled=true,autoscaling.enabled=true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "choose one of them" in refused.stderr


@pytest.mark.parametrize("wrong", ["replicas=0", "drainSecond=4", "neo4j.uri=http://n", "settings.LOG=1", "redis.urlSecret.key="])
def test_values_that_make_no_sense_are_refused(helm: str, wrong: str) -> None:
    done = subprocess.run([helm, "template", str(CHART), "--set", wrong], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "schema" in done.stderr


def test_the_values_schema_is_json() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    assert set(yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))) == set(schema["properties"]) - {"global"}
