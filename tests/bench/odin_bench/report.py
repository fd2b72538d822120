"""What a measurement hands over, and the page made of all of them."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from odin_lab import paths

from odin_bench import programs


@dataclass(frozen=True)
class Goal:
    """A figure with a limit; what is above it was missed."""

    what: str
    measured: float
    limit: float
    form: str = ".2f"
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured <= self.limit

    def row(self) -> tuple[str, ...]:
        verdict = "met" if self.met else "**missed**"
        limit = f"at most {self.limit:g}{self.unit}"
        return (self.what, limit, f"{format(self.measured, self.form)}{self.unit}", verdict)


@dataclass
class Section:
    """One chapter of the page."""

    title: str
    goals: list[Goal] = field(default_factory=list)
    text: str = ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def page(sections: Sequence[Section], missing: Sequence[str], quick: bool, load: float) -> str:
    """The whole of docs/performance.md; `missing` are measurements not made yet."""
    goals = [goal for section in sections for goal in section.goals]
    missed = sum(not goal.met for goal in goals)
    text = f"""# Performance

Written by `make bench` on {time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}, \
commit {_commit()}. Everything was measured side by side in one run on one machine; \
figures of other machines do not compare.

{_machine(load)}
"""
    if quick:
        text += "\n**A quick run with small sizes: a trial of the harness, no figures.**\n"
    if missing:
        text += f"\n**The run was ended before it measured: {', '.join(missing)}.**\n"
    text += f"""
## Goals

{len(goals) - missed} met, {missed} missed.

{table(("goal", "limit", "measured", ""), (goal.row() for goal in goals))}"""
    for section in sections:
        text += f"\n## {section.title}\n\n{section.text.strip()}\n"
    return text


def _machine(load: float) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"Machine: {os.cpu_count()} cores, {memory:.0f} GiB of memory, Linux {kernel}, no GPU;"
        f" load average {load:.1f} when the run began. Programs: {', '.join(programs.versions())}."
    )


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(paths.REPOSITORY), *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", "crates", "tests", "manifests")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        " with changes not committed yet" if changed else ""
    )
