"""Writes the dashboards that are not about GPUs: python3 manifests/generate [DIRECTORY]

What it writes is committed, and a test holds the files to it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import alerts
import backups
import containers
import grafana
import kubernetes
import logs
import node
import odin
import overview
import storage

PLACE = Path(__file__).resolve().parent.parent / "charts" / "dashboards" / "dashboards"
MODULES = (alerts, backups, containers, kubernetes, logs, node, odin, overview, storage)


def main(place: Path) -> None:
    for module in MODULES:
        for board in module.boards():
            (place / f"{board.name}.json").write_text(grafana.text(board))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE)
