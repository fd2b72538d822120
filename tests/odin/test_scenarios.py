"""The scenarios of the VM tests, on lab machines.

What a VM test shows of NixOS, boot and disks is not shown here; what it shows
of `odin` is.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from odin_lab import cluster, odin
from scenarios import disturbed, phase1, phase2, phase3, powercut, restore


def parts(bundle: Path) -> list:
    return [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(bundle, supervise=True)]


def test_phase1_and_powercut(machines, bundle, tmp_path):
    # One machine for both: the second begins where the first ends. Its name on
    # this host is not that of the box the other tests share.
    machine = machines(
        "box",
        identifier="box-powercut",
        parts=parts(bundle),
        binds={tmp_path: odin.BACKUP_DISK},
    )
    machine.start()
    phase1.run(machine)
    powercut.run(machine)


def test_phase2_phase3_and_prometheus_killed(machines, bundle, tmp_path):
    machine = machines(
        "box",
        identifier="box-observed",
        parts=parts(bundle),
        binds={tmp_path: odin.BACKUP_DISK},
    )
    machine.start()
    phase2.run(machine)
    phase3.run(machine)
    disturbed.prometheus_killed(machine)


def test_restore(machines, bundle, tmp_path):
    disks = [tmp_path / name for name in ("first", "second")]
    made = []
    for disk in disks:
        disk.mkdir()
        machine = machines(
            "box",
            identifier=f"box-{disk.name}",
            parts=parts(bundle),
            binds={disk: odin.BACKUP_DISK},
        )
        machine.start()
        made.append(machine)
    first, second = made

    def move(*_: object) -> None:
        shutil.copytree(disks[0], disks[1], dirs_exist_ok=True)

    restore.run(first, second, move)
