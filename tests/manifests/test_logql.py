"""Every query of logs of every panel, in a real Loki with the chart's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from odin_manifests import dashboards, loki
from odin_manifests.prometheus import wait_until

LINES = [("info", "request served"), ("warn", "slow"), ("error", "it failed: no such file")]
ORIGINS = [
    {
        "source": "pod",
        "service.name": "shop",
        "k8s.namespace.name": "workloads",
        "k8s.container.name": "shop",
        "k8s.pod.name": "shop-0",
        "k8s.node.name": "box",
    },
    {"source": "journal", "service.name": "k3s.service", "k8s.node.name": "box"},
]
FILES = [
    name
    for name in dashboards.FILES
    if any(query.language == "loki" for query in dashboards.queries(name, {"UUID": ""}))
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with loki.serving(tmp_path_factory.mktemp("loki")) as address:
        for origin in ORIGINS:
            loki.push(address, origin, LINES * 5)
        everything = '{service_name=~".+"}'
        wait_until(lambda: loki.ask(address, everything, False), "lines are found")
        yield address


def test_there_are_dashboards_of_logs() -> None:
    assert FILES == ["log-search.json", "logs.json"]


@pytest.mark.parametrize("name", FILES)
def test_every_panel_has_data(name: str, url: str) -> None:
    queries = [query for query in dashboards.queries(name, {}) if query.language == "loki"]
    empty = [str(query) for query in queries if not loki.ask(url, query.text, query.instant)]
    assert queries and empty == []


@pytest.mark.parametrize("name", FILES)
def test_variables_list_what_there_is(name: str, url: str) -> None:
    found = {
        variable: set(loki.values(url, entry["query"]["label"], '{service_name=~".+"}'))
        for variable, entry in dashboards.variables(dashboards.load(name)).items()
        if entry["type"] == "query" and entry["datasource"]["type"] == "loki"
    }
    assert found == {"source": {"pod", "journal"}, "service": {"shop", "k3s.service"}}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"search": "NO SUCH"}, {"it failed: no such file"}),
        ({"level": "warn"}, {"slow"}),
        ({"source": "journal", "search": "request"}, {"request served"}),
        ({"namespace": "workloads", "level": "info|warn"}, {"request served", "slow"}),
        ({"service": "nobody"}, set()),
    ],
)
def test_search_finds_what_is_chosen(url: str, chosen: dict[str, str], expected: set[str]) -> None:
    (query,) = (
        query for query in dashboards.queries("log-search.json", chosen) if query.panel == "Lines"
    )
    found = loki.ask(url, query.text, query.instant)
    assert {line for stream in found for _, line in stream["values"]} == expected
    if "namespace" in chosen:
        assert {each["stream"]["k8s_pod_name"] for each in found} == {"shop-0"}
