"""The files that make one machine differ from another."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from odin_lab import network
from odin_lab.registry import Record


def create(record: Record, lower: Path) -> None:
    """Lays out a machine's directory: upper layer, work directory, mount point, /var."""
    directory = record.directory
    for name in ("upper", "work", "root", "cgroup"):
        (directory / name).mkdir(exist_ok=True)
    # /var is a directory of its own, not part of the overlay: containerd's
    # overlays cannot lie on one, and what is renamed there (a restore) must
    # behave as on a plain file system.
    subprocess.run(["cp", "-a", lower / "var", directory / "var"], check=True)
    write(directory / "upper", _files(record))


def write(root: Path, files: Mapping[str, str]) -> None:
    """Writes text files below `root`, making directories as needed."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _files(record: Record) -> dict[str, str]:
    name, own = record.hostname, network.address(record.index)
    return {
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{own} {name}\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        # K3s needs a default route; the bridge leads nowhere.
        "etc/systemd/network/10-lab.network": (
            "[Match]\nName=host0\n\n"
            "[Network]\n"
            f"Address={own}/{network.PREFIX}\nGateway={network.GATEWAY}\n"
            "DHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
            "\n[Link]\nRequiredForOnline=yes\n"
        ),
        "etc/systemd/networkd.conf.d/lab.conf": (
            "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
        ),
    }
