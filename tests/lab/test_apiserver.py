"""The small API fixture behaves as the apply engine's tests need."""

from __future__ import annotations

import json
import subprocess

import pytest

from odin_lab import process
from odin_lab.apiserver import ApiServer
from odin_lab.cluster import KUBERNETES_MINOR

pytestmark = pytest.mark.api


def test_it_serves_the_pinned_minor(apiserver: ApiServer) -> None:
    version = json.loads(apiserver.kubectl("get", "--raw", "/version"))
    assert f"{version['major']}.{version['minor']}" == KUBERNETES_MINOR


def test_anonymous_requests_are_refused(apiserver: ApiServer) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        apiserver.kubectl("get", "namespaces", "--as=nobody")
    assert "forbidden" in failure.value.stderr


def test_controllers_work(apiserver: ApiServer) -> None:
    """Garbage collection and namespace deletion, which prune depends on."""
    apiserver.kubectl("create", "namespace", "gone")
    apiserver.kubectl("-n", "gone", "create", "configmap", "inside")
    apiserver.kubectl("delete", "namespace", "gone", "--timeout=180s")
    apiserver.kubectl("create", "deployment", "web", "--image=odin.local/busybox:1")

    def replica_sets() -> str:
        return apiserver.kubectl("get", "replicasets", "-o", "name").strip()

    process.wait_until(lambda: replica_sets() != "", 180, "the deployment has a replica set")
    apiserver.kubectl("delete", "deployment", "web")
    process.wait_until(lambda: replica_sets() == "", 180, "the replica set is collected")


def test_data_and_address_outlive_an_outage(apiserver: ApiServer) -> None:
    apiserver.kubectl("create", "configmap", "kept", "--from-literal=key=value")
    address = apiserver.url
    apiserver.stop_apiserver()
    assert not apiserver.ready()
    apiserver.start_apiserver()
    assert apiserver.url == address
    kept = apiserver.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.key}")
    assert kept == "value"


def test_several_run_side_by_side(apiserver: ApiServer) -> None:
    with ApiServer() as other:
        assert other.port != apiserver.port
        other.kubectl("create", "namespace", "other")
        with pytest.raises(subprocess.CalledProcessError):
            apiserver.kubectl("get", "namespace", "other")
