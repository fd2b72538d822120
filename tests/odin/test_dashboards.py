"""The dashboards over a machine with the whole stack: names are those of real programs.

What nobody can have here is listed by name; what is not listed must have data.
"""

from __future__ import annotations

import itertools
import json
import shlex
import sys
import time

import pytest
from odin_lab import paths

sys.path.insert(0, str(paths.REPOSITORY / "tests" / "manifests"))

from odin_manifests import dashboards

# Programs that are not on this machine, by the first letters of what they tell.
ABSENT = {
    "kube-state-metrics, which nobody here can build": ("kube_",),
    "GPUs, which other tests simulate": ("odin_gpu_", "DCGM_", "instance_gpu"),
    "the supervisor's metrics over TCP": ("odin_",),
    "Loki": ("loki_", "route:loki_"),
    "the collector": ("otelcol_",),
}
# Real programs that have nothing to tell of on this machine, and why.
NOTHING: dict[str, str] = {}
# Panels of which no query has data here, for one of these reasons.
WITHOUT: dict[str, set[str]] = {}
PATIENCE = 120
# GPUs have a machine of their own (test_gpu_lifecycle.py).
FILES = [name for name in dashboards.FILES if name not in dashboards.GPU_FILES]


def is_absent(metric: str) -> bool:
    prefixes = tuple(itertools.chain.from_iterable(ABSENT.values()))
    return metric in NOTHING or metric.startswith(prefixes)


def asked(name: str) -> list[dashboards.Query]:
    every = [*dashboards.queries(name, {}), *dashboards.of_variables(name, {})]
    return [query for query in every if query.language == "prometheus"]


def empty(box, texts: list[str]) -> set[str]:
    """Those that Prometheus has nothing for now."""
    spec = json.loads(box.succeed("kubectl -n monitoring get service prometheus -o json"))["spec"]
    url = f"http://{spec['clusterIP']}:9090/api/v1/query"
    commands = "\n".join(
        f"curl -sS {url} --data-urlencode query={shlex.quote(text)}; echo" for text in texts
    )
    box.succeed(f"cat > /tmp/queries <<'END'\n{commands}\nEND")
    answers = [json.loads(line) for line in box.succeed("sh /tmp/queries").splitlines()]
    assert len(answers) == len(texts)
    refused = [each for each in answers if each["status"] != "success"]
    assert refused == []
    return {text for text, each in zip(texts, answers, strict=True) if not each["data"]["result"]}


def settled(box, texts: list[str], allowed: set[str]) -> set[str]:
    """What stays empty when rules and scrapes had their time."""
    deadline = time.monotonic() + PATIENCE
    while (found := empty(box, texts)) - allowed and time.monotonic() < deadline:
        time.sleep(2)
    return found


def test_every_metric_that_is_read_is_told_of(box) -> None:
    names = sorted(
        {
            metric
            for name in FILES
            for query in asked(name)
            for metric in dashboards.metrics(query.text)
        }
    )
    allowed = {f"count({name})" for name in names if is_absent(name)}
    found = settled(box, [f"count({name})" for name in names], allowed)
    assert found == allowed


@pytest.mark.parametrize("name", FILES)
def test_every_panel_has_data(box, name: str) -> None:
    queries = asked(name)
    allowed = {
        query.text for query in queries if any(map(is_absent, dashboards.metrics(query.text)))
    }
    found = settled(box, [query.text for query in queries], allowed)
    with_data = {query.panel for query in queries if query.text not in found}
    without = {query.panel for query in queries} - with_data - {"variable"}
    assert without == WITHOUT.get(name, set())
