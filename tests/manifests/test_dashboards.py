"""The dashboards as files: what Grafana needs, and what a reader does.

That each query has data is shown by test_gpu.py.
"""

from __future__ import annotations

import itertools
import re

import pytest

from odin_manifests import dashboards, paths
from odin_manifests.bundle import Bundle

# The last of Grafana's first dashboard API (DashboardMigrator.ts of Grafana 12
# and 13: "the FINAL version for the v1 dashboard API").
SCHEMA_VERSION = 42
WIDTH = 24
TYPES = {"gauge", "row", "stat", "state-timeline", "table", "timeseries"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(params=dashboards.FILES)
def dashboard(request: pytest.FixtureRequest) -> dict:
    return dashboards.load(request.param)


def test_names_are_told_apart() -> None:
    loaded = [dashboards.load(name) for name in dashboards.FILES]
    assert len(loaded) >= 4
    for key in ("uid", "title"):
        assert len({each[key] for each in loaded}) == len(loaded)


def test_dashboard_is_complete(dashboard: dict) -> None:
    assert dashboard["schemaVersion"] == SCHEMA_VERSION
    assert re.fullmatch(r"[a-z0-9-]{1,40}", dashboard["uid"])
    assert dashboard["title"] and dashboard["description"].endswith(".")
    assert "odin" in dashboard["tags"]
    # Provisioned: a number would be of another Grafana's database.
    assert "id" not in dashboard
    assert dashboard["time"] and dashboard["refresh"]
    for link in dashboard["links"]:
        assert link["type"] == "dashboards" and set(link["tags"]) <= set(dashboard["tags"])


def test_datasource_is_chosen_by_a_variable(dashboard: dict) -> None:
    variables = dashboards.variables(dashboard)
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    found = [
        *(each["datasource"] for each in dashboard["annotations"]["list"]),
        *(each["datasource"] for each in variables.values() if each["type"] == "query"),
    ]
    for panel in dashboards.panels(dashboard):
        found += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(each == DATASOURCE for each in found)


def test_panels_are_complete(dashboard: dict) -> None:
    for panel in dashboards.panels(dashboard):
        title = panel["title"]
        assert panel["type"] in TYPES, title
        assert title and panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["targets"], title
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), title
        for target in panel["targets"]:
            assert target["expr"].strip() == target["expr"] != "", title
            assert target["instant"] != target["range"], title
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))


def test_panels_do_not_overlap(dashboard: dict) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["x"] + place["w"] <= WIDTH, panel["title"]
        cells = itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
        for cell in cells:
            assert cell not in taken, f"{panel['title']} lies on {taken.get(cell)}"
            taken[cell] = panel["title"]


def test_queries_use_the_variables(dashboard: dict) -> None:
    """A panel that ignored the chosen node would show another one's numbers."""
    for panel in dashboards.panels(dashboard):
        for target in panel["targets"]:
            assert "$instance" in target["expr"], f"{panel['title']} {target['refId']}"
            assert "histogram_quantile" not in target["expr"], panel["title"]


def test_links_lead_to_runbooks(dashboard: dict) -> None:
    assert dashboards.variables(dashboard)["runbooks"]["type"] == "constant"
    for panel in dashboards.panels(dashboard):
        for link in panel.get("links", []):
            found = re.fullmatch(r"\$\{runbooks\}/(\w+)\.md", link["url"])
            assert found and (paths.RUNBOOKS / f"{found[1]}.md").exists(), link["url"]
            assert found[1] in link["title"]


def test_every_gpu_runbook_is_linked_or_listed() -> None:
    """The table of alerts leads to each by its name; those with a panel are linked there."""
    linked = {
        link["url"].split("/")[-1].removesuffix(".md")
        for name in dashboards.FILES
        for panel in dashboards.panels(dashboards.load(name))
        for link in panel.get("links", [])
    }
    unlinked = {path.stem for path in paths.RUNBOOKS.glob("Gpu*.md")} - linked
    assert unlinked == {"GpuDriverOld"}


def test_dashboards_are_in_the_bundle_as_they_are(bundle: Bundle) -> None:
    delivered = {}
    for item in bundle.of_kind("ConfigMap"):
        if item.component == "dashboards":
            # The label and the annotation of the sidecar of Grafana's chart.
            assert item.labels["grafana_dashboard"] == "1"
            assert item.content["metadata"]["annotations"]["grafana_folder"]
            delivered |= item.content["data"]
    assert delivered == {
        name: (paths.MANIFESTS / "dashboards" / name).read_text() for name in dashboards.FILES
    }
