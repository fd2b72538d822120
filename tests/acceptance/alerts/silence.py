"""What a well machine fires and what it nearly fires, over some minutes."""

from __future__ import annotations

import datetime
import hashlib
import os
import time
from dataclasses import dataclass, field

from odin_lab import odin

from alerts.box import LOAD, Box, say
from killing import record

EVERY = 15  # seconds between two looks
MARKS = "<!-- quiet:begin -->", "<!-- quiet:end -->"
EXPECTED = "Watchdog"


def clock_of_the_host(box: Box) -> str | None:
    """Why the alert about the clock is right here; none where it is not."""
    unset = box.query('node_timex_sync_status{job="node-exporter"} == 0')
    return "nobody sets the clock of the host" if unset else None


def disk_of_the_host(_: Box) -> str | None:
    """The same of the alert about a full disk, asked of the host itself."""
    disk = os.statvfs("/")
    left = disk.f_bavail / disk.f_blocks
    return f"the disk of the host has {left:.0%} left" if left < 0.15 else None


# Alerts that may be right on a lab machine, whose kernel and disk are the host's.
OF_THE_HOST = {
    "NodeClockNotSynchronised": clock_of_the_host,
    "NodeFilesystemAlmostFull": disk_of_the_host,
}


@dataclass
class Watched:
    """What was seen; names of alerts and in how many looks."""

    minutes: float
    commit: str
    looks: int = 0
    firing: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    of_the_host: dict[str, str] = field(default_factory=dict)
    watchdog: int = 0
    evidence: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Nothing fired, there were looks, and alerts could have been seen in each."""
        return bool(self.looks) and not self.firing and self.watchdog == self.looks

    def lines(self) -> list[str]:
        """The outcome, line by line."""

        def told(names: dict[str, int]) -> str:
            each = [f"{name} in {count}" for name, count in sorted(names.items())]
            return ", ".join(each) or "nothing"

        return [
            f"{self.looks} looks in {self.minutes:g} minutes, Watchdog in {self.watchdog} of them",
            f"fired besides: {told(self.firing)}",
            f"pending at a look, and not for long enough: {told(self.pending)}",
            *(
                f"fired rightly, and not judged: {name}, {why}"
                for name, why in self.of_the_host.items()
            ),
        ]


def watch(box: Box, minutes: float) -> Watched:
    """Puts the load on and looks until the time is up."""
    box.machine.succeed(f"kubectl apply -f - <<'END'\n{LOAD}\nEND")
    box.machine.succeed("kubectl -n workloads rollout status deployment/load --timeout=120s")
    box.machine.succeed("odin backup now")
    # Watchdog has come all the way: from here on its absence is a finding.
    deadline = time.monotonic() + 120
    while EXPECTED not in {alert["labels"]["alertname"] for alert in box.alerts()}:
        assert time.monotonic() < deadline, "Alertmanager has not got the Watchdog in 120 s"
        time.sleep(1)
    seen = Watched(minutes, record.commit())
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        look(box, seen)
        time.sleep(max(0, min(EVERY, end - time.monotonic())))
    look(box, seen)
    return seen


def look(box: Box, seen: Watched) -> None:
    """Looks once."""
    seen.looks += 1
    found = box.query("ALERTS")
    names = {(one["metric"]["alertname"], one["metric"]["alertstate"]) for one in found}
    names |= {(alert["labels"]["alertname"], "firing") for alert in box.alerts()}
    seen.watchdog += (EXPECTED, "firing") in names
    for name, state in sorted(names - {(EXPECTED, "firing")}):
        why = OF_THE_HOST[name](box) if name in OF_THE_HOST else None
        if state == "firing" and why:
            seen.of_the_host[name] = why
        elif state == "firing":
            if name not in seen.firing:
                labels = [one["metric"] for one in found if one["metric"]["alertname"] == name]
                seen.evidence.append(f"look {seen.looks}: {name} fires: {labels}")
                say(seen.evidence[-1])
            seen.firing[name] = seen.firing.get(name, 0) + 1
        elif state == "pending":
            seen.pending[name] = seen.pending.get(name, 0) + 1


def write(seen: Watched) -> None:
    """Replaces the record in docs/proof.md."""
    binary = hashlib.sha256(odin.binary().read_bytes()).hexdigest()[:12]
    lines = [
        f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit"
        f" {seen.commit} (SHA-256 of the program: {binary}...), by"
        " `tests/acceptance/quiet.py`, on a lab machine of 2 cores that other work shared,"
        " with the lab overlay and three pods that write and compute. Begun as soon as the"
        " bundle was in force; whatever Prometheus or Alertmanager had firing at a look counts.",
        "",
        *(f"- {line}" for line in seen.lines()),
        "",
        f"Verdict: {'passed' if seen.passed else 'FAILED'}.",
        *(f"\n```\n{line}\n```" for line in seen.evidence),
    ]
    record.replace(record.PROOF, MARKS, "\n".join(lines) + "\n")
