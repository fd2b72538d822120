"""The main job: declare, apply, back up, lose everything, restore, compare.

The functions need a machine with the NixOS test driver's verbs, `odin` and a
repository on a second disk; who makes the machine, and how it loses its data,
is the caller's affair.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

WORKLOAD = "main-job"
NAMESPACE = "workloads"

# A pod that writes files of all usual kinds into a volume once, and stays.
MANIFEST = f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {WORKLOAD}, namespace: {NAMESPACE}}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {WORKLOAD}, namespace: {NAMESPACE}}}
spec:
  serviceName: {WORKLOAD}
  selector: {{matchLabels: {{app: {WORKLOAD}}}}}
  template:
    metadata: {{labels: {{app: {WORKLOAD}}}}}
    spec:
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        fsGroup: 65534
        seccompProfile: {{type: RuntimeDefault}}
      containers:
        - name: writer
          image: odin.local/busybox:1
          imagePullPolicy: IfNotPresent
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
          command:
            - sh
            - -ec
            - |
              if [ ! -e /data/written ]; then
                mkdir -p /data/small /data/empty
                i=0
                while [ $i -lt 500 ]; do
                  head -c $((i * 17)) /dev/urandom > /data/small/$i
                  i=$((i + 1))
                done
                head -c 67108864 /dev/urandom > /data/large
                ln -s small/1 /data/link
                ln /data/large /data/hard
                chmod 640 /data/small/7
                sync
                touch /data/written
              fi
              exec sleep 1000000
          readinessProbe: {{exec: {{command: [test, -e, /data/written]}}, periodSeconds: 1}}
          volumeMounts: [{{name: data, mountPath: /data}}]
      terminationGracePeriodSeconds: 1
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: {WORKLOAD}}}}}]
"""

# Kinds whose objects a person declares; what controllers derive from them
# (pods, endpoints, events) is made anew and has new names.
COMPARED_KINDS = (
    "namespaces,persistentvolumes,persistentvolumeclaims,configmaps,secrets,"
    "serviceaccounts,services,"
    "deployments,statefulsets,daemonsets,roles,rolebindings,clusterroles,clusterrolebindings,"
    "networkpolicies,resourcequotas,limitranges,storageclasses,priorityclasses"
)
STORAGE = "/var/lib/rancher/k3s/storage"
SERVER = "/var/lib/rancher/k3s/server"
IDENTITY = f"{SERVER}/tls {SERVER}/cred {SERVER}/token /etc/odin"


def report(machine, arguments: str) -> dict:
    """What `odin --json ARGUMENTS` reports; its talk is shown when it fails."""
    talk = "/tmp/odin.talk"
    return json.loads(
        machine.succeed(f"odin --json {arguments} 2>{talk} || {{ tail -n 5 {talk} >&2; exit 1; }}")
    )


@dataclass(frozen=True)
class Seen:
    """What was there at one time, in a form that can be compared."""

    objects: dict[str, str]
    files: dict[str, str]

    @property
    def bytes(self) -> int:
        return sum(int(entry.split()[1]) for entry in self.files.values() if entry.startswith("f "))


def write_data(machine) -> None:
    """Starts the workload and waits until it has written its files."""
    machine.succeed(f"kubectl apply -f - <<'END'\n{MANIFEST}\nEND")
    machine.wait_until_succeeds(
        f"kubectl -n {NAMESPACE} rollout status statefulset/{WORKLOAD} --timeout=10s",
        180,
    )


def look(machine) -> Seen:
    """Reads every compared object and every file of the workload and the identity."""
    listing = json.loads(machine.succeed(f"kubectl get --all-namespaces -o json {COMPARED_KINDS}"))
    objects = {}
    for item in listing["items"]:
        metadata = item["metadata"]
        key = f"{item['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        if item["kind"] == "ConfigMap" and metadata["name"] in (
            "odin-inventory",
            "kube-root-ca.crt",
        ):
            # The inventory counts applies, and a restore ends with one.
            continue
        objects[key] = json.dumps(
            {
                "uid": metadata["uid"],
                **{
                    name: item.get(name)
                    for name in ("spec", "data", "rules", "subjects", "roleRef")
                },
            },
            sort_keys=True,
        )
    claimed = f'{{.items[?(@.spec.claimRef.name=="{WORKLOAD}")]'
    volume = machine.succeed(
        "kubectl get persistentvolume -o"
        f" jsonpath='{claimed}.spec.hostPath.path}}{claimed}.spec.local.path}}'"
    ).strip()
    assert volume.startswith(STORAGE), f"the volume of {WORKLOAD} is {volume!r}"
    # Kind, size, mode, owner, target and content of everything.
    text = machine.succeed(
        f"find {volume} {IDENTITY} -printf '%y %s %m %U:%G %l|%p\\n' | sort -t'|' -k2",
        f"find {volume} {IDENTITY} -type f -print0 | sort -z | xargs -0 sha256sum",
    )
    files: dict[str, str] = {}
    for line in text.splitlines():
        if "|" in line:
            properties, path = line.split("|", 1)
            # The size of a directory is the file system's affair.
            files[path] = (
                properties
                if not properties.startswith("d ")
                else "d 0 " + properties.split(" ", 2)[2]
            )
        else:
            digest, path = line.split("  ", 1)
            files[path] += f" {digest}"
    return Seen(objects, files)


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Every key that is missing, new or different."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            found.append(f"{key} is missing")
        elif key not in before:
            found.append(f"{key} is new")
        elif before[key] != after[key]:
            found.append(f"{key} differs:\n  before {before[key]}\n  after  {after[key]}")
    return found


def ready_components(machine) -> dict[str, str]:
    """Workloads of the declared stack and how many of their pods are ready."""
    listing = json.loads(
        machine.succeed(
            "kubectl get deployments,statefulsets,daemonsets --all-namespaces -o json"
            " --selector app.kubernetes.io/part-of=odin"
        )
    )
    ready = {}
    for item in listing["items"]:
        status = item.get("status", {})
        wanted = item["spec"].get("replicas", status.get("desiredNumberScheduled", 0))
        have = status.get("readyReplicas", status.get("numberReady", 0))
        ready[f"{item['metadata']['namespace']}/{item['metadata']['name']}"] = f"{have}/{wanted}"
    return ready
