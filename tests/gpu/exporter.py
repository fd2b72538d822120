"""`odin gpu serve` on simulated GPUs, and the page it serves."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from simulation import PATIENCE, ROOT, TARGET, Simulation, wait_until

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


def build() -> Path:
    """Builds odin as the tests of the workspace have it and returns its path."""
    command = ["cargo", "build", "--locked", "--quiet", "--bin", "odin"]
    subprocess.run([*command, "--target-dir", str(TARGET)], cwd=ROOT, check=True)
    return TARGET / "debug" / "odin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Page:
    """A page of metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                match = SAMPLE.match(line)
                assert match, line
                name, labels, value = match.groups()
                self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def of(self, name: str, **labels: str) -> list[float]:
        """Values of the samples with these labels."""
        return [
            value
            for found, having, value in self.samples
            if found == name and labels.items() <= having.items()
        ]

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples}

    def library(self) -> str:
        return self.state_in("odin_gpu_library_state")

    def state(self, gpu: int) -> str:
        return self.state_in("odin_gpu_state", gpu=str(gpu))

    def state_in(self, name: str, **labels: str) -> str:
        now = [
            having["state"]
            for found, having, value in self.samples
            if found == name and value == 1 and labels.items() <= having.items()
        ]
        return now[0] if len(now) == 1 else f"none of {len(now)}"


class Machine:
    """A declaration with simulated GPUs, and `odin` on it."""

    def __init__(self, odin: Path, simulation: Simulation, directory: Path) -> None:
        self.odin = odin
        self.simulation = simulation
        self.directory = directory
        self.port = free_port()
        self.config = directory / "odin.toml"
        self.declare()

    def declare(self, **keys: str) -> None:
        """Declares GPUs that are read often and given up on soon."""
        declared = {
            "listen": f"127.0.0.1:{self.port}",
            "interval": "200ms",
            "deadline": "800ms",
            "maximum-age": "5s",
            "pod-resources-socket": str(self.directory / "kubelet.sock"),
            **keys,
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in declared.items()]
        state = f"[host]\nstate-dir = {json.dumps(str(self.directory / 'state'))}\n"
        self.config.write_text(state + "[gpu]\n" + "\n".join(lines) + "\n")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.simulation.run(str(self.odin), "--config", str(self.config), *arguments)

    def health(self) -> tuple[int, dict]:
        """Exit status and verdicts of `odin gpu health`."""
        done = self.run("gpu", "health", "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Runs `odin gpu serve`; at the end it must end by itself, and well."""
        with (self.directory / "serve.log").open("ab") as log:
            process = subprocess.Popen(
                [self.odin, "--config", self.config, "gpu", "serve"],
                env={**self.simulation.environment(), "ODIN_LOG": "info"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(lambda: self.answers(process), "the service answers")
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0, self.log()
        finally:
            process.kill()
            process.wait()

    def answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self.log()
        with contextlib.suppress(OSError):
            return self.get("/health") == "ok\n"
        return False

    def get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()

    def page(self) -> Page:
        return Page(self.get("/metrics"))

    def until(self, wish, what: str) -> Page:
        """The page once it is as wished."""
        pages: list[Page] = []

        def is_so() -> bool:
            pages[:] = [self.page()]
            return wish(pages[0])

        wait_until(is_so, what)
        return pages[0]

    def log(self) -> str:
        return (self.directory / "serve.log").read_text()
