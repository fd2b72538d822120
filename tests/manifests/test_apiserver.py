"""The bundle before a real kube-apiserver: its types, its admission, its authorisation.

What is not looked at: pods that run. There is no kubelet here.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from odin_lab.apiserver import ApiServer
from odin_lab.process import wait_until

from odin_manifests import paths
from odin_manifests.bundle import Bundle
from odin_manifests.helm import hooks
from odin_manifests.pods import WORKLOADS

APPLY = ("apply", "--server-side", "--field-manager=odin", "--validate=strict")


@pytest.fixture(scope="session")
def cluster(apiserver: ApiServer, all_bundles: dict[str, Bundle]) -> ApiServer:
    """An API on which the platform of the lab's overlay has been applied, and only that."""
    directory = all_bundles["lab"].directory / "platform"
    for path in sorted(directory.glob("namespace-*.yaml")):
        apiserver.kubectl(*APPLY, "-f", str(path))
    apiserver.kubectl(*APPLY, "-f", str(directory))

    def counted() -> bool:
        quotas = json.loads(apiserver.kubectl("get", "resourcequotas", "-A", "-o", "json"))["items"]
        accounts = apiserver.kubectl("get", "serviceaccounts", "-A", "-o", "name")
        namespaces = len(all_bundles["lab"].of_kind("Namespace"))
        return (
            all("used" in quota.get("status", {}) for quota in quotas)
            and accounts.count("serviceaccount/default") >= namespaces
        )

    wait_until(counted, 60, "quotas are counted and accounts exist")
    return apiserver


def create(cluster: ApiServer, content: dict, *arguments: str) -> dict:
    """Creates an object, or only tries to with `--dry-run=server`; returns what came of it."""
    data = json.dumps(content)
    done = cluster.kubectl(
        "create", "--validate=strict", "-o", "json", "-f", "-", *arguments, data=data
    )
    return json.loads(done)


def refused(cluster: ApiServer, content: dict, *arguments: str) -> str:
    """Why the API refuses to create an object."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        create(cluster, content, *arguments)
    return caught.value.stderr


def test_every_object_is_admitted(cluster: ApiServer, bundle: Bundle) -> None:
    for component in bundle.declaration["component"]:
        directory = bundle.directory / component["name"]
        done = cluster.kubectl(*APPLY, "--dry-run=server", "-f", str(directory))
        assert done.count("serverside-applied") == len(list(directory.iterdir()))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda content: content["spec"].update(replica=1), "replica"),
        (lambda content: content["spec"].update(replicas="one"), "replicas"),
        (lambda content: content["spec"]["template"]["spec"].pop("containers"), "containers"),
    ],
)
def test_a_mistake_is_not_admitted(
    cluster: ApiServer, all_bundles: dict[str, Bundle], tmp_path: Path, change, word: str
) -> None:
    content = yaml.safe_load(
        (
            all_bundles["lab"].directory / "prometheus/statefulset-monitoring-prometheus.yaml"
        ).read_text()
    )
    change(content)
    (tmp_path / "mistake.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        cluster.kubectl(*APPLY, "--dry-run=server", "-f", str(tmp_path / "mistake.yaml"))
    assert word in caught.value.stderr


# === Pods: what the API does to those that a StatefulSet or DaemonSet will ask for


def pod(owner: dict) -> dict:
    """The pod a workload will create; without what exists only later: account and claims."""
    template = owner["spec"]["template"]
    spec = {**template["spec"], "serviceAccountName": "default"}
    spec["volumes"] = [
        *spec.get("volumes", []),
        *(
            {
                "name": claim["metadata"]["name"],
                "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]},
            }
            for claim in owner["spec"].get("volumeClaimTemplates", [])
        ),
    ]
    metadata = {**template["metadata"], "name": "try", "namespace": owner["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_pods_of_the_stack_are_admitted(cluster: ApiServer, all_bundles: dict[str, Bundle]) -> None:
    """Pod Security, priority, quota and limits decide over pods, not over what makes them.

    Of the lab's overlay, whose quotas are applied; those of the others are added up
    in test_sizes.
    """
    owners = all_bundles["lab"].of_kind(*WORKLOADS)
    assert len(owners) == 5
    for item in owners:
        made = create(cluster, pod(item.content), "--dry-run=server")
        assert made["spec"]["priority"] == 1000000


def test_the_example_of_a_pod_with_a_gpu_is_admitted(cluster: ApiServer) -> None:
    example = yaml.safe_load((paths.MANIFESTS / "examples/pods/gpu.yaml").read_text())
    made = create(cluster, example, "--dry-run=server")
    # Requests of an extended resource are its limits.
    assert made["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] == "1"
    del example["spec"]["securityContext"]
    assert "restricted" in refused(cluster, example, "--dry-run=server")


def test_pods_that_the_lab_has_not_are_admitted(
    cluster: ApiServer, all_bundles: dict[str, Bundle]
) -> None:
    """What only other overlays have, by the same admission."""
    run = {item.name for item in all_bundles["lab"].of_kind(*WORKLOADS)}
    owners = [item for item in all_bundles["dev"].of_kind(*WORKLOADS) if item.name not in run]
    assert {item.name for item in owners} == {"grafana", "kube-state-metrics"}
    for item in owners:
        made = create(cluster, pod(item.content), "--dry-run=server")
        assert made["spec"]["priority"] == 1000000


def restricted(namespace: str, **container: object) -> dict:
    """The least pod that the restricted level admits."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "probe-", "namespace": namespace},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "probe",
                    "image": "odin.local/busybox:1",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    **container,
                }
            ],
        },
    }


