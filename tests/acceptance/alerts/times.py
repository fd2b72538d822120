"""Times from faults to their notifications, and the page that tells them."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Sequence

from odin_lab import paths

from killing import record

PAGE = paths.REPOSITORY / "docs" / "performance.md"
MARKS = "<!-- alerts:begin -->", "<!-- alerts:end -->"
LIMIT, CAP = 30.0, 60.0

Times = dict[str, list[float | None]]
"""Seconds by kind; none where nothing arrived."""


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def missed(times: Times) -> list[str]:
    """What stands against the goals."""
    everything = [one for each in times.values() for one in each]
    found = [f"{kind}: nothing was measured" for kind, each in times.items() if not each]
    lost = sum(one is None for one in everything)
    if lost:
        found.append(f"{lost} notifications never arrived")
    there = [one for one in everything if one is not None]
    if there and quantile(there, 0.99) > LIMIT:
        found.append(f"p99 {quantile(there, 0.99):.1f} s, goal {LIMIT:g} s")
    if there and max(there) > CAP:
        found.append(f"longest {max(there):.1f} s, never above {CAP:g} s")
    return found


def table(times: Times) -> str:
    """The figures as Markdown."""
    lines = [
        "| fault | measured | p50 s | p99 s | longest s | not arrived |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    whole = {**times, "all": [one for each in times.values() for one in each]}
    for kind, each in whole.items():
        there = [one for one in each if one is not None]
        figures = [quantile(there, 0.5), quantile(there, 0.99), max(there)] if there else []
        cells = [f"{one:.1f}" for one in figures] or ["", "", ""]
        lines.append(f"| {kind} | {len(each)} | {' | '.join(cells)} | {len(each) - len(there)} |")
    return "\n".join(lines) + "\n"


def write(times: Times, seed: int, load: float, commit: str) -> None:
    """Replaces the chapter of docs/performance.md."""
    wrong = missed(times)
    verdict = "Goals met." if not wrong else f"Goals **missed**: {'; '.join(wrong)}."
    text = (
        "## From a fault to its notification\n\n"
        "From the moment of the fault to the arrival at a webhook on the host, by one clock;"
        " scrape, evaluation and `group_wait` as on the appliance."
        f" Goal: p99 at most {LIMIT:g} s, never above {CAP:g} s.\n\n"
        f"{table(times)}\n{verdict}\n\n"
        f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit"
        f" {commit}, seed {seed}, by `tests/acceptance/faults.py`, on a lab machine;"
        f" load average {load:.1f} on {os.cpu_count()} cores when it began.\n"
    )
    record.replace(PAGE, MARKS, text)
