"""The listed faults on a machine that may repair itself, and on one that may not.

    build/venv/bin/python tests/acceptance/repair.py --seed 1 --record

Both machines are the same but for `[alerting.remediation]`. What is measured is
the time from a fault until what it took works again, asked of the thing itself.
With --record the outcome is written to docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from odin_lab import registry, setup  # noqa: E402

from alerts.box import say  # noqa: E402
from killing import record  # noqa: E402
from repairing import campaign, fault, figures  # noqa: E402


def main(arguments: list[str]) -> int:
    chosen = parse(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the machines are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup.install(say)
    registry.reap()
    load, commit = os.getloadavg()[0], record.commit()
    measured = campaign.run(chosen.only, chosen.side, chosen.cap, chosen.seed)
    found = figures.Figures(fault.listed(), measured, chosen.cap)
    if chosen.record:
        figures.write(found, chosen.seed, load, commit)
    print(f"seed {chosen.seed}\n{found.table()}", "\n".join(found.lines()), flush=True)
    return 1 if found.missed() else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws the order within a group")
    parser.add_argument("--only", action="append", default=[], help="only this fault; repeatable")
    parser.add_argument("--cap", type=float, default=900, help="seconds that are waited at most")
    parser.add_argument("--side", choices=campaign.SIDES, action="append", help="only this machine")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    chosen = parser.parse_args(arguments)
    chosen.side = chosen.side or list(campaign.SIDES)
    return chosen


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
