"""The record of a run in the documentation."""

from __future__ import annotations

import datetime
from pathlib import Path

from killing import record
from losing.absence import Outcome

MARKS = "<!-- logs:begin -->", "<!-- logs:end -->"


def write(outcome: Outcome, proof: Path = record.PROOF) -> None:
    """Replaces the record between the marks."""
    record.replace(proof, MARKS, section(outcome))


def section(outcome: Outcome) -> str:
    """The record as Markdown."""
    lines = [
        f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit"
        f" {record.commit()}, by `tests/acceptance/logs.py`, on a lab machine of 2 cores that"
        " other work shared.",
        "",
        *(f"- {line}" for line in outcome.lines()),
        "",
        f"Verdict: {'passed' if outcome.passed else 'FAILED'}.",
    ]
    return "\n".join(lines) + "\n"
