"""The power goes in the middle of work; the machine comes back with what it had.

The functions need a machine that can `crash` and `start`, `odin` with a
declaration, and a repository that survives.
"""

from __future__ import annotations

from scenarios import main_job, phase1

# What the machine is at when the power goes.
WORK = {"apply": "odin apply", "backup": "odin backup now"}


def cut_during(machine, name: str) -> None:
    """Begins a piece of work and cuts the power while it runs."""
    unit = f"power-cut-{name}"
    machine.succeed(f"systemd-run --quiet --collect --service-type=exec --unit={unit} {WORK[name]}")
    machine.crash()
    machine.start()


def run(machine) -> None:
    """Cuts the power during each kind of work and looks at what is left."""
    phase1.come_up(machine)
    main_job.write_data(machine)
    before = main_job.look(machine)
    first = main_job.report(machine, "backup now")["snapshot"]

    for name in WORK:
        cut_during(machine, name)
        # Nobody helps: what was cut off is taken up or taken back by itself.
        phase1.come_up(machine)
        main_job.write_data(machine)
        after = main_job.look(machine)
        assert main_job.differences(before.files, after.files) == [], name
        assert main_job.differences(before.objects, after.objects) == [], name

        machine.succeed("odin backup check --read-data")
        listed = main_job.report(machine, "backup list")
        assert first in str(listed), name

    machine.succeed("odin backup now", "odin backup drill")
    phase1.accepted(machine)
