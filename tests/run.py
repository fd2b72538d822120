"""Runs suites of tests, shows them as they go, and ends with one line of counts.

A suite that fails to build, ends by a signal or runs no test counts as one
failure: silence is never success.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB = ROOT / "tests" / "lab"
PYTHON_FILES = ("tests", "manifests/generate")

CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)
# With and without the rule of equal signs that `-q` leaves out.
PYTEST = re.compile(r"^=* ?((?:\d+ \w+(?:, )?)+) in [\d.]+s", re.MULTILINE)
# What pytest, cargo and rustc say went wrong.
REASON = re.compile(r"^(?:E  |FAILED |ERROR |error(?:\[|:)|thread '.*' .*panicked at|---- )")
REASONS = 30  # lines a suite may repeat at the end


@dataclass(frozen=True)
class Suite:
    """One command and how its counts are read.

    `counts` is `cargo`, `pytest` or `check` (one test: the exit status).
    """

    name: str
    command: tuple[str, ...]
    counts: str
    cwd: Path = ROOT
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: Counts) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


PYTHON = sys.executable


def apiserver(*command: str) -> tuple[str, ...]:
    """The command with a kube-apiserver of its own beside it."""
    return (PYTHON, "-m", "odin_lab.apiserver", "--", *command)


LAB_PATH = {"PYTHONPATH": str(LAB)}

# In the order that shows a mistake soonest.
SUITES = {
    "test": (
        Suite("rustfmt", ("cargo", "fmt", "--all", "--check"), "check"),
        Suite("ruff", (PYTHON, "-m", "ruff", "check", *PYTHON_FILES), "check"),
        Suite("ruff format", (PYTHON, "-m", "ruff", "format", "--check", *PYTHON_FILES), "check"),
        Suite("shellcheck", ("tests/shellcheck",), "check"),
        Suite("well-formed files", (PYTHON, "tests/parses.py"), "check"),
        Suite(
            "clippy",
            (
                "cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ),
            "check",
        ),
        Suite("unit", ("cargo", "test", "--workspace", "--locked", "--quiet"), "cargo"),
        Suite(
            "odin",
            ("cargo", "build", "--release", "--locked", "--quiet", "--bin", "odin"),
            "check",
        ),
        Suite("tools", (PYTHON, "-m", "odin_lab.tools"), "check", environment=LAB_PATH),
        Suite(
            "gpu",
            (PYTHON, "-m", "pytest", "-q", "tests/gpu"),
            "pytest",
            environment=LAB_PATH,
        ),
        Suite("nix tools", ("tests/nix/tools",), "check"),
        # What it skips, and why, is part of its output.
        Suite("nix", (PYTHON, "-m", "pytest", "-q", "-rs", "tests/nix"), "pytest"),
        Suite(
            "apiserver",
            apiserver(
                "cargo",
                "test",
                "--locked",
                "--quiet",
                "--package",
                "odin-cluster",
                "--features",
                "apiserver",
                "--test",
                "apiserver",
            ),
            "cargo",
            environment=LAB_PATH,
        ),
        Suite(
            "manifests",
            (PYTHON, "-m", "pytest", "-q", "tests/manifests"),
            "pytest",
            environment=LAB_PATH,
        ),
        Suite(
            "lab",
            (PYTHON, "-m", "pytest", "-q", "tests/lab"),
            "pytest",
            environment=LAB_PATH,
        ),
        Suite(
            "machine",
            (PYTHON, "-m", "pytest", "-q", "tests/odin"),
            "pytest",
            environment=LAB_PATH,
        ),
        # It installs the browser where there is none, and fails where it cannot.
        Suite(
            "page",
            (PYTHON, "-m", "pytest", "-q", "tests/page"),
            "pytest",
            environment=LAB_PATH,
        ),
        Suite(
            "kills",
            (PYTHON, "-m", "pytest", "-q", "tests/acceptance"),
            "pytest",
            environment=LAB_PATH,
        ),
    ),
    "acceptance": (
        Suite(
            "odin", ("cargo", "build", "--release", "--locked", "--quiet", "--bin", "odin"), "check"
        ),
        Suite(
            "kills",
            (
                PYTHON,
                *("tests/acceptance/kills.py", "--seed", "1", "--count", "200", "--states"),
                *("--steps", "backup", "apply", "restore", "--record"),
            ),
            "check",
            environment=LAB_PATH,
        ),
        Suite(
            "quiet",
            (PYTHON, "tests/acceptance/quiet.py", "--minutes", "15", "--record"),
            "check",
            environment=LAB_PATH,
        ),
        Suite(
            "faults",
            (PYTHON, "tests/acceptance/faults.py", "--seed", "1", "--record"),
            "check",
            environment=LAB_PATH,
        ),
        Suite(
            "repair",
            (PYTHON, "tests/acceptance/repair.py", "--seed", "1", "--record"),
            "check",
            environment=LAB_PATH,
        ),
        Suite(
            "upgrades",
            (PYTHON, "tests/acceptance/upgrades.py", "--record"),
            "pytest",
            environment=LAB_PATH,
        ),
        Suite(
            "logs",
            (PYTHON, "tests/acceptance/logs.py", "--record"),
            "check",
            environment=LAB_PATH,
        ),
        Suite(
            "observability",
            (PYTHON, "tests/acceptance/observability.py", "--record"),
            "pytest",
            environment=LAB_PATH,
        ),
    ),
    "bench": (
        Suite(
            "odin", ("cargo", "build", "--release", "--locked", "--quiet", "--bin", "odin"), "check"
        ),
        Suite("figures", (PYTHON, "tests/bench/run.py"), "check", environment=LAB_PATH),
    ),
}


def run(suite: Suite) -> tuple[Counts, list[str]]:
    """Runs one suite, passing its output on.

    Returns the counts it shows and the lines that say what went wrong.
    """
    print(f"\n=== {suite.name}: {' '.join(suite.command)}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        suite.command,
        cwd=suite.cwd,
        env={**os.environ, **suite.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    status = process.wait()
    counts = read_counts(suite.counts, "".join(lines), status)
    print(
        f"=== {suite.name}: exit {status} after {time.monotonic() - started:.0f} s",
        flush=True,
    )
    return counts, [line for line in lines if REASON.match(line)] if counts.failed else []


def read_counts(kind: str, output: str, status: int) -> Counts:
    """Counts of a finished suite; a suite that failed has at least one failure."""
    counts = Counts()
    if kind == "check":
        counts.passed = int(status == 0)
    elif kind == "cargo":
        for passed, failed, ignored in CARGO.findall(output):
            counts.add(Counts(int(passed), int(failed), int(ignored)))
    elif kind == "pytest":
        for summary in PYTEST.findall(output)[-1:]:
            found = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", summary)}
            counts.passed = found.get("passed", 0)
            counts.failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
            counts.skipped = found.get("skipped", 0)
    if counts.failed == 0 and (status != 0 or counts.passed == 0):
        counts.failed = 1
    return counts


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("set", choices=sorted(SUITES))
    parser.add_argument("--only", action="append", help="name of a suite; may be repeated")
    chosen = parser.parse_args(arguments)
    total = Counts()
    failed = {}
    for suite in SUITES[chosen.set]:
        if chosen.only and suite.name not in chosen.only:
            continue
        counts, reasons = run(suite)
        if counts.failed:
            failed[suite.name] = reasons
        total.add(counts)
    # Again, and last: a log that is cut keeps its end.
    for name, reasons in failed.items():
        print(f"\nfailed suite: {name}\n{''.join(reasons[:REASONS])}", end="")
    print(
        f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped",
        flush=True,
    )
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
