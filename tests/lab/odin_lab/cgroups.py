"""The cgroups of a machine: groups of its own, removed after it.

cgroup v1: `/odin-lab/ID` in every hierarchy is what the machine sees as the
root. cgroup v2 (not proven: none was at hand): systemd-nspawn makes the
machine's subtree below the group it is started in, which is `/odin-lab/ID`, or
a scope of systemd's where the host runs systemd, since only systemd may make
groups there.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PARENT = "odin-lab"


def unified() -> bool:
    """Whether this host has cgroup v2 alone."""
    return (ROOT / "cgroup.controllers").exists()


def path(identifier: str) -> str:
    """The group of a machine, seen from the root of a hierarchy."""
    return f"/{PARENT}/{identifier}"


def groups(identifier: str) -> list[Path]:
    """The group of a machine in every hierarchy, whether it exists or not."""
    relative = path(identifier).lstrip("/")
    if unified():
        return [ROOT / relative]
    return [hierarchy / relative for hierarchy in _hierarchies()]


def create(identifier: str) -> list[Path]:
    """Makes the groups; returns those the machine must be started in."""
    if unified() and host_runs_systemd():
        return []
    made = groups(identifier)
    for group in made:
        group.mkdir(parents=True, exist_ok=True)
        for child in (group.parent, group):
            _enable_controllers(child) if unified() else _inherit_cpuset(child)
    return made


def host_runs_systemd() -> bool:
    """Whether systemd is the first process of this host."""
    return Path("/run/systemd/system").is_dir()


def remove(identifier: str, patience: float = 10) -> None:
    """Ends what is still in the groups and removes them.

    Raises OSError when a group is still in use after `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while True:
        _kill(identifier)
        try:
            for group in groups(identifier):
                _remove_tree(group)
            break
        except OSError:
            # Ended processes leave their groups a moment later.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    for group in groups(identifier):
        # The parent stays as long as another machine is in it.
        with contextlib.suppress(OSError):
            group.parent.rmdir()


def _hierarchies() -> list[Path]:
    # cpu and cpuacct are often links to one hierarchy of both; the machine
    # needs the names too.
    return sorted(entry for entry in ROOT.iterdir() if (entry / "cgroup.procs").exists())


def _inherit_cpuset(group: Path) -> None:
    # A new cpuset of cgroup v1 is empty: nothing could run in it.
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = group / name
        if file.exists() and not file.read_text().strip():
            file.write_text((group.parent / name).read_text())


def _enable_controllers(group: Path) -> None:
    for name in (group.parent / "cgroup.controllers").read_text().split():
        (group.parent / "cgroup.subtree_control").write_text(f"+{name}")


def _kill(identifier: str) -> None:
    for group in groups(identifier):
        for directory, _, _ in os.walk(group):
            with contextlib.suppress(OSError):
                for pid in Path(directory, "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)


def _remove_tree(group: Path) -> None:
    if not group.is_dir():
        return
    for directory, _, _ in os.walk(group, topdown=False):
        # Its files are the kernel's: only the directory can be removed.
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)
