"""Programs and inputs of these tests: where they are, or why they are not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from odin_lab import paths

ROOT = paths.REPOSITORY

# Some are built by tests/nix/tools from crates.io, beside the lab's.
BUILT = paths.cache() / "nix-tools" / "bin"

# Evaluation needs no daemon and no build users.
ENVIRONMENT = {**os.environ, "NIX_CONFIG": "build-users-group ="}


def files() -> list[Path]:
    """Every Nix file of the repository, committed or new."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.nix"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    names = sorted({name for name in listed.stdout.split("\0") if name})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def program(name: str) -> Path | None:
    """A program built for these tests, or else in PATH.

    In this order: Debian has another program called yq.
    """
    found = shutil.which(name, path=str(BUILT)) or shutil.which(name)
    return Path(found) if found else None


def library() -> Path | str:
    """nixpkgs' lib, or why there is none."""
    named = os.environ.get("NIXPKGS_LIB")
    if not named:
        return "NIXPKGS_LIB names no checkout of nixpkgs' lib"
    directory = Path(named)
    directory = directory if (directory / "default.nix").exists() else directory / "lib"
    if not (directory / "default.nix").exists():
        return f"NIXPKGS_LIB={named} holds no lib/default.nix"
    return directory


def evaluate(expression: str) -> Any:
    """The value of a Nix expression; raises AssertionError with Nix' own words."""
    done = subprocess.run(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
