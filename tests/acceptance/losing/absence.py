"""Pods write numbered lines, Loki goes and comes back, and the lines are counted."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from odin_lab import cluster, odin
from odin_lab.fixtures import temporary_machine
from scenarios import logs

BEFORE = AFTER = 60
"""Seconds that the pods write before Loki goes, and after it is back."""
PATIENCE = 600
"""Seconds until what waited must have arrived."""


@dataclass(frozen=True)
class Outcome:
    """How many lines were written and what Loki has of them."""

    minutes: float
    written: int
    found: int
    missing: int
    twice: int
    seconds: float
    """From Loki's return until the last line was there."""
    queued: int
    """The most that waited in the queue on disk, in bytes."""

    @property
    def passed(self) -> bool:
        return self.missing == 0 and self.written > 0

    def lines(self) -> list[str]:
        return [
            f"Loki away: {self.minutes:g} minutes; the collector restarted once meanwhile",
            f"lines written: {self.written}, before, during and after",
            f"lines found: {self.found} different ones, {self.missing} missing,"
            f" {self.twice} more than once",
            f"waiting on disk at the end of the absence: {self.queued:,} bytes",
            f"all there {self.seconds:.0f} s after Loki was ready again",
        ]


def run(minutes: float, rate: int, pods: int) -> Outcome:
    """Runs it on a machine of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = odin.build_bundle("lab", Path(scratch) / "lab", _say)
        parts = [cluster.Cluster(images=odin.STACK_IMAGES), odin.Odin(bundle)]
        with temporary_machine("losing", parts=parts) as machine:
            machine.start()
            cluster.wait_until_ready(machine)
            machine.succeed("odin apply")
            return _measure(machine, minutes, rate, pods)


def _measure(machine, minutes: float, rate: int, pods: int) -> Outcome:
    names = [f"writer-{number}" for number in range(pods)]
    expected = rate * int(BEFORE + minutes * 60 + AFTER)
    for name in names:
        logs.write(machine, name, logs.numbered(expected, rate))
    for name in names:
        logs.go(machine, name)
    for name in names:
        logs.wait_for(machine, f'{logs.of(name)} |= "number "', rate * 10, 120)
    _say(f"Loki goes, for {minutes:g} minutes")
    logs.stop_loki(machine)
    gone = time.monotonic()
    _wait_until(gone + minutes * 30)
    _say("the collector is restarted")
    machine.succeed(
        f"kubectl delete pod {logs.COLLECTOR}",
        "kubectl -n monitoring-host rollout status daemonset/otel-collector --timeout=180s",
    )
    _wait_until(gone + minutes * 60)
    queued = int(machine.succeed("du -sb /var/lib/odin/otelcol/queue | cut -f1"))
    logs.start_loki(machine)
    back = time.monotonic()
    _say("Loki is back")
    for name in names:
        machine.wait_until_succeeds(
            f"kubectl -n {logs.NAMESPACE} logs {name} --tail=1 | grep -q 'number {expected - 1} '",
            PATIENCE + minutes * 60,
        )
    counted = [logs.count(machine, name, expected, PATIENCE) for name in names]
    missing = sum(len(each.missing) for each in counted)
    return Outcome(
        minutes=minutes,
        written=expected * pods,
        found=expected * pods - missing,
        missing=missing,
        twice=sum(len(each.twice) for each in counted),
        seconds=time.monotonic() - back,
        queued=queued,
    )


def _wait_until(moment: float) -> None:
    # The absence itself: its length is what is tested.
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 30))
        _say(f"{max(0, moment - time.monotonic()):.0f} s left")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
