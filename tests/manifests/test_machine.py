"""The lab's bundle on a lab machine: pods run, measure and raise alerts.

What is not looked at: how ODIN applies a bundle (kubectl does it here), and
whether packets that a policy forbids are dropped (the lab's network has nobody
to drop them).
"""

from __future__ import annotations

import json
import shlex
import time
from urllib.parse import quote

import pytest
from odin_lab.cluster import Cluster, wait_until_ready
from odin_lab.machine import Machine
from scenarios.helm_tests import run_helm_tests

from odin_manifests.bundle import Bundle
from odin_manifests.helm import hooks

pytestmark = pytest.mark.machine

IMAGES = ("prometheus", "alertmanager", "node-exporter", "loki", "otel-collector")
WORKLOADS = (
    ("monitoring-host", "daemonset/node-exporter"),
    ("monitoring", "statefulset/alertmanager"),
    ("monitoring", "statefulset/prometheus"),
    ("monitoring", "statefulset/loki"),
    ("monitoring-host", "daemonset/otel-collector"),
)
APPLY = "kubectl apply --server-side --field-manager=odin -f"
JOBS = {
    *("alertmanager", "apiserver", "cadvisor", "coredns"),
    *("kubelet", "loki", "node-exporter", "otel-collector", "prometheus"),
}
# A pod that asks to be scraped, as the owner of a workload would write it.
SCRAPED = """
apiVersion: v1
kind: Pod
metadata:
  name: measured
  namespace: workloads
  labels: {odin.local/scrape: "true"}
  annotations: {odin.local/metrics-port: "9200"}
spec:
  automountServiceAccountToken: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: measured
      image: IMAGE
      args: ["--web.listen-address=:9200", --collector.disable-defaults, --collector.time]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""
# What a person declares who wants alerts sent somewhere.
DECLARED = "{route: {receiver: declared}, receivers: [{name: declared}]}"


def scraped(machine: Machine) -> set[tuple[str, str, str]]:
    """Job, health and last error of each target."""
    targets = ask(machine, "prometheus", "/api/v1/targets")["data"]["activeTargets"]
    return {(each["labels"]["job"], each["health"], each["lastError"]) for each in targets}


def failing_rules(machine: Machine) -> list[dict]:
    groups = ask(machine, "prometheus", "/api/v1/rules")["data"]["groups"]
    return [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]


def test_the_stack_runs(machines, all_bundles: dict[str, Bundle]) -> None:
    bundle = all_bundles["lab"]
    machine = machines("manifests", parts=[Cluster(images=IMAGES)])
    machine.start()
    wait_until_ready(machine)

    apply(machine, bundle)
    for component in bundle.declaration["component"]:
        assert run_helm_tests(machine, hooks(component["name"], "lab")), component["name"]

    deadline = time.monotonic() + 120
    while (found := scraped(machine)) != {(job, "up", "") for job in JOBS}:
        assert time.monotonic() < deadline, found
        time.sleep(2)
    while failing := failing_rules(machine):
        assert time.monotonic() < deadline, failing
        time.sleep(2)

    exporter = bundle.one("DaemonSet", "node-exporter", "monitoring-host")
    image = exporter["spec"]["template"]["spec"]["containers"][0]["image"]
    machine.succeed(f"kubectl apply -f - <<'END'\n{SCRAPED.replace('IMAGE', image)}\nEND")
    measured = 'up{job="pods",namespace="workloads",pod="measured"}==1'
    wait_for(machine, "prometheus", f"/api/v1/query?query={quote(measured)}", "'\"value\":'")

    wait_for(machine, "alertmanager", "/api/v2/alerts", "Watchdog")
    assert receiver(machine) == "null"
    declare_receiver(machine)
    assert receiver(machine) == "declared"


def apply(machine, bundle: Bundle) -> None:
    """Applies the components in their order and waits for their workloads."""
    machine.copy_from_host(bundle.directory, "/root/bundle")
    machine.succeed(f"for n in /root/bundle/platform/namespace-*; do {APPLY} $n; done")
    for component in bundle.declaration["component"]:
        machine.succeed(f"{APPLY} /root/bundle/{component['name']}")
    for namespace, workload in WORKLOADS:
        machine.succeed(f"kubectl -n {namespace} rollout status {workload} --timeout=180s")


def declare_receiver(machine) -> None:
    """Creates the Secret as ODIN would from `[[secrets]]`, and has the pod read it."""
    machine.succeed(
        "kubectl -n monitoring create secret generic alertmanager-config"
        f" --from-literal=alertmanager.yml={shlex.quote(DECLARED)}",
        "kubectl -n monitoring delete pod alertmanager-0",
        "kubectl -n monitoring rollout status statefulset/alertmanager --timeout=180s",
    )
    wait_for(machine, "alertmanager", "/-/ready", "OK")


def receiver(machine) -> str:
    """The default receiver of the configuration in force."""
    (found,) = ask(machine, "alertmanager", "/api/v2/receivers")
    return found["name"]


def url(machine, service: str, path: str) -> str:
    """An address that the host can use, as ODIN's supervisor would."""
    spec = json.loads(machine.succeed(f"kubectl -n monitoring get service {service} -o json"))[
        "spec"
    ]
    return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}{path}"


def ask(machine, service: str, path: str):
    """What a component answers."""
    return json.loads(machine.succeed(f"curl --fail --silent {url(machine, service, path)}"))


def wait_for(machine, service: str, path: str, word: str) -> None:
    """Waits until an answer contains a word."""
    machine.wait_until_succeeds(
        f"curl --fail --silent {url(machine, service, path)} | grep -q {word}", 90
    )
