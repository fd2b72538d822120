"""Blocks of a Prometheus, written from series that were thought up.

promtool writes them as it would import another system's history; what rules
record is computed from them by a Prometheus that runs on them.
"""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import yaml
from odin_lab import process, tools

from odin_manifests import dashboards, paths
from odin_manifests.prometheus import free_port, wait_until
from odin_manifests.synthetic import END, Line

BLOCK = 7200
SCRAPE = 30
# How long a swing takes, and a day's rise and fall of what is counted.
_PERIOD = 3600
_PHASES = 16


def write(directory: Path, lines: list[Line], hours: int) -> Path:
    """Writes the last hours before END, and what the rules record of them."""
    data = directory / "data"
    data.mkdir()
    starts = range(END - hours * 3600, END, BLOCK)
    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(lambda start: _block(directory, data, lines, start), starts):
            assert done.returncode == 0, done.stderr[-2000:]
    with serving(directory) as url:
        # The first minutes have no rate yet.
        since = END - hours * 3600 + 600
        command = [
            *(tools.binary("promtool"), "tsdb", "create-blocks-from", "rules"),
            *(f"--start={since}", f"--end={END}", f"--url={url}"),
            *(f"--eval-interval={SCRAPE}s", f"--output-dir={data}"),
            _rules_read(directory),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "level=ERROR" not in done.stderr, done.stderr[-2000:]
    return data


def _rules_read(directory: Path) -> Path:
    """The rules that record what a dashboard reads: each is a block of its own at first."""
    read = {
        name
        for file in dashboards.FILES
        for text in dashboards.expressions(dashboards.load(file))
        for name in dashboards.metrics(text)
    }
    groups = [
        {**group, "rules": [rule for rule in group["rules"] if rule.get("record") in read]}
        for path in sorted(paths.RULES.glob("*.yaml"))
        for group in yaml.safe_load(path.read_text())["groups"]
    ]
    place = directory / "rules.yaml"
    place.write_text(yaml.safe_dump({"groups": [group for group in groups if group["rules"]]}))
    return place


def settle(data: Path) -> None:
    """Returns when Prometheus has made one block of those that tell of the same time."""
    wait_until(lambda: not _overlap(data), "blocks do not overlap", 1200)


def _overlap(data: Path) -> bool:
    try:
        metas = [json.loads(path.read_text()) for path in data.glob("*/meta.json")]
    except FileNotFoundError:
        # One was replaced while it was looked at.
        return True
    spans = sorted((meta["minTime"], meta["maxTime"]) for meta in metas)
    return any(end > start for (_, end), (start, _) in itertools.pairwise(spans))


def _block(
    directory: Path, data: Path, lines: list[Line], start: int
) -> subprocess.CompletedProcess:
    page = directory / f"{start}.om"
    times = range(start, min(start + BLOCK, END), SCRAPE)
    with page.open("w") as file:
        for text in _samples(lines, times):
            file.write(text)
        file.write("# EOF\n")
    command = [tools.binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", page, data]
    done = subprocess.run(command, capture_output=True, text=True)
    page.unlink()
    return done


def _samples(lines: list[Line], times: range) -> Iterator[str]:
    """All samples of one series after another."""
    turn = 2 * math.pi / _PERIOD
    passed = [moment - (END - 86400) for moment in times]
    waves = [
        [math.sin(turn * moment + 2 * math.pi * phase / _PHASES) for moment in passed]
        for phase in range(_PHASES)
    ]
    # It only ever grows: the swing is smaller than the pace.
    grown = [moment + 0.3 / turn * math.sin(turn * moment) for moment in passed]
    ends = [f" {moment}\n" for moment in times]
    for number, line in enumerate(lines):
        inner = ",".join(f'{name}="{value}"' for name, value in sorted(line.labels.items()))
        head = f"{line.name}{{{inner}}} "
        if line.swing:
            wave = waves[number % _PHASES]
            values = [f"{line.level + line.swing * each:.6g}" for each in wave]
        elif line.name == "node_time_seconds":
            values = [str(moment) for moment in times]
        elif line.pace:
            values = [f"{line.pace * each:.10g}" for each in grown]
        else:
            values = [f"{line.level:.15g}"] * len(ends)
        yield "".join([head + value + end for value, end in zip(values, ends, strict=True)])


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A Prometheus on the blocks; yields its address."""
    port = free_port()
    (directory / "prometheus.yml").write_text("global: {}\n")
    command = [
        tools.binary("prometheus"),
        f"--config.file={directory}/prometheus.yml",
        f"--storage.tsdb.path={directory}/data",
        # Blocks are judged by the newest of them, so none is ever too old.
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address=127.0.0.1:{port}",
        # As the chart's.
        "--query.max-samples=20000000",
    ]
    with open(directory / "prometheus.log", "w") as log:
        running = subprocess.Popen(
            command, stdout=log, stderr=log, preexec_fn=process.die_with_parent()
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_ready(running, url), "Prometheus is ready")
        yield url
    finally:
        process.end(running)


def _is_ready(running: subprocess.Popen, url: str) -> bool:
    assert running.poll() is None, "Prometheus ended"
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:  # of connecting, of the connection, and of waiting
        return False


def ask(url: str, text: str) -> list[dict]:
    """What a query returns of the last moment."""
    return _result(url, "query", {"query": text, "time": END})


def ask_range(url: str, text: str, seconds: int, step: int) -> list[dict]:
    """What a query returns of the time before it."""
    window = {"query": text, "start": END - seconds, "end": END, "step": step}
    return _result(url, "query_range", window)


def _result(url: str, kind: str, parameters: dict[str, object]) -> list[dict]:
    data = urllib.parse.urlencode(parameters).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{kind}", data, timeout=60) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{parameters['query']}: {error.read().decode()}") from error
