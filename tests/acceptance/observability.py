"""The monitoring stack on a lab machine while something happens to it.

    build/venv/bin/python tests/acceptance/observability.py --record

With --record the outcome of every scenario is written to docs/proof.md. Other
arguments are pytest's: `-k cardinality` runs one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from observing.record import Outcomes  # noqa: E402


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write docs/proof.md")
    chosen, others = parser.parse_known_args(arguments)
    outcomes = Outcomes()
    files = [str(HERE / "observing" / "disturbed.py")]
    status = pytest.main(["-q", *files, *others], plugins=[outcomes])
    if chosen.record:
        outcomes.write()
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
