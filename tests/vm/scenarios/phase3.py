"""Logs and alerts, on a machine that comes up."""

from __future__ import annotations

from scenarios import phase1, stack

# Whatever else an overlay has, these are never absent.
ALWAYS = {
    "alertmanager-ready",
    "watchdog-fires",
    "notifications-sent",
    "alert-fires",
    "alert-routes",
    "alert-deduplicates",
    "alert-silenced",
    "alert-resolves",
}


def accepted(machine) -> dict[str, str]:
    """Asserts that no row of phase 3 failed; returns the verdicts."""
    verdicts = stack.verified(machine, 3)
    assert verdicts.keys() >= ALWAYS, verdicts
    assert {verdicts[name] for name in ALWAYS} == {"passed"}, verdicts
    return verdicts


def run(machine) -> None:
    """The whole of phase 3 on a machine that was just started."""
    phase1.come_up(machine)
    accepted(machine)

    # Nothing of the canaries is left: no alert, and no silence that holds.
    assert not stack.alerts(machine, "OdinVerifyCanary")
    silences = stack.ask(machine, "alertmanager:9093", "/api/v2/silences")
    ours = [one["status"]["state"] for one in silences if one["createdBy"] == "odin verify"]
    assert ours and set(ours) == {"expired"}, ours
