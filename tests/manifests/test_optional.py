"""Components that are in a bundle only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from odin_lab.apiserver import ApiServer

from odin_manifests import bundle as bundles
from odin_manifests import paths
from odin_manifests.bundle import Bundle, files
from odin_manifests.pods import pods, violations

PLUGIN = "nvidia-device-plugin"
# What it has beyond `restricted`, and why it must.
EXCEPTIONS = {
    "volume hostPath": "the kubelet's sockets and CDI specifications are the host's",
    "runAsNonRoot": "they are root's",
    "runAsUser": "follows from it",
}


@pytest.fixture(scope="module", params=paths.OVERLAY_NAMES)
def with_plugin(request: pytest.FixtureRequest, render: Callable[..., Path]) -> Bundle:
    """Each overlay with NVIDIA's device plugin."""
    return bundles.load(request.param, render(request.param, PLUGIN))


def test_all_else_is_as_without(with_plugin: Bundle, all_bundles: dict[str, Bundle]) -> None:
    plain = files(all_bundles[with_plugin.overlay].directory)
    found = files(with_plugin.directory)
    own = {"SHA256SUMS", "bundle.toml"}
    assert {name for name in found if name not in own and found[name] != plain.get(name)} == {
        f"{PLUGIN}/configmap-kube-system-{PLUGIN}.yaml",
        f"{PLUGIN}/daemonset-kube-system-{PLUGIN}.yaml",
    }
    assert plain.keys() <= found.keys()


def test_the_plugin_is_as_restricted_as_it_can_be(with_plugin: Bundle) -> None:
    (pod,) = (pod for pod in pods(with_plugin) if pod.owner == PLUGIN)
    assert set(violations(pod)) == set(EXCEPTIONS)


def test_it_runs_on_nodes_with_gpus_and_reads_its_configuration(with_plugin: Bundle) -> None:
    spec = with_plugin.one("DaemonSet", PLUGIN, "kube-system")["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert spec["runtimeClassName"] == "nvidia"
    (container,) = spec["containers"]
    assert "--config-file=/config/config.yaml" in container["args"]
    assert not container["image"].endswith((":", ":latest"))
    config = with_plugin.one("ConfigMap", PLUGIN, "kube-system")["data"]["config.yaml"]
    assert config.strip() == "version: v1"


def test_it_is_admitted(apiserver: ApiServer, with_plugin: Bundle) -> None:
    for name in sorted((with_plugin.directory / PLUGIN).iterdir()):
        done = apiserver.kubectl("apply", "--server-side", "--dry-run=server", "-f", str(name))
        assert "serverside-applied" in done, done


def test_what_is_not_optional_cannot_be_asked_for(render: Callable[..., Path]) -> None:
    with pytest.raises(AssertionError, match="prometheus is no optional component of this overlay"):
        render("lab", "prometheus")
