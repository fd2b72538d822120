"""What must hold after a kill and the call that came after it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from odin_lab import cluster, odin
from odin_lab.shell import RequestedAssertionFailed
from scenarios import main_job

from killing import bundles, process
from killing.box import BUNDLES, Box

_LEFT = (".odin-stage-", ".odin-old-")


def of_any(box: Box) -> Iterator[str]:
    """What holds after every call."""
    yield from _snapshots(box)
    ended = process.run(box.machine, ["backup", "check"])
    if ended.status != 0:
        yield f"`odin backup check` ends with {ended.status}: {ended.printed}{ended.tail()}"
    yield from _ready(box)
    yield from (f"left over: {path}" for path in leftovers(box))


def of_declaration(box: Box) -> Iterator[str]:
    """What holds after an apply or a restore: one of the two bundles, whole."""
    if box.look_in_force() != box.in_force:
        yield f"the copy of the bundle in force is not bundle {box.in_force}"
    ended = process.run(box.machine, ["plan", "--bundle", f"{BUNDLES}/{box.in_force}"])
    if ended.status != 0:
        yield f"`odin plan` ends with {ended.status}: {ended.printed[:2000]}{ended.tail()}"
    text = box.machine.succeed(f"kubectl -n {bundles.NAMESPACE} get configmaps -o json")
    found = {
        item["metadata"]["name"]: item.get("data", {}).get("of")
        for item in json.loads(text)["items"]
        if item["metadata"]["name"].startswith("kills-")
    }
    wanted = dict.fromkeys(bundles.own_objects(box.in_force), box.in_force)
    yield from (f"object: {line}" for line in _different(wanted, found))


def of_files(box: Box, wanted: dict[str, str]) -> Iterator[str]:
    """What holds after a restore: every file is the snapshot's."""
    yield from (f"file: {line}" for line in main_job.differences(wanted, box.look_at_files()))


def of_repository(box: Box) -> Iterator[str]:
    """What holds at the end: every byte is sound, for ODIN and for a stock restic."""
    ended = process.run(box.machine, ["backup", "check", "--read-data"])
    if ended.status != 0:
        yield f"`odin backup check --read-data`: {ended.printed}{ended.tail()}"
    done = _restic(box.disk, "check", "--read-data")
    if done.returncode != 0:
        yield f"`restic check --read-data`: {done.stdout}{done.stderr}"
    listed = {entry["id"] for entry in json.loads(_restic(box.disk, "snapshots", "--json").stdout)}
    yield from (f"restic does not list {lost}" for lost in sorted(box.acknowledged - listed))


def leftovers(box: Box) -> list[str]:
    """Everything an operation makes for its own time and that is still there."""
    found = []
    for base in (box.var / "lib/rancher/k3s", box.machine.record.directory / "upper/etc"):
        # Containers and images are containerd's affair, and many.
        for directory, names, files in os.walk(base):
            if directory == str(base):
                names[:] = [name for name in names if name != "agent"]
            found += [Path(directory) / name for name in names + files if _is_left(name)]
    state = box.var / "lib/odin"
    found += [path for path in state.rglob("*") if _is_left(path.name) or ".new" in path.suffixes]
    found += (state / "scratch").glob("staging/**/*")
    found += (state / "scratch").glob("staging")
    found += (path for path in (state / "jobs").glob("*") if path.name != "restore.lock")
    repository = box.disk / "repository"
    found += (repository / "odin-partial").glob("*")
    found += (repository / "locks").glob("*")
    if box.machine.execute("flock --nonblock /run/odin/lock true")[0] != 0:
        found.append(Path("/run/odin/lock, held"))
    return sorted({_as_seen(box, path) for path in found})


def _as_seen(box: Box, path: Path) -> str:
    """A path of this host as the machine has it."""
    machine = box.machine.record.directory
    for host, guest in ((box.var, "/var"), (machine / "upper", ""), (box.disk, odin.BACKUP_DISK)):
        if path.is_relative_to(host):
            return f"{guest}/{path.relative_to(host)}"
    return str(path)


def _is_left(name: str) -> bool:
    return any(part in name for part in _LEFT)


def _snapshots(box: Box) -> Iterator[str]:
    ended = process.run(box.machine, ["backup", "list"])
    if ended.status != 0:
        yield f"`odin backup list` ends with {ended.status}: {ended.tail()}"
        return
    listed = {entry["id"] for entry in json.loads(ended.printed)}
    lost = sorted(box.acknowledged - listed)
    yield from (f"the acknowledged snapshot {one} is not listed" for one in lost)


def _ready(box: Box) -> Iterator[str]:
    try:
        cluster.wait_until_ready(box.machine)
        box.machine.wait_until_succeeds(
            f"kubectl -n {main_job.NAMESPACE} rollout status"
            f" statefulset/{main_job.WORKLOAD} --timeout=10s",
            120,
        )
    except RequestedAssertionFailed as error:
        yield f"the cluster is not ready: {error}"


def _different(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    return main_job.differences(wanted, found)


def _restic(disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["restic", "--no-cache", "--repo", disk / "repository", *arguments],
        env={**os.environ, "RESTIC_PASSWORD_FILE": str(disk / "password")},
        capture_output=True,
        text=True,
    )
