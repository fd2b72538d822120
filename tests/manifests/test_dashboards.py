"""The dashboards as files: what Grafana needs, and what a reader does.

That each query has data is shown by test_panels.py, of GPUs also by test_gpu.py.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from odin_manifests import dashboards, paths
from odin_manifests.bundle import Bundle

# The last of Grafana's first dashboard API (DashboardMigrator.ts of Grafana 12
# and 13: "the FINAL version for the v1 dashboard API").
SCHEMA_VERSION = 42
WIDTH = 24
TYPES = {"gauge", "logs", "row", "stat", "state-timeline", "table", "timeseries"}
# The variable by which a datasource of each type is chosen.
DATASOURCES = {"prometheus": "datasource", "loki": "loki"}
# What is asked of the cluster, of one of its programs, or of whatever there is,
# and so of no node, namespace or stream that a variable could choose.
WHOLE = {
    "alerts.json": {
        *("Critical", "Warnings", "Silences", "Watchdog", "Alertmanager", "Notifications"),
        *("Failed", "Time to send", "Dropped by Prometheus", "Time to evaluate"),
        *("Rules that fail", "Targets", "Time to scrape", "Queries of Prometheus"),
    },
    "kubernetes.json": {
        *("Nodes ready", "Nodes not ready", "Requests", "Errors", "Latency", "Memory and CPU"),
        *("Objects", "Work queues", "Pods and containers", "Start of a pod"),
        *("Container runtime", "DNS queries", "DNS latency"),
    },
    "logs.json": {
        *("Refused", "Not sent", "Queue", "Read and sent", "Refused by Loki", "Streams"),
        "Latency of Loki",
    },
    "overview.json": {
        *("Alerts", "Targets down", "Newest snapshot", "Newest drill", "Drift repair"),
        *("Restarts", "What fires", "CPU by namespace", "Memory by namespace"),
    },
    "storage.json": {
        *("Claims", "Claims waiting", "Mounts and volumes", "Prometheus", "Series"),
        *("Datastore of the cluster", "Logs"),
    },
}


@pytest.fixture(params=dashboards.FILES)
def dashboard(request: pytest.FixtureRequest) -> dict:
    return dashboards.load(request.param)


def test_names_are_told_apart() -> None:
    loaded = [dashboards.load(name) for name in dashboards.FILES]
    assert len(loaded) == 14
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


def test_generated_dashboards_are_what_is_generated_now(tmp_path: Path) -> None:
    command = [sys.executable, "-B", paths.MANIFESTS / "generate", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    hint = "`python3 manifests/generate` writes them anew"
    assert made.keys() == set(dashboards.FILES) - set(dashboards.GPU_FILES), hint
    for name, text in made.items():
        assert (paths.MANIFESTS / "dashboards" / name).read_text() == text, f"{name}: {hint}"


def test_a_dashboard_fits_a_configmap() -> None:
    for name in dashboards.FILES:
        # The API refuses a ConfigMap of more than a MiB; half is left for growth.
        assert (paths.MANIFESTS / "dashboards" / name).stat().st_size < 2**19, name


def test_datasource_is_chosen_by_a_variable(dashboard: dict) -> None:
    variables = dashboards.variables(dashboard)
    for kind, variable in DATASOURCES.items():
        if variable in variables:
            assert variables[variable]["type"] == "datasource"
            assert variables[variable]["query"] == kind
    found = [
        *(each["datasource"] for each in dashboard["annotations"]["list"]),
        *(each["datasource"] for each in variables.values() if each["type"] == "query"),
    ]
    for panel in dashboards.panels(dashboard):
        found += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    for each in found:
        variable = DATASOURCES[each["type"]]
        assert each == {"type": each["type"], "uid": f"${{{variable}}}"}
        assert variable in variables


def test_panels_are_complete(dashboard: dict) -> None:
    for panel in dashboards.panels(dashboard):
        title = panel["title"]
        assert panel["type"] in TYPES, title
        assert title and panel["description"].endswith("."), title
        assert panel["fieldConfig"]["defaults"]["unit"], title
        assert panel["targets"], title
        if panel["type"] == "timeseries":
            assert panel["fieldConfig"]["defaults"]["custom"], title
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), title
        for target in panel["targets"]:
            assert target["expr"].strip() == target["expr"] != "", title
            assert target["instant"] != target["range"], title
            assert target["datasource"] == panel["datasource"], title
            if target["datasource"]["type"] == "loki":
                assert target["queryType"] == ("instant" if target["instant"] else "range"), title
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


@pytest.mark.parametrize("name", dashboards.FILES)
def test_queries_use_the_variables(name: str) -> None:
    """A panel that ignored the chosen node would show another one's numbers."""
    dashboard = dashboards.load(name)
    chosen = {
        f"${variable}"
        for variable, entry in dashboards.variables(dashboard).items()
        if entry["type"] in ("query", "custom", "textbox")
    }
    assert chosen
    whole = {
        panel["title"]
        for panel in dashboards.panels(dashboard)
        if not all(any(one in target["expr"] for one in chosen) for target in panel["targets"])
    }
    assert whole == WHOLE.get(name, set())
    used = "".join(dashboards.expressions(dashboard))
    assert all(variable in used for variable in chosen)


def test_quantiles_are_recorded(dashboard: dict) -> None:
    """Computed by every viewer for every refresh, they are what makes a dashboard slow."""
    for text in dashboards.expressions(dashboard):
        assert "histogram_quantile" not in text and "_bucket" not in text


def test_recorded_series_that_are_read_are_recorded() -> None:
    recorded = {
        rule["record"]
        for path in paths.RULES.glob("*.yaml")
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    read = {
        name
        for file in dashboards.FILES
        for text in dashboards.expressions(dashboards.load(file))
        for name in re.findall(r"\b[a-z_]+:[a-z_]+:[a-z0-9_]+", text)
    }
    assert len(read) > 20
    assert read <= recorded
    # What is recorded for dashboards is read by one.
    own = yaml.safe_load((paths.RULES / "recording.yaml").read_text())["groups"]
    assert {rule["record"] for group in own for rule in group["rules"]} <= read


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
