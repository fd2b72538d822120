"""The lab's own bridge. It leads nowhere: no address translation, no way out."""

from __future__ import annotations

import subprocess
from pathlib import Path

BRIDGE = "odin-lab0"
GATEWAY = "10.231.0.1"
PREFIX = 24
INDICES = range(1, 200)


class NetworkError(Exception):
    """The bridge could not be made or removed."""


def address(index: int) -> str:
    """Address of the machine with this index on the bridge."""
    return f"10.231.0.{10 + index}"


def pod_subnet(index: int) -> str:
    """Subnet of the pods of the machine with this index, within K3s' default network."""
    return f"10.42.{index}.0/24"


def name(index: int) -> str:
    """Name of the machine with this index, as far as its network link is concerned."""
    return f"odin-lab-{index}"


def link(index: int) -> str:
    """The host's end of the link of the machine with this index, as nspawn names it."""
    return f"vb-{name(index)}"


def remove_link(index: int) -> None:
    """Removes a link that outlives its machine.

    Connections that a killed process had open keep the machine's network
    namespace for minutes, and with it the link.
    """
    if Path("/sys/class/net", link(index)).exists():
        # It may go by itself between the two lines.
        subprocess.run(["ip", "link", "delete", link(index)], stderr=subprocess.DEVNULL)


def exists() -> bool:
    return Path("/sys/class/net", BRIDGE).exists()


def create() -> None:
    """Makes the bridge unless it exists."""
    if exists():
        return
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE)
    # Whatever the host forwards otherwise, nothing from here.
    Path("/proc/sys/net/ipv4/conf", BRIDGE, "forwarding").write_text("0")
    _ip("link", "set", BRIDGE, "up")


def remove() -> None:
    """Removes the bridge."""
    if exists():
        _ip("link", "delete", BRIDGE)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise NetworkError(f"ip {' '.join(arguments)} failed: {done.stderr.strip()}")
