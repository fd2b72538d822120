"""A GPU's life in a cluster: given out, used, lost, told of, drained, recovered.

The functions need a machine with the NixOS test driver's verbs, the declared
stack in force, `odin gpu serve` with its device plugin, and the supervisor with
`[gpu.remediation]` to taint, cordon and drain. How a GPU is lost and comes back
is the caller's affair.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

NAMESPACE = "workloads"
POD = "trainer"
# Declared on the appliance (odin.gpu.enable); a node of another kind is told.
DECLARED = "kubectl label node --all --overwrite nvidia.com/gpu.present=true"
TAINT = "odin.local/gpu-unhealthy"

MANIFEST = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {POD}, namespace: {NAMESPACE}}}
spec:
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    seccompProfile: {{type: RuntimeDefault}}
  containers:
    - name: main
      image: odin.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, "exec sleep 1000000"]
      securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
      resources: {{limits: {{nvidia.com/gpu: 1}}}}
"""


def address(machine, service: str) -> str:
    """Where the host reaches a component of the stack."""
    found = machine.succeed(f"kubectl -n monitoring get service {service} -o json")
    spec = json.loads(found)["spec"]
    return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"


def query(machine, text: str) -> list[dict]:
    """What Prometheus answers now."""
    url = f"{address(machine, 'prometheus')}/api/v1/query?query={quote(text)}"
    return json.loads(machine.succeed(f"curl -sf '{url}'"))["data"]["result"]


def wait_for_data(machine, text: str, timeout: float = 120) -> list[dict]:
    """Waits until a query returns something, and returns it."""
    url = f"{address(machine, 'prometheus')}/api/v1/query?query={quote(text)}"
    machine.wait_until_succeeds(f"curl -sf '{url}' | jq -e '.data.result != []'", timeout)
    return query(machine, text)


def wait_for_alert(machine, name: str, labels: dict[str, str], timeout: float = 120) -> dict:
    """Waits until Alertmanager has an alert that is not resolved, and returns it."""
    url = f"{address(machine, 'alertmanager')}/api/v2/alerts?active=true"
    wanted = json.dumps({"alertname": name, **labels})
    found = f"[.[] | select(.labels | contains({wanted}))]"
    machine.wait_until_succeeds(f"curl -sf '{url}' | jq -e '{found} != []'", timeout)
    return json.loads(machine.succeed(f"curl -sf '{url}' | jq '{found} | first'"))


def wait_until_resolved(machine, name: str, timeout: float = 120) -> None:
    """Waits until Alertmanager has no such alert any more."""
    url = f"{address(machine, 'alertmanager')}/api/v2/alerts?active=true"
    machine.wait_until_succeeds(
        f"curl -sf '{url}' | jq -e 'all(.[]; .labels.alertname != \"{name}\")'", timeout
    )


def wait_for_gpus(machine, allocatable: int, timeout: float = 120) -> None:
    """Waits until the node offers so many GPUs."""
    machine.wait_until_succeeds(
        'kubectl get nodes -o json | jq -e \'[.items[].status.allocatable["nvidia.com/gpu"]'
        f' // "0" | tonumber] | add == {allocatable}\'',
        timeout,
    )


def watched(machine) -> None:
    """Prometheus asks the node for its GPUs, and nothing about them is wrong."""
    machine.succeed(DECLARED)
    wait_for_data(machine, 'up{job="gpu"} == 1')
    wait_for_data(machine, 'odin_gpu_state{state="running"} == 1')
    assert query(machine, 'ALERTS{alertname=~"Gpu.*", alertstate="firing"}') == []


def allocate(machine) -> tuple[int, str]:
    """A pod asks for a GPU and gets one; its index and UUID."""
    machine.succeed(f"kubectl apply -f - <<'END'\n{MANIFEST}\nEND")
    machine.succeed(f"kubectl -n {NAMESPACE} wait pod/{POD} --for=condition=Ready --timeout=120s")
    seen = machine.succeed(f"kubectl -n {NAMESPACE} exec {POD} -- sh -c 'ls /dev | grep nvidia'")
    nodes = [node for node in seen.split() if node.removeprefix("nvidia").isdecimal()]
    assert len(nodes) == 1, f"a pod that asked for one GPU sees {nodes}"
    (told,) = wait_for_data(machine, f'odin_gpu_allocation{{namespace="{NAMESPACE}", pod="{POD}"}}')
    index = int(nodes[0].removeprefix("nvidia"))
    assert told["metric"]["gpu"] == str(index), told
    return index, told["metric"]["UUID"]


def drained(machine) -> None:
    """The node takes no more work for GPUs, and the pod that had one is gone."""
    machine.wait_until_succeeds(
        "kubectl get nodes -o json | jq -e 'any(.items[].spec;"
        f' .unschedulable and any(.taints[]?; .key == "{TAINT}"))\'',
        120,
    )
    machine.wait_until_succeeds(f"! kubectl -n {NAMESPACE} get pod {POD}", 120)


def taken_back(machine) -> None:
    """The node takes work again."""
    machine.wait_until_succeeds(
        "kubectl get nodes -o json | jq -e 'all(.items[].spec; (.unschedulable | not) and"
        f' (any(.taints[]?; .key == "{TAINT}") | not))\'',
        180,
    )


def run(machine, count: int, lose: Callable[[int], None], recover: Callable[[], None]) -> None:
    """The whole life of one of `count` GPUs."""
    wait_for_gpus(machine, count)
    watched(machine)
    index, uuid = allocate(machine)

    lose(index)
    alert = wait_for_alert(machine, "GpuLost", {"UUID": uuid})
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/GpuLost.md"
    wait_for_gpus(machine, count - 1)
    drained(machine)

    recover()
    wait_for_gpus(machine, count)
    taken_back(machine)
    wait_until_resolved(machine, "GpuLost")
    assert allocate(machine)[1]
    machine.succeed(f"kubectl -n {NAMESPACE} delete pod {POD} --wait --timeout=60s")
