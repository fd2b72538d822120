"""`odin gpu serve` beside nvitop-exporter: one simulated library, one scenario, one run."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from odin_lab import odin, paths, process

from odin_bench import measure
from odin_bench.report import Goal, Section, table

SCENARIO = """profile = "h100"
count = {count}
load = {{ kind = "sine", minimum = 10, maximum = 90, period = 60 }}
memory = 40
"""
ODIN = "`odin gpu serve`"
PEER = "`nvitop-exporter`"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sizes:
    """How long both are scraped once a second, and how often ODIN is scraped at a stretch."""

    seconds: int
    scrapes: int


FULL = Sizes(seconds=120, scrapes=100_000)
QUICK = Sizes(seconds=5, scrapes=500)


@dataclass(frozen=True)
class Figures:
    """What scraping a program once a second cost."""

    times: list[float]
    cpu: float
    resident: float
    size: int

    def row(self, count: int, name: str) -> tuple[str, ...]:
        p50, p99 = (measure.percentile(self.times, percent) * 1000 for percent in (50, 99))
        return (
            str(count),
            name,
            f"{p50:.2f}",
            f"{p99:.2f}",
            f"{max(self.times) * 1000:.2f}",
            f"{self.cpu * 100:.2f}",
            f"{self.resident:.1f}",
            f"{self.size / 1024:.0f}",
        )


def measured(directory: Path, sizes: Sizes, say: Callable[[str], None]) -> list[Section]:
    """Both programs with 8 and with 16 GPUs; then many scrapes of ODIN."""
    library = _library(directory)
    rows, goals = [], []
    for count in (8, 16):
        place = directory / str(count)
        place.mkdir()
        ours, theirs, grown = _together(place, library, count, sizes, say)
        rows += [ours.row(count, ODIN), theirs.row(count, PEER)]
        ratio = ours.cpu / theirs.cpu
        say(f"{count} GPUs: CPU in that of the peer {ratio:.3f}, {ours.resident:.1f} MiB")
        goals += [
            Goal(f"{count} GPUs: CPU time in that of nvitop-exporter", ratio, 0.1),
            Goal(f"{count} GPUs: resident memory", ours.resident, 15, ".1f", " MiB"),
        ]
        if count == 16:
            p99 = measure.percentile(ours.times, 99) * 1000
            goals.append(Goal("16 GPUs: scrape, p99", p99, 5, ".2f", " ms"))
            name = f"16 GPUs: memory gained over {sizes.scrapes:,} scrapes"
            goals.append(Goal(name, max(grown, 0), 1, ".1f", " MiB"))
    head = ("GPUs", "program", "p50 ms", "p99 ms", "worst ms", "CPU %", "resident MiB", "page KiB")
    text = f"""
Simulated H100s (nvml-sim) whose load goes up and down; both programs read the same \
library and scenario, and both are scraped once a second for {sizes.seconds} s, over \
loopback, from the first byte asked to the last one got. Both read all GPUs once a \
second, scraped or not. The page of `odin` has every field of NVML, that of the peer a \
handful of metrics a GPU. CPU is of one core, and what the simulated library costs is in \
it, on both sides. A real driver's calls take longer; they are not measured here.

{table(head, rows)}"""
    return [Section("GPU metrics", goals, text)]


def _library(directory: Path) -> Path:
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "nvml-sim"]
    subprocess.run(command, cwd=paths.REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", paths.REPOSITORY / "target"))
    place = directory / "library"
    place.mkdir()
    shutil.copy(target / "release" / "libnvml_sim.so", place / "libnvidia-ml.so.1")
    return place


def _together(
    place: Path, library: Path, count: int, sizes: Sizes, say: Callable[[str], None]
) -> tuple[Figures, Figures, float]:
    scenario = place / "scenario.toml"
    scenario.write_text(SCENARIO.format(count=count))
    environment = {
        **os.environ,
        "NVML_SIM_SCENARIO": str(scenario),
        "LD_LIBRARY_PATH": str(library),
        # As in odin-gpu.service.
        "MALLOC_ARENA_MAX": "1",
    }
    ports = [_free_port(), _free_port()]
    config = place / "odin.toml"
    config.write_text(
        f'[host]\nstate-dir = "{place / "state"}"\n[gpu]\nlisten = "127.0.0.1:{ports[0]}"\n'
    )
    commands = [
        [odin.binary(), "--config", config, "gpu", "serve"],
        [
            *(sys.executable, "-m", "nvitop_exporter"),
            *("--bind-address", "127.0.0.1", "--port", str(ports[1]), "--interval", "1"),
        ],
    ]
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(_running(command, environment, place / f"{number}.log"))
            for number, command in enumerate(commands)
        ]
        for port, child, words in zip(
            ports, children, (b"DCGM_FI_DEV_GPU_TEMP{", b"{"), strict=True
        ):
            _wait_for(port, child, words, count)
        figures = _scraped(ports, children, sizes.seconds)
        say(f"{count} GPUs scraped for {sizes.seconds} s")
        grown = _at_a_stretch(ports[0], children[0], sizes.scrapes) if count == 16 else 0.0
        return figures[0], figures[1], grown


@contextlib.contextmanager
def _running(
    command: list[object], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen]:
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=process.die_with_parent(),
        )
    try:
        yield child
    finally:
        process.end(child)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _get(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()
    finally:
        connection.close()


def _wait_for(port: int, child: subprocess.Popen, words: bytes, count: int) -> None:
    def is_read() -> bool:
        if child.poll() is not None:
            raise measure.Failed(f"{child.args} ended with {child.returncode}")
        with contextlib.suppress(OSError):
            return _get(port).count(words) >= count
        return False

    process.wait_until(is_read, 60, f"port {port} tells of {count} GPUs")


def _scraped(ports: list[int], children: list[subprocess.Popen], seconds: int) -> list[Figures]:
    """Scrapes both in turns, once a second each."""
    before = [_cpu_seconds(child.pid) for child in children]
    began = time.monotonic()
    times: list[list[float]] = [[], []]
    sizes = [0, 0]
    for second in range(seconds):
        # The rate is the measurement's, so here time itself is the condition.
        time.sleep(max(0.0, began + second - time.monotonic()))
        for which, port in enumerate(ports):
            asked = time.monotonic()
            sizes[which] = len(_get(port))
            times[which].append(time.monotonic() - asked)
    passed = time.monotonic() - began
    return [
        Figures(
            times[which],
            (_cpu_seconds(child.pid) - before[which]) / passed,
            measure.resident(child.pid)[0],
            sizes[which],
        )
        for which, child in enumerate(children)
    ]


def _at_a_stretch(port: int, child: subprocess.Popen, scrapes: int) -> float:
    """MiB that the process gained between the first tenth of the scrapes and the last."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    early = 0.0
    for number in range(scrapes):
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        if number == scrapes // 10:
            early = measure.resident(child.pid)[0]
    connection.close()
    return measure.resident(child.pid)[0] - early


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
