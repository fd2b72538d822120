"""The record of a run in the documentation, between two marks."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from pathlib import Path

from odin_lab import odin, paths

from killing.campaign import Tally

PROOF = paths.REPOSITORY / "docs" / "proof.md"
BEGIN, END = "<!-- kills:begin -->", "<!-- kills:end -->"


def write(tally: Tally, seed: int, modes: list[str], proof: Path = PROOF) -> None:
    """Replaces the record; what lies outside the marks stays as it is."""
    replace(proof, (BEGIN, END), section(tally, seed, modes))


def replace(proof: Path, marks: tuple[str, str], content: str) -> None:
    """Replaces what stands between two marks; adds them where there are none."""
    begin, end = marks
    text = proof.read_text() if proof.exists() else "# Proof\n"
    if begin not in text or end not in text:
        text = f"{text.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    proof.write_text(f"{before}{begin}\n{content}{end}{after}")


def section(tally: Tally, seed: int, modes: list[str]) -> str:
    """The record as Markdown."""
    passed = not tally.failures
    binary = hashlib.sha256(odin.binary().read_bytes()).hexdigest()[:12]
    lines = [
        f"Taken {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC at commit {commit()}"
        f" (SHA-256 of the program: {binary}...), seed {seed}, by `tests/acceptance/kills.py`"
        f" ({', '.join(modes)}), on a lab machine of 2 cores that other work shared.",
        "",
        "`odin` was ended by SIGKILL; then the same call had to succeed, every snapshot ever"
        " reported had to be listed, the repository, the cluster, the declaration and after a"
        " restore every file had to be right, and nothing of the killed call might be left.",
        "",
        *(f"- {line}" for line in tally.lines()),
        "",
        f"Verdict: {'passed' if passed else f'{len(tally.failures)} FAILED'}.",
        *(f"\n```\n{failure}\n```" for failure in tally.failures),
    ]
    return "\n".join(lines) + "\n"


def commit() -> str:
    """The commit under test, and whether the program differs from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=paths.REPOSITORY, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    changed = " with uncommitted changes" if git("status", "--porcelain", "crates") else ""
    return git("rev-parse", "--short", "HEAD") + changed
