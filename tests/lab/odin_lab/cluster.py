"""Kubernetes for a machine: K3s' components under K3s' names and paths.

K3s itself cannot be built here. What stands in for it are the upstream
components it is made of, the same datastore (kine with SQLite), the same
paths, credentials and behaviour at a stop: pods keep running.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from odin_lab import images, layout, network, paths, tools
from odin_lab.registry import Record
from odin_lab.shell import Shell

KUBERNETES_MINOR = "1.35"
"""The minor version the appliance runs (nixpkgs' `k3s_1_35`)."""

_LIBRARY = "usr/local/lib/k3s"
_TOOLS = ("kubernetes", "kine", "containerd")
_BINARIES = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("kubelet", "kube-proxy", "kubectl"),
    *("kine", "containerd", "containerd-shim-runc-v2", "ctr"),
)
_SCRIPTS = (
    *("k3s-credentials", "k3s-prepare", "k3s-components", "k3s-start", "k3s-stop"),
    *("k3s-await", "k3s-images", "k3s-manifests"),
)
_AGENT_IMAGES = "/var/lib/rancher/k3s/agent/images"


class Cluster:
    """A part of a machine: a cluster of one node.

    `images` names what is loaded besides what every cluster needs; `archives`
    are further image tarballs of the caller.
    """

    def __init__(
        self,
        images: Sequence[str] = (),
        archives: Sequence[Path] = (),
        apiserver_arguments: Sequence[str] = (),
        start_at_boot: bool = True,
    ) -> None:
        self._images = tuple(images)
        self._archives = tuple(archives)
        self._apiserver_arguments = tuple(apiserver_arguments)
        self._start_at_boot = start_at_boot

    def prepare(self, say: Callable[[str], None]) -> None:
        """Builds the tools and images that are not in the cache yet."""
        names = self._image_names()
        wanted = dict.fromkeys([*_TOOLS, *images.required_tools(names)])
        tools.build(list(wanted), say)
        images.ensure(names, say)

    def binds_ro(self) -> Mapping[Path, str]:
        """Binaries and image archives, from the cache."""
        binaries = {tools.binary(name).parent for name in _BINARIES}
        archives = [*images.ensure(self._image_names(), say=lambda _: None), *self._archives]
        return {
            **{directory: f"/{_LIBRARY}/{_tool(directory)}" for directory in binaries},
            **{archive: f"{_AGENT_IMAGES}/{archive.name}" for archive in archives},
        }

    def write(self, record: Record, root: Path, var: Path) -> None:
        """Writes units, scripts and settings into a new machine."""
        library = root / _LIBRARY
        for name in _SCRIPTS:
            layout.write(library, {name: (paths.GUEST / name).read_text()})
            (library / name).chmod(0o755)
        layout.write(
            library,
            {
                "containerd.toml": (paths.GUEST / "containerd.toml").read_text(),
                "machine.env": self._environment(record),
                **{
                    f"manifests/{file.name}": _with_images(file.read_text())
                    for file in sorted((paths.GUEST / "manifests").glob("*.yaml"))
                },
            },
        )
        layout.write(
            root / "etc/systemd/system",
            {file.name: file.read_text() for file in (paths.GUEST / "units").glob("*.service")},
        )
        binaries = root / "usr/local/bin"
        binaries.mkdir(parents=True, exist_ok=True)
        for name in _BINARIES:
            tool = _tool(tools.binary(name).parent)
            (binaries / name).symlink_to(f"/{_LIBRARY}/{tool}/{name}")
        if self._apiserver_arguments:
            arguments = " ".join(self._apiserver_arguments)
            layout.write(
                root / "etc/rancher/k3s",
                {"arguments.env": f"APISERVER_ARGUMENTS={arguments}\n"},
            )
        if self._start_at_boot:
            _enable(root, "k3s.service")

    def _image_names(self) -> list[str]:
        return list(dict.fromkeys([*images.BASE, *self._images]))

    def _environment(self, record: Record) -> str:
        return (
            f"NODE={record.hostname}\n"
            f"ADDRESS={network.address(record.index)}\n"
            f"POD_SUBNET={network.pod_subnet(record.index)}\n"
            f"CGROUP_ROOT=/pods\n"
        )


# What the API says right after a boot is what was true before it: the kubelet
# must have reported this boot, and the containers must be of this boot. No answer
# is no yes: jq is content with nothing.
_NODE_READY = """
kubectl get node "$(hostname)" -o json |
jq -es --arg boot "$(cat /proc/sys/kernel/random/boot_id)" '
  length == 1 and (.[0].status | .nodeInfo.bootID == $boot
    and any(.conditions[]; .type == "Ready" and .status == "True"))'
"""
_PODS_READY = """
for selector in k8s-app=kube-dns app=local-path-provisioner; do
  kubectl -n kube-system get pods -l "$selector" -o json
done |
jq -es --argjson boot "$(date -d "$(ps -o lstart= -p 1)" +%s)" '
  length == 2 and all(.[].items; length > 0 and
    all(.[].status.containerStatuses[]?;
      .ready and (.state.running.startedAt | fromdate) >= $boot))'
"""


def wait_until_ready(machine: Shell, timeout: float = 600) -> None:
    """Waits until the node is Ready and K3s' own pods are, in this boot."""
    machine.wait_for_unit("k3s.service", timeout=timeout)
    machine.wait_until_succeeds(_NODE_READY, timeout)
    machine.wait_until_succeeds(_PODS_READY, timeout)


def _tool(directory: Path) -> str:
    # The cache's directories are NAME-KEY.
    return directory.name.rpartition("-")[0]


def _with_images(text: str) -> str:
    for name in images.NAMES:
        text = text.replace(f"@{name}@", images.reference(name))
    return text


def _enable(root: Path, unit: str) -> None:
    done = subprocess.run(
        ["systemctl", f"--root={root}", "enable", unit], capture_output=True, text=True
    )
    if done.returncode != 0:
        raise OSError(f"cannot enable {unit} in {root}: {done.stderr}")