@pytest.mark.parametrize("namespace", ["odin-platform", "monitoring", "workloads"])
@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(hostNetwork=True),
        lambda spec: spec["securityContext"].update(runAsUser=0),
        lambda spec: spec["containers"][0].update(securityContext={"privileged": True}),
        lambda spec: spec.update(volumes=[{"name": "host", "hostPath": {"path": "/"}}]),
    ],
    ids=["host network", "root", "privileged", "host path"],
)
def test_restricted_namespaces_refuse(cluster: ApiServer, namespace: str, change) -> None:
    content = restricted(namespace)
    assert create(cluster, content, "--dry-run=server")
    change(content["spec"])
    told = refused(cluster, content, "--dry-run=server")
    assert 'violates PodSecurity "restricted:latest"' in told


def test_limits_are_filled_in_and_enforced(cluster: ApiServer) -> None:
    made = create(cluster, restricted("odin-platform"), "--dry-run=server")
    assert made["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "10m", "memory": "16Mi"},
        "limits": {"memory": "64Mi"},
    }
    content = restricted("odin-platform", resources={"limits": {"memory": "1Gi"}})
    assert "maximum memory usage per Container is 256Mi" in refused(cluster, content)


def test_quota_ends_what_may_be_created(cluster: ApiServer) -> None:
    made = [create(cluster, restricted("odin-platform")) for _ in range(4)]
    try:
        told = refused(cluster, restricted("odin-platform"))
        assert "exceeded quota: total, requested: pods=1, used: pods=4, limited: pods=4" in told
    finally:
        names = [each["metadata"]["name"] for each in made]
        cluster.kubectl("delete", "pods", "-n", "odin-platform", "--now", *names)
        # Others create here too: not before these are counted no more.
        count = (
            "get",
            "quota",
            "total",
            "-n",
            "odin-platform",
            "-o",
            "jsonpath={.status.used.pods}",
        )
        wait_until(lambda: cluster.kubectl(*count).strip() == "0", 60, "the quota counts no pod")


def test_quota_forbids_published_services(cluster: ApiServer) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "open", "namespace": "workloads"},
        "spec": {"type": "NodePort", "ports": [{"port": 80}]},
    }
    assert "exceeded quota: total" in refused(cluster, service, "--dry-run=server")


def test_workloads_may_not_take_the_stacks_priority(cluster: ApiServer) -> None:
    content = restricted("workloads")
    content["spec"]["priorityClassName"] = "odin-stack"
    assert "exceeded quota: no-stack-priority" in refused(cluster, content, "--dry-run=server")


def test_helm_tests_are_admitted(cluster: ApiServer) -> None:
    """The test pods are no part of a bundle, so no other test shows them to an API."""
    for chart in paths.CHART_NAMES:
        found = hooks(chart, "lab")
        assert [item for item in found if item["kind"] == "Pod"], chart
        for item in found:
            assert item["metadata"]["annotations"]["helm.sh/hook"] == "test"
            create(cluster, item, "--dry-run=server")


# === Roles, asked of the authoriser itself

