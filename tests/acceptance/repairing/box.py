"""Two machines that differ in one thing: whether ODIN may carry out remedies."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odin_lab import cluster, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.gpus import Gpus
from scenarios import phase1

from alerts.box import Box, say
from repairing.fault import JOURNAL, NOTES

AFTER = 10  # seconds an alert fires before its remedy
ALONE = "\n[gpu]\n\n[alerting.remediation]\nactions = []\n"
ODIN = f"""
[gpu]

[alerting.remediation]
actions = [
  "restart-pod", "restart-workload", "restart-unit", "clean-images", "clean-journal",
  "rotate-certificate", "cordon", "backup-now", "apply",
]
dry-run = false
after = "{AFTER}s"
cool-down = "5m"
# One fault after the other, where a box has one in months.
maximum-an-hour = 60
namespaces = ["monitoring", "monitoring-host", "kube-system", "workloads"]
units = ["k3s.service", "odin-gpu.service"]
journal-size = "16M"
window = "00:00-23:59"
"""
RULES = paths.REPOSITORY / "manifests/examples/application-rules.yaml"
PROBE = "          livenessProbe:"


def probes_of_the_appliance(sources: Path) -> None:
    """Takes the lab's patience out of the manifests, and one probe.

    With probes that forgive five minutes Kubernetes would repair nothing itself.
    The list wants the node exporter's taken away.
    """
    for patch in (sources / "overlays/lab").glob("*/liveness.yaml"):
        patch.unlink()
        kustomization = patch.parent / "kustomization.yaml"
        kustomization.write_text(kustomization.read_text().partition("patches:")[0])
    daemonset = sources / "charts/node-exporter/templates/daemonset.yaml"
    before, probe, after = daemonset.read_text().partition(PROBE)
    assert probe, f"no liveness probe in {daemonset}"
    daemonset.write_text(before + after[after.index("          resources:") :])


@contextmanager
def bundle() -> Iterator[Path]:
    """The lab's bundle with the appliance's probes."""
    with tempfile.TemporaryDirectory(prefix="odin-repair-") as scratch:
        odin.build(say)
        yield odin.build_bundle(
            "lab", Path(scratch) / "bundle", say, change=probes_of_the_appliance
        )


@contextmanager
def machine(name: str, declaration: str, made: Path, cards: Gpus) -> Iterator[Box]:
    """A machine that is not started yet, with the bundle and all its parts."""
    with tempfile.TemporaryDirectory(prefix="odin-repair-") as scratch:
        disk = Path(scratch) / "disk"
        disk.mkdir()
        supervised = odin.Odin(
            made,
            declaration=(paths.GUEST / "odin.toml").read_text() + declaration,
            supervise=True,
        )
        parts = [cluster.Cluster(images=odin.STACK_IMAGES), supervised, cards]
        binds = {disk: odin.BACKUP_DISK}
        with temporary_machine("box", identifier=name, parts=parts, binds=binds) as started:
            try:
                yield Box(started)
            finally:
                shutil.rmtree(disk, ignore_errors=True)


def come_up(box: Box) -> None:
    """Starts it, brings all that is declared into force and has it watched."""
    box.machine.start()
    box.machine.succeed("odin config check")
    phase1.come_up(box.machine)
    rules = shlex.quote(RULES.read_text())
    box.machine.succeed(
        f"mkdir -p {NOTES}",
        "systemctl start odin-gpu.service",
        'kubectl label node "$(hostname)" nvidia.com/gpu.present=true --overwrite',
        "kubectl -n monitoring create configmap prometheus-local-rules"
        f" --from-literal=web.yaml={rules}",
        "kubectl -n monitoring delete pod prometheus-0",
        "kubectl -n monitoring rollout status statefulset/prometheus --timeout=300s",
        # The disk of the host is no part of this, and asks for a remedy when it is full.
        f"odin alerts silence alertname=NodeFilesystemAlmostFull 'device!={JOURNAL}'"
        " --by repair.py --comment 'the disk of the host' --for 4h",
    )


def attempts(box: Box, since: float, target: str) -> list[dict]:
    """What ODIN recorded of its remedies for a target, the last word on each."""
    text = box.machine.execute("cat /var/lib/odin/history/remedies.jsonl 2>/dev/null")[1]
    after = box.machine.succeed(f"date -u -d @{since:.0f} +%FT%TZ").strip()
    latest: dict[tuple[str, str], dict] = {}
    for line in map(json.loads, text.splitlines()):
        if line["target"].startswith(target) and line["time"] >= after:
            latest[line["fingerprint"], line["time"]] = line
    return list(latest.values())
