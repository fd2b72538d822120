"""Receivers, the trial of their delivery, and remedies, at a real Alertmanager."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import alerting
import pytest
from odin_lab import cluster, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import stack
from scenarios.main_job import report

REMEDIATION = """
[alerting.remediation]
actions = ["restart-pod"]
dry-run = {dry_run}
after = "1s"
cool-down = "1s"
verify-within = "5m"
"""
NAMESPACE = "monitoring-host"
PODS = f"kubectl -n {NAMESPACE} get pods -l app.kubernetes.io/name=node-exporter -o json"
# Fires as long as Prometheus finds this pod.
RULE = """groups:
  - name: lab
    rules:
      - alert: LabPodHangs
        expr: up{{job="node-exporter", pod="{pod}"}} >= 0
        labels:
          severity: critical
        annotations:
          remediation: restart-pod
          summary: The pod is there, and the lab wants another.
"""
# What anybody can do who reaches Alertmanager: no rule fires it.
FORGED = """[{{"labels": {{"alertname": "LabForged", "severity": "critical",
  "namespace": "{namespace}", "pod": "{pod}"}},
  "annotations": {{"remediation": "restart-pod"}}, "startsAt": "{starts}"}}]"""


@pytest.fixture(scope="module")
def told_box(
    lab: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A machine with the stack in force and a receiver that listens on it."""
    declaration = (paths.GUEST / "odin.toml").read_text() + alerting.ALERTING
    parts = [
        cluster.Cluster(images=odin.STACK_IMAGES),
        odin.Odin(bundle, declaration=declaration),
    ]
    disk = {tmp_path_factory.mktemp("disk"): odin.BACKUP_DISK}
    with temporary_machine("told", parts=parts, binds=disk) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        alerting.listen(machine)
        machine.succeed("odin apply")
        yield machine


def test_what_is_declared_is_what_alertmanager_runs_with(told_box: Machine) -> None:
    told_box.succeed("odin plan")
    shown = told_box.succeed("odin alerts config")
    secret = "kubectl -n monitoring get secret alertmanager-config -o"
    kept = told_box.succeed(f"{secret} go-template='{{{{index .data \"alertmanager.yml\"}}}}'")
    assert told_box.succeed(f"echo {kept} | base64 -d").strip() == shown.strip()
    assert alerting.TOKEN not in shown
    # The dead-man's switch needs nobody to be asked.
    wait_for(lambda: alerting.heard(told_box, "Watchdog"), 120)


def test_a_delivery_is_tried_end_to_end(told_box: Machine) -> None:
    row = report(told_box, "alerts test --receiver hook")["rows"][0]
    assert (row["receiver"], row["integration"], row["sent"]) == ("hook", "webhook", True), row
    assert alerting.heard(told_box, "OdinDeliverySelfTest")
    # All of them: one is deaf, and that is named and remembered.
    status, text = told_box.execute("odin alerts test")
    assert status == 1 and "deaf by webhook: FAILED" in text and "hook by webhook: sent" in text, (
        text
    )
    assert [test["passed"] for test in alerting.records(told_box, "self-tests.jsonl")] == [False]
    assert "delivery tried" in told_box.execute("odin status")[1]
    status, text = told_box.execute("odin alerts test --receiver nobody 2>&1")
    assert status == 64 and '"nobody"' in text, text


def test_a_silence_has_an_owner_and_an_end(told_box: Machine) -> None:
    status, _ = told_box.execute("odin alerts silence alertname=Lab --comment why --for 10m")
    assert status == 64
    made = report(told_box, "alerts silence alertname=Lab --comment why --by lab --for 10m")
    shown = report(told_box, "alerts list")
    assert [each["createdBy"] for each in shown["silences"]] == ["lab"]
    assert "Watchdog" in {each["labels"]["alertname"] for each in shown["alerts"]}
    told_box.succeed(f"odin alerts unsilence {made['id']}")
    assert report(told_box, "alerts list")["silences"] == []


