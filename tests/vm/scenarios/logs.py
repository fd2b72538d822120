"""Lines that pods write, and what Loki has of them.

The functions need a machine with the NixOS test driver's verbs on which the
declared stack runs.
"""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from urllib.parse import urlencode

NAMESPACE = "workloads"
COLLECTOR = "-n monitoring-host -l app.kubernetes.io/name=otel-collector"
LIMIT = 5000  # entries of one answer

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: workloads
  labels: {{app.kubernetes.io/name: {name}}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 1
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: writer
      image: odin.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, {script}]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      volumeMounts: [{{name: scratch, mountPath: /scratch}}]
  volumes: [{{name: scratch, emptyDir: {{}}}}]
"""


@dataclass(frozen=True, order=True)
class Entry:
    """One entry of Loki: when, what, and its labels with what is beside the line."""

    nanoseconds: int
    line: str
    labels: dict[str, str]


def write(machine, name: str, script: str) -> None:
    """Starts a pod that runs a script of the shell, waits for `go`, and stays."""
    waiting = f"until [ -e /scratch/go ]; do sleep 0.1; done; {script}; sleep 1000000"
    manifest = POD.format(name=name, script=json.dumps(waiting))
    machine.succeed(f"kubectl apply -f - <<'END'\n{manifest}\nEND")
    machine.succeed(f"kubectl -n {NAMESPACE} wait --for=condition=Ready pod/{name} --timeout=120s")


def go(machine, name: str) -> None:
    """Lets the script of a pod begin."""
    machine.succeed(f"kubectl -n {NAMESPACE} exec {name} -- touch /scratch/go")


def of(name: str) -> str:
    """The selector of a pod's lines."""
    return f'{{source="pod", k8s_namespace_name="{NAMESPACE}", service_name="{name}"}}'


def ask(machine, path: str, service: str = "loki", **parameters: object) -> dict:
    """What a component answers."""
    address = machine.succeed(
        f"kubectl -n monitoring get service {service}"
        " -o jsonpath='http://{.spec.clusterIP}:{.spec.ports[0].port}'"
    )
    url = shlex.quote(f"{address}{path}?{urlencode(parameters)}")
    return json.loads(machine.succeed(f"curl --fail-with-body --silent --max-time 60 {url}"))


def entries(machine, query: str, hours: float = 2) -> list[Entry]:
    """Every entry that a query finds, oldest first, however many answers that takes."""
    begin = int(float(machine.succeed("date +%s")) - hours * 3600) * 10**9
    # Some entries are stamped by whoever wrote them.
    end = begin + int((hours + 1) * 3600) * 10**9
    found: dict[tuple[int, str, int], Entry] = {}
    while True:
        answer = ask(
            machine,
            "/loki/api/v1/query_range",
            **{"query": query, "start": begin, "end": end, "limit": LIMIT, "direction": "forward"},
        )
        page = sorted(
            (
                Entry(int(value[0]), value[1], stream["stream"])
                for stream in answer["data"]["result"]
                for value in stream["values"]
            ),
            key=lambda entry: (entry.nanoseconds, entry.line),
        )
        # The next page begins at the last time of this one, and repeats what has
        # it; entries that are twice in one page are two.
        seen: dict[tuple[int, str], int] = {}
        for entry in page:
            key = (entry.nanoseconds, entry.line)
            seen[key] = seen.get(key, 0) + 1
            found[(*key, seen[key])] = entry
        if len(page) < LIMIT or page[-1].nanoseconds == begin:
            return sorted(found.values(), key=lambda entry: (entry.nanoseconds, entry.line))
        begin = page[-1].nanoseconds


def wait_for(machine, query: str, number: int, patience: float) -> list[Entry]:
    """The entries a query finds, as soon as there are so many.

    Raises AssertionError when there are not in time.
    """
    deadline = time.monotonic() + patience
    while True:
        found = entries(machine, query)
        if len(found) >= number:
            return found
        assert time.monotonic() < deadline, (
            f"{len(found)} of {number} entries after {patience} s: {query}"
        )
        time.sleep(0.5)


def numbered(count: int, a_second: int) -> str:
    """A script that writes `number 0 of COUNT` and so on, at a pace."""
    return (
        f'i=0; while [ $i -lt {count} ]; do echo "number $i of {count}"; i=$((i+1));'
        f" [ $((i % {a_second})) = 0 ] && sleep 1; done"
    )


@dataclass(frozen=True)
class Counted:
    """What of the numbered lines is there."""

    expected: int
    missing: tuple[int, ...]
    twice: tuple[int, ...]

    @property
    def exact(self) -> bool:
        return not self.missing and not self.twice


def count(machine, name: str, expected: int, patience: float) -> Counted:
    """Counts the numbered lines of a pod, once all have come or time is over."""
    deadline = time.monotonic() + patience
    while True:
        times = [0] * expected
        for entry in entries(machine, f'{of(name)} |= "number "'):
            times[int(entry.line.split()[1])] += 1
        if all(times) or time.monotonic() > deadline:
            return Counted(
                expected,
                tuple(number for number, seen in enumerate(times) if seen == 0),
                tuple(number for number, seen in enumerate(times) if seen > 1),
            )
        time.sleep(1)


def stop_loki(machine) -> None:
    """Takes Loki away, as its own end would: gracefully, and until it is wanted."""
    machine.succeed(
        "kubectl -n monitoring scale statefulset/loki --replicas=0",
        "kubectl -n monitoring wait --for=delete pod/loki-0 --timeout=120s",
    )


def start_loki(machine) -> None:
    """Brings Loki back and waits until it answers."""
    machine.succeed(
        "kubectl -n monitoring scale statefulset/loki --replicas=1",
        "kubectl -n monitoring rollout status statefulset/loki --timeout=180s",
    )
