"""What pods and roles may do."""

from __future__ import annotations

import copy

import pytest

from odin_manifests.bundle import Bundle
from odin_manifests.pods import pods, violations

# What a pod has beyond `restricted`, and why it must.
EXCEPTIONS = {
    "node-exporter": {
        "hostNetwork": "the network figures of a pod's own name space are not the host's",
        "hostPID": "mounts are read from /proc/1",
        "hostPort": "follows from hostNetwork",
        "volume hostPath": "reads the host's / and /sys, both read-only",
    },
    "otel-collector": {
        "volume hostPath": "reads the logs of pods, host and API server; keeps its positions",
        "runAsNonRoot": "logs are written for root alone",
        "runAsUser": "follows from it",
    },
}
# Where a pod may write on the host, and nowhere else.
WRITES = {"otel-collector": {"/var/lib/odin/otelcol"}}


def test_pods_are_restricted_but_for_the_exceptions(bundle: Bundle) -> None:
    for pod in pods(bundle):
        assert set(violations(pod)) == set(EXCEPTIONS.get(pod.owner, {})), pod.owner


def test_only_the_exceptions_are_in_privileged_namespaces(bundle: Bundle) -> None:
    levels = {
        item.name: item.labels["pod-security.kubernetes.io/enforce"]
        for item in bundle.of_kind("Namespace")
    }
    assert [name for name, level in levels.items() if level != "restricted"] == ["monitoring-host"]
    for pod in pods(bundle):
        assert (levels[pod.namespace] == "privileged") == (pod.owner in EXCEPTIONS), pod.owner


def test_host_is_mounted_read_only(bundle: Bundle) -> None:
    for pod in pods(bundle):
        host = {
            volume["name"]: volume["hostPath"]["path"]
            for volume in pod.spec["volumes"]
            if "hostPath" in volume
        }
        written = {
            host[mount["name"]]
            for container in pod.containers
            for mount in container["volumeMounts"]
            if mount["name"] in host and mount.get("readOnly") is not True
        }
        assert written == WRITES.get(pod.owner, set()), pod.owner


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda spec, container: spec.update(hostPID=True), "hostPID"),
        (lambda spec, container: spec["securityContext"].update(runAsUser=0), "runAsUser"),
        (lambda spec, container: spec["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
        (lambda spec, container: spec["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (
            lambda spec, container: spec["volumes"].append(
                {"name": "x", "hostPath": {"path": "/"}}
            ),
            "volume hostPath",
        ),
        (lambda spec, container: container.update(privileged=True), "privileged"),
        (
            lambda spec, container: container.pop("allowPrivilegeEscalation"),
            "allowPrivilegeEscalation",
        ),
        (lambda spec, container: container["capabilities"].update(drop=[]), "capabilities.drop"),
        (
            lambda spec, container: container["capabilities"].update(add=["SYS_ADMIN"]),
            "capabilities.add",
        ),
        (
            lambda spec, container: container.update(readOnlyRootFilesystem=False),
            "readOnlyRootFilesystem",
        ),
    ],
)
def test_a_loosened_pod_is_noticed(all_bundles: dict[str, Bundle], change, expected: str) -> None:
    (pod,) = (each for each in pods(all_bundles["prod"]) if each.owner == "prometheus")
    loosened = copy.deepcopy(pod)
    change(loosened.spec, loosened.spec["containers"][0]["securityContext"])
    assert list(violations(loosened)) == [expected]


def test_images(bundle: Bundle) -> None:
    for pod in pods(bundle):
        for container in pod.containers:
            name, _, tag = container["image"].partition(":")
            assert name.startswith("odin.local/"), pod.owner
            assert tag not in ("", "latest"), pod.owner
            assert container["imagePullPolicy"] == "IfNotPresent", pod.owner


def test_probes_and_ends(bundle: Bundle) -> None:
    for pod in pods(bundle):
        assert pod.spec["terminationGracePeriodSeconds"] > 0
        for container in pod.containers:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert "httpGet" in container[probe], f"{pod.owner} {probe}"


def test_history_is_kept_short(bundle: Bundle) -> None:
    for item in bundle.of_kind("DaemonSet", "Deployment", "StatefulSet"):
        assert item.content["spec"]["revisionHistoryLimit"] <= 3, item


def test_tokens_are_mounted_only_where_rights_are(bundle: Bundle) -> None:
    bound = {
        (subject["namespace"], subject["name"])
        for item in bundle.of_kind("RoleBinding", "ClusterRoleBinding")
        for subject in item.content["subjects"]
        if subject["kind"] == "ServiceAccount"
    }
    for pod in pods(bundle):
        account = (pod.namespace, pod.spec["serviceAccountName"])
        assert pod.spec["automountServiceAccountToken"] is (account in bound), pod.owner
    for item in bundle.of_kind("ServiceAccount"):
        assert item.content["automountServiceAccountToken"] is False, item


# === Roles


def rules(bundle: Bundle):
    for item in bundle.of_kind("Role", "ClusterRole"):
        for rule in item.content["rules"]:
            yield item, rule


def test_no_wildcards(bundle: Bundle) -> None:
    for item, rule in rules(bundle):
        for values in rule.values():
            assert not [value for value in values if "*" in value], item


def test_no_way_to_more_rights(bundle: Bundle) -> None:
    """Nothing by which the holder of a role could give itself another."""
    for item, rule in rules(bundle):
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), item
        assert not {"nodes/proxy", "serviceaccounts/token"} & set(rule.get("resources", [])), item
        if "rbac.authorization.k8s.io" in rule.get("apiGroups", []):
            assert set(rule["verbs"]) <= {"get", "list", "watch"}, item


def test_cluster_roles_only_read_and_see_no_secrets(bundle: Bundle) -> None:
    for item, rule in rules(bundle):
        if item.kind == "ClusterRole":
            assert set(rule["verbs"]) <= {"get", "list", "watch"}, item
            assert "secrets" not in rule.get("resources", []), item


def test_bindings_name_roles_and_accounts_of_the_bundle(bundle: Bundle) -> None:
    roles = {(item.kind, item.namespace, item.name) for item in bundle.objects}
    for item in bundle.of_kind("RoleBinding", "ClusterRoleBinding"):
        ref = item.content["roleRef"]
        place = item.namespace if ref["kind"] == "Role" else None
        assert (ref["kind"], place, ref["name"]) in roles, item
        for subject in item.content["subjects"]:
            if subject["kind"] == "ServiceAccount":
                assert ("ServiceAccount", subject["namespace"], subject["name"]) in roles, item
            else:
                assert subject["name"].startswith("odin:"), item
