"""nvml-sim, built when it is not there yet."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from odin_manifests import paths


class BuildError(Exception):
    """The simulated library could not be built."""


def library() -> Path:
    """The simulated NVML: a debug build, or what `NVML_SIM` names.

    Raises BuildError when cargo cannot build it.
    """
    if named := os.environ.get("NVML_SIM"):
        return Path(named)
    command = ["cargo", "build", "--locked", "--quiet", "--package", "nvml-sim"]
    if subprocess.run(command, cwd=paths.ROOT).returncode != 0:
        raise BuildError("cannot build nvml-sim: see cargo's messages above")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or paths.ROOT / "target")
    return target / "debug" / "libnvml_sim.so"
