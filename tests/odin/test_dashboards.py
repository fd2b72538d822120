"""The dashboards over a machine with the whole stack: names are those of real programs.

What nobody can have here is listed by name; what is not listed must have data.
"""

from __future__ import annotations

import itertools
import json
import shlex
import sys
import time
from dataclasses import dataclass

import pytest
from odin_lab import paths

sys.path.insert(0, str(paths.REPOSITORY / "tests" / "manifests"))

from odin_manifests import dashboards


@dataclass(frozen=True)
class Absent:
    """What this machine cannot tell of: first letters of metrics, and panels left empty.

    Panels of one title are one: they are not empty when one of them is not.
    """

    metrics: tuple[str, ...]
    panels: dict[str, set[str]]


ABSENT = {
    "kube-state-metrics, which nobody here can build": Absent(
        ("kube_",),
        {
            "kubernetes.json": {
                *("Nodes ready", "Nodes not ready", "Pods running", "Pods waiting"),
                *("Replicas missing", "Jobs failed", "CPU asked for", "Memory asked for"),
                *("Deployments", "StatefulSets", "Quotas"),
            },
            "storage.json": {"Claims waiting"},
        },
    ),
    "GPUs, which other tests simulate": Absent(
        ("odin_gpu_", "DCGM_"), {"overview.json": {"GPUs", "Power of GPUs"}}
    ),
    "receivers of alerts, which other tests declare": Absent(
        ("alertmanager_notification", "integration:alertmanager_notification"),
        {"alerts.json": {"Notifications", "Failed", "Time to send"}},
    ),
    "lines that were not sent, which other tests bring about": Absent(
        ("otelcol_exporter_send_failed_",), {}
    ),
    "lines that Loki refuses, which other tests write": Absent(
        ("loki_discarded_",), {"logs.json": {"Refused by Loki"}}
    ),
    "sensors": Absent(("node_hwmon_",), {"node.json": {"Temperatures"}}),
    "volumes that are measured: local-path gives directories": Absent(
        ("kubelet_volume_stats_",), {"storage.json": {"Fullest volume", "Use of volumes", "Claims"}}
    ),
    "disk figures of containers, with cgroup v1": Absent(
        ("container_fs_",), {"containers.json": {"Read from disks", "Written to disks"}}
    ),
    "a container with a processor limit": Absent(
        ("namespace_pod_container:container_cpu_cfs_",), {"containers.json": {"Throttled"}}
    ),
}
# These are empty while all is well.
OF_TROUBLE = {"alerts.json": {"What fires", "When"}, "overview.json": {"What fires"}}
# A busy host may answer no scrape for minutes.
PATIENCE = 300
# GPUs have a machine of their own (test_gpu_lifecycle.py).
FILES = [name for name in dashboards.FILES if name not in dashboards.GPU_FILES]


def is_absent(metric: str) -> bool:
    prefixes = itertools.chain.from_iterable(each.metrics for each in ABSENT.values())
    return metric.startswith(tuple(prefixes))


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


@pytest.fixture(scope="module")
def proven_box(watched_box):
    """One whose backups were proven to restore."""
    watched_box.succeed("odin backup drill")
    return watched_box


def test_every_metric_that_is_read_is_told_of(proven_box) -> None:
    names = sorted(
        {
            metric
            for name in FILES
            for query in asked(name)
            for metric in dashboards.metrics(query.text)
        }
    )
    allowed = {f"count({name})" for name in names if is_absent(name)}
    found = settled(proven_box, [f"count({name})" for name in names], allowed)
    assert found == allowed


@pytest.mark.parametrize("name", FILES)
def test_every_panel_has_data(proven_box, name: str) -> None:
    queries = asked(name)
    expected = set().union(*(each.panels.get(name, set()) for each in ABSENT.values()))
    trouble = OF_TROUBLE.get(name, set())
    allowed = {
        query.text
        for query in queries
        if query.panel in expected | trouble or any(map(is_absent, dashboards.metrics(query.text)))
    }
    found = settled(proven_box, [query.text for query in queries], allowed)
    with_data = {query.panel for query in queries if query.text not in found}
    # A list of choices is no panel.
    without = {query.panel for query in queries} - with_data - trouble - {"variable"}
    assert without == expected
