"""Generations that break: each is left by the machine itself, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from odin_lab import cluster, generations, gpus
from odin_lab.generations import BROKEN, PARTS, PROFILES
from odin_lab.machine import Machine
from scenarios import upgrade


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("k3s", "k3s.service"),
        # `odin` never ran in it: the record is that of a boot that did not end.
        ("odin", "did not come up"),
        ("gpu", gpus.uuid(1)),
    ],
)
def test_a_generation_that_breaks_is_left(nixos, make, broken, reason):
    system = make(units=BROKEN[broken])
    upgrade.bad(nixos, system)
    assert reason in upgrade.history(nixos)[0]["reason"]


def test_a_generation_that_breaks_a_component_is_left(nixos, make):
    upgrade.bad(nixos, make(change=without_its_image))
    record = upgrade.history(nixos)[0]
    assert "alertmanager" in record["reason"], record["reason"]


def without_its_image(bundle: Path) -> None:
    """Alertmanager's image is not there, and cannot be pulled."""
    file = bundle / "alertmanager" / "statefulset-monitoring-alertmanager.yaml"
    text = file.read_text()
    start = text.index("image: odin.local/alertmanager:")
    end = text.index("\n", start)
    file.write_text(f"{text[:start]}image: odin.local/absent:1{text[end:]}")


def test_what_fell_back_is_not_tried_again_until_a_person_says_so(nixos, make):
    before = upgrade.booted(nixos)
    system = make(units=BROKEN["kernel"])
    upgrade.at_ease(nixos, system)
    rebuild(nixos, system)
    upgrade.restart(nixos)
    upgrade.power_up(nixos)
    upgrade.left(nixos, system, before)
    cluster.wait_until_ready(nixos)
    status, words = generations.nixos_rebuild_boot(nixos, name(system))
    assert status == 1, words
    assert "odin upgrade apply --again" in words
    assert upgrade.next_boot(nixos) == before
    # The profile goes back to what runs, however ill the cluster may be.
    rebuild(nixos, before)
    assert profile(nixos) == before
    # A person's word: the second attempt.
    nixos.wait_until_succeeds(f"odin upgrade apply --again --no-reboot {system} 2>&1", 300)
    record = upgrade.history(nixos)[0]
    assert (record["state"], record["attempt"]) == ("staged", 2), record
    # And it is withdrawn.
    nixos.succeed("odin upgrade rollback 2>&1")
    assert upgrade.next_boot(nixos) == before
    assert upgrade.history(nixos)[0]["state"] == "fell-back"


def test_another_minor_of_kubernetes_that_is_left_takes_its_datastore_along(nixos, make):
    before = upgrade.booted(nixos)
    system = make(parts={**PARTS, "k3s": "1.36.2+k3s1"}, units=BROKEN["gpu"])
    upgrade.at_ease(nixos, system)
    nixos.succeed("kubectl -n workloads create configmap of-the-old --from-literal=a=b")
    nixos.succeed(f"odin upgrade apply {system} 2>&1")
    upgrade.power_up(nixos)
    # The new one runs, and what it writes may be more than the old one reads.
    cluster.wait_until_ready(nixos)
    nixos.succeed("kubectl -n workloads create configmap of-the-new --from-literal=a=b")
    upgrade.power_up(nixos)
    upgrade.left(nixos, system, before)
    nixos.wait_until_succeeds(
        "odin --json upgrade history | jq -e '.entries[0].data.state == \"done\"'", 300
    )
    record = upgrade.history(nixos)[0]
    assert record["data"]["datastore-only"], record
    nixos.succeed("kubectl -n workloads get configmap of-the-old")
    nixos.fail("kubectl -n workloads get configmap of-the-new")
    # Until somebody looked.
    assert unschedulable(nixos)
    nixos.fail("odin status")
    nixos.succeed("odin upgrade confirm")
    assert not unschedulable(nixos)
    assert "cordoned" not in nixos.succeed("odin upgrade history").splitlines()[0]


def unschedulable(machine: Machine) -> bool:
    (node,) = json.loads(machine.succeed("kubectl get nodes -o json"))["items"]
    return node["spec"].get("unschedulable", False)


def name(system: str) -> str:
    return system.rpartition("nixos-system-")[2]


def rebuild(machine: Machine, system: str) -> None:
    """`nixos-rebuild boot`: the profile, the menu, and the hook behind it."""
    status, words = generations.nixos_rebuild_boot(machine, name(system))
    assert status == 0, words


def profile(machine: Machine) -> str:
    return machine.succeed(f"readlink -f {PROFILES}/system").strip()
