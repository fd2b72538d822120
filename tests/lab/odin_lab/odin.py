"""`odin` on a machine: the program, its units, its declaration and a bundle."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from odin_lab import layout, paths, tools
from odin_lab.registry import Record

PASSWORD = "lab: a machine of this kind holds nothing of value"
"""Password of every lab repository."""

LOGS = ("loki", "otel-collector")
"""Components, images and tools of one name: what keeps logs."""

STACK_IMAGES = ("busybox", "prometheus", "alertmanager", "node-exporter", *LOGS)
"""Images that the lab overlay and the probes of `odin verify` run."""

BACKUP_DISK = "/mnt/backup"
"""Where a machine sees its second disk."""


class BuildError(Exception):
    """`odin` or a bundle could not be built."""


def binary() -> Path:
    """The program under test: the release build, or what `ODIN` names."""
    return Path(os.environ.get("ODIN") or paths.REPOSITORY / "target" / "release" / "odin")


def build(say: Callable[[str], None] = print) -> None:
    """Builds the program; cargo decides whether there is something to do."""
    if "ODIN" in os.environ:
        return
    say("building odin")
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--bin", "odin"]
    if subprocess.run(command, cwd=paths.REPOSITORY).returncode != 0:
        raise BuildError("cannot build odin: see cargo's messages above")


def build_bundle(
    overlay: str,
    output: Path,
    say: Callable[[str], None] = print,
    without: Collection[str] = (),
    change: Callable[[Path], None] = lambda sources: None,
) -> Path:
    """Renders an overlay of the repository's manifests into `output`.

    Components named in `without`, which no other comes after, are left out.
    `change` may change the manifests, which are a copy.
    """
    tools.build(["kubernetes", "helm"], say)
    with tempfile.TemporaryDirectory() as scratch:
        # Charts hold links to what is beside them.
        sources = Path(scratch) / "manifests"
        shutil.copytree(paths.REPOSITORY / "manifests", sources, symlinks=True)
        declaration = sources / "bundle.toml"
        declaration.write_text(_without(declaration.read_text(), without))
        change(sources)
        command = [
            *(binary(), "bundle", "build", sources / "overlays" / overlay),
            *("--output", output),
            *("--helm", tools.binary("helm"), "--kubectl", tools.binary("kubectl")),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"cannot build the bundle of {overlay}:\n{done.stderr}")
    return output


def _without(declaration: str, names: Collection[str]) -> str:
    head, *components = declaration.split("[[component]]")
    kept = [
        component
        for component in components
        if not any(f'name = "{name}"' in component for name in names)
    ]
    return "[[component]]".join([head, *kept])


class Odin:
    """A part of a machine: `odin`, not started unless `supervise` says so.

    `backups` is a directory of the host that the machine sees as its second
    disk. With `bare` the machine gets the program and nothing else.
    """

    def __init__(
        self,
        bundle: Path | None = None,
        *,
        declaration: str | None = None,
        supervise: bool = False,
        bare: bool = False,
    ) -> None:
        self._bundle = bundle
        self._declaration = declaration
        self._supervise = supervise
        self._bare = bare

    def prepare(self, say: Callable[[str], None]) -> None:
        """Builds the program."""
        build(say)

    def binds_ro(self) -> Mapping[Path, str]:
        """The program."""
        return {binary(): "/usr/local/bin/odin"}

    def write(self, record: Record, root: Path, var: Path) -> None:
        """Writes units, declaration and bundle into a new machine."""
        units = paths.REPOSITORY / "crates" / "odin" / "units"
        layout.write(
            root / "etc/systemd/system",
            {
                file.name: file.read_text().replace("@odin@", "/usr/local/bin/odin")
                for file in units.glob("*.service")
            },
        )
        if self._bare:
            return
        declaration = self._declaration or (paths.GUEST / "odin.toml").read_text()
        layout.write(
            root / "etc/odin",
            {"odin.toml": declaration, "repository-password": f"{PASSWORD}\n"},
        )
        (root / "etc/odin/repository-password").chmod(0o600)
        if self._bundle:
            shutil.copytree(self._bundle, root / "etc/odin/bundle")
        if self._supervise:
            wants = root / "etc/systemd/system/multi-user.target.wants"
            wants.mkdir(parents=True, exist_ok=True)
            (wants / "odin.service").symlink_to("/etc/systemd/system/odin.service")
