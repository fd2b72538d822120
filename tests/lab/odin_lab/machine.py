"""A lab machine with the verbs of the NixOS test driver.

    with Machine("server", parts=[Cluster()]) as machine:
        machine.start()
        machine.wait_for_unit("k3s.service")
        machine.succeed("kubectl get nodes")

A scenario takes such a machine and needs nothing else, so the same function
runs on a NixOS test VM. What differs: `crash` ends all processes at once, but
the host's page cache survives, so data that was not synced is not lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from odin_lab import layout, network, nspawn, process, registry, rootfs
from odin_lab.registry import Record
from odin_lab.shell import DEADLINE, RequestedAssertionFailed, Shell

# What systemd takes for "power off in an orderly way".
POWER_OFF = signal.SIGRTMIN + 4

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "KUBECONFIG": "/etc/rancher/k3s/k3s.yaml",
    "CONTAINERD_ADDRESS": "/run/k3s/containerd/containerd.sock",
    "CONTAINERD_NAMESPACE": "k8s.io",
}


class Part(Protocol):
    """Something a machine is made with, for example a cluster."""

    def prepare(self, say: Callable[[str], None]) -> None:
        """Builds what it needs, once, into the cache."""

    def binds_ro(self) -> Mapping[Path, str]:
        """Host paths and where the machine sees them, read-only."""

    def write(self, record: Record, root: Path, var: Path) -> None:
        """Writes its files into a machine that was never started."""


class Machine(Shell):
    """One machine. Made on the first `start`; `close` removes all of it."""

    def __init__(
        self,
        name: str = "machine",
        *,
        parts: Sequence[Part] = (),
        binds: Mapping[Path | str, str] | None = None,
        binds_ro: Mapping[Path | str, str] | None = None,
        identifier: str | None = None,
        keep: bool = False,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        self.name = name
        self.say = say
        self.identifier = identifier or name
        self._keep = keep
        self._parts = tuple(parts)
        self._binds = {Path(host): guest for host, guest in (binds or {}).items()}
        self._binds_ro = {Path(host): guest for host, guest in (binds_ro or {}).items()}
        self._record: Record | None = None
        self._child: subprocess.Popen | None = None

    @classmethod
    def attach(cls, identifier: str) -> Self:
        """A running machine that another process made."""
        record = registry.find(identifier)
        machine = cls(record.hostname, identifier=identifier, keep=record.keep)
        machine._record = record
        return machine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Boots the machine and returns when commands can be run on it.

        Also when it asks for a reboot before that: then it is not `booted`.
        """
        if self.booted:
            return
        lower = rootfs.ensure(self.say)
        for part in self._parts:
            part.prepare(self.say)
        if self._record is None:
            self._record = registry.claim(self.identifier, self.name, self._keep)
            layout.create(self._record, lower)
            for part in self._parts:
                directory = self._record.directory
                part.write(self._record, directory / "upper", directory / "var")
        binds_ro = dict(self._binds_ro)
        for part in self._parts:
            binds_ro |= part.binds_ro()
        self._child, leader = nspawn.boot(self._record, lower, self._binds, binds_ro)
        self._record = registry.update(
            self._record, nspawn=process.Process.of(self._child.pid), leader=leader
        )
        # systemctl talks to this socket until the bus is up.
        socket = f"/proc/{leader.pid}/root/run/systemd/private"
        process.wait_until(
            lambda: not leader.alive or os.path.exists(socket), 120, f"{self.name} takes commands"
        )
        # One that reboots itself so early is as it should be for who waits for
        # that: the next `start` is its firmware's.
        if not leader.alive and not nspawn.asked_for_a_reboot(self._child):
            raise nspawn.BootError(f"{self.name} ended while it booted:\n{self.console()}")

    def shutdown(self, timeout: float = 180) -> None:
        """Powers the machine off as its power button would, and waits."""
        if self.booted:
            self.record.leader.signal(POWER_OFF)
            self._await_end(timeout)

    def crash(self) -> None:
        """Cuts the power: every process of the machine ends at once."""
        if self.booted:
            registry.kill(self.record)
            self._await_end(60)

    def reboot(self, timeout: float = 60) -> None:
        """Reboots in an orderly way; returns when commands can be run again."""
        self.shutdown(timeout)
        self.start()

    def wait_for_shutdown(self, timeout: float = DEADLINE) -> None:
        """Waits until the machine has powered itself off."""
        self._await_end(timeout)

    def close(self) -> None:
        """Ends the machine and removes everything it left; may be called twice."""
        if self._record is not None:
            registry.destroy(self._record)
            if self._child is not None:
                self._child.wait()
            self._record = self._child = None

    @property
    def made(self) -> bool:
        """Whether there is anything of it on this host."""
        return self._record is not None

    @property
    def booted(self) -> bool:
        """Whether it runs."""
        return self._record is not None and self._record.running

    @property
    def record(self) -> Record:
        """What is on record of this machine, from its first `start` on."""
        if self._record is None:
            raise RequestedAssertionFailed(f"{self.name} was never started")
        return self._record

    @property
    def address(self) -> str:
        """Address on the lab's bridge."""
        return network.address(self.record.index)

    def console(self, lines: int = 30) -> str:
        """The last lines of the console."""
        return process.tail(self.record.directory / "console.log", lines)

    def _await_end(self, timeout: float) -> None:
        leader, outer = self.record.leader, self.record.nspawn
        process.wait_until(
            lambda: not (leader and leader.alive) and not (outer and outer.alive),
            timeout,
            f"{self.name} has ended",
        )
        if self._child is not None:
            self._child.wait()
        network.remove_link(self.record.index)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs `arguments` on the machine from this host."""
        if not self.booted:
            raise RequestedAssertionFailed(f"{self.name} is not running")
        return [
            *("nsenter", "-t", str(self.record.leader.pid), "-m", "-u", "-i", "-n", "-p"),
            *("--", "env", "-i", "-C", "/root"),
            *(f"{name}={value}" for name, value in ENVIRONMENT.items()),
            *arguments,
        ]
