"""Every Nix file parses, is linted, is formatted and keeps to its size."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from odin_nix import tools

# Lines; a module that outgrows them has more than one concern.
LONGEST = 120
LONGEST_VM_TEST = 60


def needed(name: str) -> Path:
    found = tools.program(name)
    if found is None:
        pytest.skip(f"{name} is not in PATH; `tests/nix/tools` builds what crates.io has")
    return found


def listed(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(tools.ROOT)) for path in paths]


def test_there_are_files() -> None:
    assert tools.ROOT / "flake.nix" in tools.files()


def test_parse() -> None:
    bad = {}
    for file in tools.files():
        done = subprocess.run(
            ["nix-instantiate", "--parse", file],
            env=tools.ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            bad[str(file)] = done.stderr
    assert bad == {}


def test_statix() -> None:
    command = [needed("statix"), "check", "-o", "errfmt", "."]
    done = subprocess.run(command, cwd=tools.ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_deadnix() -> None:
    command = [needed("deadnix"), "--fail", *tools.files()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_format() -> None:
    command = [needed("nixfmt"), "--check", *tools.files()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_sizes() -> None:
    vm = tools.ROOT / "tests" / "vm"
    limit = {
        file: LONGEST_VM_TEST if file.is_relative_to(vm) else LONGEST for file in tools.files()
    }
    too_long = [file for file in limit if len(file.read_text().splitlines()) > limit[file]]
    assert listed(too_long) == []


def test_no_work_left_over() -> None:
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "lib.fakeHash", "lib.fakeSha256")
    found = [
        f"{file.relative_to(tools.ROOT)}: {word}"
        for file in tools.files()
        for word in words
        if word in file.read_text()
    ]
    assert found == []
