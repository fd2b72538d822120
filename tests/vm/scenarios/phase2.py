"""Metrics and dashboards, on a machine that comes up."""

from __future__ import annotations

from scenarios import phase1, stack

# Whatever else an overlay has, these are never absent.
ALWAYS = {
    "targets-up",
    "jobs-found",
    "series-fresh",
    "retention-set",
    "rules-healthy",
    "samples-accepted",
    "storage-healthy",
    "dashboards-answer",
}


def accepted(machine) -> dict[str, str]:
    """Asserts that no row of phase 2 failed; returns the verdicts."""
    verdicts = stack.verified(machine, 2)
    assert verdicts.keys() >= ALWAYS, verdicts
    assert {verdicts[name] for name in ALWAYS} == {"passed"}, verdicts
    return verdicts


def run(machine) -> None:
    """The whole of phase 2 on a machine that was just started."""
    phase1.come_up(machine)
    accepted(machine)

    # What must not pass: an exporter that is gone is named. The supervisor would
    # have it back within seconds.
    machine.succeed("odin suspend")
    machine.succeed("kubectl -n monitoring scale statefulset alertmanager --replicas=0")
    machine.wait_until_succeeds("odin verify --phase 2 | grep -E 'jobs-found +failed'", 120)
    machine.succeed("kubectl -n monitoring scale statefulset alertmanager --replicas=1")
    machine.succeed("odin resume")
    accepted(machine)
