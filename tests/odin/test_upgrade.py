"""Upgrades with a way back, with real profiles and reboots, and stand-ins for
the boot loader and NixOS' switch (`lab/guest/nixos`)."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from odin_lab import cluster, generations, odin, paths
from odin_lab.fixtures import temporary_machine
from odin_lab.generations import FIRMWARE, PARTS, PROFILES
from odin_lab.machine import Machine
from scenarios import upgrade

# A verdict in seconds, where an appliance takes minutes.
DECLARATION = """
[upgrade]
deadline = "100s"
steady = "4s"
free-store-mib = 64
free-boot-mib = 8
"""

Make = Callable[..., str]


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
        generations.Nixos(bundle),
    ]
    with temporary_machine("nixos", parts=parts, binds={disk: odin.BACKUP_DISK}) as machine:
        machine.start()
        cluster.wait_until_ready(machine)
        machine.wait_until_succeeds("odin plan")
        machine.succeed("odin backup now")
        yield machine


_names = itertools.count(2)


@pytest.fixture
def make(nixos: Machine, bundle: Path, tmp_path: Path) -> Make:
    """Puts another generation on the machine; returns its path."""

    def generation(
        parts: Mapping[str, str] = PARTS,
        units: Mapping[str, str] | None = None,
        change: Callable[[Path], None] = lambda directory: None,
    ) -> str:
        name = f"generation-{next(_names)}"
        directory = tmp_path / name
        shutil.copytree(bundle, directory)
        # Every generation has a bundle of its own.
        service = directory / "prometheus" / "service-monitoring-prometheus.yaml"
        labels = service.read_text().replace(
            "  labels:\n", f"  labels:\n    generation: {name}\n", 1
        )
        service.write_text(labels)
        change(directory)
        seal(directory)
        return generations.add(nixos, tmp_path / "root", name, directory, parts, units)

    return generation


def seal(directory: Path) -> None:
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


def name(system: str) -> str:
    return system.rpartition("nixos-system-")[2]


def stage(machine: Machine, system: str) -> None:
    """`nixos-rebuild boot`: the profile, the menu, and the hook behind it."""
    status, words = generations.nixos_rebuild_boot(machine, name(system))
    assert status == 0, words


def profile(machine: Machine) -> str:
    return machine.succeed(f"readlink -f {PROFILES}/system").strip()


def test_the_first_generation_is_pinned_by_the_firmware(nixos):
    """The installer's own file is outranked before the first upgrade."""
    nixos.wait_for_unit("odin-confirm.service")
    assert nixos.succeed(f"cat {FIRMWARE}/LoaderEntryDefault") == "nixos-generation-1.conf"
    kept = nixos.succeed(f"readlink -f {PROFILES}/system-profiles/odin-known-good").strip()
    assert kept == upgrade.booted(nixos)


def test_the_first_start_takes_up_what_the_installation_left(nixos):
    nixos.succeed("cmp /boot/odin-site.toml /var/lib/odin/site.toml")
    snapshot = json.loads(nixos.succeed("odin --json backup list"))[-1]
    shown = nixos.succeed(f"odin --json backup show {snapshot['id']}")
    assert "odin-site" in shown


def test_a_check_vetoes_only_where_it_may(nixos, make):
    kernel = make(parts={**PARTS, "kernel": "6.18.53"})
    live = make()
    for action in ("switch", "boot", "test", "dry-activate"):
        assert nixos.succeed(f"odin upgrade check {live} {action} 2>&1") == ""
    status, words = nixos.execute(f"odin upgrade check {kernel} switch 2>&1")
    assert status == 1
    assert "kernel 6.18.49 -> 6.18.53" in words
    assert "odin upgrade apply" in words
    assert nixos.succeed(f"odin upgrade check {kernel} boot 2>&1") == ""
    assert nixos.succeed(f"odin upgrade check {kernel} dry-activate 2>&1") == ""
    # While a system is installed there is none that was booted.
    nixos.succeed("mv /run/booted-system /run/hidden")
    try:
        assert nixos.succeed(f"odin upgrade check {kernel} switch 2>&1") == ""
        assert nixos.succeed(f"odin upgrade stage --written 0 {kernel} 2>&1") == ""
    finally:
        nixos.succeed("mv /run/hidden /run/booted-system")
    nixos.fail(f"test -e {FIRMWARE}/LoaderEntryOneShot")


def test_a_good_generation_is_taken_up(nixos, make):
    before = upgrade.booted(nixos)
    system = make(parts={**PARTS, "kernel": "6.18.53"})
    status, words = nixos.execute(f"odin upgrade plan {system} 2>&1")
    assert status == 2, words
    assert "kernel 6.18.49 -> 6.18.53" in words
    snapshot = json.loads(nixos.succeed("odin --json backup list"))[-1]["id"]
    nixos.succeed(f"odin upgrade apply {system} 2>&1")
    upgrade.power_up(nixos)
    record = upgrade.taken_up(nixos, system)
    # A fresh snapshot was there, so no other was taken.
    assert record["snapshot"] == snapshot
    assert record["to"]["bundle"] != record["from"]["bundle"]
    assert profile(nixos) == system
    assert nixos.succeed(f"readlink -f {PROFILES}/odin/previous").strip() == before
    assert nixos.succeed("odin upgrade confirm").strip() == "there is nothing to confirm"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("kernel", "did not come up"),
        ("k3s", "k3s.service"),
        # `odin` never ran in it: the record is that of a boot that did not end.
        ("odin", "did not come up"),
    ],
)
def test_a_generation_that_breaks_is_left(nixos, make, broken, reason):
    before = upgrade.booted(nixos)
    system = make(units=generations.BROKEN[broken])
    stage(nixos, system)
    upgrade.restart(nixos)
    # It ends by itself, once.
    upgrade.power_up(nixos)
    record = upgrade.left(nixos, system, before)
    assert reason in record["reason"]
    assert profile(nixos) == before
    cluster.wait_until_ready(nixos)
    # It is not tried again until a person says so.
    status, words = generations.nixos_rebuild_boot(nixos, name(system))
    assert status == 1, words
    assert "odin upgrade apply --again" in words
    assert upgrade.next_boot(nixos) == before
    stage_running(nixos, before)