PROBE = ("system:serviceaccount:odin-platform:odin-operator-probe", ())
WORKLOAD_USER = ("system:serviceaccount:workloads:workload-user", ())
VIEWER = ("somebody", ("odin:viewers",))
EDITOR = ("somebody", ("odin:workload-editors",))
COLLECTOR = ("system:serviceaccount:monitoring-host:otel-collector", ())
PROMETHEUS = ("system:serviceaccount:monitoring:prometheus", ())
STATE = ("system:serviceaccount:monitoring:kube-state-metrics", ())
GRAFANA = ("system:serviceaccount:monitoring:grafana", ())

# (who, verb, resource, namespace or None for all of the cluster, may)
MAY = [
    (PROBE, "list", "pods", "odin-platform", True),
    (PROBE, "create", "pods", "odin-platform", False),
    (PROBE, "get", "secrets", "odin-platform", False),
    (PROBE, "list", "pods", "monitoring", False),
    (PROBE, "list", "nodes", None, False),
    (PROBE, "delete", "namespaces", None, False),
    (WORKLOAD_USER, "create", "pods", "workloads", True),
    (WORKLOAD_USER, "create", "deployments.apps", "workloads", True),
    (WORKLOAD_USER, "create", "pods", "monitoring", False),
    (WORKLOAD_USER, "update", "resourcequotas", "workloads", False),
    (WORKLOAD_USER, "create", "rolebindings.rbac.authorization.k8s.io", "workloads", False),
    (WORKLOAD_USER, "patch", "namespaces", "workloads", False),
    (EDITOR, "create", "networkpolicies.networking.k8s.io", "workloads", True),
    (EDITOR, "get", "secrets", "workloads", True),
    (EDITOR, "get", "secrets", "monitoring", False),
    (VIEWER, "list", "pods", "monitoring", True),
    (VIEWER, "list", "nodes", None, True),
    (VIEWER, "get", "secrets", "monitoring", False),
    (VIEWER, "create", "pods/exec", "monitoring", False),
    (VIEWER, "delete", "pods", "workloads", False),
    (COLLECTOR, "watch", "pods", None, True),
    (COLLECTOR, "get", "secrets", "monitoring-host", False),
    (COLLECTOR, "list", "configmaps", None, False),
    (COLLECTOR, "get", "pods/log", None, False),
    (PROMETHEUS, "list", "nodes", None, True),
    (PROMETHEUS, "get", "nodes/metrics", None, True),
    (PROMETHEUS, "get", "nodes/proxy", None, False),
    (PROMETHEUS, "watch", "pods", "workloads", True),
    (PROMETHEUS, "list", "endpointslices.discovery.k8s.io", "default", True),
    (PROMETHEUS, "get", "secrets", "monitoring", False),
    (PROMETHEUS, "list", "configmaps", "monitoring", False),
    (PROMETHEUS, "list", "pods", None, False),
    (STATE, "list", "pods", None, True),
    (STATE, "watch", "deployments.apps", None, True),
    (STATE, "list", "persistentvolumeclaims", None, True),
    (STATE, "get", "pods", "workloads", False),
    (STATE, "list", "secrets", None, False),
    (STATE, "list", "configmaps", "monitoring", False),
    (STATE, "delete", "pods", "workloads", False),
    (GRAFANA, "list", "pods", "monitoring", False),
    (GRAFANA, "get", "secrets", "monitoring", False),
]


@pytest.fixture(scope="session")
def roles(cluster: ApiServer, all_bundles: dict[str, Bundle]) -> ApiServer:
    """The cluster with the roles of all components."""
    bundle = all_bundles["prod"]
    for item in bundle.of_kind("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        cluster.kubectl(*APPLY, "-f", str(bundle.directory / item.file))
    return cluster


@pytest.mark.parametrize(("who", "verb", "resource", "namespace", "may"), MAY)
def test_roles(
    roles: ApiServer,
    who: tuple[str, tuple[str, ...]],
    verb: str,
    resource: str,
    namespace: str | None,
    may: bool,
) -> None:
    kind, _, subresource = resource.partition("/")
    name, _, group = kind.partition(".")
    asked = {"verb": verb, "resource": name, "subresource": subresource, "group": group}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": who[0],
            "groups": ["system:authenticated", *who[1]],
            "resourceAttributes": asked | ({"namespace": namespace} if namespace else {}),
        },
    }
    assert create(roles, review)["status"]["allowed"] is may
