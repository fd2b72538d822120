"""What the tests of the Nix files use, and the reason when it is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent)]

from odin_lab import odin  # noqa: E402

from odin_nix import checker, tools  # noqa: E402


@pytest.fixture(scope="session")
def check() -> checker.Checker:
    """Evaluates modules against the table of NixOS' options."""
    found = checker.find()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def library() -> Path:
    """nixpkgs' lib."""
    found = tools.library()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def program() -> Path:
    """`odin`, built unless the variable ODIN names one."""
    odin.build()
    return odin.binary()
