"""What is known of a fault: its entry in the list, and how it is brought about here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

LIST = Path(__file__).resolve().parent.parent / "faults.yaml"
NOTES = "/run/repairing"
"""Where the machine keeps what an injection has to remember."""

JOURNAL = "/dev/journal"
"""The disk that the journal fills."""


@dataclass(frozen=True)
class Listed:
    """An entry of the list that was fixed before the rules were written."""

    name: str
    alert: str
    remedy: str | None
    proven: str
    because: str = ""
    missing: bool = False
    """Whether the alert's absence is the fault."""


@dataclass(frozen=True)
class Injection:
    """A fault on a machine, as commands for its shell.

    The fault is there as soon as `inject` returns. `works` succeeds while the
    thing does what it is for; it asks the thing itself, never ODIN.
    """

    name: str
    inject: str
    works: str
    prepare: str = "true"
    undo: str = "true"
    seen: str = ""
    """A query that has a result once Prometheus watches the thing."""
    labels: str = ""
    """Matchers that tell its alert from others of the name."""
    target: str = ""
    """How ODIN's record of its remedy names the target, or how that begins."""
    incurable: str = ""
    """Why its remedy does not bring back what the fault took."""


def listed() -> dict[str, Listed]:
    """The list, by name and in its order."""
    known = Listed.__dataclass_fields__
    entries = yaml.safe_load(LIST.read_text())["faults"]
    return {
        entry["name"]: Listed(**{key: value for key, value in entry.items() if key in known})
        for entry in entries
    }
