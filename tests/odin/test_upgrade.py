"""Upgrades with a way back, with real profiles and reboots, and stand-ins for
the boot loader and NixOS' switch (`lab/guest/nixos`).

One good generation and one that does not boot; `make acceptance` has the other
ways to break, and the power cuts (`acceptance/upgrading`).
"""

from __future__ import annotations

import json

from odin_lab.generations import BROKEN, FIRMWARE, PARTS, PROFILES
from scenarios import upgrade


def test_a_first_boot_pins_its_generation_and_takes_up_what_installation_left(nixos):
    # The installer's own file is outranked before the first upgrade.
    nixos.wait_for_unit("odin-confirm.service")
    assert nixos.succeed(f"cat {FIRMWARE}/LoaderEntryDefault") == "nixos-generation-1.conf"
    kept = nixos.succeed(f"readlink -f {PROFILES}/system-profiles/odin-known-good").strip()
    assert kept == upgrade.booted(nixos)

    nixos.succeed("cmp /boot/odin-site.toml /var/lib/odin/site.toml")
    snapshot = json.loads(nixos.succeed("odin --json backup list"))[-1]
    shown = nixos.succeed(f"odin --json backup show {snapshot['id']}")
    assert "odin-site" in shown


def test_a_check_vetoes_only_where_it_may(nixos, make):
    kernel = make(parts={**PARTS, "kernel": "6.18.53"})
    live = make()
    upgrade.at_ease(nixos, live)
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


def test_a_good_generation_is_taken_up_and_can_be_left(nixos, make):
    before = upgrade.booted(nixos)
    system = make(parts={**PARTS, "kernel": "6.18.53"})
    upgrade.at_ease(nixos, system)
    status, words = nixos.execute(f"odin upgrade plan {system} 2>&1")
    assert status == 2, words
    assert "kernel 6.18.49 -> 6.18.53" in words
    upgrade.good(nixos, system)
    rollback, record = upgrade.history(nixos)[:2]
    # A fresh snapshot was there, so no other was taken.
    snapshot = json.loads(nixos.succeed("odin --json backup list"))[-1]["id"]
    assert record["snapshot"] == snapshot
    assert record["to"]["bundle"] != record["from"]["bundle"]
    assert rollback["to"]["system"] == before
    assert nixos.succeed(f"readlink -f {PROFILES}/system").strip() == before
    assert nixos.succeed(f"readlink -f {PROFILES}/odin/previous").strip() == system
    assert nixos.succeed("odin upgrade confirm").strip() == "there is nothing to confirm"


def test_a_generation_that_does_not_boot_is_left(nixos, make):
    upgrade.bad(nixos, make(units=BROKEN["kernel"]))
    assert "did not come up" in upgrade.history(nixos)[0]["reason"]
