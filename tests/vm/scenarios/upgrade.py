"""A new generation: staged for one boot, judged, taken up when it is good, left
when it is not.

The functions need a machine with an installed boot loader, the NixOS test
driver's verbs, `odin` and `jq`. The systems are paths in the store. A reboot ends
the machine; it is started again here, as its firmware would.
"""

from __future__ import annotations

import json

from scenarios import main_job, phase1

# A boot, the import of the images and the deadline of the verdict.
VERDICT = 1800


def history(machine) -> list[dict]:
    """The upgrades there were, newest first."""
    return main_job.report(machine, "upgrade history")["entries"]


def resolve(machine, system: str) -> str:
    """Where a path of a system leads: a specialisation is a link."""
    return machine.succeed(f"readlink -f {system}").strip()


def booted(machine) -> str:
    """The system that runs."""
    return resolve(machine, "/run/booted-system")


def next_boot(machine) -> str:
    """The system that boots next: the one of one boot, where one is set, which
    `bootctl` shows in place of the default, and else the default."""
    entries = json.loads(machine.succeed("bootctl list --json=short"))
    (entry,) = [entry for entry in entries if entry.get("isDefault")]
    (init,) = [word for word in entry["options"].split() if word.startswith("init=")]
    return init.removeprefix("init=").removesuffix("/init")


def restart(machine) -> None:
    """Reboots the machine in an orderly way."""
    machine.shutdown()
    machine.start()


def power_up(machine) -> None:
    """Waits until the machine reboots by itself, and starts it."""
    machine.wait_for_shutdown()
    machine.start()


def wait_for(machine, state: str, system: str) -> dict:
    """Waits until the newest upgrade is to this system and in this state."""
    machine.wait_until_succeeds(
        "odin --json upgrade history |"
        f' jq -e \'.entries[0] | .state == "{state}" and .to.system == "{system}"\'',
        VERDICT,
    )
    return history(machine)[0]


def taken_up(machine, system: str) -> dict:
    """The machine came up in a good system: it becomes the default."""
    record = wait_for(machine, "confirmed", system)
    assert booted(machine) == system
    assert next_boot(machine) == system
    return record


def left(machine, system: str, before: str) -> dict:
    """The machine left a bad system by itself: it runs the one before, and says why."""
    record = wait_for(machine, "fell-back", system)
    assert booted(machine) == before
    assert next_boot(machine) == before
    assert record["reason"], record
    status = machine.execute("odin status")[1]
    assert record["reason"] in status, status
    return record


def at_ease(machine, system: str) -> None:
    """Waits until nothing stands against taking up this system."""
    # What pods were in the boot before is told until the kubelet speaks again.
    machine.wait_until_succeeds(
        "boot=$(stat -c %Y /run/booted-system);"
        " kubectl get pods --all-namespaces -o json | jq -e --argjson boot $boot"
        ' \'[.items[] | select(.status.phase != "Succeeded" and .status.phase != "Failed")'
        " | .status.containerStatuses[]?"
        ' | (.state.running.startedAt // "1970-01-01T00:00:00Z") | fromdate]'
        " | length > 0 and min >= $boot'",
        VERDICT,
    )
    # The driver's shell ends at the first status that is not 0.
    machine.wait_until_succeeds(
        f"status=0; odin upgrade plan {system} || status=$?; test $status = 2", VERDICT
    )


def stage(machine, system: str) -> str:
    """Stages a system for one boot, without the reboot; returns what runs."""
    before = booted(machine)
    at_ease(machine, system)
    machine.succeed(f"odin upgrade apply --no-reboot {system}")
    record = history(machine)[0]
    assert (record["state"], record["to"]["system"]) == ("staged", system), record
    assert booted(machine) == before
    assert next_boot(machine) == system, "it is set for one boot"
    return before


def good(machine, system: str) -> None:
    """A generation that is well becomes the default, and stays it."""
    system = resolve(machine, system)
    phase1.come_up(machine)
    machine.succeed("odin backup now", "odin backup drill")
    before = stage(machine, system)
    restart(machine)
    taken_up(machine, system)
    phase1.accepted(machine)

    # Back by hand, which is an upgrade to what was there before.
    machine.succeed("odin upgrade rollback --no-reboot")
    assert next_boot(machine) == before
    restart(machine)
    record = taken_up(machine, before)
    assert record["kind"] == "rollback", record


def bad(machine, system: str) -> None:
    """A generation that is worse is given up once, with its reason kept."""
    system = resolve(machine, system)
    phase1.come_up(machine)
    main_job.write_data(machine)
    machine.succeed("odin backup now")
    data = main_job.look(machine)
    before = stage(machine, system)
    restart(machine)
    # The verdict, a panic or the watchdog ends it.
    power_up(machine)
    record = left(machine, system, before)

    # Going back returns system and bundle; data stays what it is.
    phase1.come_up(machine)
    main_job.write_data(machine)
    after = main_job.look(machine)
    assert main_job.differences(data.files, after.files) == []

    # And it is no loop: the next boot is the old system again.
    restart(machine)
    machine.wait_for_unit("odin-confirm.service")
    assert booted(machine) == before
    assert history(machine)[0] == record
