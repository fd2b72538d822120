"""`odin` applies the declared stack, keeps it applied, and refuses what is wrong."""

from __future__ import annotations

import json

from scenarios import main_job
from scenarios.main_job import report

# What this run of the daemon says, and no earlier one.
DAEMON = (
    "journalctl --no-pager"
    " _SYSTEMD_INVOCATION_ID=$(systemctl show odin.service --property InvocationID --value)"
)


def seal(bundle: str) -> str:
    """The command that makes a changed bundle one that opens."""
    return (
        f"cd {bundle} && find . -type f ! -name 'SHA256SUMS*' -printf '%P\\n' | LC_ALL=C sort"
        " | xargs sha256sum > SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS"
    )


def test_the_declared_stack_runs(box):
    ready = main_job.ready_components(box)
    assert set(ready) == {
        "monitoring/alertmanager",
        "monitoring/loki",
        "monitoring/prometheus",
        "monitoring-host/node-exporter",
        "monitoring-host/otel-collector",
    }
    assert all(count.split("/")[0] == count.split("/")[1] for count in ready.values()), ready


def test_a_second_apply_changes_nothing(box):
    box.succeed("odin plan")
    counts = report(box, "apply")["counts"]
    assert set(counts) == {"unchanged"}, counts


def test_a_change_is_planned_applied_and_undone(box):
    box.succeed(
        "rm -rf /tmp/changed && cp -r /etc/odin/bundle /tmp/changed",
        "rm /tmp/changed/prometheus/networkpolicy-*.yaml",
        seal("/tmp/changed"),
    )
    status, text = box.execute("odin plan --bundle /tmp/changed 2>&1")
    assert status == 2, text
    assert "NetworkPolicy" in text
    removed = report(box, "apply --bundle /tmp/changed")["counts"]["deleted"]
    assert removed >= 1
    made = report(box, "undo")["counts"]
    assert made.get("created", 0) == removed, made
    box.succeed("odin apply", "odin plan")


def test_what_was_undone_stays_undone_and_what_is_in_force_is_guarded(box):
    policies = "kubectl -n monitoring get networkpolicies -o name | sort"
    declared = box.succeed(policies)
    box.succeed(
        "rm -rf /tmp/kept && cp -r /etc/odin/bundle /tmp/kept",
        "rm /etc/odin/bundle/prometheus/networkpolicy-*.yaml",
        seal("/etc/odin/bundle"),
        "odin apply",
    )
    assert box.succeed(policies) != declared
    try:
        box.succeed("odin undo", "systemctl start odin.service")
        box.wait_until_succeeds(f"{DAEMON} | grep -q 'the declared bundle was undone'", 60)
        box.wait_until_succeeds(f"{DAEMON} | grep -q 'watching for drift'", 60)
        assert box.succeed(policies) == declared
        # Only the bundle that was gone back to declares it.
        gone = declared.split()[0]
        box.succeed(f"kubectl -n monitoring delete {gone} --wait=false")
        box.wait_until_succeeds(f"test \"$({policies})\" = '{declared.strip()}'", 30)
        status, text = box.execute("odin status")
        assert status == 1
        assert "`odin apply` brings it back" in text
    finally:
        box.succeed(
            "systemctl stop odin.service",
            "rm -rf /etc/odin/bundle && mv /tmp/kept /etc/odin/bundle",
            "odin apply",
            "odin plan",
        )
    assert "undone" not in box.execute("odin status")[1]


def test_a_tampered_bundle_is_refused_and_nothing_is_touched(box):
    before = box.succeed("kubectl -n odin-system get configmap odin-inventory -o yaml")
    box.succeed(
        "rm -rf /tmp/tampered && cp -r /etc/odin/bundle /tmp/tampered",
        "echo '# changed' >> /tmp/tampered/platform/namespace-cluster-monitoring.yaml",
    )
    status, text = box.execute("odin apply --bundle /tmp/tampered 2>&1")
    assert status == 1
    assert "platform/namespace-cluster-monitoring.yaml" in text
    assert "hint:" in text
    assert before == box.succeed("kubectl -n odin-system get configmap odin-inventory -o yaml")


def test_too_many_removals_stop_and_ask(box):
    box.succeed(
        "rm -rf /tmp/bare && mkdir -p /tmp/bare/platform",
        "cp /etc/odin/bundle/bundle.toml /tmp/bare/",
        "cp /etc/odin/bundle/platform/namespace-*.yaml /tmp/bare/platform/",
        seal("/tmp/bare"),
    )
    status, text = box.execute("odin apply --bundle /tmp/bare 2>&1")
    assert status == 1, text
    assert "--prune-limit" in text
    box.succeed("odin plan")


def test_a_hand_made_change_is_repaired_and_recorded(box):
    box.succeed("systemctl start odin.service")
    try:
        box.wait_until_succeeds(f"{DAEMON} | grep -q 'watching for drift'", 60)
        box.succeed(
            "kubectl -n monitoring patch service prometheus --type merge"
            ' -p \'{"spec":{"ports":[{"name":"http","port":9999,"targetPort":"http"}]}}\''
        )
        box.wait_until_succeeds(
            "kubectl -n monitoring get service prometheus -o jsonpath='{.spec.ports[*].port}'"
            " | grep -vq 9999",
            30,
        )
        box.wait_until_succeeds("grep -q kubectl-patch /var/lib/odin/history/drift.jsonl", 60)
        record = json.loads(box.succeed("tail -n 1 /var/lib/odin/history/drift.jsonl"))
        assert record["manager"] == "kubectl-patch"
        assert "Service" in record["object"]
        assert record["fields"], record
    finally:
        box.succeed("systemctl stop odin.service")


def test_the_daemon_and_the_command_line_agree(box):
    alone = report(box, "history")
    box.succeed("systemctl start odin.service")
    try:
        assert report(box, "history") == alone
        metrics = box.succeed("curl -sf --unix-socket /run/odin/odin-read.sock http://odin/metrics")
        assert "odin_build_info" in metrics
        # Work on bytes runs in a unit of its own, and its outcome arrives here.
        assert report(box, "backup now")["files"] > 0
        assert "odin-job@" in box.succeed(
            "journalctl -u 'odin-job@*' --no-pager -o verbose | head -40"
        )
    finally:
        box.succeed("systemctl stop odin.service")


def test_phase_one_is_accepted(box):
    box.succeed("odin backup now", "odin backup drill")
    rows = report(box, "verify --phase 1")["rows"]
    verdicts = {row["name"]: row["verdict"] for row in rows}
    # The lab declares no GPU.
    gpus = {name: verdicts.pop(name) for name in list(verdicts) if name.startswith("gpu-")}
    assert set(gpus.values()) == {"absent"}, rows
    assert set(verdicts.values()) == {"passed"}, rows
    assert len(verdicts) >= 9, verdicts


def test_a_second_odin_is_told_who_is_first(box):
    box.succeed(
        "flock /run/odin/lock sleep 1000 >/dev/null 2>&1 & echo $! > /tmp/holder; "
        "while flock --nonblock /run/odin/lock true; do sleep 0.05; done"
    )
    try:
        status, text = box.execute("odin --local apply 2>&1")
        assert status == 1
        assert "cannot apply" in text
        assert "hint:" in text
    finally:
        box.succeed("pkill -P $(cat /tmp/holder); kill $(cat /tmp/holder) 2>/dev/null; true")
