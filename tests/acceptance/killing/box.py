"""The machine whose `odin` is killed, and what it has acknowledged so far."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from odin_lab import cluster, odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import main_job

from killing import bundles, process
from killing.process import Ended

BUNDLES = "/var/local/kills"
"""Where the machine has the two bundles."""
_NOISE = 1 << 20
"""Bytes that are new in each backup, so that it has something to store."""


@dataclass
class Box:
    """A machine with the stack, a workload, and a snapshot with each bundle in force."""

    machine: Machine
    disk: Path
    snapshots: dict[str, str] = field(default_factory=dict)
    """The snapshot that was taken while a bundle was in force."""
    files: dict[str, dict[str, str]] = field(default_factory=dict)
    """The files each of them holds."""
    acknowledged: set[str] = field(default_factory=set)
    in_force: str = bundles.NAMES[0]
    volume: Path = Path()

    @property
    def var(self) -> Path:
        """The machine's /var, seen from this host."""
        return self.machine.record.directory / "var"

    @property
    def journal(self) -> Path:
        """The journal of a restore, seen from this host."""
        return self.var / "lib/odin/jobs/restore-journal.json"

    def journal_state(self) -> str | None:
        """How far an interrupted restore is; none where there is no journal."""
        try:
            return json.loads(self.journal.read_bytes())["state"]
        except FileNotFoundError:
            return None

    def copy_state(self) -> str | None:
        """How far the copy of the bundle in force is; none where none is being made."""
        generation = self.var / "lib/odin/generation"
        if not (generation / "bundle.new").exists():
            return None
        return "copying" if self.look_in_force() == self.in_force else "exchanged"

    def other(self) -> str:
        """The bundle that is not in force."""
        return next(name for name in bundles.NAMES if name != self.in_force)

    def look_in_force(self) -> str | None:
        """The bundle ODIN says is in force; none where it is neither of the two."""
        try:
            digest = bundles.digest(self.var / "lib/odin/generation/bundle")
        except FileNotFoundError:
            return None
        known = {bundles.digest(self.var / "local/kills" / name): name for name in bundles.NAMES}
        return known.get(digest)

    def make_noise(self) -> None:
        """Changes what the workload has on its volume."""
        (self.volume / "noise").write_bytes(os.urandom(_NOISE))

    def look_at_files(self) -> dict[str, str]:
        """Every file of the workload and of the machine's identity."""
        return main_job.look(self.machine).files

    def acknowledge(self, ended: Ended) -> None:
        """Remembers the snapshot a backup has reported, if it has."""
        report = ended.report()
        if report and "snapshot" in report:
            self.acknowledged.add(report["snapshot"])

    def prepare(self) -> None:
        """Takes one snapshot with each bundle in force."""
        for name in reversed(bundles.NAMES):
            self.must("apply", "--yes", "--bundle", f"{BUNDLES}/{name}")
            self._start_workload()
            self._find_volume()
            self.make_noise()
            ended = self.must("backup", "now")
            self.acknowledge(ended)
            self.snapshots[name] = ended.report()["snapshot"]
            self.files[name] = self.look_at_files()
            self.in_force = name

    def must(self, *arguments: str) -> Ended:
        """Runs `odin`, which must succeed."""
        ended = process.run(self.machine, arguments)
        assert ended.status == 0, f"odin {' '.join(arguments)}: {ended.status}\n{ended.tail()}"
        return ended

    def _start_workload(self) -> None:
        # The main job's ends only by force, ten seconds after it was asked to:
        # half of a restore, and kills are to meet the other half, too.
        manifest = main_job.MANIFEST.replace(
            "exec sleep 1000000", "trap 'exit 0' TERM; sleep 1000000 & wait"
        )
        assert manifest != main_job.MANIFEST
        self.machine.succeed(f"kubectl apply -f - <<'END'\n{manifest}\nEND")
        self.machine.wait_until_succeeds(
            f"kubectl -n {main_job.NAMESPACE} rollout status"
            f" statefulset/{main_job.WORKLOAD} --timeout=10s",
            180,
        )

    def _find_volume(self) -> None:
        directory = self.var / "lib/rancher/k3s/storage"
        (self.volume,) = directory.glob(f"pvc-*_{main_job.NAMESPACE}_{main_job.WORKLOAD}")


@contextmanager
def running_box() -> Iterator[Box]:
    """A machine of its own, removed at the end together with its second disk."""
    with tempfile.TemporaryDirectory(prefix="odin-kills-") as scratch:
        directory = Path(scratch)
        disk = directory / "disk"
        disk.mkdir()
        (disk / "password").write_text(f"{odin.PASSWORD}\n")
        (disk / "password").chmod(0o600)
        odin.build(say)
        base = odin.build_bundle("lab", directory / "lab", say)
        bundles.build(base, directory / "bundles")
        parts = [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(base)]
        with temporary_machine(
            "box", identifier="kills", parts=parts, binds={disk: odin.BACKUP_DISK}
        ) as machine:
            machine.start()
            cluster.wait_until_ready(machine)
            box = Box(machine, disk)
            shutil.copytree(directory / "bundles", box.var / "local/kills")
            box.prepare()
            yield box


def say(line: str) -> None:
    """Tells whoever watches."""
    print(line, file=sys.stderr, flush=True)
