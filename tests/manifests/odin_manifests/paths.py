"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ROOT = TESTS.parent.parent
LAB = ROOT / "tests" / "lab"
MANIFESTS = ROOT / "manifests"
VM = ROOT / "tests" / "vm"
CHARTS = MANIFESTS / "charts"
OVERLAYS = MANIFESTS / "overlays"
RULES = MANIFESTS / "rules"
LOG_RULES = CHARTS / "loki" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"
NETWORK = ROOT / "docs" / "reference" / "network.md"
SNAPSHOTS = TESTS / "snapshots"

CHART_NAMES = sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml"))
OVERLAY_NAMES = sorted(path.parent.name for path in OVERLAYS.glob("*/values"))


def odin() -> Path:
    """The odin binary: $ODIN_BINARY, or the one cargo built last.

    Raises FileNotFoundError saying how to get one.
    """
    if named := os.environ.get("ODIN_BINARY"):
        return Path(named)
    built = [ROOT / "target" / profile / "odin" for profile in ("release", "debug")]
    there = [path for path in built if path.exists()]
    if not there:
        raise FileNotFoundError("there is no odin to render the bundle: run `cargo build -p odin`")
    return max(there, key=lambda path: path.stat().st_mtime)
