"""A new generation: staged for one boot, judged, kept or given up.

The functions need a machine with an installed boot loader, `odin` and a way to
reboot. The systems are paths in the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from scenarios import main_job, phase1

# A boot, the import of the images and the deadline of the verdict.
VERDICT = 1800
SYSTEM = "readlink -f /run/current-system"


def default_entry(machine) -> str:
    """The boot entry that is taken when nobody says otherwise."""
    entries = json.loads(machine.succeed("bootctl list --json=short"))
    return next(entry["id"] for entry in entries if entry.get("isDefault"))


def newest(machine) -> dict:
    """The newest upgrade in the history."""
    return main_job.report(machine, "upgrade history")["entries"][0]


def stage(machine, system: str) -> str:
    """Takes up a system for one boot; returns the entry that stays the default."""
    phase1.come_up(machine)
    default = default_entry(machine)
    machine.succeed("odin backup now", f"odin upgrade apply {system}")
    assert default_entry(machine) == default, "only one boot may be staged"
    assert newest(machine)["state"] == "staged"
    return default


def good(machine, system: str, reboot: Callable[[], None]) -> None:
    """A generation that is well becomes the default, and stays it."""
    old = stage(machine, system)
    reboot()
    machine.wait_until_succeeds(f"test $({SYSTEM}) = {system}", VERDICT)
    machine.wait_until_succeeds("odin --json upgrade history | grep -q '\"confirmed\"'", VERDICT)
    assert newest(machine)["state"] == "confirmed"
    assert default_entry(machine) != old
    phase1.accepted(machine)

    # Back by hand, which is an upgrade to what was there before.
    machine.succeed("odin upgrade rollback")
    reboot()
    machine.wait_until_succeeds(f"test $({SYSTEM}) != {system}", VERDICT)


def bad(machine, system: str, reboot: Callable[[], None]) -> None:
    """A generation that is worse is given up once, with its reason kept."""
    main_job.write_data(machine)
    before = machine.succeed(SYSTEM)
    data = main_job.look(machine)
    old = stage(machine, system)
    reboot()

    machine.wait_until_succeeds(f"test $({SYSTEM}) = {before.strip()}", VERDICT)
    machine.wait_until_succeeds("odin --json upgrade history | grep -q '\"fell-back\"'", VERDICT)
    entry = newest(machine)
    assert entry["state"] == "fell-back", entry
    assert entry["reason"], entry
    assert entry["reason"] in machine.succeed("odin status"), entry
    assert default_entry(machine) == old

    # Going back returns system and bundle; data stays what it is.
    phase1.come_up(machine)
    main_job.write_data(machine)
    after = main_job.look(machine)
    assert main_job.differences(data.files, after.files) == []

    # And it is no loop: the next boot is the old system again.
    reboot()
    machine.wait_until_succeeds(f"test $({SYSTEM}) = {before.strip()}", VERDICT)
    assert newest(machine) == entry
