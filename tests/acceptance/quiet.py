"""A well machine under load fires Watchdog and nothing else.

    build/venv/bin/python tests/acceptance/quiet.py --minutes 15 --record

With --record the outcome is written to docs/proof.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab"), str(HERE.parent / "vm")]

from odin_lab import registry, setup  # noqa: E402

from alerts import silence  # noqa: E402
from alerts.box import running_box, say  # noqa: E402


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15, help="how long to look")
    parser.add_argument("--record", action="store_true", help="write docs/proof.md")
    chosen = parser.parse_args(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the machine is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setup.install(say)
    registry.reap()
    with running_box("quiet") as box:
        seen = silence.watch(box, chosen.minutes)
    if chosen.record:
        silence.write(seen)
    print("\n".join([*seen.lines(), *seen.evidence]), flush=True)
    return 0 if seen.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
