"""Upgrades of a machine: taken up when good, left by themselves when not.

The functions need a machine with the NixOS test driver's verbs and `odin`, and
the path of a system on it. A reboot ends the machine; it is started again here.
"""

from __future__ import annotations

import json


def history(machine) -> list[dict]:
    """The upgrades there were, newest first."""
    return json.loads(machine.succeed("odin --json upgrade history"))["entries"]


def booted(machine) -> str:
    """The system that runs."""
    return machine.succeed("readlink -f /run/booted-system").strip()


def default(machine) -> str:
    """The system the boot loader takes when nothing else is said."""
    entries = json.loads(machine.succeed("bootctl list --json=short"))
    (entry,) = [entry for entry in entries if entry["isDefault"]]
    (init,) = [word for word in entry["options"].split() if word.startswith("init=")]
    return init.removeprefix("init=").removesuffix("/init")


def power_up(machine) -> None:
    """Waits for the machine to end, and starts it as its firmware would."""
    machine.wait_for_shutdown()
    machine.start()


def wait_for(machine, state: str, system: str) -> dict:
    """Waits until the upgrade to this system has come to this end."""
    machine.wait_until_succeeds(
        "odin --json upgrade history |"
        f" jq -e '.entries[0] | .state == \"{state}\" and .to.system == \"{system}\"'"
    )
    return history(machine)[0]


def taken_up(machine, system: str) -> dict:
    """The machine was rebooted into a good system: it becomes the default."""
    power_up(machine)
    record = wait_for(machine, "confirmed", system)
    assert booted(machine) == system
    assert default(machine) == system
    return record


def left(machine, system: str, before: str, boots: int) -> dict:
    """The machine was rebooted into a bad system: after `boots` ends of the
    machine it runs the one before, and says why."""
    for _ in range(boots):
        power_up(machine)
    record = wait_for(machine, "fell-back", system)
    assert booted(machine) == before
    assert default(machine) == before
    assert record["reason"]
    status = machine.execute("odin status")[1]
    assert record["reason"] in status, status
    return record
