"""A Loki with the chart's configuration, and lines pushed as the collector pushes them."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from odin_lab import process, tools

from odin_manifests import paths
from odin_manifests.prometheus import free_port, wait_until

# Number and word of each, as OpenTelemetry's log data model has them.
SEVERITIES = {"debug": 5, "info": 9, "warn": 13, "error": 17}


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A Loki of its own; yields its address."""
    port = free_port()
    config = directory / "loki.yaml"
    config.write_text(yaml.safe_dump(_config(directory, port)))
    command = [tools.binary("loki"), f"-config.file={config}", "-target=all"]
    with open(directory / "loki.log", "w") as log:
        running = subprocess.Popen(
            command, stdout=log, stderr=log, preexec_fn=process.die_with_parent()
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ready(running, directory, url), "Loki is ready")
        yield url
    finally:
        process.end(running)


def _config(directory: Path, port: int) -> dict:
    """The chart's for the lab, with this host's places and ports."""
    chart = paths.CHARTS / "loki"
    done = subprocess.run(
        [
            *(tools.binary("helm"), "template", "loki", chart, "--namespace", "monitoring"),
            *("--values", paths.OVERLAYS / "lab" / "values" / "loki.yaml"),
            *("--show-only", "templates/configmap.yaml"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = yaml.safe_load(done.stdout)["data"]["loki.yaml"]
    text = text.replace("/loki/data", str(directory / "data"))
    (directory / "rules").mkdir()
    config = yaml.safe_load(text.replace("/etc/loki/rules", str(directory / "rules")))
    config["server"] |= {
        **{"http_listen_address": "127.0.0.1", "http_listen_port": port},
        "grpc_listen_port": free_port(),
    }
    return config


def _is_ready(running: subprocess.Popen, directory: Path, url: str) -> bool:
    assert running.poll() is None, (directory / "loki.log").read_text()[-4000:]
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5):
            return True
    except OSError:  # of connecting, of the connection, and of waiting
        return False


def push(url: str, resource: dict[str, str], lines: list[tuple[str, str]]) -> None:
    """Pushes lines of one origin with their severities, a second apart, the last one now."""
    now = time.time_ns()
    records = [
        {
            "timeUnixNano": str(now - (len(lines) - 1 - number) * 10**9),
            "severityNumber": SEVERITIES[severity],
            "severityText": severity.upper(),
            "body": {"stringValue": text},
        }
        for number, (severity, text) in enumerate(lines)
    ]
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in resource.items()]
    body = {
        "resourceLogs": [
            {"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": records}]}
        ]
    }
    request = urllib.request.Request(
        f"{url}/otlp/v1/logs", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status in (200, 204), answer.status


def ask(url: str, text: str, instant: bool) -> list[dict]:
    """What a query returns of the last hour."""
    now = time.time_ns()
    parameters: dict[str, object] = {"query": text}
    if instant:
        parameters |= {"time": now}
    else:
        parameters |= {"start": now - 3600 * 10**9, "end": now, "step": "30s", "limit": 100}
    kind = "query" if instant else "query_range"
    return _get(f"{url}/loki/api/v1/{kind}?{urllib.parse.urlencode(parameters)}")["data"]["result"]


def values(url: str, label: str, stream: str) -> list[str]:
    """The values of a label, as a variable of a dashboard lists them."""
    parameters = urllib.parse.urlencode({"query": stream})
    return _get(f"{url}/loki/api/v1/label/{label}/values?{parameters}").get("data", [])


def _get(url: str) -> dict:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from error
