"""Fixtures: a machine of the lab with `odin`, the declared stack and a second disk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lab"), str(ROOT / "tests" / "vm")]

from odin_lab import cluster, odin
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import stack

pytest_plugins = ["odin_lab.fixtures", "odin_lab.trial"]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the machine sees as its second disk, with the repository's password."""
    directory = tmp_path_factory.mktemp("disk")
    password = directory / "password"
    password.write_text(f"{odin.PASSWORD}\n")
    password.chmod(0o600)
    return directory


@pytest.fixture(scope="session")
def box(bundle: Path, disk: Path) -> Iterator[Machine]:
    """A machine with the declared stack in force and one snapshot taken.

    Shared by all tests: each leaves it with the stack in force.
    """
    parts = [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(bundle)]
    with temporary_machine("box", parts=parts, binds={disk: odin.BACKUP_DISK}) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.succeed("odin apply")
        machine.succeed("odin backup now")
        yield machine


@pytest.fixture(scope="module")
def watched_box(box: Machine) -> Iterator[Machine]:
    """The shared machine with its daemon, whose metrics Prometheus has."""
    box.succeed("systemctl start odin.service")
    # The kubelet brings a Secret that is new into a pod within two minutes.
    stack.wait("odin is scraped", lambda: stack.value(box, 'up{job="odin"}') == 1, 240)
    yield box
    box.succeed("systemctl stop odin.service")
