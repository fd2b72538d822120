"""Snapshots of a running box, judged by a stock restic, and their restore."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from odin_lab import cluster, odin
from scenarios import main_job
from scenarios.main_job import report


def restic(disk: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["restic", "--no-cache", "--repo", disk / "repository", *arguments],
        env={**os.environ, "RESTIC_PASSWORD_FILE": str(disk / "password")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def digests(machine, directory: str) -> list[str]:
    listing = machine.succeed(
        f"cd {directory} && find . -printf '%y %m %U:%G %l|%p\\n' | sort -t'|' -k2"
        " && find . -type f -print0 | sort -z | xargs -0 sha256sum"
    )
    return listing.splitlines()


def test_a_stock_restic_lists_checks_and_restores_the_same(box, disk):
    snapshot = report(box, "backup now")["snapshot"]
    listed = json.loads(restic(disk, "snapshots", "--json"))
    assert snapshot in [entry["id"] for entry in listed]
    restic(disk, "check", "--read-data")
    restic(disk, "restore", snapshot, "--target", str(disk / "by-restic"))
    box.succeed(
        "rm -rf /mnt/backup/by-odin",
        f"odin restore apply {snapshot} --to /mnt/backup/by-odin",
    )
    ours, theirs = (
        digests(box, "/mnt/backup/by-odin"),
        digests(box, "/mnt/backup/by-restic/sources"),
    )
    # The directory the sources lie in is the caller's, not the snapshot's.
    assert [line for line in ours if not line.endswith("|.")] == [
        line for line in theirs if not line.endswith("|.")
    ]
    assert len(ours) > 100


def test_a_wrong_password_and_a_foreign_repository_are_refused(box):
    box.succeed(
        "umask 077; echo wrong > /tmp/wrong; mkdir -p /tmp/foreign; touch /tmp/foreign/file"
    )
    for arguments, words in (
        ("--repository /mnt/backup/repository --password-file /tmp/wrong", "password"),
        (
            "--repository /tmp/foreign --password-file /mnt/backup/password",
            "/tmp/foreign",
        ),
        (
            "--repository /nonexistent --password-file /mnt/backup/password",
            "/nonexistent",
        ),
    ):
        status, text = box.execute(f"odin backup list {arguments} 2>&1")
        assert status == 1, text
        assert words in text
        assert "panicked" not in text


def test_a_full_disk_loses_nothing(box):
    listed = report(box, "backup list")
    box.succeed("mkdir -p /mnt/small && mount -t tmpfs -o size=256k tmpfs /mnt/small")
    try:
        status, text = box.execute(
            "odin backup now --repository /mnt/small/repository"
            " --password-file /mnt/backup/password 2>&1"
        )
        assert status == 1, text
        assert "space" in text.lower()
    finally:
        box.succeed("umount /mnt/small")
    assert report(box, "backup list") == listed
    box.succeed("odin backup check")


def test_a_restore_that_cannot_succeed_puts_the_old_data_back(box):
    """The unit does not start with the new data: the old is back, and said so."""
    box.succeed("odin backup now")
    marker = "kubectl -n workloads create configmap after-the-backup --from-literal=a=b"
    box.succeed(marker)
    box.succeed(
        "mkdir -p /run/systemd/system/k3s.service.d",
        "printf '[Service]\\nExecStartPre=/bin/sh -c \""
        "test ! -e /run/refuse-once || { rm /run/refuse-once; exit 1; }"
        "\"\\nRestart=no\\n'"
        " > /run/systemd/system/k3s.service.d/refuse.conf",
        "systemctl daemon-reload",
        "touch /run/refuse-once",
    )
    try:
        status, text = box.execute("odin restore apply latest 2>&1", timeout=600)
        assert status == 1, text
        assert "old data" in text
    finally:
        box.succeed(
            "rm -rf /run/systemd/system/k3s.service.d /run/refuse-once",
            "systemctl daemon-reload",
        )
    cluster.wait_until_ready(box)
    box.succeed("kubectl -n workloads get configmap after-the-backup")
    box.succeed("kubectl -n workloads delete configmap after-the-backup", "odin apply")


def test_a_restore_under_a_writing_pod_is_exact(box):
    main_job.write_data(box)
    before = main_job.look(box)
    snapshot = report(box, "backup now")["snapshot"]
    # A pod that goes on writing into the volume, and an object made since.
    box.succeed(
        f"kubectl -n {main_job.NAMESPACE} exec {main_job.WORKLOAD}-0 -- sh -c"
        " 'rm -rf /data/small;"
        " while :; do head -c 100000 /dev/urandom >> /data/noise; done >/dev/null 2>&1 &'",
        f"kubectl -n {main_job.NAMESPACE} create configmap since",
    )
    restored = report(box, f"restore apply {snapshot}")
    assert restored["files"] > 500
    main_job.write_data(box)
    after = main_job.look(box)
    assert main_job.differences(before.files, after.files) == []
    assert main_job.differences(before.objects, after.objects) == []


def test_a_bare_machine_becomes_the_lost_one(box, disk, machines):
    main_job.write_data(box)
    before = main_job.look(box)
    box.succeed("odin backup now")
    # The old machine keeps running under its own address; the new one is made
    # of the repository alone, as another node name would be a second node.
    bare = machines(
        "box",
        identifier="bare",
        parts=[
            cluster.Cluster(images=odin.STACK_IMAGES, start_at_boot=False),
            odin.Odin(bare=True),
        ],
        binds={disk: odin.BACKUP_DISK},
    )
    bare.start()
    bare.succeed(
        "odin restore apply latest --repository /mnt/backup/repository"
        " --password-file /mnt/backup/password"
    )
    main_job.write_data(bare)
    after = main_job.look(bare)
    # The old machine still has its address, so the API server's serving
    # certificate names another one here.
    serving = "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver"
    differences = main_job.differences(before.files, after.files)
    assert [found for found in differences if not found.startswith(serving)] == []
    assert main_job.differences(before.objects, after.objects) == []
