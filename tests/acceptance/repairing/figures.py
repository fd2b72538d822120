"""The goals, what stands against them, and the page that tells them."""

from __future__ import annotations

import datetime
import os
import statistics

from odin_lab import paths

from killing import record
from repairing.box import AFTER
from repairing.campaign import Measured
from repairing.fault import Listed
from repairing.watch import Outcome

PAGE = paths.REPOSITORY / "docs" / "performance.md"
MARKS = "<!-- repair:begin -->", "<!-- repair:end -->"
SHARE, SHORTER = 0.9, 0.8


class Figures:
    """What was measured of the list."""

    def __init__(self, listed: dict[str, Listed], outcomes: Measured, cap: float) -> None:
        self.listed = listed
        self.odin = outcomes.get("odin", {})
        self.alone = outcomes.get("alone", {})
        self.cap = cap

    def capped(self, outcome: Outcome) -> float:
        """Seconds until the repair, at most the cap."""
        return self.cap if outcome.repaired is None else min(outcome.repaired, self.cap)

    def verdict(self, name: str) -> tuple[bool, str]:
        """Whether its alert resolved without a person, and by whom or why not."""
        entry, outcome = self.listed[name], self.odin.get(name)
        if outcome is None:
            fixture = "not shown: a lab machine cannot have it, only its rule is tested"
            return False, fixture if entry.proven == "fixture" else "not measured"
        if outcome.trouble:
            return False, f"not measured: {outcome.trouble}"
        if outcome.repaired is None:
            reasons = [*outcome.refusals(), outcome.incurable or f"not within {self.cap:g} s"]
            return False, f"not resolved: {'; '.join(reasons)}"
        if not outcome.by_odin and outcome.fired is None:
            return False, "repaired by Kubernetes, its alert did not fire"
        if not outcome.resolved:
            return False, "repaired, its alert fires on"
        if not outcome.by_odin:
            return True, "resolved by Kubernetes"
        # What came first; the alert of the list had nothing to tell any more.
        others = {each["alert"] for each in outcome.remedies} - {entry.alert}
        return True, "resolved by ODIN" + "".join(f", for {other}" for other in sorted(others))

    def times(self) -> tuple[list[float], list[float]]:
        """Seconds of both machines, of the faults that both had."""
        sides = (self.odin, self.alone)
        both = [name for name in self.listed if all(measured(side.get(name)) for side in sides)]
        with_odin, alone = ([self.capped(side[name]) for name in both] for side in sides)
        return with_odin, alone

    def missed(self) -> list[str]:
        """What stands against the goals."""
        resolved = sum(self.verdict(name)[0] for name in self.listed)
        share = resolved / len(self.listed)
        found = []
        if share < SHARE:
            found.append(
                f"{resolved} of {len(self.listed)} alerts resolved without a person"
                f" ({share:.0%}), goal {SHARE:.0%}"
            )
        with_odin, alone = self.times()
        lacking = sum(entry.proven == "lab" for entry in self.listed.values()) - len(alone)
        if lacking:
            found.append(f"{lacking} faults were not measured on both machines")
        if not alone:
            return found
        shorter = 1 - sum(with_odin) / sum(alone)
        if shorter < SHORTER:
            found.append(f"time to repair {shorter:.0%} shorter, goal {SHORTER:.0%}")
        return found

    def lines(self) -> list[str]:
        """The figures in words."""
        verdicts = {name: self.verdict(name) for name in self.listed}
        resolved = sum(done for done, _ in verdicts.values())
        total = len(self.listed)
        lines = [f"Resolved without a person: {resolved} of {total} ({resolved / total:.0%})."]
        with_odin, alone = self.times()
        if alone:
            lines.append(
                f"Time to repair, {len(alone)} faults, with ODIN and alone: in all"
                f" {sum(with_odin):.0f} s and {sum(alone):.0f} s"
                f" ({1 - sum(with_odin) / sum(alone):.0%} shorter), median"
                f" {statistics.median(with_odin):.0f} s and {statistics.median(alone):.0f} s."
            )
        missed = self.missed()
        lines.append(f"Goals **missed**: {'; '.join(missed)}." if missed else "Goals met.")
        return lines

    def table(self) -> str:
        """Every fault of the list, as Markdown."""
        lines = [
            "| fault | alert | remedy | alert after s | with ODIN s | alone s | verdict |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for name, entry in self.listed.items():
            odin, alone = self.odin.get(name), self.alone.get(name)
            fired = f"{odin.fired:.0f}" if odin and odin.fired is not None else ""
            alert = f"{entry.alert} missing" if entry.missing else entry.alert
            times = " | ".join(self._time(outcome) for outcome in (odin, alone))
            lines.append(
                f"| {name} | {alert} | {entry.remedy or 'none'} | {fired} | {times} |"
                f" {self.verdict(name)[1]} |"
            )
        return "\n".join(lines) + "\n"

    def _time(self, outcome: Outcome | None) -> str:
        if outcome is None or not measured(outcome):
            return ""
        return f"{outcome.repaired:.0f}" if outcome.repaired is not None else f"> {self.cap:g}"

    def left(self) -> list[str]:
        """What is left to a person, with the list's own reason where it has one."""
        return [
            f"- {name}: {self.verdict(name)[1]}" + (f"; {entry.because}" if entry.because else "")
            for name, entry in self.listed.items()
            if not self.verdict(name)[0]
        ]


def measured(outcome: Outcome | None) -> bool:
    """Whether the fault was there."""
    return outcome is not None and not outcome.trouble


def write(found: Figures, seed: int, load: float, commit: str) -> None:
    """Replaces the chapter of docs/performance.md."""
    text = (
        "## From a fault to its repair\n\n"
        "The faults of `tests/acceptance/faults.yaml`, fixed before the rules were written, on a"
        f" machine whose alerts ODIN remedies (`after` {AFTER} s) and on one where Kubernetes and"
        " systemd are alone (`actions = []`), with the appliance's probes on both. From the fault"
        " until what it took works again, asked of the thing itself and not of ODIN; at most"
        f" {found.cap:g} s. Goals: {SHARE:.0%} of the alerts of the list resolve without a person,"
        f" and the time to repair, all faults together, is {SHORTER:.0%} shorter.\n\n"
        f"{found.table()}\n" + "\n\n".join(found.lines()) + "\n\n"
        "Left to a person, or not shown:\n\n" + "\n".join(found.left()) + "\n\n"
        f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit {commit},"
        f" seed {seed}, by `tests/acceptance/repair.py`, on lab machines;"
        f" load average {load:.1f} on {os.cpu_count()} cores when it began.\n"
    )
    record.replace(PAGE, MARKS, text)
