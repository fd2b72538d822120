"""An Alertmanager on this host, with a configuration under test."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from odin_lab import tools

from odin_manifests import prometheus
from odin_manifests.prometheus import wait_until


@dataclass(frozen=True)
class Running:
    """One that answers, by its address."""

    url: str

    def send(self, alerts: list[dict[str, str]]) -> None:
        """Hands alerts over, as Prometheus does."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def until_silent(self, silent: list[dict[str, str]], among: list[dict[str, str]]) -> None:
        """Returns when exactly those of the alerts are silent; fails when they never are."""
        wanted = sorted(map(_key, silent))
        names = set(map(_key, among))

        def is_so() -> bool:
            with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=30) as answer:
                states = {
                    _key(alert["labels"]): alert["status"]["state"] for alert in json.load(answer)
                }
            found = sorted(name for name in names if states.get(name) == "suppressed")
            active = [name for name in names if states.get(name) == "active"]
            return found == wanted and len(found) + len(active) == len(names)

        wait_until(is_so, f"exactly these are silent: {wanted}")


def _key(labels: dict[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


@contextmanager
def running(directory: Path, config: dict) -> Iterator[Running]:
    """Runs one until the end of the block."""
    file = directory / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    port = prometheus.free_port()
    command = [
        tools.binary("alertmanager"),
        f"--config.file={file}",
        f"--storage.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with open(directory / "alertmanager.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            it = Running(f"http://127.0.0.1:{port}")
            wait_until(lambda: prometheus.answers(f"{it.url}/-/ready"), "Alertmanager is ready")
            yield it
        finally:
            process.terminate()
            process.wait(30)
