"""What runs, on disk: a record for each machine, so that whoever comes next can
end exactly what was left behind.

A record is written before the first thing it describes is made and removed
after the last one is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from odin_lab import cgroups, network, paths, process
from odin_lab.process import Process


class RegistryError(Exception):
    """A machine cannot be recorded or found."""


@dataclass(frozen=True)
class Record:
    """One machine."""

    identifier: str
    hostname: str
    index: int
    driver: Process
    """Who made it, and removes it; for a kept one only who made it."""
    keep: bool
    """Whether it outlives its driver."""
    nspawn: Process | None = None
    leader: Process | None = None
    """Its systemd, seen from the host."""

    @property
    def directory(self) -> Path:
        return _machines() / self.identifier

    @property
    def running(self) -> bool:
        return self.leader is not None and self.leader.alive

    def save(self) -> None:
        file = self.directory / "machine.json"
        scratch = file.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self)))
        scratch.rename(file)


def claim(identifier: str, hostname: str, keep: bool) -> Record:
    """Records a new machine and gives it the lowest free index.

    Raises RegistryError when one of that name exists.
    """
    with _locked():
        taken = {record.index for record in _load_all()}
        free = [index for index in network.INDICES if index not in taken]
        if not free:
            raise RegistryError(f"no address left for {identifier}: {len(taken)} machines exist")
        driver = Process.of(os.getpid())
        assert driver is not None  # this process
        record = Record(identifier, hostname, free[0], driver, keep)
        _remove_unrecorded()
        try:
            record.directory.mkdir(parents=True)
        except FileExistsError:
            raise RegistryError(
                f"a machine {identifier} exists: stop it with `make stop` first"
            ) from None
        record.save()
        network.create()
        return record


def find(identifier: str) -> Record:
    """The record of a machine.

    Raises RegistryError when there is none.
    """
    record = _load(_machines() / identifier)
    if record is None:
        names = ", ".join(record.identifier for record in all_records()) or "none"
        raise RegistryError(f"there is no machine {identifier}; there are: {names}")
    return record


def all_records() -> list[Record]:
    """Every recorded machine."""
    with _locked():
        return _load_all()


def update(record: Record, **changes: object) -> Record:
    """Saves a record with changes and returns it."""
    changed = replace(record, **changes)
    changed.save()
    return changed


def kill(record: Record) -> None:
    """Ends a machine at once, as when the power goes."""
    for target in (record.leader, record.nspawn):
        if target is not None:
            target.signal(signal.SIGKILL)
    for target in (record.leader, record.nspawn):
        if target is not None:
            process.wait_until(lambda t=target: not t.alive, 60, f"process {target.pid} has ended")
    network.remove_link(record.index)


def destroy(record: Record) -> None:
    """Ends a machine and removes all it left: processes, cgroups, files, address."""
    kill(record)
    cgroups.remove(record.identifier)
    # Its mounts were in a mount namespace that ended with it: what is left
    # below the directory is plain files.
    with _locked():
        with contextlib.suppress(FileNotFoundError):
            (record.directory / "machine.json").unlink()
        _remove_unrecorded()
        if not _load_all():
            network.remove()


def reap() -> list[str]:
    """Removes the machines whose driver died without doing so; returns their names."""
    with _locked():
        _remove_unrecorded()
        left = [record for record in _load_all() if not record.keep and not record.driver.alive]
    for record in left:
        destroy(record)
    return [record.identifier for record in left]


def _machines() -> Path:
    return paths.state() / "machines"


def _remove_unrecorded() -> None:
    # A driver that died between making a directory and its record, or while
    # removing the last files.
    directory = _machines()
    for entry in directory.iterdir() if directory.is_dir() else ():
        if not (entry / "machine.json").exists():
            shutil.rmtree(entry, ignore_errors=True)


def _load_all() -> list[Record]:
    directory = _machines()
    entries = sorted(directory.iterdir()) if directory.is_dir() else []
    found = [_load(entry) for entry in entries if not entry.name.startswith(".")]
    return [record for record in found if record is not None]


def _load(directory: Path) -> Record | None:
    try:
        values = json.loads((directory / "machine.json").read_text())
    except FileNotFoundError:
        return None
    for name in ("driver", "nspawn", "leader"):
        values[name] = Process(**values[name]) if values[name] else None
    return Record(**values)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    paths.state().mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(paths.state() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
