"""The checker of NixOS modules: evaluates them where there is no nixpkgs."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from odin_nix import tools

MODULES = tools.ROOT / "nixos" / "default.nix"
# What the flake adds to each configuration.
DISK = tools.ROOT / "nixos" / "images" / "disk.nix"


@dataclass(frozen=True)
class Checker:
    """A program that takes modules and says what is wrong with them."""

    program: Path
    library: Path

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.program), "--lib", str(self.library), *map(str, arguments)],
            env=tools.ENVIRONMENT,
            capture_output=True,
            text=True,
        )

    def system(self, modules: list[Path], *arguments: object) -> subprocess.CompletedProcess[str]:
        """Checks the appliance's modules with further ones."""
        # What the flake hands to its modules.
        given = ("--arg", 'makeDiskImage=_: fake "odin.img" null { }')
        further = [word for module in modules for word in ("--module", module)]
        return self.run(MODULES, *given, *further, *arguments)

    def value(self, modules: list[Path], option: str, *arguments: object) -> Any:
        """The value of one option of such a system."""
        done = self.system(modules, "--show", option, *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def find() -> Checker | str:
    """The checker, or why there is none."""
    named = os.environ.get("ODIN_NIX_CHECKER")
    if not named:
        return "ODIN_NIX_CHECKER names no checker of NixOS modules"
    if not os.access(named, os.X_OK):
        return f"ODIN_NIX_CHECKER={named} cannot be run"
    library = tools.library()
    return library if isinstance(library, str) else Checker(Path(named), library)


def configurations() -> dict[str, list[Path]]:
    """The configurations of the flake: name, and the modules besides ODIN's own."""
    names = tools.evaluate(
        f"builtins.mapAttrs (_: map toString) (import {tools.ROOT}/nixos/configurations.nix)"
    )
    return {name: [*map(Path, modules), DISK] for name, modules in names.items()}
