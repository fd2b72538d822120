"""Measures ODIN beside its peers in one run and writes docs/performance.md.

    python tests/bench/run.py            all of it, and the page
    python tests/bench/run.py --quick    small sizes, one run; prints the page instead

Everything lies in one temporary directory, removed at the end (`TMPDIR` chooses
the disk; 10 GiB are needed). Daemons end with this process, however it ends.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

from odin_lab import odin, paths, tools  # noqa: E402

from odin_bench import apply, backup, report, supervisor, tree  # noqa: E402

PAGE = paths.REPOSITORY / "docs" / "performance.md"


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and how often."""

    objects: int
    runs: int
    changes: int
    settle: float
    tree: tree.Shape


FULL = Sizes(objects=1000, runs=3, changes=100, settle=60, tree=tree.FULL)
QUICK = Sizes(objects=100, runs=1, changes=10, settle=3, tree=tree.QUICK)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def sections(sizes: Sizes, directory: Path, only: list[str] | None) -> list[report.Section]:
    """Every measurement asked for, in the order of the page."""
    measurements = {
        "apply": lambda place: [apply.measured(place, sizes.objects, sizes.runs, say)],
        "supervisor": lambda place: supervisor.measured(
            place, sizes.objects, sizes.changes, sizes.settle, say
        ),
        "backup": lambda place: [backup.measured(place, sizes.tree, sizes.runs, say)],
    }
    found = []
    for name in only or measurements:
        place = directory / name
        place.mkdir()
        say(f"measuring: {name}")
        found += measurements[name](place)
        shutil.rmtree(place)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Figures side by side with the peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes; prints the page")
    parser.add_argument(
        "--only",
        action="append",
        choices=("apply", "supervisor", "backup"),
        help="only this; may be repeated; prints the page",
    )
    chosen = parser.parse_args(arguments)
    # SIGTERM unwinds like Ctrl-C, so that the directory goes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    odin.build(say)
    tools.build(["kubernetes", "kine"], say)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="odin-bench-") as directory:
        sizes = QUICK if chosen.quick else FULL
        found = sections(sizes, Path(directory), chosen.only)
    page = report.page(found, chosen.quick, load)
    if chosen.quick or chosen.only:
        print(page)
    else:
        PAGE.write_text(page)
        say(f"{PAGE.relative_to(paths.REPOSITORY)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
