"""Kinds of faults that are timed: how each is brought about, and how it ends.

A kind prepares what its fault needs, then brings it about in one moment. That
moment counts: before it the machine is well, or for a container that is killed
again and again, well enough that no alert is due.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from odin_lab.gpus import Gpus, uuid

from alerts.box import Box
from alerts.receiver import Labels

PATIENCE = 120  # seconds for a condition on the machine


@dataclass(frozen=True)
class Injected:
    """A fault that is there: since when, and the alert it must raise."""

    since: float
    labels: Labels


class Kind(Protocol):
    """One kind of fault."""

    name: str
    job: str
    """What Prometheus asks to see it."""

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        """Brings one about; it ends with the block."""


VICTIM = """
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: workloads}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: victim
      image: odin.local/busybox:1
      imagePullPolicy: IfNotPresent
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      command: [sh, -c, "exec sleep 1000000"]
"""


class Killed:
    """A container is killed until Kubernetes waits; the last kill counts."""

    name = "container killed repeatedly"
    job = "cadvisor"

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        pod = f"victim-{number}"
        box.machine.succeed(f"kubectl apply -f - <<'END'\n{VICTIM.replace('NAME', pod)}\nEND")
        started = "namespace_pod_container:container_start_time_seconds:max"
        try:
            for restarts in range(2):
                # Prometheus has seen it run after so many restarts, and K3s says it runs.
                until(box, f'changes({started}{{pod="{pod}"}}[10m]) == {restarts}')
                self._kill(box, pod, restarts)
            until(box, f'changes({started}{{pod="{pod}"}}[10m]) == 2')
            since = time.monotonic()
            self._kill(box, pod, 2)
            labels = {"alertname": "ContainerRestartsOften", "severity": "critical", "pod": pod}
            yield Injected(since, labels)
        finally:
            box.machine.succeed(f"kubectl -n workloads delete pod {pod} --wait --timeout=60s")

    def _kill(self, box: Box, pod: str, restarts: int) -> None:
        running = (
            f"kubectl -n workloads get pod {pod} -o json | jq -er '.status.containerStatuses[0]"
            f" | select(.state.running and .restartCount == {restarts})"
            ' | .containerID | sub("containerd://"; "")\''
        )
        box.machine.wait_until_succeeds(running, PATIENCE)
        identifier = box.machine.succeed(running).strip()
        box.machine.succeed(f"ctr -n k8s.io tasks kill --signal SIGKILL {identifier}")


class Gone:
    """A pod of the stack hangs: nothing refuses, nothing answers."""

    name = "target gone"
    job = "node-exporter"

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        until(box, 'up{job="node-exporter"} == 1')
        since = time.monotonic()
        # By id: a machine sees only its own processes.
        pid = box.machine.succeed("pgrep -x node_exporter").split()[0]
        box.machine.succeed(f"kill -STOP {pid}")
        try:
            yield Injected(since, {"alertname": "TargetDown", "job": "node-exporter"})
        finally:
            # The kubelet may have replaced it meanwhile.
            box.machine.execute(f"kill -CONT {pid}")
            until(box, 'up{job="node-exporter"} == 1')


class Full:
    """A file system of its own is filled to 98 %."""

    name = "disk full"
    job = "node-exporter"

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        device, place = f"/dev/full{number}", f"/mnt/full{number}"
        image = f"/var/local/full{number}.img"
        box.machine.succeed(
            "mkdir -p /var/local",
            f"truncate -s 64M {image} && mkfs.ext4 -q -m 0 {image}",
            "[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237",
            # Found on the host's kernel, named for the machine alone.
            f"n=$(losetup -f | tr -dc 0-9) && mknod -m 600 {device} b 7 $n",
            f"losetup {device} {image} && mkdir -p {place} && mount {device} {place}",
        )
        try:
            seen = f'instance_device:node_filesystem_available:ratio{{device="{device}"}}'
            until(box, f"{seen} > 0.5")
            free = int(box.machine.succeed(f"df --output=avail -B1 {place} | tail -n 1"))
            since = time.monotonic()
            box.machine.succeed(f"fallocate -l {int(free * 0.98)} {place}/full")
            labels = {"alertname": "NodeFilesystemAlmostFull", "severity": "critical"}
            yield Injected(since, {**labels, "device": device})
        finally:
            box.machine.succeed(f"umount {place}", f"losetup -d {device}", f"rm {device} {image}")


class Lost:
    """A GPU answers every call with "GPU is lost"."""

    name = "GPU lost"
    job = "gpu"

    def __init__(self, cards: Gpus) -> None:
        self.cards = cards

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        index = number % self.cards.count
        running = f'odin_gpu_state{{UUID="{uuid(index)}", state="running"}} == 1'
        until(box, running)
        since = time.monotonic()
        self.cards.set_faults(box.machine, f'[[fault]]\nkind = "lost"\ngpu = {index}\n')
        try:
            yield Injected(since, {"alertname": "GpuLost", "UUID": uuid(index)})
        finally:
            self.cards.set_faults(box.machine)
            until(box, running)


class Failed:
    """A backup fails because its repository is away."""

    name = "backup failed"
    job = "odin"

    @contextmanager
    def fault(self, box: Box, number: int) -> Iterator[Injected]:
        succeeded = 'odin_operation_last_succeeded{operation="backup-now"} == 1'
        if not box.query(succeeded):
            box.machine.succeed("odin backup now")
        until(box, succeeded)
        repository = Path("/mnt/backup/repository")
        box.machine.succeed(f"mv {repository} {repository}.away && touch {repository}")
        try:
            box.machine.fail("odin backup now")
            since = time.monotonic()
            yield Injected(since, {"alertname": "BackupFailed"})
        finally:
            box.machine.succeed(f"rm {repository} && mv {repository}.away {repository}")
            box.machine.succeed("odin backup now")


def until(box: Box, query: str) -> None:
    """Waits until the query has a result."""
    deadline = time.monotonic() + PATIENCE
    while not box.query(query):
        assert time.monotonic() < deadline, f"no result in {PATIENCE} s: {query}"
        time.sleep(0.5)
