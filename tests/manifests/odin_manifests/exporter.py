"""`odin gpu serve` on this host, over simulated GPUs.

The scenario can be changed while it runs; `settled` waits until every GPU was
read under the present one, so nobody looks at numbers of the last.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from odin_manifests import paths

# Short, so that a GPU that hangs is soon known to: one that answers is read in
# some milliseconds.
SETTINGS = """
[gpu]
library = "{library}"
listen = "{address}"
interval = "100ms"
deadline = "1s"
maximum-age = "{maximum_age}s"
pod-resources-socket = "{socket}"
idle-after = "2s"
price-per-gpu-hour = 2.5
"""
MAXIMUM_AGE = 3
# nvml-sim looks at its scenario no more often than this.
LOOK = 0.02
PATIENCE = 60

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Series:
    """A name with labels, in an order that is always the same."""

    name: str
    labels: tuple[tuple[str, str], ...]

    @property
    def label(self) -> dict[str, str]:
        return dict(self.labels)

    def __str__(self) -> str:
        inner = ", ".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{inner}}}"


Page = dict[Series, float]


def parse(text: str, names: re.Pattern[str] | None = None) -> Page:
    """Samples of a page in Prometheus' text format, of the names that match."""
    page = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _LINE.fullmatch(line)
        if found and (names is None or names.fullmatch(found[1])):
            labels = tuple(sorted(_LABEL.findall(found[2] or "")))
            page[Series(found[1], labels)] = float(found[3])
    return page


def uuid(index: int) -> str:
    """The UUID of a simulated GPU."""
    return f"GPU-0d1e0000-0000-4000-8000-{index:012x}"


class Exporter:
    """A running `odin gpu serve`; its files are in `directory`."""

    def __init__(self, directory: Path, library: Path, scenario: str) -> None:
        self.directory = directory
        self.kubelet = directory / "kubelet.sock"
        self._scenario = directory / "scenario.toml"
        self._changed = 0.0
        self.address = f"127.0.0.1:{_free_port()}"
        self.set(scenario)
        config = directory / "odin.toml"
        config.write_text(
            SETTINGS.format(
                library=library,
                address=self.address,
                socket=self.kubelet,
                maximum_age=MAXIMUM_AGE,
            )
        )
        self._log = open(directory / "log", "w")
        self._process = subprocess.Popen(
            [paths.odin(), "--config", config, "gpu", "serve"],
            env={**os.environ, "NVML_SIM_SCENARIO": str(self._scenario)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Exporter:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            # A thread inside a call that hangs cannot be asked to end.
            self._process.kill()
            self._process.wait()
        self._log.close()

    def set(self, scenario: str) -> None:
        """Puts a scenario in force: readers see the old one or the new one."""
        new = self._scenario.with_suffix(".new")
        new.write_text(scenario)
        new.rename(self._scenario)
        self._changed = time.monotonic()

    def text(self) -> str:
        """The page as it is now."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def settled(
        self, names: re.Pattern[str] | None = None, until: Callable[[Page], bool] = lambda _: True
    ) -> Page:
        """The first page on which no number is older than the scenario.

        Raises AssertionError with the service's log when that takes too long.
        """
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log()
            asked = time.monotonic()
            try:
                text = self.text()
            except OSError:  # of connecting, of the connection, and of waiting
                time.sleep(0.05)
                continue
            page = parse(text)
            if self._is_of_now(page, asked) and until(page):
                return page if names is None else parse(text, names)
            time.sleep(0.05)
        raise AssertionError(f"the GPUs do not settle in {PATIENCE} s:\n{self.log()}")

    def log(self) -> str:
        """What the service said."""
        self._log.flush()
        return (self.directory / "log").read_text()[-4000:]

    def _is_of_now(self, page: Page, asked: float) -> bool:
        """Whether every GPU that answers was read since the scenario changed."""
        passed = asked - self._changed - LOOK
        state = {s.label["gpu"]: s.label["state"] for s in _of(page, "odin_gpu_state", 1)}
        age = {s.label["gpu"]: page[s] for s in _of(page, "odin_gpu_sample_age_seconds")}
        links = {s.label["gpu"]: page[s] for s in _of(page, "odin_gpu_links_age_seconds")}
        took = {s.label["gpu"]: page[s] for s in _of(page, "odin_gpu_sample_duration_seconds")}
        for gpu, now in state.items():
            if now in ("starting", "running"):
                if gpu not in took or max(age[gpu] + took[gpu], links[gpu]) > passed:
                    return False
            elif age[gpu] <= MAXIMUM_AGE:
                # What it said before is still on the page.
                return False
        return any(s.label["state"] != "opening" for s in _of(page, "odin_gpu_library_state", 1))


def _of(page: Page, name: str, value: float | None = None) -> Iterator[Series]:
    for series, found in page.items():
        if series.name == name and value in (None, found):
            yield series


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
