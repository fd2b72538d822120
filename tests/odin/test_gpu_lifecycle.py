"""The scenario gpu_lifecycle on a lab machine with simulated GPUs.

And the panels that show processes of real pods, which test_gpu.py of the
manifests leaves to a machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from odin_lab import cluster, gpus, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import gpu_lifecycle, phase1

sys.path.insert(0, str(paths.REPOSITORY / "tests" / "manifests"))

from odin_manifests import dashboards

COUNT = 2
REMEDIATION = """
[gpu.remediation]
actions = ["taint", "cordon", "drain"]
dry-run = false
after-seconds = 1
"""
PROCESS = """[[gpu.process]]
pid = {pid}
name = "train"
memory-mib = 1024
"""


@pytest.fixture(scope="module")
def cards() -> gpus.Gpus:
    return gpus.Gpus(COUNT)


@pytest.fixture(scope="module")
def gpu_box(lab: None, cards: gpus.Gpus, bundle: Path, tmp_path_factory: pytest.TempPathFactory):
    """A machine with GPUs and the whole stack in force."""
    declaration = (paths.GUEST / "odin.toml").read_text() + REMEDIATION
    parts = [
        cluster.Cluster(images=odin.STACK_IMAGES),
        odin.Odin(bundle, declaration=declaration, supervise=True),
        cards,
    ]
    disk = {tmp_path_factory.mktemp("disk"): odin.BACKUP_DISK}
    with temporary_machine("gpu-box", parts=parts, binds=disk) as machine:
        machine.start()
        phase1.come_up(machine)
        machine.succeed("systemctl start odin-gpu.service")
        yield machine


def test_gpu_lifecycle(gpu_box: Machine, cards: gpus.Gpus) -> None:
    gpu_lifecycle.run(
        gpu_box,
        COUNT,
        lose=lambda index: cards.set_faults(gpu_box, f'[[fault]]\nkind = "lost"\ngpu = {index}\n'),
        recover=lambda: cards.set_faults(gpu_box),
    )


def test_panels_about_processes_of_pods_have_data(gpu_box: Machine, cards: gpus.Gpus) -> None:
    gpu_lifecycle.wait_for_gpus(gpu_box, COUNT)
    gpu_lifecycle.watched(gpu_box)
    _, uuid = gpu_lifecycle.allocate(gpu_box)
    pid = gpu_box.succeed("pgrep -x -f 'sleep 1000000'").strip()
    name = f'uuid = "{uuid}"\n'
    busy = cards.scenario().replace(name, f"{name}load = 60\n{PROCESS.format(pid=pid)}")
    gpu_box.succeed(
        f"cat >{gpus.SCENARIO}.new <<'END'\n{busy}END\nmv {gpus.SCENARIO}.new {gpus.SCENARIO}"
    )
    try:
        asked = list(dashboards.queries("gpu-workloads.json", {}))
        assert asked
        for query in asked:
            # No price is declared here, and without one there is no cost.
            if "odin_gpu_pod_cost_total" not in query.text:
                gpu_lifecycle.wait_for_data(gpu_box, query.text)
    finally:
        cards.set_faults(gpu_box)
        gpu_box.succeed(
            f"kubectl -n {gpu_lifecycle.NAMESPACE} delete pod {gpu_lifecycle.POD}"
            " --wait --timeout=60s"
        )
