"""The power goes while a generation is staged, and while it is on trial."""

from __future__ import annotations

import pytest
from odin_lab import cluster
from odin_lab.generations import BROKEN, FIRMWARE
from scenarios import upgrade


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2])
def test_power_that_goes_while_staging_leaves_a_way_back(nixos, make, when, call):
    """At each write to the firmware: the default first, then the next boot."""
    before = upgrade.booted(nixos)
    system = make()
    upgrade.at_ease(nixos, system)
    nixos.succeed(f"echo {call} > {FIRMWARE}/cut-{when}")
    nixos.succeed(
        f"systemd-run --quiet --collect --setenv=PATH=/usr/local/bin:/usr/bin:/bin"
        f" odin upgrade apply {system}"
    )
    nixos.wait_for_file(f"{FIRMWARE}/standing-still", timeout=180)
    nixos.crash()
    nixos.start()
    nixos.succeed(f"rm -f {FIRMWARE}/standing-still {FIRMWARE}/cut-*")
    if (call, when) == (2, "after"):
        # The boot loader knew already: that is a trial.
        upgrade.taken_up(nixos, system)
        return
    assert upgrade.booted(nixos) == before
    nixos.wait_for_unit("odin-confirm.service")
    assert upgrade.next_boot(nixos) == before
    if call == 2:
        record = upgrade.wait_for(nixos, "fell-back", system)
        assert "while it was being staged" in record["reason"]
    else:
        assert all(past["to"]["system"] != system for past in upgrade.history(nixos))


def test_a_reset_during_the_trial_goes_back(nixos, make):
    before = upgrade.booted(nixos)
    # It never becomes well, so there is time to pull the plug.
    system = make(units=BROKEN["k3s"])
    upgrade.stage(nixos, system)
    upgrade.restart(nixos)
    assert upgrade.booted(nixos) == system
    upgrade.wait_for(nixos, "booted", system)
    status, words = nixos.execute("odin upgrade confirm 2>&1")
    assert status == 1 and "k3s.service" in words, words
    nixos.crash()
    nixos.start()
    record = upgrade.wait_for(nixos, "fell-back", system)
    assert "without a verdict" in record["reason"]
    assert upgrade.booted(nixos) == before
    cluster.wait_until_ready(nixos)
