"""Loki away for ten minutes on a lab machine, and every line counted afterwards.

    build/venv/bin/python tests/acceptance/logs.py --record

With --record the outcome is written to docs/proof.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from losing import absence, record  # noqa: E402


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write docs/proof.md")
    parser.add_argument("--minutes", type=float, default=10, help="how long Loki is away")
    parser.add_argument("--rate", type=int, default=20, help="lines a second of each pod")
    parser.add_argument("--pods", type=int, default=3, help="pods that write")
    chosen = parser.parse_args(arguments)
    outcome = absence.run(chosen.minutes, chosen.rate, chosen.pods)
    print("\n".join(outcome.lines()))
    if chosen.record:
        record.write(outcome)
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
