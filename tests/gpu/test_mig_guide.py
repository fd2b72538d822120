"""docs/guides/mig.md, walked: its declaration, its commands in order, and what they say."""

from __future__ import annotations

import re
import tomllib

from exporter import Machine
from simulation import ROOT

GUIDE = ROOT / "docs" / "guides" / "mig.md"
PROMPT = "$ odin "


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def walk() -> list[tuple[list[str], list[str]]]:
    """The commands with a prompt, and the lines shown below each."""
    steps: list[tuple[list[str], list[str]]] = []
    for line in (line for block in blocks("") for line in block.splitlines()):
        if line.startswith(PROMPT):
            steps.append((line.removeprefix(PROMPT).split(), []))
        elif steps and line.startswith(("GPU", "  ")):
            steps[-1][1].append(line)
    return steps


def test_the_guide_is_walked(machine: Machine) -> None:
    machine.simulation.write('profile = "h100"\ncount = 1\n')
    (declaration,) = blocks("toml")
    machine.cut(tomllib.loads(declaration)["gpu"]["mig"])
    steps = walk()
    assert [words[2] for words, _ in steps] == ["plan", "apply", "plan", "rollback"]
    for (words, shown), status in zip(steps, (2, 0, 0, 0), strict=True):
        done = machine.run(*words)
        assert done.returncode == status, done.stderr
        assert shown, words
        assert done.stdout.splitlines()[: len(shown)] == shown
