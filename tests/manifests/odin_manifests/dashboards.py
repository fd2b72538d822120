"""Grafana's dashboards, as their queries see them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from odin_manifests import paths

FILES = sorted(path.name for path in (paths.MANIFESTS / "dashboards").glob("*.json"))
GPU_FILES = [name for name in FILES if name.startswith("gpu-")]

# What Grafana fills in for a range of a minute and a scrape a second. $UUID is
# one GPU; the other variables are what "All" stands for.
_BUILT_IN = {"__rate_interval": "1m", "__range": "1m", "__interval": "15s", "__auto": "1m"}
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")


@dataclass(frozen=True)
class Query:
    """One query of a panel, with its variables filled in."""

    dashboard: str
    panel: str
    ref: str
    text: str
    language: str = "prometheus"
    # Of one moment, and not of a range.
    instant: bool = True

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel} {self.ref}: {self.text}"


def load(name: str) -> dict:
    return json.loads((paths.MANIFESTS / "dashboards" / name).read_text())


def panels(dashboard: dict) -> Iterator[dict]:
    """All panels that show something, those of collapsed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def expressions(dashboard: dict) -> Iterator[str]:
    """Every expression as it stands: of panels, of variables, of annotations."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield target["expr"]
    for entry in variables(dashboard).values():
        if entry["type"] == "query":
            yield entry["definition"]
    for annotation in dashboard["annotations"]["list"]:
        yield annotation["expr"]


def variables(dashboard: dict) -> dict[str, dict]:
    return {entry["name"]: entry for entry in dashboard["templating"]["list"]}


def queries(name: str, values: dict[str, str]) -> Iterator[Query]:
    """Every query of a dashboard; `values` are of variables that are not "All"."""
    dashboard = load(name)
    chosen = _chosen(dashboard)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            text = filled(target["expr"], _BUILT_IN | chosen | values)
            language = target["datasource"]["type"]
            yield Query(name, panel["title"], target["refId"], text, language, target["instant"])


def of_variables(name: str, values: dict[str, str]) -> Iterator[Query]:
    """The queries that list the values of variables, as selectors."""
    dashboard = load(name)
    chosen = _chosen(dashboard)
    for variable, entry in variables(dashboard).items():
        if entry["type"] == "query" and entry["datasource"]["type"] == "prometheus":
            selector, label = re.fullmatch(
                r"label_values\((.+), (\w+)\)", entry["definition"]
            ).groups()
            text = f"count by ({label}) ({filled(selector, chosen | values)})"
            yield Query(name, "variable", variable, text)


def _chosen(dashboard: dict) -> dict[str, str]:
    """What a dashboard begins with: all of each, and no text."""
    return {
        variable: entry.get("allValue", "")
        for variable, entry in variables(dashboard).items()
        if entry.get("includeAll") or entry["type"] == "textbox"
    }


def filled(text: str, values: dict[str, str]) -> str:
    """The text with its variables replaced; an unknown one raises KeyError."""
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], text)


def metrics(text: str) -> set[str]:
    """Names of the series a query reads."""
    without_labels = re.sub(r"\{[^}]*\}", "{", re.sub(r'"[^"]*"', "", text))
    names = re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?=\{)", without_labels)
    return set(names)
