"""A declaration of its own for `odin`: nothing of the host's is read or written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from odin_lab import odin, process

from odin_bench import measure


class Box:
    """`odin` with state, sockets and declaration below one directory."""

    def __init__(self, directory: Path, kubeconfig: Path, bundle: Path, more: str = "") -> None:
        self.directory = directory
        self.state = directory / "state"
        self.data = directory / "k3s"
        self.config = directory / "odin.toml"
        directory.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"""[host]
name = "bench"
k3s-data-dir = "{self.data}"
kubeconfig = "{kubeconfig}"
state-dir = "{self.state}"
run-dir = "{directory}/run"

[apply]
bundle = "{bundle}"
{more}"""
        )

    def run(self, *arguments: str | Path) -> tuple[measure.Sample, Any]:
        """Runs `odin`; what it cost and the report it printed."""
        sample = measure.run([odin.binary(), "--config", self.config, "--json", *arguments])
        return sample, json.loads(sample.stdout)

    def supervise(self) -> subprocess.Popen:
        """Starts the daemon; it ends with this process at the latest."""
        # A daemon under systemd would start its jobs as units.
        environment = {key: value for key, value in os.environ.items() if key != "INVOCATION_ID"}
        command = [odin.binary(), "--config", self.config, "supervise"]
        return process.spawn(command, self.log, env=environment)

    @property
    def log(self) -> Path:
        """What the daemon said."""
        return self.directory / "supervise.log"
