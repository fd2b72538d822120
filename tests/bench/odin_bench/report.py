"""What a measurement hands over, and the page made of all of them.

Each part of the page stands between marks and says when and where it was taken,
so that one can be measured anew without the others.
"""

from __future__ import annotations

import os
import platform
import re
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


HEAD = """# Performance

Written by `make bench`, part by part; `make bench ONLY=gpu` measures one part anew. \
Within a part everything was measured side by side in one run on one machine; figures of \
other machines do not compare, nor do those of parts taken at different times.
"""


def part(sections: Sequence[Section], quick: bool, load: float) -> str:
    """What one measurement found: when and where, its goals, its chapters."""
    goals = [goal for section in sections for goal in section.goals]
    missed = sum(not goal.met for goal in goals)
    text = ""
    if quick:
        text += "**A quick run with small sizes: a trial of the harness, no figures.**\n\n"
    for section in sections:
        text += f"## {section.title}\n\n{section.text.strip()}\n\n"
    text += f"Goals: {len(goals) - missed} met, {missed} missed.\n\n"
    text += table(("goal", "limit", "measured", ""), (goal.row() for goal in goals))
    taken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return f"{text}\nTaken {taken} at commit {_commit()}. {_machine(load)}\n"


def joined(page: str, fresh: dict[str, str], order: Sequence[str]) -> str:
    """The page with some of its parts replaced, in their order."""
    parts = dict(re.findall(r"<!-- (\w+):begin -->\n(.*?)<!-- \1:end -->", page, re.DOTALL)) | fresh
    found = (name for name in order if name in parts)
    return HEAD + "".join(
        f"\n<!-- {name}:begin -->\n{parts[name]}<!-- {name}:end -->\n" for name in found
    )


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
