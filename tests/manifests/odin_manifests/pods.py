"""Pods of a bundle: what the restricted level asks of them, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from odin_manifests.bundle import Bundle

WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet", "Job")

# Volumes the restricted level allows.
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

_BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_DECIMAL = {"m": 0.001, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class Pod:
    """A pod template, or a pod, and who makes it."""

    owner: str
    namespace: str
    labels: dict[str, str]
    spec: dict

    @property
    def containers(self) -> list[dict]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(bundle: Bundle) -> list[Pod]:
    """One pod for every workload of the bundle."""
    found = []
    for item in bundle.of_kind(*WORKLOADS):
        template = item.content["spec"]["template"]
        found.append(
            Pod(item.name, item.namespace or "", template["metadata"]["labels"], template["spec"])
        )
    return found


def quantity(text: str) -> float:
    """`250m` -> 0.25, `1Gi` -> 1073741824."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * (_BINARY | _DECIMAL)[unit]


def violations(pod: Pod) -> Iterator[str]:
    """What of a pod is not restricted, in the words of the Pod Security Standards.

    Stricter than the standard in two points: the root file system is read-only,
    and the user is named by number.
    """
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield field
    for volume in pod.spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - _VOLUMES:
            yield f"volume {kind}"
    whole = pod.spec.get("securityContext", {})
    for container in pod.containers:
        own = container.get("securityContext", {})
        merged = whole | own
        if merged.get("runAsNonRoot") is not True:
            yield "runAsNonRoot"
        if not isinstance(merged.get("runAsUser"), int) or merged["runAsUser"] == 0:
            yield "runAsUser"
        if merged.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        if own.get("privileged"):
            yield "privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if own.get("capabilities", {}).get("drop") != ["ALL"]:
            yield "capabilities.drop"
        if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
            yield "capabilities.add"
        if own.get("readOnlyRootFilesystem") is not True:
            yield "readOnlyRootFilesystem"
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield "hostPort"
