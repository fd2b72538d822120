"""A machine with the whole stack and its supervisor, under a little load."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from odin_lab import cluster, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine, Part
from scenarios import phase1

# Three pods that write to a volume and use a part of a core, as a quiet user's.
LOAD = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: load, namespace: workloads}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: load, namespace: workloads}
spec:
  replicas: 3
  selector: {matchLabels: {app: load}}
  template:
    metadata: {labels: {app: load}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 1
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        fsGroup: 65534
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: load
          image: odin.local/busybox:1
          imagePullPolicy: IfNotPresent
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          command:
            - sh
            - -c
            - |
              while true; do
                head -c 1048576 /dev/urandom | sha256sum > "/data/$(hostname)"
                sync
                sleep 0.5
              done
          volumeMounts: [{name: data, mountPath: /data}]
      volumes:
        - {name: data, persistentVolumeClaim: {claimName: load}}
"""


@dataclass
class Box:
    """The machine, and what its Prometheus and Alertmanager say."""

    machine: Machine

    def query(self, text: str) -> list[dict]:
        """What a query returns now."""
        url = self.url("prometheus")
        answer = self.machine.succeed(
            f"curl --fail --silent --get --data-urlencode {shlex.quote(f'query={text}')}"
            f" {url}/api/v1/query"
        )
        return json.loads(answer)["data"]["result"]

    def alerts(self) -> list[dict]:
        """What Alertmanager has and is not resolved."""
        return json.loads(
            self.machine.succeed(f"curl --fail --silent {self.url('alertmanager')}/api/v2/alerts")
        )

    def url(self, service: str) -> str:
        """Where a Service of the stack answers, seen from the machine."""
        spec = json.loads(
            self.machine.succeed(f"kubectl -n monitoring get service {service} -o json")
        )["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


@contextmanager
def running_box(
    identifier: str, parts: Sequence[Part] = (), declaration: str = ""
) -> Iterator[Box]:
    """A machine of its own with the bundle in force, removed at the end.

    `declaration` is added to the lab's.
    """
    with tempfile.TemporaryDirectory(prefix=f"odin-{identifier}-") as scratch:
        disk = Path(scratch) / "disk"
        disk.mkdir()
        odin.build(say)
        bundle = odin.build_bundle("lab", Path(scratch) / "bundle", say)
        made = [
            cluster.Cluster(images=odin.STACK_IMAGES),
            odin.Odin(
                bundle,
                declaration=(paths.GUEST / "odin.toml").read_text() + declaration,
                supervise=True,
            ),
            *parts,
        ]
        with temporary_machine(
            "box", identifier=identifier, parts=made, binds={disk: odin.BACKUP_DISK}
        ) as machine:
            machine.start()
            phase1.come_up(machine)
            yield Box(machine)


def say(line: str) -> None:
    """Tells whoever watches."""
    print(line, file=sys.stderr, flush=True)
