"""The programs compared, and their versions."""

from __future__ import annotations

import json
import os
import shutil
import time
from importlib import metadata
from pathlib import Path

from odin_lab import odin, tools

from odin_bench import measure


def restic() -> str | None:
    """Debian's restic; None when it is not installed."""
    return shutil.which("restic")


def rustic() -> str | None:
    """rustic of the crate rustic-rs (`RUSTIC`, PATH, cargo's directory); None without one."""
    cargo = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "bin/rustic"
    return (
        os.environ.get("RUSTIC")
        or shutil.which("rustic")
        or (str(cargo) if cargo.exists() else None)
    )


def kubectl() -> Path:
    """kubectl of the lab, of the server's version."""
    return tools.binary("kubectl")


def versions() -> list[str]:
    """Every program with its version, or that it is not installed."""
    client = measure.run([kubectl(), "version", "--client", "-o", "json"]).stdout
    # The commit is the checkout's; a program that `ODIN` names may be older.
    built = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(odin.binary().stat().st_mtime))
    found = [
        f"{measure.run([odin.binary(), '--version']).stdout.strip()} (built {built})",
        f"kubectl and kube-apiserver {json.loads(client)['clientVersion']['gitVersion']}",
    ]
    for name, path, question in (
        ("restic", restic(), "version"),
        ("rustic", rustic(), "--version"),
    ):
        if path is None:
            found.append(f"{name} not installed")
        else:
            found.append(" ".join(measure.run([path, question]).stdout.split()[:2]))
    try:
        found.append(f"nvitop-exporter {metadata.version('nvitop-exporter')}")
    except metadata.PackageNotFoundError:
        found.append("nvitop-exporter not installed")
    return found