def test_a_generation_that_breaks_a_component_is_left(nixos, make):
    before = upgrade.booted(nixos)

    def break_alertmanager(directory: Path) -> None:
        file = directory / "alertmanager" / "statefulset-monitoring-alertmanager.yaml"
        text = file.read_text()
        start = text.index("image: odin.local/alertmanager:")
        end = text.index("\n", start)
        file.write_text(f"{text[:start]}image: odin.local/absent:1{text[end:]}")

    system = make(change=break_alertmanager)
    nixos.succeed(f"odin upgrade apply {system} 2>&1")
    # By apply, and by the verdict.
    upgrade.power_up(nixos)
    upgrade.power_up(nixos)
    record = upgrade.left(nixos, system, before)
    assert "alertmanager" in record["reason"], record["reason"]
    # The old bundle comes back with the old generation.
    nixos.wait_until_succeeds("odin plan && odin status", 300)


def stage_running(machine: Machine, system: str) -> None:
    """Points profile and menu back at what runs, as a person would."""
    machine.succeed(
        f"cd {PROFILES} && link=$(for l in system-*-link; do"
        f' [ "$(readlink $l)" != {system} ] || echo $l; done | head -1) && ln -sfn $link system',
        f"{system}/bin/switch-to-configuration boot",
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2])
def test_power_that_goes_while_staging_leaves_a_way_back(nixos, make, when, call):
    """At each write to the firmware: the default first, then the next boot."""
    before = upgrade.booted(nixos)
    system = make()
    nixos.succeed(f"echo {call} > {FIRMWARE}/cut-{when}")
    nixos.succeed(
        f"systemd-run --quiet --collect --setenv=PATH=/usr/local/bin:/usr/bin:/bin"
        f" odin --local upgrade apply {system}"
    )
    nixos.wait_for_file(f"{FIRMWARE}/standing-still", timeout=180)
    nixos.crash()
    nixos.start()
    nixos.succeed(f"rm -f {FIRMWARE}/standing-still {FIRMWARE}/cut-*")
    if (call, when) == (2, "after"):
        # The boot loader knew already: that is a trial.
        upgrade.wait_for(nixos, "confirmed", system)
        assert upgrade.booted(nixos) == system
        return
    assert upgrade.booted(nixos) == before
    nixos.wait_until_succeeds("systemctl is-active odin-confirm.service")
    assert upgrade.next_boot(nixos) == before
    past = upgrade.history(nixos)
    if call == 2:
        assert past[0]["state"] == "fell-back"
        assert "while it was being staged" in past[0]["reason"]
    cluster.wait_until_ready(nixos)


def test_a_reset_during_the_trial_goes_back(nixos, make):
    before = upgrade.booted(nixos)
    # It never becomes well, so there is time to pull the plug.
    system = make(units=generations.BROKEN["k3s"])
    stage(nixos, system)
    upgrade.restart(nixos)
    assert upgrade.booted(nixos) == system
    upgrade.wait_for(nixos, "booted", system)
    assert nixos.execute("odin upgrade confirm 2>&1")[0] == 1
    nixos.crash()
    nixos.start()
    record = upgrade.wait_for(nixos, "fell-back", system)
    assert "without a verdict" in record["reason"]
    assert upgrade.booted(nixos) == before
    cluster.wait_until_ready(nixos)


def test_a_rollback_goes_to_the_generation_before_with_its_data(nixos, make):
    before = upgrade.booted(nixos)
    system = make()
    nixos.wait_until_succeeds("odin plan && odin status", 300)
    nixos.succeed("kubectl -n workloads create configmap before-the-upgrade --from-literal=a=b")
    nixos.succeed("odin backup now", f"odin upgrade apply {system} 2>&1")
    upgrade.power_up(nixos)
    upgrade.taken_up(nixos, system)
    nixos.succeed("kubectl -n workloads create configmap since-the-upgrade --from-literal=a=b")
    nixos.succeed("odin upgrade rollback --with-data 2>&1")
    upgrade.power_up(nixos)
    record = upgrade.taken_up(nixos, before)
    assert record["kind"] == "rollback"
    assert record["data"]["state"] == "done", record["data"]
    nixos.succeed("kubectl -n workloads get configmap before-the-upgrade")
    nixos.fail("kubectl -n workloads get configmap since-the-upgrade")
    # The present was kept before it was replaced.
    newest = json.loads(nixos.succeed("odin --json backup list"))[-1]
    assert "hold" in newest["tags"]
