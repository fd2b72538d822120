"""The record of a run in the documentation."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import pytest
from odin_lab import odin

from killing import record

MARKS = "<!-- upgrades:begin -->", "<!-- upgrades:end -->"


class Outcomes:
    """A pytest plugin that remembers how each test ended, and how long it took."""

    def __init__(self) -> None:
        self.tests: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
        self.seconds[name] = self.seconds.get(name, 0) + report.duration
        # The worst of set-up, call and end.
        if report.outcome != "passed" or name not in self.tests:
            self.tests[name] = report.outcome

    def write(self, proof: Path = record.PROOF) -> None:
        """Replaces the record between the marks."""
        record.replace(proof, MARKS, self.section())

    def section(self) -> str:
        """The record as Markdown."""
        failed = [name for name, outcome in self.tests.items() if outcome != "passed"]
        binary = hashlib.sha256(odin.binary().read_bytes()).hexdigest()[:12]
        lines = [
            f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit"
            f" {record.commit()} (SHA-256 of the program: {binary}...), by"
            " `tests/acceptance/upgrades.py`, on a lab machine of 2 cores that other work shared."
            " The times hold the machine's own boot where a test is the first of its file.",
            "",
            *(
                f"- {name}: {outcome}, {self.seconds[name]:.0f} s"
                for name, outcome in self.tests.items()
            ),
            "",
            f"Verdict: {f'{len(failed)} FAILED' if failed or not self.tests else 'passed'}.",
        ]
        return "\n".join(lines) + "\n"
