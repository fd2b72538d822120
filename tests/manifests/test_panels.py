"""Every query of every panel over a box that was thought up, in a real Prometheus.

What is not looked at: that the series are those of the real programs. Those of
GPUs are in test_gpu.py, those of the cluster in tests/odin/test_dashboards.py;
`kube_*` are a fixture, because nobody here can run kube-state-metrics.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from odin_manifests import dashboards, synthetic, tsdb
from odin_manifests.dashboards import Query
from odin_manifests.exporter import uuid

# A window of the day of a smaller box, with all its GPUs; the whole of it is
# measured by `make bench`.
HOURS = 2
SMALL = synthetic.Box(cpus=8, pods=20)
CHOSEN = {"UUID": uuid(0), "__rate_interval": "2m", "__interval": "30s", "__range": "1h"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("tsdb")
    tsdb.write(directory, synthetic.lines(SMALL), HOURS)
    with tsdb.serving(directory) as address:
        yield address


def asked(name: str) -> list[Query]:
    every = [*dashboards.queries(name, CHOSEN), *dashboards.of_variables(name, CHOSEN)]
    return [query for query in every if query.language == "prometheus"]


@pytest.mark.parametrize("name", dashboards.FILES)
def test_every_panel_has_data(name: str, url: str) -> None:
    empty = []
    for query in asked(name):
        if query.instant:
            found = tsdb.ask(url, query.text)
        else:
            found = tsdb.ask_range(url, query.text, 3600, 60)
        if not found:
            empty.append(str(query))
    assert empty == []


def test_every_series_is_there(url: str) -> None:
    """`or vector(0)` would hide a name that nobody has."""
    names = {
        metric
        for name in dashboards.FILES
        for query in asked(name)
        for metric in dashboards.metrics(query.text)
    }
    assert len(names) > 150
    assert {name for name in names if not tsdb.ask(url, f"count({name})")} == set()


def test_the_box_is_the_same_every_time() -> None:
    first, second = (synthetic.lines(synthetic.Box()) for _ in range(2))
    assert first == second
    assert len({(line.name, *sorted(line.labels.items())) for line in first}) == len(first)
    # As many GPUs as the biggest box has.
    assert len({line.labels["UUID"] for line in first if line.name == "odin_gpu_state"}) == 16
