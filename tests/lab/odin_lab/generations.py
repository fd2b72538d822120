"""Generations of a system on a machine that is not NixOS.

A closure is a directory of the store with what ODIN and the boot loader's
stand-in read of one: `init`, `bin/switch-to-configuration`,
`etc/odin/generation.json`, `etc/odin/bundle`, and units that the boot of this
system brings along. Profiles, boot entries and the firmware's variables are
directories and files of the machine; `guest/nixos` has the programs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from odin_lab import layout, paths
from odin_lab.registry import Record
from odin_lab.shell import Shell

PROFILES = "/nix/var/nix/profiles"
FIRMWARE = "/var/lib/lab-firmware"
_PROGRAMS = paths.GUEST / "nixos"

PARTS = {"nixos": "26.05", "kernel": "6.18.49", "systemd": "259.1", "k3s": "1.35.4+k3s1"}
"""What a generation is made of unless a test says otherwise."""

BROKEN = {
    # Panics: `panic=10` reboots without a word to systemd.
    "kernel": {
        "sysinit.target.d/lab-panic.conf": "[Unit]\nWants=lab-panic.service\n",
        "lab-panic.service": (
            "[Unit]\nDefaultDependencies=no\nBefore=local-fs.target odin-trial.service"
            " odin-confirm.service\n"
            "[Service]\nType=oneshot\nExecStart=/bin/systemctl reboot --force --force\n"
        ),
    },
    "k3s": {"k3s.service.d/broken.conf": "[Service]\nExecStart=\nExecStart=/bin/false\n"},
    "odin": {"odin-confirm.service.d/broken.conf": "[Service]\nExecStart=\nExecStart=/bin/false\n"},
    # One GPU in place of all; its file comes after the lab's own.
    "gpu": {
        "odin-gpu.service.d/zz-broken.conf": (
            "[Service]\nEnvironment=NVML_SIM_SCENARIO=/etc/nvml-sim/gpu-0.toml\n"
        )
    },
}
"""Units of generations that fail in one way each."""


def path(name: str) -> str:
    """The store path of the closure of this name."""
    return f"/nix/store/{'0' * 32}-nixos-system-{name}"


class Nixos:
    """A part of a machine: the boot loader, the profiles and a first generation.

    The machine starts as an image leaves it: one generation, no variable of the
    firmware written.
    """

    def __init__(self, bundle: Path, first: str = "first") -> None:
        self._bundle = bundle
        self._first = first

    def prepare(self, say: Callable[[str], None]) -> None:
        """Nothing to build."""

    def binds_ro(self) -> Mapping[Path, str]:
        """Nothing from the host."""
        return {}

    def write(self, record: Record, root: Path, var: Path) -> None:
        """Writes programs, the first generation and its boot entry."""
        for program, place in (
            ("bootctl", "usr/local/bin"),
            ("boot-loader", "etc/systemd/system-generators"),
        ):
            target = root / place / program
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_PROGRAMS / program, target)
        write_closure(root, self._first, self._bundle)
        profiles = root / PROFILES.lstrip("/")
        profiles.mkdir(parents=True)
        (profiles / "system-1-link").symlink_to(path(self._first))
        (profiles / "system").symlink_to("system-1-link")
        layout.write(
            root / "boot",
            {
                # As `odin install` leaves it.
                "odin-site.toml": '[host]\nname = "gpu-01"\n',
                "loader/loader.conf": "timeout 3\ndefault nixos-generation-1.conf\n",
                "loader/entries/nixos-generation-1.conf": (
                    f"title NixOS\noptions init={path(self._first)}/init panic=10\n"
                ),
            },
        )
        for unit in ("odin-trial.service", "odin-confirm.service", "odin-gpu.service"):
            wants = root / "etc/systemd/system/multi-user.target.wants"
            wants.mkdir(parents=True, exist_ok=True)
            (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")


def write_closure(
    root: Path,
    name: str,
    bundle: Path,
    parts: Mapping[str, str] = PARTS,
    units: Mapping[str, str] | None = None,
) -> None:
    """Writes a closure below `root`, a directory of the host."""
    closure = root / path(name).lstrip("/")
    layout.write(
        closure,
        {
            "init": "#!/bin/sh\n",
            "etc/odin/generation.json": json.dumps(dict(parts)),
            **{f"units/{unit}": text for unit, text in (units or {}).items()},
        },
    )
    shutil.copytree(bundle, closure / "etc/odin/bundle")
    program = closure / "bin/switch-to-configuration"
    program.parent.mkdir()
    shutil.copy(_PROGRAMS / "switch-to-configuration", program)


def add(
    machine: Shell,
    scratch: Path,
    name: str,
    bundle: Path,
    parts: Mapping[str, str] = PARTS,
    units: Mapping[str, str] | None = None,
) -> str:
    """Puts another closure on a running machine; returns its path."""
    write_closure(scratch, name, bundle, parts, units)
    machine.copy_from_host(scratch / path(name).lstrip("/"), path(name))
    return path(name)


def nixos_rebuild_boot(machine: Shell, name: str) -> tuple[int, str]:
    """What `nixos-rebuild boot` does with a built system; status and words."""
    return machine.execute(
        f"cd {PROFILES} && last=$(ls -d system-*-link | sed 's/[^0-9]//g' | sort -n | tail -1) &&"
        f" ln -s {path(name)} system-$((last + 1))-link &&"
        " ln -sfn system-$((last + 1))-link system &&"
        f" {path(name)}/bin/switch-to-configuration boot 2>&1"
    )
