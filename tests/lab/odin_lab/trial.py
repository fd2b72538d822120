"""pytest fixtures: a machine that is upgraded, and generations for it.

pytest_plugins = ["odin_lab.fixtures", "odin_lab.trial"]
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from odin_lab import cluster, generations, gpus, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine

DECLARATION = """
# A verdict in seconds, where an appliance takes minutes.
[upgrade]
deadline = "100s"
steady = "4s"
free-store-mib = 64
free-boot-mib = 8

[gpu]
"""

Make = Callable[..., str]
"""Puts another generation on the machine; returns its path."""

_numbers = itertools.count(2)


@pytest.fixture(scope="module")
def nixos(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of one generation, as an image leaves it, with all in force.

    Each test leaves it at rest, in a confirmed generation.
    """
    disk = tmp_path_factory.mktemp("upgrade-disk")
    declaration = (paths.GUEST / "odin.toml").read_text() + DECLARATION
    parts = [
        cluster.Cluster(images=odin.STACK_IMAGES),
        odin.Odin(declaration=declaration, supervise=True),
        gpus.Gpus(2),
        generations.Nixos(bundle),
    ]
    with temporary_machine("nixos", parts=parts, binds={disk: odin.BACKUP_DISK}) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.wait_until_succeeds("odin plan")
        # What the service does itself when they were well for half a minute.
        machine.wait_until_succeeds("odin gpu health --record", 60)
        machine.succeed("odin backup now")
        yield machine


@pytest.fixture
def make(nixos: Machine, bundle: Path, tmp_path: Path) -> Make:
    """Makes generations, each with a bundle of its own."""

    def generation(
        parts: Mapping[str, str] = generations.PARTS,
        units: Mapping[str, str] | None = None,
        change: Callable[[Path], None] = lambda directory: None,
    ) -> str:
        name = f"generation-{next(_numbers)}"
        directory = tmp_path / name
        shutil.copytree(bundle, directory)
        service = directory / "prometheus" / "service-monitoring-prometheus.yaml"
        labels = service.read_text().replace(
            "  labels:\n", f"  labels:\n    generation: {name}\n", 1
        )
        service.write_text(labels)
        change(directory)
        _seal(directory)
        return generations.add(nixos, tmp_path / "root", name, directory, parts, units)

    return generation


def _seal(directory: Path) -> None:
    """Writes the sums of a bundle anew."""
    files = sorted(
        file.relative_to(directory).as_posix()
        for file in directory.rglob("*")
        if file.is_file() and file.name != "SHA256SUMS"
    )
    done = subprocess.run(
        ["sha256sum", *files], cwd=directory, capture_output=True, text=True, check=True
    )
    (directory / "SHA256SUMS").write_text(done.stdout)
