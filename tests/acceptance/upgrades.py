"""Upgrades on a lab machine that break, lose their power, and follow the guides.

    build/venv/bin/python tests/acceptance/upgrades.py --record

With --record the outcome of every test is written to docs/proof.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from upgrading.record import Outcomes  # noqa: E402

FILES = ("cuts.py", "breaks.py", "guides.py")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write docs/proof.md")
    chosen, others = parser.parse_known_args(arguments)
    outcomes = Outcomes()
    files = [str(HERE / "upgrading" / file) for file in FILES]
    status = pytest.main(["-q", *files, *others], plugins=[outcomes])
    if chosen.record:
        outcomes.write()
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