def test_a_remedy_is_told_then_done_and_proven(told_box: Machine) -> None:
    pod = exporter(told_box)
    fire(told_box, pod)
    forge(told_box, pod)
    declaration = (paths.GUEST / "odin.toml").read_text() + alerting.ALERTING
    alerting.declare(told_box, declaration + REMEDIATION.format(dry_run="true"))

    wait_for(lambda: alerting.records(told_box, "remedies.jsonl"), 90)
    (told,) = alerting.records(told_box, "remedies.jsonl")
    target = f"pod {NAMESPACE}/{pod['name']}"
    assert (told["result"], told["target"], told["dry-run"]) == ("would-be-done", target, True)
    assert exporter(told_box)["uid"] == pod["uid"], "a dry run does nothing"

    alerting.declare(told_box, declaration + REMEDIATION.format(dry_run="false"))
    wait_for(lambda: exporter(told_box)["uid"] != pod["uid"], 90)

    def resolved() -> bool:
        return any(
            record["result"] == "resolved"
            for record in alerting.records(told_box, "remedies.jsonl")
            if not record["dry-run"]
        )

    # The alert ends, and is believed to when it stayed away for a while.
    wait_for(resolved, 300)
    lines = [each for each in alerting.records(told_box, "remedies.jsonl") if not each["dry-run"]]
    assert [each["result"] for each in lines] == ["begun", "done", "resolved"], lines
    assert lines[-1]["resolved-at"] > lines[-1]["time"]
    # What somebody raised was left alone, with a word.
    assert {each["alert"] for each in lines} == {"LabPodHangs"}
    told_box.wait_until_succeeds("journalctl -u odin.service | grep 'no rule fires them'", 60)
    page = alerting.metrics(told_box)
    assert 'odin_remediation_actions_total{action="restart-pod",result="resolved"} 1' in page, page
    assert 'odin_alerts_resolved_total{by="odin"} 1' in page, page


def exporter(machine: Machine) -> dict:
    """Name and uid of the newest pod of the node exporter; empty while there is none."""
    pods = [
        each["metadata"]
        for each in json.loads(machine.succeed(PODS))["items"]
        if "deletionTimestamp" not in each["metadata"]
    ]
    return pods[0] if pods else {"name": "", "uid": ""}


def fire(machine: Machine, pod: dict) -> None:
    """A rule that fires as long as the pod is there, and nothing else that asks."""
    rule = shlex.quote(RULE.format(pod=pod["name"]))
    machine.succeed(
        "kubectl -n monitoring create configmap prometheus-local-rules"
        f" --from-literal=lab.yaml={rule}",
        "kubectl -n monitoring delete pod prometheus-0",
    )

    def asks() -> bool:
        alerts = stack.ask(machine, "alertmanager:9093", "/api/v2/alerts")
        names = {each["labels"]["alertname"] for each in alerts}
        asking = [
            each["labels"]["alertname"] for each in alerts if "remediation" in each["annotations"]
        ]
        return "Watchdog" in names and asking == ["LabPodHangs"]

    # What fired because Prometheus was away ends by itself.
    stack.wait("the rule alone asks for a remedy", asks, 300)


def forge(machine: Machine, pod: dict) -> None:
    """Raises an alert at Alertmanager that no rule fires."""
    service = json.loads(machine.succeed("kubectl -n monitoring get service alertmanager -o json"))
    body = FORGED.format(
        namespace=NAMESPACE, pod=pod["name"], starts=machine.succeed("date -u +%FT%TZ").strip()
    )
    machine.succeed(
        f"curl --silent --fail --data {shlex.quote(body)} -H 'Content-Type: application/json'"
        f" http://{service['spec']['clusterIP']}:9093/api/v2/alerts"
    )
    assert stack.alerts(machine, "LabForged")


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Waits until a condition holds, which is looked at every second."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(1)
