"""The supervisor: its memory idle and holding objects, then its repair of drift."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from odin_lab import process

from odin_bench import api, bundle, drift, measure
from odin_bench.box import Box
from odin_bench.report import Goal, Section, table

HANDFUL = 6
WATCHING = "watching for drift"


def measured(
    directory: Path, total: int, changes: int, settle: float, say: Callable[[str], None]
) -> list[Section]:
    """Memory after `settle` quiet seconds with few and with `total` objects; drift among them."""
    with _supervised(directory / "idle", HANDFUL) as (daemon, _server, _objects):
        idle = _settled(daemon, settle)
    say(f"supervisor with {HANDFUL} objects: {idle[0]:.1f} MiB, highest {idle[1]:.1f}")
    with _supervised(directory / "full", total) as (daemon, server, objects):
        full = _settled(daemon, settle)
        say(f"supervisor with {total} objects: {full[0]:.1f} MiB, highest {full[1]:.1f}")
        repairs = drift.measured(server, objects, changes, say)
        after = measure.resident(daemon.pid)
    rows = [
        (what, *(f"{value:.1f}" for value in found))
        for what, found in (
            (f"idle, {HANDFUL} objects", idle),
            (f"holding {total:,} objects", full),
            (f"holding {total:,} objects, after {changes} repairs", after),
        )
    ]
    text = f"""
`odin supervise`, {settle:g} s after it began to watch; it applied the bundle \
itself before. Resident memory of the process (VmRSS, VmHWM).

{table(("", "resident MiB", "highest MiB"), rows)}"""
    goals = [
        Goal("supervisor, idle: resident memory", idle[0], 40, ".1f", " MiB"),
        Goal(f"supervisor, holding {total:,} objects: resident memory", full[0], 64, ".1f", " MiB"),
    ]
    return [repairs, Section("Memory of the supervisor", goals, text)]


@contextmanager
def _supervised(
    directory: Path, total: int
) -> Iterator[tuple[subprocess.Popen, api.Api, list[bundle.Object]]]:
    objects = bundle.write(directory / "bundle", total)
    with api.fresh(directory / "api") as server:
        box = Box(directory / "odin", server.server.kubeconfig, directory / "bundle")
        daemon = box.supervise()
        try:

            def watches() -> bool:
                if daemon.poll() is not None:
                    raise measure.Failed(f"odin supervise ended:\n{process.tail(box.log)}")
                return WATCHING in box.log.read_text()

            process.wait_until(watches, 120, f"`odin supervise` says {WATCHING!r}")
            yield daemon, server, objects
        finally:
            process.end(daemon)


def _settled(daemon: subprocess.Popen, seconds: float) -> tuple[float, float]:
    # The goal is about a daemon left alone, so here time itself is the condition.
    time.sleep(seconds)
    return measure.resident(daemon.pid)
