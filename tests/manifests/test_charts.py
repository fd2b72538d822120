"""The charts by themselves: lint, and values that must be refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from odin_manifests import paths
from odin_manifests.bundle import Bundle

RESOURCES = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}}
NAMESPACE = yaml.safe_load((paths.CHARTS / "platform" / "values.yaml").read_text())["namespaces"][
    "workloads"
]


@pytest.mark.parametrize("chart", paths.CHART_NAMES)
def test_lint(chart: str, run) -> None:
    done = run("helm", "lint", "--strict", paths.CHARTS / chart)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", paths.OVERLAY_NAMES)
@pytest.mark.parametrize("chart", paths.CHART_NAMES)
def test_lint_with_values(chart: str, overlay: str, run) -> None:
    values = paths.OVERLAYS / overlay / "values" / f"{chart}.yaml"
    if values.exists():
        done = run("helm", "lint", "--strict", paths.CHARTS / chart, "-f", values)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_collector_reads_audit_logs_that_were_rotated(bundle: Bundle) -> None:
    """The API server names them as lumberjack does: the time before the extension."""
    (data,) = bundle.one("ConfigMap", "otel-collector", "monitoring-host")["data"].values()
    receiver = yaml.safe_load(data)["receivers"]["filelog/audit"]
    logs = "/var/lib/rancher/k3s/server/logs"
    for name in ("audit.log", "audit-2026-11-23T21-12-09.123.log"):
        assert any(fnmatch(f"{logs}/{name}", place) for place in receiver["include"]), name
    values = yaml.safe_load((paths.CHARTS / "loki" / "values.yaml").read_text())
    assert receiver["exclude_older_than"] == values["limits"]["maxAge"]


def test_a_medium_that_is_full_by_nature_is_not_watched(bundle: Bundle) -> None:
    pod = bundle.one("DaemonSet", "node-exporter", "monitoring-host")["spec"]["template"]["spec"]
    flag = "--collector.filesystem.fs-types-exclude="
    (excluded,) = (
        argument.removeprefix(flag)
        for argument in pod["containers"][0]["args"]
        if argument.startswith(flag)
    )
    left_out = {kind: bool(re.search(excluded, kind)) for kind in ("erofs", "iso9660", "udf")}
    assert all(left_out.values()), left_out
    assert not any(re.search(excluded, kind) for kind in ("ext4", "xfs", "btrfs", "vfat"))


# (chart, values, the key the message must name, a word of the reason)
REFUSED = [
    ("platform", {"namespace": {}}, "namespace", "additional properties"),
    ("platform", {"namespaces": []}, "namespaces", "object"),
    ("platform", {"namespaces": {"Upper_Case": NAMESPACE}}, "namespaces", "Upper_Case"),
    ("platform", {"namespaces": {"monitoring": None}}, "namespaces", "monitoring"),
    (
        "platform",
        {"namespaces": {"workloads": {"podSecurity": "none"}}},
        "namespaces/workloads/podSecurity",
        "restricted",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"podSecurity": None}}},
        "namespaces/workloads",
        "podSecurity",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"quota": {"pods": 10}}}},
        "namespaces/workloads/quota/pods",
        "string",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"quota": {"pods": "ten"}}}},
        "namespaces/workloads/quota/pods",
        "pattern",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"quota": {"requests.gpu": "1"}}}},
        "namespaces/workloads/quota",
        "requests.gpu",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"quota": {"limits.memory": "32GB"}}}},
        "namespaces/workloads/quota/limits.memory",
        "pattern",
    ),
    (
        "platform",
        {"namespaces": {"workloads": {"limits": {"maxMemory": "-1Gi"}}}},
        "namespaces/workloads/limits/maxMemory",
        "pattern",
    ),
    ("platform", {"priority": {"stack": 2000000000}}, "priority/stack", "maximum"),
    ("platform", {"priority": {"probe": 5}}, "priority/probe", "maximum"),
    ("platform", {"groups": {"viewers": "system:masters"}}, "groups/viewers", "pattern"),
    ("platform", {"tests": {"image": "docker.io/busybox:1"}}, "tests/image", "pattern"),
    ("platform", {"tests": {"storageClass": "Fast SSD"}}, "tests/storageClass", "pattern"),
    ("node-exporter", {"ports": 9100}, "ports", "additional properties"),
    ("node-exporter", {"port": "9100"}, "port", "integer"),
    ("node-exporter", {"port": 80}, "port", "minimum"),
    ("node-exporter", {"image": {"name": "quay.io/node-exporter"}}, "image/name", "pattern"),
    ("node-exporter", {"image": {"tag": "latest"}}, "image/tag", "not"),
    ("node-exporter", {"image": {"tag": 1}}, "image/tag", "string"),
    ("node-exporter", {"extraArgs": "--collector.ntp"}, "extraArgs", "array"),
    ("node-exporter", {"extraArgs": ["collector.ntp"]}, "extraArgs/0", "pattern"),
    ("node-exporter", {"tolerations": [{}]}, "tolerations/0", "operator"),
    (
        "node-exporter",
        {"tolerations": [{"operator": "Exists", "effect": "Evict"}]},
        "tolerations/0/effect",
        "NoExecute",
    ),
    ("node-exporter", {"resources": {"limits": {"memory": None}}}, "resources/limits", "memory"),
    ("node-exporter", {"resources": {"requests": {"cpu": 1}}}, "resources/requests/cpu", "string"),
    ("nvidia-device-plugin", {"image": {"tag": "latest"}}, "image/tag", "not"),
    ("nvidia-device-plugin", {"image": {"name": "Device Plugin"}}, "image/name", "pattern"),
    ("nvidia-device-plugin", {"deviceListStrategy": "cdi"}, "deviceListStrategy", "cdi-cri"),
    ("nvidia-device-plugin", {"config": {"version": "v2"}}, "config/version", "v1"),
    ("nvidia-device-plugin", {"config": None}, "config", "missing"),
    ("grafana", {"admin": {"password": "hunter2"}}, "admin", "additional properties"),
    ("grafana", {"admin": {"secretName": ""}}, "admin/secretName", "pattern"),
    ("grafana", {"oidc": {"clientSecret": "hunter2"}}, "oidc/clientSecret", "object"),
    ("grafana", {"oidc": {"enabled": True}}, "oidc/clientId", "minLength"),
    ("grafana", {"oidc": {"name": "x\n[auth.anonymous]"}}, "oidc/name", "pattern"),
    ("grafana", {"rootUrl": "localhost:3000"}, "rootUrl", "pattern"),
    ("grafana", {"datasources": {"prometheus": "prometheus"}}, "datasources/prometheus", "pattern"),
    ("grafana", {"datasources": {"tempo": "http://t"}}, "datasources", "additional properties"),
    ("grafana", {"dashboards": {"names": []}}, "dashboards/names", "minItems"),
    ("grafana", {"network": {"oidc": {"ports": [0]}}}, "network/oidc/ports/0", "minimum"),
    ("grafana", {"anonymous": True}, "anonymous", "additional properties"),
    ("kube-state-metrics", {"kinds": {"core": ["secrets"]}}, "kinds/core/0", "one of"),
    ("kube-state-metrics", {"kinds": {"core": ["configmaps"]}}, "kinds/core/0", "one of"),
    (
        "kube-state-metrics",
        {"kinds": {"rbac.authorization.k8s.io": ["roles"]}},
        "kinds",
        "additional properties",
    ),
    (
        "kube-state-metrics",
        {"network": {"apiServer": {"blocks": []}}},
        "network/apiServer/blocks",
        "minItems",
    ),
    ("dashboards", {"folder": "../ODIN"}, "folder", "pattern"),
    ("dashboards", {"dashboards": []}, "dashboards", "additional properties"),
    ("prometheus", {"gpu": {"port": "9400"}}, "gpu/port", "integer"),
    ("prometheus", {"gpu": {"enabled": True}}, "gpu", "additional properties"),
    ("alertmanager", {"config": {"receivers": []}}, "config", "additional properties"),
    ("alertmanager", {"config": {"default": {"route": None}}}, "config/default", "route"),
    ("alertmanager", {"config": {"default": {"receivers": []}}}, "config/default/receivers", "min"),
    ("alertmanager", {"config": {"secretName": "Not A Name"}}, "config/secretName", "pattern"),
    ("alertmanager", {"retention": "five days"}, "retention", "pattern"),
    ("alertmanager", {"storage": {"size": "2G"}}, "storage/size", "pattern"),
    ("alertmanager", {"storage": {"size": "0Gi"}}, "storage/size", "pattern"),
    (
        "alertmanager",
        {"network": {"receivers": {"ports": []}}},
        "network/receivers/ports",
        "minItems",
    ),
    (
        "alertmanager",
        {"network": {"receivers": {"ports": [70000]}}},
        "network/receivers/ports/0",
        "maximum",
    ),
    (
        "alertmanager",
        {"network": {"receivers": {"blocks": [{"cidr": "everywhere"}]}}},
        "network/receivers/blocks/0/cidr",
        "pattern",
    ),
    ("loki", {"retention": {"period": "a week"}}, "retention/period", "pattern"),
    (
        "loki",
        {"retention": {"streams": [{"selector": "pods", "period": "1h", "priority": 1}]}},
        "retention/streams/0/selector",
        "pattern",
    ),
    ("loki", {"limits": {"stream": {"rateMB": "3"}}}, "limits/stream/rateMB", "integer"),
    ("loki", {"limits": {"tenant": {"rateMB": 0}}}, "limits/tenant/rateMB", "minimum"),
    ("loki", {"limits": {"line": {"maxLabels": 100}}}, "limits/line/maxLabels", "maximum"),
    ("loki", {"auth": True}, "auth", "additional properties"),
    ("loki", {"alertmanager": "alertmanager:9093"}, "alertmanager", "pattern"),
    ("otel-collector", {"loki": "http://loki:3100"}, "loki", "pattern"),
    ("otel-collector", {"journal": {"directory": "journal"}}, "journal/directory", "pattern"),
    ("otel-collector", {"audit": {"enabled": "yes"}}, "audit/enabled", "boolean"),
    ("otel-collector", {"redact": [{"pattern": "x"}]}, "redact/0", "name"),
    ("otel-collector", {"drop": ["debug"]}, "drop/0", "object"),
    ("otel-collector", {"queue": {"sizeMiB": 0}}, "queue/sizeMiB", "minimum"),
    ("otel-collector", {"severity": {"also": {"loud": ["LOUD"]}}}, "severity/also", "loud"),
    ("alertmanager", {"terminationGracePeriodSeconds": 0}, "terminationGracePeriodSeconds", "min"),
    ("prometheus", {"scrape": {"interval": 30}}, "scrape/interval", "string"),
    ("prometheus", {"scrape": {"intervall": "30s"}}, "scrape", "intervall"),
    ("prometheus", {"retention": {"time": "a month"}}, "retention/time", "pattern"),
    ("prometheus", {"retention": {"size": "80Gi"}}, "retention/size", "pattern"),
    ("prometheus", {"queries": {"concurrency": 0}}, "queries/concurrency", "minimum"),
    ("prometheus", {"podNamespaces": "workloads"}, "podNamespaces", "array"),
    ("prometheus", {"podNamespaces": ["a", "a"]}, "podNamespaces", "equal"),
    ("prometheus", {"podLimits": {"samples": 0}}, "podLimits/samples", "minimum"),
    ("prometheus", {"podLimits": {"body": "16"}}, "podLimits/body", "pattern"),
    ("prometheus", {"clusterName": ""}, "clusterName", "pattern"),
    ("prometheus", {"storage": None}, "storage", "missing"),
    (
        "prometheus",
        {"network": {"nodes": {"blocks": [{"cidr": "10.0.0.0/33"}]}}},
        "network/nodes/blocks/0/cidr",
        "pattern",
    ),
    ("prometheus", {"resources": {**RESOURCES, "claims": []}}, "resources", "claims"),
]


@pytest.mark.parametrize(("chart", "values", "key", "reason"), REFUSED)
def test_bad_value_is_refused(
    chart: str, values: dict, key: str, reason: str, run, tmp_path: Path
) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    done = run("helm", "template", chart, paths.CHARTS / chart, "-f", tmp_path / "values.yaml")
    assert done.returncode != 0, "accepted"
    # A key that is known is named by its place, one that is not by itself.
    assert f"'/{key}'" in done.stderr or f"'{key}'" in done.stderr
    assert reason in done.stderr


@pytest.mark.parametrize("key", ["rateMB", "burstMB"])
def test_a_stream_limit_that_would_lose_lines_is_refused(key: str, run) -> None:
    chart = paths.CHARTS / "loki"
    done = run("helm", "template", "loki", chart, "--set", f"limits.stream.{key}=1")
    assert done.returncode != 0
    assert f"limits.stream.{key} is below limits.tenant.{key}: lines would be lost" in done.stderr


@pytest.mark.parametrize("chart", paths.CHART_NAMES)
def test_schema_is_closed(chart: str) -> None:
    """No object takes keys it does not know; one that must is listed with its reason."""
    # Alertmanager's own configuration, which amtool checks.
    open_on_purpose = {
        "alertmanager": {
            "/properties/config/properties/default",
            "/properties/config/properties/default/properties/route",
        },
        # The plugin's own configuration, which the plugin checks.
        "nvidia-device-plugin": {"/properties/config"},
    }
    schema = json.loads((paths.CHARTS / chart / "values.schema.json").read_text())
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    found = {
        place
        for place, part in _parts(schema)
        if part.get("type") == "object" and part.get("additionalProperties", True) is True
    }
    assert found == open_on_purpose.get(chart, set())


def _parts(schema: dict, place: str = "") -> Iterator[tuple[str, dict]]:
    yield place, schema
    for key, value in schema.items():
        if isinstance(value, dict):
            yield from _parts(value, f"{place}/{key}")


# Images that only Nix builds, which puts its own version in their place.
OF_NIX = {"grafana", "kube-state-metrics"}
# Whose version is the image's, where it is no program of Prometheus'.
CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
MODULES = {
    "loki": "github.com/grafana/loki/v3",
    "otel-collector": f"{CONTRIB}/receiver/filelogreceiver",
}

# These run no image of their own, and one that nobody here builds.
IMAGELESS = {"platform", "dashboards", "nvidia-device-plugin"}


@pytest.mark.parametrize("chart", sorted({*paths.CHART_NAMES} - IMAGELESS - OF_NIX))
def test_version_is_the_pinned_one(chart: str) -> None:
    """The image's tag is the version of the lab's pin, whence the image is built."""
    declared = yaml.safe_load((paths.CHARTS / chart / "Chart.yaml").read_text())["appVersion"]
    pins = (paths.LAB / "tools" / chart / "go.mod").read_text()
    module = MODULES.get(chart, "github.com/prometheus/" + chart.replace("-", "_"))
    required = rf"^(?:require)?\s{re.escape(module)} (v\S+)"
    assert re.findall(required, pins, re.MULTILINE) == [declared]


def test_templates_hold_one_kind_a_file() -> None:
    for path in paths.CHARTS.glob("*/templates/**/*.yaml"):
        kinds = set(re.findall(r"^kind: (\w+)$", path.read_text(), re.MULTILINE))
        assert len(kinds) == 1, path
