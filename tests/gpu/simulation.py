"""The simulated NVML for tests: building it, scenarios, clients in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = Path(__file__).resolve().parent / "clients"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# Long enough for a loaded machine; a client that needs it has hung.
PATIENCE = 120


def build(directory: Path, *, old_driver: bool = False) -> Path:
    """Builds the library and returns a directory in which it has NVML's name."""
    target = TARGET / "old-driver" if old_driver else TARGET
    command = ["cargo", "build", "--locked", "--quiet", "--package", "nvml-sim"]
    command += ["--target-dir", str(target)]
    command += ["--features", "old-driver"] if old_driver else []
    subprocess.run(command, cwd=ROOT, check=True)
    directory.mkdir(parents=True, exist_ok=True)
    # A copy: another build may replace the file while a client has it mapped.
    library = directory / "libnvidia-ml.so.1"
    library.write_bytes((target / "debug" / "libnvml_sim.so").read_bytes())
    return directory


class Simulation:
    """A scenario file and the clients that read through it."""

    def __init__(self, library: Path, directory: Path) -> None:
        self.library = library
        self.scenario = directory / "scenario.toml"

    def write(self, text: str) -> None:
        """Replaces the scenario at once: readers see the old one or the new one."""
        new = self.scenario.with_suffix(".new")
        new.write_text(text)
        new.rename(self.scenario)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "NVML_SIM_SCENARIO": str(self.scenario),
            "LD_LIBRARY_PATH": str(self.library),
        }

    def start(self, *arguments: str, name: str) -> subprocess.Popen[str]:
        """Starts a client and leaves it running."""
        return subprocess.Popen(
            [sys.executable, str(CLIENTS / name), *arguments],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def getters(self) -> list[dict[str, str]]:
        """What every getter of every device says."""
        done = self.run(sys.executable, str(CLIENTS / "getters.py"))
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]


def wait_until(condition: object, what: str, patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(0.02)
