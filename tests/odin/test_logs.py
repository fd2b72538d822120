"""Logs from the files of a machine to Loki, by the real programs.

What is not looked at here: Loki away for ten minutes (tests/acceptance/logs.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from odin_lab import cluster, odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import logs

TRACE = """2026-11-23 10:00:00 ERROR it failed
java.lang.IllegalStateException: no
\tat com.example.Main.run(Main.java:7)
Caused by: java.io.IOException: disk
\t... 5 more"""
PYTHON = """Traceback (most recent call last):
  File "main.py", line 3, in <module>
    run()
ValueError: no"""
# Made up here, and like nothing that is in use.
KEY = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *("MIIEpAIBAAKCAQEA" * 4,) * 3,
        "Zm9vYmFyYmF6cXV4cXV1eA==",
        "-----END RSA PRIVATE KEY-----",
    ]
)
SECRETS = {
    "Authorization: Bearer abcdef0123456789.secret": "Authorization: Bearer [masked]",
    "login user=me password=hunter2 ok": "login user=me password=[masked] ok",
    '{"user":"me","db_password":"a\\"b","n":1}': '{"user":"me","db_password":"[masked]","n":1}',
    "id AKIAABCDEFGHIJKLMNOP used": "id AKIA[masked] used",
    "GET https://me:hunter2@example.org/x": "GET https://me:[masked]@example.org/x",
    KEY: "-----BEGIN RSA PRIVATE KEY----- [masked]",
}
JOURNAL = "/var/log/odin/journal"
AUDIT = "/var/lib/rancher/k3s/server/logs/audit.log"
# What Loki takes in the lab (manifests/overlays/lab/values/loki.yaml): bytes a
# second, and seconds of that at once.
RATE, BURST = 1_000_000, 1


@pytest.fixture(scope="module")
def box(bundle: Path) -> Iterator[Machine]:
    """A machine with the declared stack in force, shared by these tests."""
    parts = [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(bundle)]
    with temporary_machine("logs", parts=parts) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.succeed("odin apply")
        yield machine


def said(text: str) -> str:
    """The shell's command that writes a text, as it is, with a newline."""
    quoted = text.replace("'", "'\\''")
    return f"printf '%s\\n' '{quoted}'"


def test_a_line_is_found_by_its_pod(box: Machine) -> None:
    logs.write(box, "canary", "echo canary sings")
    logs.go(box, "canary")
    (entry,) = logs.wait_for(box, f'{logs.of("canary")} |= "canary sings"', 1, 90)
    assert entry.labels["k8s_pod_name"] == "canary"
    assert entry.labels["k8s_container_name"] == "writer"
    assert entry.labels["k8s_node_name"] == box.succeed("hostname").strip()


def test_labels_are_few_and_the_rest_is_beside_the_line(box: Machine) -> None:
    logs.wait_for(box, '{source="pod"}', 1, 90)
    assert set(logs.ask(box, "/loki/api/v1/labels")["data"]) <= {
        *("source", "service_name", "k8s_namespace_name"),
        *("k8s_container_name", "k8s_node_name"),
    }


def test_lines_of_every_form_have_a_severity_and_are_one_entry(box: Machine) -> None:
    forms = {
        '{"level":"error","msg":"json"}': "error",
        '{"severity":"WARNING","msg":"json"}': "warn",
        'time=now level=warn msg="logfmt"': "warn",
        "E1123 10:00:00.000000       1 main.go:7] klog": "error",
        "[INFO] plugin/reload: brackets": "info",
        TRACE: "error",
        "nothing known": "unknown",
    }
    logs.write(box, "forms", "; ".join(said(text) for text in [*forms, PYTHON, "the end"]))
    logs.go(box, "forms")
    logs.wait_for(box, f'{logs.of("forms")} |= "the end"', 1, 90)
    found = {entry.line: entry.labels for entry in logs.entries(box, logs.of("forms"))}
    levels = {line: labels.get("detected_level") for line, labels in found.items()}
    # Python's report begins with no line of its own: it belongs to the one before.
    assert levels == {
        **{form: level for form, level in forms.items() if form != "nothing known"},
        f"nothing known\n{PYTHON}": levels.get(f"nothing known\n{PYTHON}"),
        "the end": "unknown",
    }
    assert "msg" in logs.entries(box, f"{logs.of('forms')} | json | msg=`json`")[0].labels


def test_secrets_are_masked(box: Machine) -> None:
    script = "; ".join(f"{said(text)}; sleep 1" for text in [*SECRETS, "the end"])
    logs.write(box, "secrets", script)
    logs.go(box, "secrets")
    logs.wait_for(box, f'{logs.of("secrets")} |= "the end"', 1, 60)
    found = [entry.line for entry in logs.entries(box, logs.of("secrets"))]
    assert found == [*SECRETS.values(), "the end"]


