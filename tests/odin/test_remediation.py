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
# What a rule of Prometheus does: it fires as long as this pod is there. Its end
# is not told; Alertmanager hears nothing more, as when a rule stops to fire.
# Without its start Alertmanager takes the end for it, which is always to come.
RULE = f"""#!/bin/bash
starts=$(date -u +%FT%TZ)
while [ "$(kubectl -n {NAMESPACE} get pod $1 -o jsonpath={{.metadata.uid}})" = $2 ]; do
  ends=$(date -u -d +20seconds +%FT%TZ)
  curl --silent --fail --data @- -H 'Content-Type: application/json' "$3/api/v2/alerts" <<END
[{{"labels": {{"alertname": "LabPodHangs", "severity": "critical", "namespace": "{NAMESPACE}",
  "pod": "$1"}}, "annotations": {{"remediation": "restart-pod"}},
  "startsAt": "$starts", "endsAt": "$ends"}}]
END
  sleep 3
done
"""


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
    """An alert that fires as long as the pod is there."""
    service = json.loads(machine.succeed("kubectl -n monitoring get service alertmanager -o json"))
    address = f"http://{service['spec']['clusterIP']}:9093"
    machine.succeed(
        f"printf %s {shlex.quote(RULE)} > /usr/local/bin/rule; chmod 755 /usr/local/bin/rule",
        "systemd-run --unit=rule --setenv=PATH=$PATH --setenv=KUBECONFIG=${KUBECONFIG:-}"
        f" /usr/local/bin/rule {pod['name']} {pod['uid']} {address}",
    )


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Waits until a condition holds, which is looked at every second."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(1)
