"""The record of a run in the documentation."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import pytest
from odin_lab import odin

from killing import record

MARKS = "<!-- observability:begin -->", "<!-- observability:end -->"


class Outcomes:
    """A pytest plugin that remembers how each scenario ended, and its figures."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.figures: dict[str, dict[str, float]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[2].removesuffix("]").replace("_", " ")
        # The worst of set-up, call and end.
        if report.outcome != "passed" or name not in self.outcomes:
            self.outcomes[name] = report.outcome
        if report.when == "call":
            self.figures[name] = dict(report.user_properties)

    def write(self, proof: Path = record.PROOF) -> None:
        """Replaces the record between the marks."""
        record.replace(proof, MARKS, self.section())

    def section(self) -> str:
        """The record as Markdown."""
        failed = [name for name, outcome in self.outcomes.items() if outcome != "passed"]
        binary = hashlib.sha256(odin.binary().read_bytes()).hexdigest()[:12]
        lines = [
            f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit"
            f" {record.commit()} (SHA-256 of the program: {binary}...), by"
            " `tests/acceptance/observability.py`, on a lab machine of 2 cores that other work"
            " shared. Times are in seconds; the overlay `lab` scrapes and evaluates every five.",
            "",
            *(
                f"- {name}: {outcome}{self._figures(name)}"
                for name, outcome in self.outcomes.items()
            ),
            "",
            f"Verdict: {f'{len(failed)} FAILED' if failed or not self.outcomes else 'passed'}.",
        ]
        return "\n".join(lines) + "\n"

    def _figures(self, name: str) -> str:
        figures = [f"{what} {value:.0f}" for what, value in self.figures.get(name, {}).items()]
        return f" ({', '.join(figures)})" if figures else ""
