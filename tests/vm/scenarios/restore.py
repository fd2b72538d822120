"""A machine is lost and another one takes its place.

The functions need two machines with the NixOS test driver's verbs and `odin`;
how the disk with the repository gets from one to the other is the caller's
affair.
"""

from __future__ import annotations

from collections.abc import Callable

from scenarios import main_job, phase1

REPOSITORY = "--repository /mnt/backup/repository --password-file /etc/odin/repository-password"
# The other machine has another address, and its API server names that one.
OF_THE_ADDRESS = "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver"
# Where the supervisor of a machine is scraped, which it says itself.
OF_THE_MACHINE = "Secret monitoring/odin-scrape"


def run(first, second, move: Callable) -> None:
    """Backs up the first, loses it, restores to the second, compares."""
    phase1.come_up(first)
    main_job.write_data(first)
    before = main_job.look(first)
    first.succeed("odin backup now")
    move(first, second)
    first.crash()

    # It has a cluster of its own by now: nothing of it may be left.
    phase1.come_up(second)
    second.succeed("kubectl -n workloads create configmap of-the-second")
    restored = main_job.report(second, f"restore apply latest {REPOSITORY}")
    assert restored["files"] > 500, restored

    phase1.come_up(second)
    main_job.write_data(second)
    after = main_job.look(second)
    files = main_job.differences(before.files, after.files)
    files = [found for found in files if not found.startswith(OF_THE_ADDRESS)]
    assert files == [], files
    objects = main_job.differences(before.objects, after.objects)
    objects = [found for found in objects if not found.startswith(OF_THE_MACHINE)]
    assert objects == [], objects
    second.fail("kubectl -n workloads get configmap of-the-second")
