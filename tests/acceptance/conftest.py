"""Fixtures of the acceptance: machines that are removed whatever a test does."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

pytest_plugins = ["odin_lab.fixtures", "odin_lab.trial"]
