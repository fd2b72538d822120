"""A Prometheus and an Alertmanager on this host, with the rules about GPUs."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from odin_lab import tools

from odin_manifests import paths

INSTANCE = "box"
PATIENCE = 90


@dataclass(frozen=True)
class Watch:
    """Both, by their addresses."""

    prometheus: str
    alertmanager: str

    def query(self, text: str) -> list[dict]:
        """What a query returns now; a query that is refused raises."""
        parameters = urllib.parse.urlencode({"query": text})
        return _get(f"{self.prometheus}/api/v1/query?{parameters}")["data"]["result"]

    def alerts(self) -> list[dict]:
        """Alerts that Alertmanager has and that are not resolved."""
        return _get(f"{self.alertmanager}/api/v2/alerts?active=true")


@contextmanager
def watching(directory: Path, target: str) -> Iterator[Watch]:
    """Scrapes the target, and judges it, every second."""
    ports = [free_port() for _ in range(2)]
    watch = Watch(*(f"http://127.0.0.1:{port}" for port in ports))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(paths.RULES / "gpu.yaml")],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports[1]}"]}]}]
        },
        "scrape_configs": [
            {
                "job_name": "gpu",
                "static_configs": [{"targets": [target], "labels": {"instance": INSTANCE}}],
            }
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    # As the chart's default, but without its wait for further alerts of a group.
    route = {"receiver": "null", "group_by": ["alertname"], "group_wait": "0s"}
    (directory / "alertmanager.yml").write_text(
        yaml.safe_dump({"route": route, "receivers": [{"name": "null"}]})
    )
    commands = [
        [
            tools.binary("prometheus"),
            f"--config.file={directory}/prometheus.yml",
            f"--storage.tsdb.path={directory}/prometheus",
            f"--web.listen-address=127.0.0.1:{ports[0]}",
        ],
        [
            tools.binary("alertmanager"),
            f"--config.file={directory}/alertmanager.yml",
            f"--storage.path={directory}/alertmanager",
            f"--web.listen-address=127.0.0.1:{ports[1]}",
            "--cluster.listen-address=",
        ],
    ]
    running = []
    with open(directory / "watch.log", "w") as log:
        try:
            for command in commands:
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
            for address in (watch.prometheus, watch.alertmanager):
                wait_until(lambda url=f"{address}/-/ready": answers(url), f"{address} is ready")
            yield watch
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Returns when the condition holds; fails naming it when it never does."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not in {patience} s: {what}"
        time.sleep(0.2)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:  # of connecting, of the connection, and of waiting
        return False


def _get(url: str):
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from error


def free_port() -> int:
    """A port of this host that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
