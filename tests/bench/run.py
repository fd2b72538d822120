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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

from odin_lab import odin, paths, tools  # noqa: E402

from odin_bench import apply, backup, gpu, report, supervisor, tree  # noqa: E402

PAGE = paths.REPOSITORY / "docs" / "performance.md"


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and how often."""

    objects: int
    runs: int
    changes: int
    settle: float
    tree: tree.Shape
    gpu: gpu.Sizes


FULL = Sizes(objects=1000, runs=3, changes=100, settle=60, tree=tree.FULL, gpu=gpu.FULL)
QUICK = Sizes(objects=100, runs=1, changes=10, settle=3, tree=tree.QUICK, gpu=gpu.QUICK)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def sections(
    sizes: Sizes, directory: Path, only: list[str] | None, deadline: float | None
) -> Iterator[tuple[list[report.Section], list[str]]]:
    """Every measurement asked for, in the order of the page, and what is still to come."""
    measurements = {
        "apply": lambda place: [apply.measured(place, sizes.objects, sizes.runs, say)],
        "supervisor": lambda place: supervisor.measured(
            place, sizes.objects, sizes.changes, sizes.settle, say
        ),
        "gpu": lambda place: gpu.measured(place, sizes.gpu, say),
        "backup": lambda place: [backup.measured(place, sizes.tree, sizes.runs, deadline, say)],
    }
    names = only or list(measurements)
    for position, name in enumerate(names, start=1):
        place = directory / name
        place.mkdir()
        say(f"measuring: {name}")
        yield measurements[name](place), names[position:]
        shutil.rmtree(place)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Figures side by side with the peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes; prints the page")
    parser.add_argument(
        "--only",
        action="append",
        choices=("apply", "supervisor", "gpu", "backup"),
        help="only this; may be repeated; prints the page",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="begins no further round of backups that would end later than this",
    )
    chosen = parser.parse_args(arguments)
    deadline = time.monotonic() + chosen.minutes * 60 if chosen.minutes else None
    # SIGTERM unwinds like Ctrl-C, so that the directory goes too.
    signal.signal(signal.SIGTERM, terminated)
    odin.build(say)
    tools.build(["kubernetes", "kine"], say)
    load = os.getloadavg()[0]
    sizes = QUICK if chosen.quick else FULL
    found: list[report.Section] = []
    page = ""
    with tempfile.TemporaryDirectory(prefix="odin-bench-") as directory:
        for more, missing in sections(sizes, Path(directory), chosen.only, deadline):
            found += more
            page = report.page(found, missing, chosen.quick, load)
            # After each, so that a run that is ended early has not been for nothing.
            if not chosen.quick and not chosen.only:
                PAGE.write_text(page)
                say(f"{PAGE.relative_to(paths.REPOSITORY)} written; to come: {missing}")
    if chosen.quick or chosen.only:
        print(page)
    return 0


def terminated(number: int, _frame: object) -> None:
    say("told to stop")
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
