"""Measures ODIN beside its peers in one run and writes docs/performance.md.

    python tests/bench/run.py              all of it
    python tests/bench/run.py --only gpu   one part; the page keeps the others
    python tests/bench/run.py --quick      small sizes, one run; prints instead

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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]

from odin_lab import odin, paths, tools  # noqa: E402

from odin_bench import apply, backup, gpu, panels, report, supervisor, tree  # noqa: E402

PAGE = paths.REPOSITORY / "docs" / "performance.md"
NAMES = ("apply", "supervisor", "gpu", "dashboards", "backup")
Measurement = Callable[[Path], list[report.Section]]


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and how often."""

    objects: int
    runs: int
    changes: int
    settle: float
    tree: tree.Shape
    gpu: gpu.Sizes
    panels: panels.Sizes


FULL = Sizes(
    objects=1000,
    runs=3,
    changes=100,
    settle=60,
    tree=tree.FULL,
    gpu=gpu.FULL,
    panels=panels.FULL,
)
QUICK = Sizes(
    objects=100,
    runs=1,
    changes=10,
    settle=3,
    tree=tree.QUICK,
    gpu=gpu.QUICK,
    panels=panels.QUICK,
)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def measurements(sizes: Sizes, deadline: float | None) -> dict[str, Measurement]:
    """Every part of the page, in its order."""
    return {
        "apply": lambda place: [apply.measured(place, sizes.objects, sizes.runs, say)],
        "supervisor": lambda place: supervisor.measured(
            place, sizes.objects, sizes.changes, sizes.settle, say
        ),
        "gpu": lambda place: gpu.measured(place, sizes.gpu, say),
        "dashboards": lambda place: [panels.measured(place, sizes.panels, say)],
        "backup": lambda place: [backup.measured(place, sizes.tree, sizes.runs, deadline, say)],
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Figures side by side with the peers.")
    parser.add_argument("--quick", action="store_true", help="small sizes; prints the page")
    parser.add_argument(
        "--only",
        action="append",
        choices=NAMES,
        help="only this part; may be repeated",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="begins no further round of backups that would end later than this",
    )
    chosen = parser.parse_args(arguments)
    if named := os.environ.get("ODIN_BENCH_ONLY"):
        if named not in NAMES:
            parser.error(f"ONLY={named}: parts are {', '.join(NAMES)}")
        chosen.only = [named]
    deadline = time.monotonic() + chosen.minutes * 60 if chosen.minutes else None
    # SIGTERM unwinds like Ctrl-C, so that the directory goes too.
    signal.signal(signal.SIGTERM, terminated)
    odin.build(say)
    tools.build(["kubernetes", "kine"], say)
    sizes = QUICK if chosen.quick else FULL
    with tempfile.TemporaryDirectory(prefix="odin-bench-") as directory:
        for name, measure in measurements(sizes, deadline).items():
            if chosen.only and name not in chosen.only:
                continue
            place = Path(directory) / name
            place.mkdir()
            load = os.getloadavg()[0]
            say(f"measuring: {name}")
            part = report.part(measure(place), chosen.quick, load)
            shutil.rmtree(place)
            if chosen.quick:
                print(part)
            else:
                # After each, so that a run that is ended early was not for nothing.
                page = PAGE.read_text() if PAGE.exists() else ""
                PAGE.write_text(report.joined(page, {name: part}, NAMES))
                say(f"{PAGE.relative_to(paths.REPOSITORY)} written: {name}")
    return 0


def terminated(number: int, _frame: object) -> None:
    say("told to stop")
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