def test_journal_and_kernel_come_with_time_unit_and_severity(box: Machine) -> None:
    stamp = int(box.succeed("date +%s%6N"))
    lines = [
        {"MESSAGE": "unit speaks", "PRIORITY": "4", "_SYSTEMD_UNIT": "one@two.service"},
        {
            "MESSAGE": "NVRM: Xid (PCI:0000:01:00): 79, gone",
            "PRIORITY": "3",
            "_TRANSPORT": "kernel",
        },
        {"MESSAGE": "scope speaks", "PRIORITY": "6", "_SYSTEMD_UNIT": "session-3.scope"},
    ]
    text = "\n".join(
        json.dumps({**line, "__REALTIME_TIMESTAMP": str(stamp + number)})
        for number, line in enumerate(lines)
    )
    # Beside the file that the host's own unit writes.
    box.succeed(f"mkdir -p {JOURNAL} && cat >> {JOURNAL}/test.jsonl <<'END'\n{text}\nEND")
    # Renamed under the collector's eyes, and gone on with.
    box.succeed(
        f"mv {JOURNAL}/test.jsonl {JOURNAL}/test.jsonl.1",
        "logger -t after-test the file was renamed",
        "timeout 60 sh -c"
        " 'until journalctl -q -t after-test -n 1 | grep -q renamed; do sleep 0.1; done'",
        f"journalctl -o json -t after-test -n 1 > {JOURNAL}/test.jsonl",
    )
    query = '{source=~"journal|kernel"} |~ "speaks|NVRM: Xid|file was renamed"'
    found = logs.wait_for(box, query, 4, 90)
    by_line = {entry.line: entry for entry in found}
    assert set(by_line) == {*(line["MESSAGE"] for line in lines), "the file was renamed"}
    assert len(found) == 4
    unit, kernel, scope = (by_line[line["MESSAGE"]] for line in lines)
    assert unit.nanoseconds == stamp * 1000
    assert (unit.labels["service_name"], unit.labels["detected_level"]) == ("one", "warn")
    assert unit.labels["systemd_unit"] == "one@two.service"
    assert (kernel.labels["source"], kernel.labels["detected_level"]) == ("kernel", "error")
    assert scope.labels["service_name"] == "scope"
    # And what a rule makes of the kernel's line arrives where alerts go.
    deadline = time.monotonic() + 120
    while "LogNvidiaXid" not in json.dumps(logs.ask(box, "/api/v2/alerts", service="alertmanager")):
        assert time.monotonic() < deadline, "Alertmanager has no LogNvidiaXid"
        time.sleep(1)


def test_audit_events_come_as_they_are(box: Machine) -> None:
    event = json.dumps(
        {
            "kind": "Event",
            "verb": "delete",
            "user": {"username": "me"},
            "stageTimestamp": box.succeed("date -u +%Y-%m-%dT%H:%M:%S.%6NZ").strip(),
        }
    )
    box.succeed(f"mkdir -p $(dirname {AUDIT}) && echo '{event}' >> {AUDIT} && chmod 600 {AUDIT}")
    (entry,) = logs.wait_for(box, '{source="audit"} | json | verb="delete"', 1, 90)
    assert entry.line == event


def test_a_flood_is_limited_and_others_lines_arrive(box: Machine) -> None:
    # Sixteen megabytes at once: a quarter of a minute's worth of what Loki takes.
    number, line = 16000, "x" * 1000
    logs.write(box, "flood", f"seq {number} | sed 's/$/ {line}/'")
    logs.write(box, "quiet", logs.numbered(20, 1))
    began = time.monotonic()
    logs.go(box, "flood")
    logs.go(box, "quiet")
    assert logs.count(box, "quiet", 20, 120).exact
    # Held back, not lost.
    every = f"sum(count_over_time({logs.of('flood')}[1h]))"
    deadline = time.monotonic() + 600
    while True:
        found = logs.ask(box, "/loki/api/v1/query", query=every)["data"]["result"]
        if found and int(found[0]["value"][1]) == number:
            break
        assert time.monotonic() < deadline, f"of {number} lines: {found}"
        time.sleep(2)
    took = time.monotonic() - began
    # What comes slower than the limit, from a machine with much else to do, is not
    # held back; but faster it must not come.
    limited = 'sum(loki_discarded_samples_total{reason=~"rate_limited|per_stream_rate_limit"}) > 0'
    deadline = time.monotonic() + 30
    while not logs.ask(box, "/api/v1/query", service="prometheus", query=limited)["data"]["result"]:
        if time.monotonic() > deadline:
            assert took > number * len(line) / RATE - BURST, f"nothing was limited in {took:.0f} s"
            break
        time.sleep(1)
    box.succeed("kubectl -n workloads delete pod flood --now")


def test_positions_survive_the_collectors_end(box: Machine) -> None:
    number = 600
    logs.write(box, "steady", logs.numbered(number, 20))
    logs.go(box, "steady")
    logs.wait_for(box, f'{logs.of("steady")} |= "number "', 100, 60)
    box.succeed(
        f"kubectl delete pod {logs.COLLECTOR}",
        "kubectl -n monitoring-host rollout status daemonset/otel-collector --timeout=120s",
    )
    counted = logs.count(box, "steady", number, 90)
    assert counted.exact, counted


def test_loki_may_be_away(box: Machine) -> None:
    number = 800
    logs.write(box, "patient", logs.numbered(number, 20))
    logs.go(box, "patient")
    logs.wait_for(box, f'{logs.of("patient")} |= "number "', 40, 60)
    logs.stop_loki(box)
    try:
        box.wait_until_succeeds("kubectl -n workloads logs patient | grep -q 'number 500 '", 60)
        # The queue is on disk: the collector may end meanwhile.
        box.succeed(f"kubectl delete pod {logs.COLLECTOR} --now")
    finally:
        logs.start_loki(box)
    counted = logs.count(box, "patient", number, 120)
    assert counted.exact, counted


def test_the_pipeline_is_measured(box: Machine) -> None:
    for series in (
        "otelcol_exporter_sent_log_records",
        "otelcol_exporter_queue_size",
        "otelcol_exporter_queue_capacity",
        "loki_distributor_lines_received_total",
        "loki_compactor_apply_retention_last_successful_run_timestamp_seconds",
        "loki_ingester_wal_disk_full_failures_total",
        "loki_ingester_chunks_flush_failures_total",
    ):
        # The test before this one has just restarted both.
        deadline = time.monotonic() + 90
        while not logs.ask(box, "/api/v1/query", service="prometheus", query=series)["data"][
            "result"
        ]:
            assert time.monotonic() < deadline, series
            time.sleep(1)
