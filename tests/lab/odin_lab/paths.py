"""Where the lab keeps things: a cache that survives, and state that does not."""

import os
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent
REPOSITORY = LAB.parent.parent
TOOLS = LAB / "tools"
GUEST = LAB / "guest"


def cache() -> Path:
    """Directory of everything that is built once and kept (`ODIN_LAB_CACHE`)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ODIN_LAB_CACHE") or Path(base) / "odin-lab")


def state() -> Path:
    """Directory of running machines (`ODIN_LAB_STATE`); empty when none runs.

    One a host: which addresses of the lab's network are taken is recorded here.
    On disk, not under /run: machine overlays hold databases and volumes that
    would otherwise count as memory.
    """
    return Path(os.environ.get("ODIN_LAB_STATE") or "/var/lib/odin-lab")
