"""The monitoring stack on a machine of its own, disturbed in every way.

In this order: what takes the node down comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from odin_lab import cluster, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.machine import Machine
from scenarios import disturbed, phase2, phase3


@pytest.fixture(scope="module")
def watched(bundle: Path) -> Iterator[Machine]:
    """A machine with the declared stack in force; nobody repairs drift on it."""
    declared = (paths.GUEST / "odin.toml").read_text()
    # Without its daemon there is nobody for Prometheus to scrape.
    unscraped = declared.replace("[api]\n", "[api]\nscrape = false\n")
    assert unscraped != declared
    parts = [
        cluster.Cluster(images=odin.STACK_IMAGES),
        odin.Odin(bundle, declaration=unscraped),
    ]
    with temporary_machine("watched", parts=parts) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.succeed("odin apply")
        phase2.accepted(machine)
        phase3.accepted(machine)
        yield machine


@pytest.mark.parametrize(
    "disturb",
    [
        disturbed.prometheus_killed,
        disturbed.alertmanager_away,
        disturbed.cardinality,
        disturbed.disk_filling,
        disturbed.node_restart,
    ],
    ids=lambda function: function.__name__,
)
def test_disturbed(
    watched: Machine,
    disturb: Callable[[Machine], dict[str, float]],
    record_property: Callable[[str, object], None],
) -> None:
    for name, figure in disturb(watched).items():
        record_property(name, figure)
